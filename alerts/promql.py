"""recordings(campaign), condition(campaign, rule, level): the warning machine in PromQL.

All in one group, in this order, at every tick:

    fenghuo:reading:worst  what is judged: over replicas the worst known reading (adaptive rules:
                           score); absent without data, with too few samples, while suspended
    fenghuo:grade          what that means while fenghuo:level is on; unknown: the level itself,
                           so that a warning stays and nothing new is begun
    fenghuo:grade:peak     the highest grade since the present level began to be left
    ALERTS                 the worst level first: `for` and `keep_firing_for` are the holds
    fenghuo:level          the highest level that fires
    fenghuo:grade:falling  the peak, while the level is being left

So a level is left for the highest grade seen meanwhile, and the next fall waits anew, as in the
machine. Two things are different. Prometheus knows no flapping: what flaps is held longer by the
machine. And a level that fired for less than the hold of a level below it may be left for green,
where the machine, which needs no confirmation on the way down, falls to that lower level.
tests/contract/test_two_detectors.py says how far both agree.
"""

from typing import Any

from fenghuo.schemas.campaign import Campaign
from fenghuo.schemas.campaign_parts import Early, Ladder, Rule
from fenghuo.schemas.lane import REAL
from fenghuo.schemas.level import WARNINGS, Level

# levels change within seconds, so does the evaluation
INTERVAL = "1s"
_ON = "on (rule, scope)"


def recordings(campaign: Campaign) -> list[dict[str, Any]]:
    """What has to be recorded before the alerts."""
    found = []
    for rule in campaign.rules:
        labels = {"labels": {"rule": rule.id}}
        found += [
            {"record": "fenghuo:reading:worst", "expr": _worst(rule), **labels},
            {"record": "fenghuo:grade", "expr": _grade(rule), **labels},
        ]
    peak = "fenghuo:grade:falling > fenghuo:grade or fenghuo:grade"
    return [*found, {"record": "fenghuo:grade:peak", "expr": peak}]


def results(campaign: Campaign) -> list[dict[str, Any]]:
    """What has to be recorded after the alerts, for the next tick."""
    firing = "\nor ".join(
        f'{int(level)} * ALERTS{{campaign="{campaign.name}",severity="{level.word}",'
        f'alertstate="firing"}}'
        for level in reversed(WARNINGS)
    )
    falling = (
        f"(fenghuo:grade:peak and fenghuo:level == fenghuo:level offset {INTERVAL} "
        "or fenghuo:grade) < fenghuo:level"
    )
    return [
        {"record": "fenghuo:level", "expr": f"max by (rule, scope) (\n{firing}\n)"},
        {"record": "fenghuo:grade:falling", "expr": falling},
    ]


def condition(campaign: Campaign, rule: Rule, level: Level) -> str:
    """Whether a level is meant. Its value is what is judged, NaN while that is not known."""
    of = f'{{rule="{rule.id}"}}'
    shown = f"fenghuo:reading:worst{of} or NaN * fenghuo:level{of}"
    meant = f"fenghuo:grade{of} >= {int(level)}"
    if level < Level.RED:
        above = "|".join(worse.word for worse in WARNINGS[level:])
        firing = (
            f'ALERTS{{campaign="{campaign.name}",rule="{rule.id}",severity=~"{above}",'
            f'alertstate="firing"}}'
        )
        meant += f" or fenghuo:grade:peak{of} >= {int(level)} and {_ON} {firing}"
    return f"({shown}) and {_ON} ({meant})"


def _worst(rule: Rule) -> str:
    """Each replica's reading counts if its own samples suffice; NaN and infinity are no data."""
    of = _of(rule)
    name = "fenghuo_reading" if rule.adaptive is None else "fenghuo_score"
    known = f"{name}{of}"
    if rule.min_samples:
        known += f" and fenghuo_reading_samples{of} >= {rule.min_samples}"
    worst = f"{_aggregate(rule)} by (rule, scope) ({known}) > -Inf < +Inf"
    if rule.suspended:
        worst += f" unless on () {_phase(*rule.suspended)}"
    return worst


def _grade(rule: Rule) -> str:
    """The first of these that has a value: the variants in their order, the ladder, the level."""
    graded = []
    for variant in rule.variants:
        scope = f',scope="{variant.scope}"' if variant.scope else ""
        steps = _steps(rule, variant.ladder, scope)
        graded.append(
            f"(\n{steps}\n) and on () {_phase(variant.phase)}" if variant.phase else steps
        )
    graded += [_steps(rule, rule.ladder, ""), f'fenghuo:level{{rule="{rule.id}"}}']
    return "\nor ".join(graded)


def _steps(rule: Rule, ladder: Ladder, scope: str) -> str:
    """From the worst level down, as in ladder.grade: entered, or on and not left; else green."""
    of = f'{{rule="{rule.id}"{scope}}}'
    worst, sign = f"fenghuo:reading:worst{of}", _sign(ladder)
    steps = []
    for level in reversed(WARNINGS):
        if rule.adaptive is None and rule.early is not None and rule.early.level is level:
            ahead = _early(rule, rule.early, ladder, of)
            steps.append(f"({worst} and ({ahead})) * 0 + {int(level)}")
        enter, leave = number(ladder.enter_of(level)), number(ladder.leave_of(level))
        on = f"fenghuo:level{of} >= {int(level)}"
        steps.append(
            f"({worst} {sign} {enter} or {worst} {sign} {leave} and {on}) * 0 + {int(level)}"
        )
    return "\nor ".join([*steps, f"{worst} * 0"])


def _early(rule: Rule, early: Early, ladder: Ladder, of: str) -> str:
    """Whether the projection is at the line, or between its bounds while the warning is on."""
    sign = _sign(ladder)
    ahead = f"{_aggregate(rule)} by (rule, scope) (fenghuo_projected{_of(rule)})"
    enter, leave = number(ladder.enter_of(early.line)), number(ladder.leave_of(early.line))
    on = f"fenghuo:level{of} >= {int(early.level)}"
    return f"{ahead} {sign} {enter} or {ahead} {sign} {leave} and {on}"


def _phase(*phases: str) -> str:
    """Whether one of these is the present phase: a vector without labels, or nothing."""
    return f'(max(fenghuo_phase{{lane="{REAL}",phase=~"{"|".join(phases)}"}}) == 1)'


def _of(rule: Rule) -> str:
    return f'{{lane="{REAL}",rule="{rule.id}"}}'


def _aggregate(rule: Rule) -> str:
    return "max" if rule.ladder.rising else "min"


def _sign(ladder: Ladder) -> str:
    return ">=" if ladder.rising else "<="


def number(value: float) -> str:
    """A bound as PromQL writes it, whole numbers without a point."""
    return repr(int(value)) if value == int(value) else repr(value)
