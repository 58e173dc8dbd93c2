"""Forecasts: where a measure will be soon if it goes on like this, and how a campaign stands
against its pace curve. Pure.
"""

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, pairwise
from statistics import median

from fenghuo.schemas.campaign.parts import PacePoint
from fenghuo.schemas.metrics.exact import fraction

Point = tuple[float, float]
"""(second, value)."""
POINTS_MAX = 30
POINTS_MIN = 8
SURE = 2.58
"""A slope counts from so many standard errors of Kendall's S on: when nothing but chance moves the
points, one series in a hundred seems to have a trend.
"""
SHARE_MIN = 0.01
"""Before so much of the target is due, a finish says nothing."""


def projected(points: Sequence[Point], within_s: float) -> float | None:
    """The value `within_s` after the last point, by a robust line through the newest POINTS_MAX.

    Theil-Sen: the median of the slopes between all pairs of points, through the median of what it
    leaves; almost a third of the points may be wild. None when there are fewer than POINTS_MIN
    points, or no trend that chance would not explain (Kendall's test at 1 %): who sees none shall
    not say one. Points that are all equal project themselves.
    """
    if len(points) < POINTS_MIN:
        return None
    newest = points[-POINTS_MAX:]
    if all(value == newest[0][1] for _, value in newest):
        return newest[0][1]
    rises = [
        (later_value - value, later_at - at)
        for (at, value), (later_at, later_value) in combinations(newest, 2)
    ]
    many = len(newest)
    error = (many * (many - 1) * (2 * many + 5) / 18) ** 0.5
    if abs(sum((rise > 0) - (rise < 0) for rise, _ in rises)) < SURE * error:
        return None
    slope = median(rise / seconds for rise, seconds in rises)
    end = newest[-1][0]
    return median(value + slope * (end - at) for at, value in newest) + slope * within_s


def finish_fen(paid_fen: int, share_due: float) -> int | None:
    """What a campaign ends at if it keeps its present share of what was due."""
    return round(paid_fen / share_due) if share_due >= SHARE_MIN else None


def counted_by(curve: Sequence[PacePoint], minute: Fraction | float) -> Fraction:
    """What a curve had reached by a campaign minute: nothing before the start, linear between its
    points, after the last one no more. Exact: its points are the decimals they were written as.
    """
    if minute <= 0 or not curve:
        return Fraction(0)
    points = _from_zero(curve)
    after = bisect_right(points, minute, key=lambda point: point.minute)
    if after == len(points):
        return fraction(points[-1].share)
    (low, begun), (high, done) = (
        (fraction(point.minute), fraction(point.share)) for point in points[after - 1 : after + 1]
    )
    return begun + (done - begun) * (Fraction(minute) - low) / (high - low)


def minute_due(pace: Sequence[PacePoint], share: float, now_minute: float) -> float | None:
    """The campaign minute at which this share was due: the pace curve read backwards.

    Where the curve is flat several minutes are right: the one nearest to now counts. A share beyond
    the curve's end was due when the curve ended; None without a curve.
    """
    if not pace:
        return None
    points = _from_zero(pace)
    share = min(share, points[-1].share)
    first = last = None
    for low, high in pairwise(points):
        if low.share <= share <= high.share:
            rise = high.share - low.share
            part = (share - low.share) / rise if rise else 0.0
            found = low.minute + (high.minute - low.minute) * part
            first = found if first is None else first
            last = found if rise else high.minute
    if first is None or last is None:  # less than the curve begins with, or a single point
        return points[0].minute
    return min(max(now_minute, first), last)


def _from_zero(curve: Sequence[PacePoint]) -> Sequence[PacePoint]:
    return curve if curve[0].minute <= 0 else [PacePoint(0.0, 0.0), *curve]
