"""suite(campaign): unit tests of the generated rules, for `promtool test rules`.

Of each rule and level one series, written so that it shows both bounds and both holds:

    short of the enter bound   the level is not meant
    on it, for hold_up         one second before the hold is over it does not fire, then it does
    on the leave bound         it stays, for longer than hold_down
    beyond it, for hold_down   one second before the hold is over it still fires, then not

Beside them: too few samples, NaN, a red reading that ends; and what variants, suspension and an
early warning change. A series is named by its scope. What is expected is what the warning machine
does with the same readings: the file is a second opinion on the rules, not on the machine.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, repeat
from typing import Any

from fenghuo.alerts.judging.decide import decide
from fenghuo.alerts.judging.machine import advance
from fenghuo.alerts.prometheus.promql import INTERVAL, number
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.campaign.parts import OUTSIDE, Early, Flapping, Ladder, Rule
from fenghuo.schemas.lane import REAL
from fenghuo.schemas.level import WARNINGS, Level
from fenghuo.schemas.metrics.reading import Reading
from fenghuo.schemas.wire.warning import State

TICK_MS = 1000
_NEVER = Flapping(changes=1_000_000)


@dataclass(frozen=True)
class _Plan:
    """The ticks at which every series of a rule takes its next step."""

    fires: int
    beyond: int
    ends: tuple[int, ...]  # by level above green
    last: int

    @property
    def asked(self) -> list[int]:
        """When to look: on both sides of every change."""
        changes = {self.fires, *self.ends}
        return sorted({self.beyond - 1, *changes, *(tick - 1 for tick in changes)})


Case = tuple[str, list[Reading]]
"""A scope, and what is read in it, tick by tick."""


def suite(campaign: Campaign, rules_file: str) -> dict[str, Any]:
    """The whole file, for rules that lie in rules_file beside it."""
    return {
        "rule_files": [rules_file],
        "evaluation_interval": INTERVAL,
        "tests": [
            *_bounds(campaign),
            *(test for rule in campaign.rules for test in _more(rule, _usual(campaign, rule))),
        ],
    }


def _bounds(campaign: Campaign) -> Iterator[dict[str, Any]]:
    """Rules that take equally long in one test: each test evaluates every rule at every tick."""
    together: dict[tuple[int, str], list[tuple[Rule, list[Case]]]] = {}
    for rule in campaign.rules:
        plan = _plan(rule)
        cases = [*_levels(rule, rule.ladder, plan), *_odd(rule, plan)]
        together.setdefault((plan.last, _usual(campaign, rule)), []).append((rule, cases))
    for (last, phase), told in together.items():
        yield _test(f"bounds and holds, {last} s, phase {phase}", told, phase=phase)


def _usual(campaign: Campaign, rule: Rule) -> str:
    """A phase in which a rule is judged by its own ladder, OUTSIDE if that is one."""
    phases = (OUTSIDE, *(phase.id for phase in campaign.phases))
    other = {*rule.suspended, *(variant.phase for variant in rule.variants)}
    return next((phase for phase in phases if phase not in other), OUTSIDE)


def _more(rule: Rule, usual: str) -> Iterator[dict[str, Any]]:
    """What depends on phase, scope and projection."""
    plan = _plan(rule)
    for variant in rule.variants:
        name = (
            f"{rule.id}: variant of phase {variant.phase or 'any'}, scope {variant.scope or 'any'}"
        )
        levels = _levels(rule, variant.ladder, plan)
        groups = [[(variant.scope, told)] for _, told in levels] if variant.scope else [levels]
        for group in groups:
            yield _test(name, [(rule, group)], phase=variant.phase or usual)
    for phase in rule.suspended:
        red = [("red", [_red(rule)] * (plan.last + 1))]
        yield _test(f"{rule.id}: suspended in phase {phase}", [(rule, red)], phase=phase)
    if rule.early is not None and rule.adaptive is None:
        ahead = _ahead(rule, rule.early, plan)
        yield _test(f"{rule.id}: early warning", [(rule, [ahead])], phase=usual)


def _plan(rule: Rule) -> _Plan:
    fires = 1 + max(_ticks(hold_ms) for hold_ms in rule.hold_up_ms)
    beyond = fires + 3 + max(_ticks(hold_ms) for hold_ms in rule.hold_down_ms)
    ends = tuple(beyond + _ticks(rule.hold_down_ms[level]) for level in WARNINGS)
    return _Plan(fires, beyond, ends, max(ends))


def _ticks(hold_ms: int) -> int:
    return -(-hold_ms // TICK_MS)


def _levels(rule: Rule, ladder: Ladder, plan: _Plan) -> list[Case]:
    return [
        (
            level.word,
            [
                Reading(value, rule.min_samples)
                for value in _steps(rule, plan, level, ladder=ladder, line=level)
            ],
        )
        for level in WARNINGS
    ]


def _steps(
    rule: Rule, plan: _Plan, level: Level, *, ladder: Ladder, line: Level
) -> Iterator[float]:
    """The four steps from one side of the line's bounds to the other and back, tick by tick."""
    enter, leave = ladder.enter_of(line), ladder.leave_of(line)
    on = plan.fires - _ticks(rule.hold_up_ms[level])
    steps = [
        (_short(ladder, enter), on),
        (enter, plan.fires + 1 - on),
        (leave, plan.beyond - plan.fires - 1),
        (_short(ladder, leave), plan.last + 1 - plan.beyond),
    ]
    for value, length in steps:
        yield from repeat(value, length)


