"""Prometheus and the warning machine see the same histories and come to the same levels.

Both are shown one reading a second; promtool runs the generated rules. At every tick the highest
level that fires is the machine's level, exactly, with one exception.

An alert cannot fire before its own `for` has passed, also on the way down. The machine can fall to
a level that was never on by itself: after two seconds of red, and a few seconds of green, the
reading is blue again; when red's hold is over the machine is blue at once, and Prometheus when blue
has lasted. From such a fall until the incident ends Prometheus may be below the machine, never
above. It cannot happen where no level waits longer than one above it.

Not compared: flapping, which Prometheus does not know (the machine then holds a level longer), and
rules whose levels are left after different times (an alert that is left later than the one above it
would outlast it; in the campaigns that we ship each rule has one hold for all levels).
"""

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.alerts.judging.decide import Graded, decide, score_of
from fenghuo.alerts.judging.machine import advance
from fenghuo.schemas.campaign.campaign import load
from fenghuo.schemas.campaign.parts import (
    OUTSIDE,
    Adaptive,
    Early,
    Flapping,
    Ladder,
    Rule,
    Title,
    Variant,
)
from fenghuo.schemas.lane import REAL
from fenghuo.schemas.level import WARNINGS, Level
from fenghuo.schemas.metrics.reading import Reading
from fenghuo.schemas.wire.warning import State
from tests import paths
from tests.alerts.prometheus.promtool import levels

CAMPAIGN = load(paths.CAMPAIGN)
PHASES = ("warm_up", "burst", OUTSIDE)
SCOPES = ("total", "region=east", "region=west")
TICKS = 90
RULES = 4
ENOUGH = 10
HOLDS_S = (0, 0, 1, 2, 5, 9)
EXPECTED, DEVIATION = 100.0, 2.0


@dataclass(frozen=True)
class History:
    """What one rule reads in one scope, one reading a tick."""

    rule: Rule
    scope: str
    readings: tuple[Reading, ...]


class World:
    """The phase at each tick, and the histories. No dataclass: it would be printed in full."""

    def __init__(self, phases: Sequence[str], histories: Sequence[History]) -> None:
        self.phases = phases
        self.histories = histories


@st.composite
def ladders(draw: st.DrawFn, *, rising: bool) -> Ladder:
    """Bounds that may cross: a level's leave bound below that of the level under it."""
    steps = draw(st.lists(st.integers(1, 4), min_size=5, max_size=5))
    enter = [sum(steps[: i + 1]) for i in range(5)]
    leave = [bound - draw(st.integers(1, 6)) for bound in enter]
    sign = 1 if rising else -1
    return Ladder(
        rising,
        tuple(map(float, (sign * b for b in enter))),
        tuple(map(float, (sign * b for b in leave))),
    )


@st.composite
def rules(draw: st.DrawFn, name: str) -> Rule:
    rising = draw(st.booleans())
    adaptive = draw(
        st.none() | st.builds(Adaptive, side=st.sampled_from(["above", "below", "both"]))
    )
    if adaptive:
        rising = True
    up_s = [draw(st.sampled_from(HOLDS_S)) for _ in WARNINGS]
    down_s = draw(st.sampled_from(HOLDS_S))
    variants = st.builds(
        Variant,
        st.sampled_from(["", *PHASES]),
        st.sampled_from(["", *SCOPES]),
        ladders(rising=rising),
    )
    warned = st.sampled_from(WARNINGS)
    return Rule(
        id=name,
        title=Title(name, name),
        unit="percent",
        metric=CAMPAIGN.rules[0].metric,
        scopes=("total", "region"),
        min_samples=draw(st.sampled_from([0, ENOUGH])),
        ladder=draw(ladders(rising=rising)),
        hold_up_ms=(0, *(hold_s * 1000 for hold_s in up_s)),
        hold_down_ms=(0, *[down_s * 1000] * len(WARNINGS)),
        playbook="",
        owner="",
        adaptive=adaptive,
        variants=tuple(draw(st.lists(variants, max_size=2))),
        suspended=tuple(draw(st.lists(st.sampled_from(PHASES), max_size=1))),
        early=draw(st.none() | st.builds(Early, st.just(60), line=warned, level=warned)),
        flapping=Flapping(changes=10_000),
    )


