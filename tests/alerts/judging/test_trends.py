"""Readings that look along time: growth on last year, slopes, earlier seconds, projections."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.campaign.parts import Early, PacePoint, Rule
from fenghuo.schemas.kinds.measures import Measure
from fenghuo.schemas.level import Level
from fenghuo.schemas.metrics.form import Form
from fenghuo.schemas.metrics.forms.change import Change
from fenghuo.schemas.metrics.forms.growth import Growth
from fenghuo.schemas.metrics.forms.pace import Pace
from fenghuo.schemas.metrics.forms.quantile import Quantile
from fenghuo.schemas.metrics.forms.rate import Rate
from fenghuo.schemas.metrics.forms.ratio import Ratio
from fenghuo.schemas.metrics.forms.share import Share
from fenghuo.schemas.metrics.forms.slope import Slope
from fenghuo.schemas.metrics.reading import Reading
from tests.laws.judge.duty import campaign
from tests.strategies import START_MS
from tests.streams.judge.test_readings import FAILED, ORDERS, PAID, REQUESTS, S, Scene


def test_growth_is_against_the_same_minutes_of_last_year() -> None:
    """Last year 120 orders came in each of the first two minutes, this year 4 a second."""
    scene = Scene()
    curve = (PacePoint(0, 0), PacePoint(1, 120), PacePoint(2, 240), PacePoint(3, 240))
    scene.campaign = replace(campaign(), last_year={"order.events": curve})
    for at in range(60, 98):
        scene.second("order", at, events=4)
    scene.head("order", 98_000)

    assert scene.view().read(Growth(ORDERS, 10), "total") == Reading(2.0, 40)
    assert scene.view().read(Growth(ORDERS, 60), "total") == Reading(2.0, 152)
    assert scene.view().read(Growth(ORDERS, 10), "region=east").value is None
    assert scene.view().read(Growth(PAID, 10), "total").value is None


def test_growth_on_nothing_is_no_reading() -> None:
    scene = Scene()
    curve = (PacePoint(0, 0), PacePoint(1, 120), PacePoint(3, 120))
    scene.campaign = replace(campaign(), last_year={"order.events": curve})
    scene.second("order", 97, events=4)
    scene.head("order", 98_000)

    assert scene.view().read(Growth(ORDERS, 10), "total").value is None


@given(st.integers(1, 30), st.integers(0, 9), st.integers(0, 50))
def test_the_slope_of_a_straight_rise_is_its_rise_a_minute(
    half: int, rise: int, start: int
) -> None:
    """Each second has `rise` more orders than the one before: 60 times as many more a minute."""
    scene = Scene()
    for at in range(30, 98):
        scene.second("order", at, events=start + rise * at)
    scene.head("order", 98_000)
    reading = scene.view().read(Slope(ORDERS, 2 * half), "total")

    assert reading.value == pytest.approx(60 * rise)
    assert reading.samples == sum(start + rise * at for at in range(98 - 2 * half, 98))


def test_a_slope_needs_its_whole_window() -> None:
    scene = Scene()
    for at in range(90, 98):
        scene.second("order", at, events=1)
    scene.head("order", 98_000)

    assert scene.view().read(Slope(ORDERS, 8), "total") == Reading(0.0, 8)
    assert scene.view().read(Slope(ORDERS, 9), "total").value is None


WINDOWED: tuple[Form, ...] = (
    Rate(ORDERS, 7),
    Ratio((FAILED,), (PAID, FAILED), 5, 100.0),
    Quantile(Measure("traffic", "latency_ms"), 0.9, 5),
    Change(ORDERS, 5, 20),
    Share(REQUESTS, 5, "old"),
    Slope(ORDERS, 6),
)


@given(st.integers(70, 98), st.lists(st.integers(0, 99), min_size=60, max_size=60))
def test_what_is_read_of_an_earlier_second_is_what_was_read_then(
    end_s: int, values: list[int]
) -> None:
    now, then = Scene(), Scene()
    for scene, last in ((now, 98), (then, end_s)):
        for at, value in zip(range(40, last), values, strict=False):
            scene.second("order", at, events=value, paid=value, failed=value % 7)
            scene.second("traffic", at, requests=value, latency_ms_3=value)
        for kind in ("order", "traffic"):
            scene.head(kind, last * 1000)

    for metric in WINDOWED:
        assert now.view().read(metric, "total", end_s=S + end_s) == then.view().read(
            metric, "total"
        )


def test_what_has_left_the_ring_is_no_reading_and_the_future_is_now() -> None:
    scene = Scene()
    for at in range(98):
        scene.second("order", at, events=1)
    scene.head("order", 98_000)
    oldest = 98 - 400

    assert scene.view().read(Rate(ORDERS, 5), "total", end_s=S + 500) == Reading(1.0, 5)
    scene.rings["order"].first_s = S - 1_000
    assert scene.view().read(Rate(ORDERS, 5), "total", end_s=S + oldest + 5).value == 0.0
    assert scene.view().read(Rate(ORDERS, 5), "total", end_s=S + oldest + 4).value is None


def early(rule_id: str, within_s: int, metric: Form) -> Rule:
    rule = campaign().rule(rule_id)
    return replace(rule, metric=metric, early=Early(within_s, line=Level.ORANGE, level=Level.CYAN))


def test_a_rise_is_carried_on_in_the_unit_of_the_rule() -> None:
    """Every second one request more than in the one before; the line carries 10 a second."""
    scene = Scene()
    for at in range(-102, 98):
        scene.second("traffic", at, requests=at + 102)
    scene.head("traffic", 98_000)
    for metric, of in ((Share(REQUESTS, 5, "old"), 10), (Rate(REQUESTS, 5), 1)):
        rule = early("full", 60, metric)
        reading = scene.view().read(metric, "total")
        ahead = scene.view().outlook(rule, "total", reading)

        # second 97 had 199 requests, so at its end there were 199.5 a second
        assert ahead.projected == pytest.approx((199.5 + 60) / of)
        assert replace(ahead, projected=None) == reading
        assert scene.view().outlook(campaign().rule("full"), "total", reading) == reading


def test_a_fall_is_carried_on_to_zero_and_not_below() -> None:
    scene = Scene()
    for at in range(-102, 98):
        scene.second("order", at, events=98 - at)
    scene.head("order", 98_000)
    rule = early("ordering", 600, Rate(ORDERS, 5))
    reading = scene.view().read(rule.metric, "total")

    assert scene.view().outlook(rule, "total", reading).projected == 0.0


def test_a_pace_is_carried_on_as_the_last_minutes_were() -> None:
    """Half of 1 000 000 fen falls due in the first hour, 138.9 fen a second; half as much comes."""
    scene = Scene()
    scene.now_ms = START_MS + 1_000_000
    amount = round(1_000_000 * 0.5 / 3_600 / 2 * 1_000)
    for at in range(600, 1_000):
        scene.second("order", at, paid_amount_fen=amount // 1_000)
    scene.head("order", 1_000_000, by_region={"east": (3, 100_000)}, record_ms=scene.now_ms)
    pace = Pace(Measure("order", "paid_amount_fen"))
    rule = early("pacing", 600, pace)
    reading = scene.view().read(pace, "total")
    found = scene.view().outlook(rule, "total", reading).projected

    due_now, due_then = 1_000_000 * 0.5 / 3.6, 1_000_000 * 0.5 / 3.6 * 1.6
    assert reading.value == pytest.approx(100_000 / due_now, rel=1e-4)
    assert found == pytest.approx(
        (100_000 + (due_then - due_now) * 69 / 138.9) / due_then, rel=1e-3
    )
