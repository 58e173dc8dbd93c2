"""watch(campaign, alert): the warning machine in PromQL.

All in one group, in this order, at every tick:

    fenghuo:reading:worst  what is judged: over replicas the worst known reading (adaptive rules:
                           score); absent without data, with too few samples, while suspended
    fenghuo:grade          what that means while fenghuo:level is on; unknown: the level itself,
                           so that a warning stays and nothing new is begun
    fenghuo:grade:peak     the highest grade since the present level began to be left
    ALERTS                 the worst level first: `for` and `keep_firing_for` are the holds. A level
                           below the present one is meant, too, while that one is left and the peak
                           has been as high
    fenghuo:firing         by severity: the number of the level, where it fires
    fenghuo:level          the highest level that fires
    fenghuo:grade:falling  the peak, while the level is being left

So a level is left for the highest grade seen meanwhile, and the next fall waits anew, as in the
machine. Two things are different. Prometheus knows no flapping: what flaps is held longer by the
machine. And no alert fires before its own `for` has passed, whereas the machine needs no
confirmation on the way down. tests/contract/workers/test_two_detectors.py says how far both agree.
"""

from collections.abc import Callable
from typing import Any

from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.campaign.parts import Early, Ladder, Rule
from fenghuo.schemas.lane import REAL
from fenghuo.schemas.level import WARNINGS, Level

# levels change within seconds, so does the evaluation
INTERVAL = "1s"
Entry = dict[str, Any]
"""One rule of a Prometheus file, recording or alert."""

_PEAK = "fenghuo:grade:falling > fenghuo:grade or fenghuo:grade"
_FALLING = (
    f"(fenghuo:grade:peak and fenghuo:level == fenghuo:level offset {INTERVAL} "
    "or fenghuo:grade) < fenghuo:level"
)


def watch(campaign: Campaign, alert: Callable[[Rule, Level, str], Entry]) -> list[Entry]:
    """The rules of the group; alert(rule, level, expr) makes one of the alerts."""
    found = []
    for rule in campaign.rules:
        labels = {"labels": {"rule": rule.id}}
        found += [
            {"record": "fenghuo:reading:worst", "expr": _worst(rule), **labels},
            {"record": "fenghuo:grade", "expr": _grade(rule), **labels},
        ]
    found.append({"record": "fenghuo:grade:peak", "expr": _PEAK})
    for level in reversed(WARNINGS):
        found += [alert(rule, level, _meant(rule, level)) for rule in campaign.rules]
        found.append(_firing(campaign, level))
    found.append({"record": "fenghuo:level", "expr": "max by (rule, scope) (fenghuo:firing)"})
    found.append({"record": "fenghuo:grade:falling", "expr": _FALLING})
    return found


def _firing(campaign: Campaign, level: Level) -> Entry:
    fires = f'ALERTS{{campaign="{campaign.name}",severity="{level.word}",alertstate="firing"}}'
    return {
        "record": "fenghuo:firing",
        "expr": f"{int(level)} * max by (rule, scope) ({fires})",
        "labels": {"severity": level.word},
    }


def _meant(rule: Rule, level: Level) -> str:
    """Whether a level is meant. Its value is what is judged, NaN while that is not known."""
    of = f'{{rule="{rule.id}"}}'
    shown = f"fenghuo:reading:worst{of} or NaN * fenghuo:level{of}"
    meant = f"fenghuo:grade{of} >= {int(level)}"
    if level < Level.RED:
        worse = "|".join(worse.word for worse in WARNINGS[level:])
        firing = f'max by (rule, scope) (fenghuo:firing{{rule="{rule.id}",severity=~"{worse}"}})'
        meant += f"\n  or fenghuo:grade:peak{of} >= {int(level)}"
        meant += f" and {firing} == fenghuo:level{of}"
    return f"({shown})\nand ({meant})"


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