def _readings(rule: Rule, chance: Random) -> tuple[Reading, ...]:
    """Stretches of equal readings, as short as a second: holds are reached and missed."""
    numbers = [*range(round(min(map(abs, rule.ladder.leave))) - 2, 22)]
    found: list[Reading] = []
    while len(found) < TICKS:
        value, ahead = (
            chance.choices([None, math.nan, float(chance.choice(numbers))], [1, 1, 18])[0]
            for _ in range(2)
        )
        reading = Reading(value, ENOUGH - (chance.random() < 0.1), projected=ahead)
        if rule.adaptive is not None:
            reading = _away(reading, known=chance.random() < 0.95)
        elif not rule.ladder.rising:
            reading = replace(reading, value=_minus(value), projected=_minus(ahead))
        found += [reading] * chance.choice([1, 1, 2, 3, 4, 6, 9, 12])
    return tuple(found[:TICKS])


def _away(reading: Reading, *, known: bool) -> Reading:
    value = reading.value
    return replace(
        reading,
        value=None if value is None else EXPECTED + DEVIATION * value,
        expected=EXPECTED if known else None,
        deviation=DEVIATION if known else None,
    )


def _minus(number: float | None) -> float | None:
    return None if number is None else -number


@st.composite
def worlds(draw: st.DrawFn) -> World:
    turns = sorted(draw(st.lists(st.integers(0, TICKS), min_size=2, max_size=2)))
    order = draw(st.permutations(PHASES))
    phases = [order[sum(tick >= turn for turn in turns)] for tick in range(TICKS)]
    found = [draw(rules(f"rule_{i}")) for i in range(RULES)]
    chance = draw(st.randoms(use_true_random=True))
    histories = [
        History(rule, scope, _readings(rule, chance)) for rule in found for scope in SCOPES
    ]
    return World(phases, histories)


@pytest.mark.slow
@pytest.mark.timeout(500)
@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_both_detectors_are_at_the_same_level_at_every_tick(world: World) -> None:
    told = _prometheus(world)

    for history in world.histories:
        key = history.rule.id, history.scope
        for tick, (level, is_free) in enumerate(_machine(history, world.phases)):
            fired = told[tick].get(key, 0)
            assert fired <= level if is_free else fired == level, (tick, fired, level, history)


LADDER = Ladder(True, enter=(1.0, 2.0, 3.0, 4.0, 5.0), leave=(0.5, 1.5, 2.5, 3.5, 4.5))
WORDS = {"+": 0.7, "-": None} | {str(grade): float(grade) for grade in range(6)}
"""A digit is a grade, `+` lies between blue's bounds, `-` is no data. One letter a second."""
# Holds: up 3 s for blue, 0 for red, 1 s for the rest; down 4 s.
EXAMPLES = [
    ("0111111000000", "0000111111100", "blue after 3 s, until 4 s below"),
    ("0111+++++0000", "0000000000000", "between its bounds nothing begins"),
    ("01111++++00000", "00001111111110", "and what is on stays on"),
    ("05000000", "05555500", "red at once"),
    ("053000000000000", "055555333300000", "down the stairs, each step waits anew"),
    ("0500300000000", "0555553333000", "to the highest grade seen meanwhile"),
    ("05------0000000", "055555555555000", "silence is no all-clear"),
    ("011---11111", "00000000011", "and nothing begins in it"),
]
SPIKE = "05001000000", "05555500000", "05555511110"
"""What Prometheus cannot tell: blue under a spike, before blue's own hold. Then the machine."""


