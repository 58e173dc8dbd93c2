"""What a metric looks at: which kinds of events, and how far back."""

from fenghuo.schemas.campaign.parts import (
    Age,
    Change,
    Lag,
    Metric,
    Pace,
    Ratio,
    Rule,
    Silence,
    Users,
)

TREND_S = 300
"""How far back a projection looks."""


def reach_s(metric: Metric) -> int:
    """How far back a metric looks, baseline included; 0 if it has no window."""
    match metric:
        case Change(_, window_s, baseline_s):
            return window_s + baseline_s
        case Pace() | Age() | Silence() | Users() | Lag():
            return 0
        case _:
            return metric.window_s


def span_of(rule: Rule) -> int:
    """How many seconds of the rings a rule needs."""
    return max(reach_s(rule.metric), 0 if rule.early is None else TREND_S)


def kind_of(metric: Metric) -> str:
    """The event kind whose clock a metric goes by."""
    match metric:
        case Ratio():
            return metric.denominator[0].kind
        case Age() | Silence() | Lag():
            return metric.of
        case Pace() | Users():
            return "order"
        case _:
            return metric.measure.kind


def kinds_of(metric: Metric) -> set[str]:
    """Every kind that a metric looks at."""
    if isinstance(metric, Ratio):
        return {measure.kind for measure in (*metric.numerator, *metric.denominator)}
    return {kind_of(metric)}
