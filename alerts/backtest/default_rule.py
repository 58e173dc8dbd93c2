"""DEFAULT_RULE: the one adaptive rule that judges a series of values when none is named.

Its numbers fit no series in particular: they are multiples of the usual deviation from what is
expected, so they mean the same for every metric.
"""

from typing import Final

from fenghuo.schemas.campaign.parts import DEFAULT_SCORES, Adaptive, Rule, Title
from fenghuo.schemas.kinds.measures import Measure
from fenghuo.schemas.metrics.forms.rate import Rate

DEFAULT_RULE: Final = Rule(
    id="default",
    title=Title("默认自适应阶梯", "Default adaptive ladder"),
    unit="ratio",
    metric=Rate(Measure("order", "events"), 60),  # values come as they are: nothing is measured
    scopes=("total",),
    min_samples=1,
    ladder=DEFAULT_SCORES,
    hold_up_ms=(0, 0, 0, 0, 0, 0),
    hold_down_ms=(0, 900_000, 900_000, 900_000, 900_000, 900_000),
    playbook="",
    owner="",
    adaptive=Adaptive(season="day", side="both"),
)