@pytest.mark.timeout(500)
def test_both_detectors_follow_the_examples(tmp_path: Path) -> None:
    rule = Rule(
        id="stairs",
        title=Title("阶梯", "Stairs"),
        unit="percent",
        metric=CAMPAIGN.rules[0].metric,
        scopes=("total",),
        min_samples=0,
        ladder=LADDER,
        hold_up_ms=(0, 3000, 1000, 1000, 1000, 0),
        hold_down_ms=(0, *[4000] * len(WARNINGS)),
        playbook="",
        owner="",
    )
    expected = {shown: (fired, fired) for shown, fired, _ in EXAMPLES} | {SPIKE[0]: SPIKE[1:]}
    histories = [
        History(rule, shown, tuple(Reading(WORDS[letter]) for letter in shown))
        for shown in expected
    ]
    series, ticks = _series(histories), max(map(len, expected))
    told = levels(tmp_path, replace(CAMPAIGN, rules=(rule,)), series, ticks)

    for history in histories:
        shown = history.scope
        fired = [str(now.get((rule.id, shown), 0)) for now in told[: len(shown)]]
        machine = [str(level) for level, _ in _machine(history, [OUTSIDE] * len(shown))]
        assert ("".join(fired), "".join(machine)) == expected[shown], shown


def _machine(history: History, phases: Sequence[str]) -> Iterator[tuple[int, bool]]:
    """At each tick the machine's level, and whether Prometheus may be below it."""
    rule, scope = history.rule, history.scope
    state, clocks, is_free = State(), _Clocks(rule), False
    for tick, (reading, phase) in enumerate(zip(history.readings, phases, strict=True)):
        named = None if phase == OUTSIDE else phase
        outcome = decide(rule, reading, state.level, phase=named, scope=scope)
        before = state.level or 0
        state, _ = advance(rule, state, outcome, tick * 1000, scope=scope)
        level = state.level or 0
        grade = int(outcome.level) if isinstance(outcome, Graded) else before
        if 0 < level < before and level not in clocks.confirmed():
            is_free = True
        if level == 0:
            is_free = False
        is_left = state.pending_level is not None and state.pending_level < level == before
        peak = state.pending_level if is_left else grade
        clocks.see(max(grade, peak or 0), tick)
        yield level, is_free


class _Clocks:
    """Which levels have been meant for as long as their own hold, and not been left since."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._since: dict[Level, int] = {}
        self._until: dict[Level, int] = {}
        self._on: set[Level] = set()

    def confirmed(self) -> set[Level]:
        return self._on

    def see(self, meant: int, tick: int) -> None:
        for level in WARNINGS:
            if meant >= level:
                self._until[level] = tick
                since = self._since.setdefault(level, tick)
                if (tick - since) * 1000 >= self._rule.hold_up_ms[level]:
                    self._on.add(level)
                continue
            self._since.pop(level, None)
            below_ms = (tick - self._until.get(level, tick) - 1) * 1000
            if below_ms >= self._rule.hold_down_ms[level]:
                self._on.discard(level)


def _prometheus(world: World) -> list[dict[tuple[str, str], int]]:
    rules = {history.rule.id: history.rule for history in world.histories}
    series = _series(world.histories)
    for phase in PHASES:
        labels = f'{{lane="{REAL}", phase="{phase}"}}'
        series[f"fenghuo_phase{labels}"] = [float(now == phase) for now in world.phases]
    campaign = replace(CAMPAIGN, rules=tuple(rules.values()), folds=())
    with tempfile.TemporaryDirectory() as folder:
        return levels(Path(folder), campaign, series, TICKS)


def _series(histories: Sequence[History]) -> dict[str, Sequence[float | None]]:
    """What the api would tell of these readings."""
    series: dict[str, Sequence[float | None]] = {}
    for history in histories:
        labels = f'{{lane="{REAL}", rule="{history.rule.id}", scope="{history.scope}"}}'
        told = history.readings
        series[f"fenghuo_reading{labels}"] = [reading.value for reading in told]
        series[f"fenghuo_reading_samples{labels}"] = [float(reading.samples) for reading in told]
        if history.rule.early:
            series[f"fenghuo_projected{labels}"] = [reading.projected for reading in told]
        if history.rule.adaptive:
            series[f"fenghuo_score{labels}"] = [_score(history.rule.adaptive, r) for r in told]
    return series


def _score(adaptive: Adaptive, reading: Reading) -> float | None:
    """As the api tells it: none without data."""
    value, expected, deviation = reading.value, reading.expected, reading.deviation
    if value is None or math.isnan(value) or expected is None or deviation is None:
        return None
    return score_of(value, expected, deviation, adaptive)
