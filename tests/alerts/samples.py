"""A rule to judge with, and ways to make others."""

from dataclasses import replace

from fenghuo.schemas.campaign.parts import Adaptive, Ladder, Rule, Title
from fenghuo.schemas.kinds.measures import Measure
from fenghuo.schemas.metrics.forms.rate import Rate
from fenghuo.schemas.metrics.forms.ratio import Ratio

RISING = Ladder(rising=True, enter=(5.0, 6.0, 8.0, 10.0, 20.0), leave=(4.0, 5.0, 7.0, 9.0, 15.0))
FALLING = Ladder(
    rising=False, enter=(0.9, 0.8, 0.7, 0.6, 0.5), leave=(0.95, 0.85, 0.75, 0.65, 0.55)
)

RULE = Rule(
    id="failing",
    title=Title("失败", "Failing"),
    unit="percent",
    metric=Ratio((Measure("order", "failed"),), (Measure("order", "paid"),), 10, 100.0),
    scopes=("total",),
    min_samples=100,
    ladder=RISING,
    hold_up_ms=(0, 5000, 4000, 3000, 2000, 0),
    hold_down_ms=(0, 10_000, 10_000, 10_000, 10_000, 20_000),
    playbook="",
    owner="",
)


def rule(**changes: object) -> Rule:
    """RULE with some fields changed."""
    return replace(RULE, **changes)  # type: ignore[arg-type]


ADAPTIVE = rule(
    unit="per_s",
    metric=Rate(Measure("order", "events"), 60),
    ladder=Ladder(rising=True, enter=(3.0, 5.0, 7.0, 9.0, 12.0), leave=(2.0, 4.0, 6.0, 8.0, 10.0)),
    adaptive=Adaptive(),
)
