"""advance(rule, state, outcome, now_ms): the warning machine of one rule in one scope.

Rising. A level is entered when the grade has been at least that level for hold_up of that level,
so a lower level may be confirmed before a higher one, and red (hold 0) enters at once. Of all
confirmed levels the highest is entered, in one step.

Falling. When the grade has been below the present level for hold_down of that level, the machine
falls to the highest grade seen meanwhile, never below what was seen. If the grade is lower still,
the next fall waits anew, for the hold of the level reached.

Flapping. When the warning has changed as often as the rule allows within its time, falls wait for
the long hold too; rises are never delayed. A fall that only the long hold prevented counts as a
change, or a warning would seem calm because it is held. Flapping ends when nothing has changed for
that time, or with a fall to green that lasted for the long hold; what was counted is then
forgotten. Between green and "no data" nothing is counted.

Too few samples, learning: the level stays and what was pending is forgotten, because nothing
vouches for it. No data, suspended: the same, and green turns into None. A warning stays open:
silence is no all-clear.

Each change is one Transition and raises seq by one; `from` is always the `to` of the one before.
Its threshold is a bound of the ladder that graded: for an adaptive rule in deviations, for an early
warning that of the line ahead. An incident lasts from leaving green (or None) until green, through
any number of levels.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from fenghuo.alerts.judging.decide import Graded, NoData, Outcome, Suspended, span
from fenghuo.schemas.campaign.parts import Rule
from fenghuo.schemas.level import Level
from fenghuo.schemas.wire.warning import State, Transition

Step = tuple[State, Transition | None]


def advance(rule: Rule, state: State, outcome: Outcome, now_ms: int, *, scope: str) -> Step:
    """The next state, and the change of level if there is one. Call it on every tick.

    The moments of one incident never run backwards, whatever the clock does: a now_ms from before
    the present level began counts as that beginning.
    """
    if _is_quiet(state, outcome):
        return _with_reason(state, outcome.reason), None
    at = _At(rule, scope, outcome, max(now_ms, state.since_ms))
    after, moved = _step(at, _calmed(at, state) if state.flapping else state)
    if not after.flapping:
        return after, moved
    reason = f"{after.reason}; {_flapping_in_words(rule, after.level or 0)}"
    return replace(after, reason=reason), moved and replace(moved, reason=reason)


@dataclass(slots=True)
class _At:
    """Where and when one step happens. Not frozen, as one is made at almost every step."""

    rule: Rule
    scope: str
    outcome: Outcome
    now_ms: int


def _is_quiet(state: State, outcome: Outcome) -> bool:
    """Whether nothing is on, waits or ends: by far the most frequent case, so the cheapest."""
    return (
        isinstance(outcome, Graded)
        and outcome.level == state.level
        and state.pending_level is None
        and not state.flapping
    )


def _step(at: _At, state: State) -> Step:
    outcome = at.outcome
    if isinstance(outcome, Graded):
        present = Level(state.level or Level.GREEN)
        if outcome.level > present:
            return _rise(at, state, present, outcome.level)
        if outcome.level < present:
            return _fall(at, state, present, outcome.level)
        if state.level is None:
            return _move(at, _settled(state), Level.GREEN, outcome.reason)
    elif isinstance(outcome, NoData | Suspended) and state.level == Level.GREEN:
        return _move(at, _settled(state), None, outcome.reason)
    return _with_reason(_settled(state), outcome.reason), None


def _rise(at: _At, state: State, present: Level, grade: Level) -> Step:
    """Keep a clock for each level above the present: since when the grade has been that high."""
    waiting = state.rise_since_ms
    missing = grade - present - len(waiting)
    clocks = (*waiting, *(at.now_ms,) * missing) if missing > 0 else waiting[: grade - present]
    held_ms = at.rule.hold_up_ms
    confirmed = [
        level
        for level, since_ms in zip(range(present + 1, grade + 1), clocks, strict=True)
        if at.now_ms - since_ms >= held_ms[level]
    ]
    if confirmed:
        to = Level(max(confirmed))
        rest = _rising(state, to, grade, clocks[to - present :])
        return _move(at, rest, to, _because(at, held_ms[to], f"{to.word} or worse"))
    pending = _rising(state, present, grade, clocks)
    if state.level is None:
        return _move(at, pending, Level.GREEN, at.outcome.reason)
    return _with_reason(pending, at.outcome.reason), None


def _fall(at: _At, state: State, present: Level, grade: Level) -> Step:
    """Keep since when the grade has been below the present level, and the highest since then."""
    falling = _is_falling(state)
    since_ms = state.pending_since_ms if falling else at.now_ms
    peak = Level(max(grade, state.pending_level or 0)) if falling else grade
    hold_ms = _hold_down_ms(at.rule, present, flapping=state.flapping)
    if at.now_ms - since_ms < hold_ms:
        return _with_reason(_falling(state, peak, since_ms), at.outcome.reason), None
    rest = _falling(state, grade, at.now_ms) if grade < peak else _settled(state)
    return _move(at, rest, peak, _because(at, hold_ms, f"below {present.word}"))


def _move(at: _At, state: State, to: Level | None, reason: str) -> Step:
    """Change the level; the pending part of the state is already what it shall be."""
    before = state.level
    seq = state.seq + 1
    was_open = state.incident > 0
    is_open = to is not None and to > Level.GREEN
    incident = state.incident if was_open else seq if is_open else 0
    moved = replace(
        _counted(at, state, is_open=is_open) if was_open or is_open else state,
        level=None if to is None else int(to),
        since_ms=at.now_ms,
        seq=seq,
        incident=incident if is_open else 0,
        opened_ms=(state.opened_ms if was_open else at.now_ms) if is_open else 0,
        peak=max(state.peak, to) if is_open and to is not None else 0,
        reason=reason,
    )
    return moved, Transition(
        rule=at.rule.id,
        scope=at.scope,
        seq=seq,
        incident=incident,
        from_level=before,
        to_level=moved.level,
        at_ms=at.now_ms,
        value=at.outcome.reading.value,
        samples=at.outcome.reading.samples,
        threshold=_threshold(at, before or 0, to or Level.GREEN),
        reason=reason,
    )


def _threshold(at: _At, before: int, to: Level) -> float | None:
    ladder, line, outcome = at.rule.ladder, to, at.outcome
    if isinstance(outcome, Graded):
        ladder = outcome.ladder or ladder
        line = outcome.line if outcome.line and outcome.level is to else to
    if to > before:
        return ladder.enter_of(line)
    return ladder.leave_of(Level(before)) if to < before else None


def _because(at: _At, hold_ms: int, what: str) -> str:
    return f"{at.outcome.reason}; {what} for {hold_ms / 1000:g} s" if hold_ms else at.outcome.reason


def _hold_down_ms(rule: Rule, level: int, *, flapping: bool) -> int:
    usual_ms = rule.hold_down_ms[level]
    return max(usual_ms, rule.flapping.hold_ms) if flapping else usual_ms


def _counted(at: _At, state: State, *, is_open: bool) -> State:
    """Count one change of the warning. What leads a flapping one to green is its end instead."""
    if state.flapping and not is_open:
        return replace(state, flapping=False, moves_ms=())
    limit = at.rule.flapping
    # the last one may lie ahead, after a clock that ran backwards
    now_ms = max(at.now_ms, *state.moves_ms[-1:], 0)
    moves_ms = (*state.moves_ms, now_ms)[-limit.changes :]
    often = len(moves_ms) == limit.changes and now_ms - moves_ms[0] <= limit.within_ms
    return replace(state, flapping=state.flapping or often, moves_ms=moves_ms)


def _calmed(at: _At, state: State) -> State:
    """A flapping state: over, if nothing changed for long; else with the fall just prevented."""
    if at.now_ms - max(state.moves_ms, default=0) >= at.rule.flapping.within_ms:
        return replace(state, flapping=False, moves_ms=())
    level, outcome = state.level or 0, at.outcome
    if isinstance(outcome, Graded) and outcome.level >= level and _is_falling(state):
        below_ms = at.now_ms - state.pending_since_ms
        if below_ms >= at.rule.hold_down_ms[level]:
            return _counted(at, state, is_open=True)
    return state


def _flapping_in_words(rule: Rule, level: int) -> str:
    limit = rule.flapping
    named = f"flapping: {limit.changes} changes in {span(limit.within_ms)}"
    held_ms = _hold_down_ms(rule, level, flapping=True)
    return f"{named}, held until {span(held_ms)} below" if level else named


def _is_falling(state: State) -> bool:
    return state.pending_level is not None and state.pending_level < (state.level or 0)


def _with_reason(state: State, reason: str) -> State:
    return state if state.reason == reason else replace(state, reason=reason)


def _settled(state: State) -> State:
    if state.pending_level is None:
        return state
    return replace(state, pending_level=None, pending_since_ms=0, rise_since_ms=())


def _rising(state: State, present: Level, grade: Level, clocks: tuple[int, ...]) -> State:
    if grade == present:
        return _settled(state)
    return replace(
        state, pending_level=int(grade), pending_since_ms=clocks[0], rise_since_ms=clocks
    )


def _falling(state: State, peak: Level, since_ms: int) -> State:
    return replace(state, pending_level=int(peak), pending_since_ms=since_ms, rise_since_ms=())
