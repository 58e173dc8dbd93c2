"""Ladder and machine against a model made from their description; restarts at any point."""

import math
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from fenghuo.alerts.judging.decide import Graded, Outcome, decide
from fenghuo.alerts.judging.machine import advance
from fenghuo.schemas.campaign.parts import Flapping, Ladder, Rule, Variant
from fenghuo.schemas.metrics.reading import Reading
from fenghuo.schemas.wire.warning import State, Transition
from tests.alerts.samples import ADAPTIVE, RULE
from tests.laws.judge.warnings import Model, grade_of

CALM = Flapping(changes=20, within_ms=1, hold_ms=1)
"""Nothing that ticks by the millisecond at most changes twenty times within one."""
PHASES = (None, "night", "opening")
SPANS_MS = st.sampled_from((1, 250, 999, 1_000, 1_001, 3_000, 10_000, 60_000))


@st.composite
def ladders(draw: st.DrawFn, *, rising: bool) -> Ladder:
    """Any that a campaign may hold: enter bounds in order, each leave bound milder than its own."""
    bounds = draw(st.lists(st.integers(0, 60), min_size=5, max_size=5, unique=True).map(sorted))
    bands = draw(st.lists(st.integers(1, 20), min_size=5, max_size=5))
    sign = 1 if rising else -1
    enter = tuple(float(sign * bound) for bound in bounds)
    leave = tuple(bound - sign * band for bound, band in zip(enter, bands, strict=True))
    return Ladder(rising, enter, leave)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Any rule with fixed bounds; all its ladders go the same way."""
    rising = draw(st.booleans())
    holds = st.sampled_from((0, 500, 1_000, 3_000, 10_000))
    up = draw(st.lists(holds, min_size=4, max_size=4))
    down = draw(st.lists(holds, min_size=5, max_size=5))
    night = st.builds(Variant, st.just("night"), st.just(""), ladders(rising=rising))
    east = st.builds(Variant, st.just(""), st.just("region=east"), ladders(rising=rising))
    return replace(
        RULE,
        ladder=draw(ladders(rising=rising)),
        min_samples=draw(st.sampled_from((0, 10))),
        hold_up_ms=(0, *up, 0),
        hold_down_ms=(0, *down),
        variants=tuple(draw(st.lists(st.one_of(night, east), max_size=2))),
        suspended=draw(st.sampled_from(((), ("opening",), ("outside",)))),
        flapping=CALM,
    )


values = st.one_of(
    st.integers(-80, 80).map(float), st.floats(-80, 80), st.sampled_from((math.nan, math.inf))
)


class Machine(RuleBasedStateMachine):
    """A warning in production: readings, gaps, clocks that jump, restarts, other campaigns."""

    scopes = Bundle("scopes")

    def __init__(self) -> None:
        super().__init__()
        self.rule = RULE
        self.scope = "total"
        self.now_ms = 1_000_000
        self.state = State()
        self.model = Model()
        self.told: list[Transition] = []

    @initialize(made=rules(), scope=st.sampled_from(("total", "region=east")))
    def begin(self, made: Rule, scope: str) -> None:
        self.rule, self.scope = made, scope

    @rule(
        later_ms=SPANS_MS,
        value=values,
        samples=st.sampled_from((0, 9, 10, 500)),
        phase=st.sampled_from(PHASES),
    )
    def tick(self, later_ms: int, value: float, samples: int, phase: str | None) -> None:
        self.now_ms += later_ms
        self._step(Reading(value, samples), phase)

    @rule(
        later_ms=SPANS_MS,
        levels=st.lists(st.integers(0, 4), min_size=1, max_size=6),
        times=st.integers(1, 8),
        is_leaving=st.booleans(),
    )
    def climb_and_sink(
        self, later_ms: int, levels: list[int], times: int, *, is_leaving: bool
    ) -> None:
        """From bound to bound, each for a while: holds end, and some do not."""
        for level in levels:
            ladder = self.rule.ladder_of(None, self.scope)
            bound = ladder.leave[level] if is_leaving else ladder.enter[level]
            for _ in range(times):
                self.now_ms += later_ms
                self._step(Reading(bound, 500), None)

    @rule(later_ms=SPANS_MS)
    def silence(self, later_ms: int) -> None:
        self.now_ms += later_ms
        self._step(Reading(None, 0), "night")

    @rule(back_ms=SPANS_MS)
    def clock_jumps_back(self, back_ms: int) -> None:
        self.now_ms = max(self.now_ms - back_ms, 0)

    @rule()
    def restart(self) -> None:
        self.state = msgspec.json.decode(msgspec.json.encode(self.state), type=State)

    @precondition(lambda self: self.told)
    @rule(made=rules())
    def reload(self, made: Rule) -> None:
        self.rule = made

    @invariant()
    def level_is_that_of_the_model(self) -> None:
        assert self.state.level == self.model.level
        assert self.state.incident == self.model.incident
        assert self.state.seq == len(self.told)

    @invariant()
    def no_transition_is_skipped_or_repeated(self) -> None:
        if self.told:
            last = self.told[-1]
            before = self.told[-2].to_level if len(self.told) > 1 else None
            assert (last.seq, last.from_level) == (len(self.told), before)
            assert last.from_level != last.to_level

    def _step(self, reading: Reading, phase: str | None) -> None:
        outcome = decide(self.rule, reading, self.state.level, phase=phase, scope=self.scope)
        expected = self._expected(reading, phase)
        assert _name(outcome) == expected
        self.state, moved = advance(self.rule, self.state, outcome, self.now_ms, scope=self.scope)
        said = self.model.step(self.rule, expected, self.now_ms)
        assert (moved is None) == (said is None)
        if moved and said:
            self.told.append(moved)
            found = {name: getattr(moved, name) for name in vars(said)}
            assert found == vars(said)

    def _expected(self, reading: Reading, phase: str | None) -> int | str:
        """What the reading means, in the order in which it is asked."""
        if (phase or "outside") in self.rule.suspended:
            return "suspended"
        if reading.value is None or not math.isfinite(reading.value):
            return "no_data"
        if reading.samples < self.rule.min_samples:
            return "too_few"
        fitting = [
            variant.ladder
            for variant in self.rule.variants
            if variant.phase in ("", phase) and variant.scope in ("", self.scope)
        ]
        ladder = [*fitting, self.rule.ladder][0]
        return grade_of(reading.value, ladder, self.model.level or 0)


def _name(outcome: Outcome) -> int | str:
    return int(outcome.level) if isinstance(outcome, Graded) else outcome.state


TestMachine = pytest.mark.timeout(420)(Machine.TestCase)  # shrinking a failure takes minutes
TestMachine.settings = settings(max_examples=150, stateful_step_count=40)

# what comes at a tick, for a rule that learns and flaps: (later, value, samples, expected, phase)
steps = st.lists(
    st.tuples(
        SPANS_MS,
        st.one_of(st.none(), st.integers(0, 40).map(float)),
        st.sampled_from((5, 500)),
        st.sampled_from((None, 10.0)),
        st.sampled_from(PHASES),
    ),
    min_size=1,
    max_size=60,
)
FLAPPY = Flapping(changes=3, within_ms=60_000, hold_ms=5_000)
RULES = (
    replace(RULE, flapping=FLAPPY, suspended=("opening",)),
    replace(ADAPTIVE, flapping=FLAPPY, suspended=("opening",)),
)


def run(
    one: Rule, history: list[Any], restart_at: int | None = None
) -> tuple[State, list[Transition]]:
    """The state at the end, and all transitions."""
    state, moved, now_ms = State(), [], 1_000_000
    for i, (later_ms, value, samples, expected, phase) in enumerate(history):
        if i == restart_at:
            state = msgspec.json.decode(msgspec.json.encode(state), type=State)
        now_ms += later_ms
        reading = Reading(value, samples, expected, None if expected is None else 2.0)
        outcome = decide(one, reading, state.level, phase=phase)
        state, transition = advance(one, state, outcome, now_ms, scope="total")
        moved += [transition] if transition else []
    return state, moved


@given(st.sampled_from(RULES), steps)
def test_a_restart_at_any_point_changes_nothing(one: Rule, history: list[Any]) -> None:
    whole = run(one, history)
    for at in range(len(history)):
        assert run(one, history, at) == whole, f"restart before step {at}"


@given(st.sampled_from(RULES), steps)
def test_an_incident_is_closed_by_green_alone(one: Rule, history: list[Any]) -> None:
    _, moved = run(one, history)
    for before, after in zip([None, *moved], moved, strict=False):
        was = before.to_level if before else None
        assert (after.from_level, after.seq) == (was, before.seq + 1 if before else 1)
        if was:
            assert before is not None
            assert after.incident == before.incident
            assert after.to_level is not None


@given(
    rules(),
    st.integers(1, 5),
    st.integers(1, 5_000),
    st.integers(0, 5_000),
)
def test_a_level_is_entered_at_the_first_tick_after_its_hold(
    one: Rule, level: int, every_ms: int, first_ms: int
) -> None:
    """A steady grade from green: the ticks before see none of it, the tick that reaches it all."""
    one = replace(one, variants=(), suspended=())
    reading = Reading(one.ladder.enter[level - 1], 500)
    state, start_ms = State(level=0, since_ms=0), 1_000_000 + first_ms
    entered: dict[int, int] = {}
    for i in range(10_000 // every_ms + 2):
        outcome = decide(one, reading, state.level)
        now_ms = start_ms + i * every_ms
        state, moved = advance(one, state, outcome, now_ms, scope="total")
        if moved:
            entered[moved.to_level or 0] = now_ms - start_ms
    for reached, after_ms in entered.items():
        hold_ms = one.hold_up_ms[reached]
        assert hold_ms <= after_ms < hold_ms + every_ms
    assert state.level == level
