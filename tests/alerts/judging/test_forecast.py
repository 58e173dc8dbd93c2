"""Forecasts: straight lines are carried on, chance is no trend, the pace curve reads both ways."""

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fenghuo.alerts.judging.forecast import (
    POINTS_MAX,
    POINTS_MIN,
    SHARE_MIN,
    Point,
    counted_by,
    finish_fen,
    minute_due,
    projected,
)
from fenghuo.schemas.campaign.parts import PacePoint

WHOLE = st.integers(-10_000, 10_000).map(float)
MANY = st.integers(POINTS_MIN, POINTS_MAX)
WITHIN = st.integers(1, 3_600)


def ramp(start: float, slope: float, many: int) -> list[Point]:
    return [(at * 10.0, start + slope * at * 10) for at in range(many)]


@st.composite
def curves(draw: st.DrawFn) -> tuple[PacePoint, ...]:
    """A pace curve as a campaign has it: minutes rise, shares never fall, the last is 1."""
    steps = draw(st.lists(st.integers(1, 600), min_size=1, max_size=8))
    rises = draw(st.lists(st.integers(0, 9), min_size=len(steps), max_size=len(steps)))
    assume(sum(rises))
    minute, risen, points = 0, 0, [PacePoint(0.0, 0.0)]
    for step, rise in zip(steps, rises, strict=True):
        minute, risen = minute + step, risen + rise
        points.append(PacePoint(float(minute), risen / sum(rises)))
    return tuple(points)


@given(WHOLE, WHOLE, MANY, WITHIN)
def test_a_straight_ramp_is_carried_on_exactly(
    start: float, slope: float, many: int, within_s: int
) -> None:
    points = ramp(start, slope, many)

    assert projected(points, within_s) == pytest.approx(
        points[-1][1] + slope * within_s, rel=1e-9, abs=1e-6
    )


@given(WHOLE, MANY, WITHIN)
def test_what_never_changed_projects_itself(value: float, many: int, within_s: int) -> None:
    assert projected(ramp(value, 0, many), within_s) == value


@given(WHOLE, st.lists(WHOLE, min_size=2, max_size=2, unique=True), MANY, WITHIN)
def test_of_two_ramps_to_one_point_the_steeper_one_projects_more(
    end: float, slopes: list[float], many: int, within_s: int
) -> None:
    gentle, steep = sorted(slopes)
    last = (many - 1) * 10
    found = [
        projected(ramp(end - slope * last, slope, many), within_s) for slope in (gentle, steep)
    ]

    assert found[0] is not None
    assert found[1] is not None
    assert found[0] < found[1]


@given(WHOLE, st.integers(1, 100), st.integers(0, POINTS_MAX - 1), WHOLE)
def test_one_wild_point_moves_a_projection_little(
    start: float, slope: int, at: int, wild: float
) -> None:
    points = ramp(start, slope, POINTS_MAX)
    points[at] = (points[at][0], wild)

    assert projected(points, 60) == pytest.approx(start + slope * 350, rel=0.02, abs=slope * 20)


@given(st.lists(WHOLE, max_size=POINTS_MIN - 1))
def test_a_few_points_are_no_trend(values: list[float]) -> None:
    assert projected([(float(at), value) for at, value in enumerate(values)], 60) is None


def test_chance_seldom_looks_like_a_trend() -> None:
    """Of 500 series without any trend about one in a hundred is taken for one; twice that at
    most."""
    random = Random(5)
    found = [
        projected([(float(at), random.gauss(100, 10)) for at in range(30)], 60) for _ in range(500)
    ]

    assert sum(one is not None for one in found) <= 10


def test_points_older_than_the_newest_thirty_do_not_count() -> None:
    old: Sequence[Point] = [(float(-at), 1e9 - at) for at in range(100, 0, -1)]

    assert projected([*old, *ramp(0, 1, POINTS_MAX)], 10) == pytest.approx(300)


@given(curves(), st.floats(0, 1), st.floats(0, 6_000))
def test_at_the_minute_at_which_a_share_was_due_that_share_is_due(
    curve: tuple[PacePoint, ...], share: float, now: float
) -> None:
    minute = minute_due(curve, share, now)

    assert minute is not None
    assert counted_by(curve, minute) == pytest.approx(share, abs=1e-9)


@given(curves(), st.floats(0, 1))
def test_who_is_on_the_curve_is_neither_ahead_nor_behind(
    curve: tuple[PacePoint, ...], part: float
) -> None:
    minute = part * curve[-1].minute

    assert minute_due(curve, float(counted_by(curve, minute)), minute) == pytest.approx(
        minute, abs=1e-6
    )


@given(curves(), st.lists(st.floats(0, 1.2), min_size=2, max_size=2), st.floats(0, 6_000))
def test_more_paid_is_never_less_ahead(
    curve: tuple[PacePoint, ...], shares: list[float], now: float
) -> None:
    found = [minute_due(curve, share, now) for share in sorted(shares)]

    assert found[0] is not None
    assert found[1] is not None
    assert found[0] <= found[1] + 1e-9


@given(curves())
def test_a_curve_passes_through_its_points_and_stays_at_its_last(
    curve: tuple[PacePoint, ...],
) -> None:
    assert [float(counted_by(curve, point.minute)) for point in curve] == [p.share for p in curve]
    assert counted_by(curve, -1) == 0
    assert float(counted_by(curve, curve[-1].minute + 1)) == curve[-1].share
    for low, high in pairwise(curve):
        between = counted_by(curve, (low.minute + high.minute) / 2)
        assert between == pytest.approx((low.share + high.share) / 2)


def test_without_a_curve_nothing_was_due() -> None:
    assert minute_due((), 0.5, 3) is None
    assert counted_by((), 5) == 0


def test_a_finish_is_told_from_one_hundredth_of_the_target_on() -> None:
    assert finish_fen(500, 0.25) == 2_000
    assert finish_fen(5, SHARE_MIN) == 500
    assert finish_fen(5, SHARE_MIN * 0.999) is None
