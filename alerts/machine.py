"""advance(rule, state, outcome, now_ms): the warning machine of one rule in one scope.

Rising. A level is entered when the grade has been at least that level for hold_up of that level,
so a lower level may be confirmed before a higher one, and red (hold 0) enters at once. Of all
confirmed levels the highest is entered, in one step.

Falling. When the grade has been below the present level for hold_down of that level, the machine
falls to the highest grade seen meanwhile, never below what was seen. If the grade is lower still,
the next fall waits anew, for the hold of the level reached.

Too few samples: the level stays and what was pending is forgotten, because nothing vouches for it.
No data: the same, and green turns into None. A warning stays open: silence is no all-clear.

Each change is one Transition and raises seq by one; `from` is always the `to` of the one before.
An incident lasts from leaving green (or None) until green, through any number of levels.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from fenghuo.alerts.rules import Graded, NoData, Outcome
from fenghuo.schemas.campaign_parts import Rule
from fenghuo.schemas.level import Level
from fenghuo.schemas.warning import State, Transition

Step = tuple[State, Transition | None]


def advance(rule: Rule, state: State, outcome: Outcome, now_ms: int, *, scope: str) -> Step:
    """The next state, and the change of level if there is one. Call it on every tick.

    The moments of one incident never run backwards, whatever the clock does: a now_ms from before
    the present level began counts as that beginning.
    """
    at = _At(rule, scope, outcome, max(now_ms, state.since_ms))
    if isinstance(outcome, Graded):
        present = Level(state.level or Level.GREEN)
        if outcome.level > present:
            return _rise(at, state, present, outcome.level)
        if outcome.level < present:
            return _fall(at, state, present, outcome.level)
        if state.level is None:
            return _move(at, _settled(state), Level.GREEN, outcome.reason)
    elif isinstance(outcome, NoData) and state.level == Level.GREEN:
        return _move(at, _settled(state), None, outcome.reason)
    return replace(_settled(state), reason=outcome.reason), None


@dataclass(frozen=True, slots=True)
class _At:
    """Where and when one step happens."""

    rule: Rule
    scope: str
    outcome: Outcome
    now_ms: int


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
    return replace(pending, reason=at.outcome.reason), None


def _fall(at: _At, state: State, present: Level, grade: Level) -> Step:
    """Keep since when the grade has been below the present level, and the highest since then."""
    falling = state.pending_level is not None and state.pending_level < present
    since_ms = state.pending_since_ms if falling else at.now_ms
    peak = Level(max(grade, state.pending_level or 0)) if falling else grade
    hold_ms = at.rule.hold_down_ms[present]
    if at.now_ms - since_ms < hold_ms:
        return replace(_falling(state, peak, since_ms), reason=at.outcome.reason), None
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
        state,
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
        threshold=_threshold(at.rule, before or 0, to or Level.GREEN),
        reason=reason,
    )


def _threshold(rule: Rule, before: int, to: Level) -> float | None:
    if to > before:
        return rule.ladder.enter_of(to)
    return rule.ladder.leave_of(Level(before)) if to < before else None


def _because(at: _At, hold_ms: int, what: str) -> str:
    return f"{at.outcome.reason}; {what} for {hold_ms / 1000:g} s" if hold_ms else at.outcome.reason


def _settled(state: State) -> State:
    return replace(state, pending_level=None, pending_since_ms=0, rise_since_ms=())


def _rising(state: State, present: Level, grade: Level, clocks: tuple[int, ...]) -> State:
    if grade == present:
        return _settled(state)
    return replace(
        state, pending_level=int(grade), pending_since_ms=clocks[0], rise_since_ms=clocks
    )


def _falling(state: State, peak: Level, since_ms: int) -> State:
    return replace(state, pending_level=int(peak), pending_since_ms=since_ms, rise_since_ms=())