def _short(ladder: Ladder, bound: float) -> float:
    """A number on the good side of a bound, near to it and short to write."""
    near = abs(bound) / 1000 or 0.001
    return float(f"{bound - near if ladder.rising else bound + near:.12g}")


def _odd(rule: Rule, plan: _Plan) -> Iterator[Case]:
    """Red that is told no more, and red that never counts."""
    red, length = _red(rule), plan.last + 1
    before = plan.fires + 1
    yield "silent", [red] * before + [replace(red, value=None)] * (length - before)
    yield "nan", [replace(red, value=math.nan)] * length
    if rule.min_samples:
        yield "too_few", [replace(red, samples=rule.min_samples - 1)] * length


def _red(rule: Rule) -> Reading:
    return Reading(rule.ladder.enter_of(Level.RED), rule.min_samples)


def _ahead(rule: Rule, early: Early, plan: _Plan) -> Case:
    """A good reading, and a projection that reaches the line."""
    good = _short(rule.ladder, rule.ladder.leave_of(Level.BLUE))
    steps = _steps(rule, plan, early.level, ladder=rule.ladder, line=early.line)
    return "ahead", [Reading(good, rule.min_samples, projected=value) for value in steps]


def _test(name: str, told: Sequence[tuple[Rule, Sequence[Case]]], *, phase: str) -> dict[str, Any]:
    series, asked = {}, []
    for rule, cases in told:
        for scope, readings in cases:
            series.update(_input(rule, scope, readings))
        levels = {scope: _machine(rule, scope, readings, phase) for scope, readings in cases}
        asked += [_asked(rule, tick, levels) for tick in _plan(rule).asked]
    on = f"1x{max(_plan(rule).last for rule, _ in told)}"
    series[f'fenghuo_phase{{lane="{REAL}",phase="{phase}"}}'] = on
    return {
        "name": name,
        "interval": INTERVAL,
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": asked,
    }


def _input(rule: Rule, scope: str, readings: Sequence[Reading]) -> dict[str, str]:
    of = f'{{lane="{REAL}",rule="{rule.id}",scope="{scope}"}}'
    shown = "fenghuo_reading" if rule.adaptive is None else "fenghuo_score"
    series = {f"{shown}{of}": _values([reading.value for reading in readings])}
    if rule.min_samples:
        samples = [float(reading.samples) for reading in readings]
        series[f"fenghuo_reading_samples{of}"] = _values(samples)
    if any(reading.projected is not None for reading in readings):
        ahead = [reading.projected for reading in readings]
        series[f"fenghuo_projected{of}"] = _values(ahead)
    return series


def _values(numbers: Sequence[float | None]) -> str:
    """As promtool reads it: `5x3` is 5 and three more, `stale` an end, `_` nothing new."""
    words = []
    for value, run in groupby(numbers):
        more = sum(1 for _ in run) - 1
        if value is None or math.isnan(value):
            words += ["stale" if value is None else "NaN"] + [f"_x{more}"] * (more > 0)
        else:
            words.append(f"{number(value)}x{more}")
    return " ".join(words)


def _machine(rule: Rule, scope: str, told: Sequence[Reading], phase: str) -> list[int]:
    """The level at every tick; of an adaptive rule the readings are scores."""
    plain = replace(rule, adaptive=None, flapping=_NEVER)
    named = None if phase == OUTSIDE else phase
    state, levels = State(), []
    for tick, reading in enumerate(told):
        outcome = decide(plain, reading, state.level, phase=named, scope=scope)
        state, _ = advance(plain, state, outcome, tick * TICK_MS, scope=scope)
        levels.append(state.level or 0)
    return levels


def _asked(rule: Rule, tick: int, levels: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """What fires at one tick; a scope in which nothing fires is not there."""
    name = f'fenghuo:level{{rule="{rule.id}"'
    return {
        "expr": f"{name}}}",
        "eval_time": f"{tick}s",
        "exp_samples": [
            {"labels": f'{name},scope="{scope}"}}', "value": told[tick]}
            for scope, told in levels.items()
            if told[tick]
        ],
    }
