"""A reading and a bound compare as the exact numbers do that they stand for, for every metric."""

import tomllib
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fenghuo.alerts.judging.decide import score_of
from fenghuo.alerts.judging.ladder import grade
from fenghuo.alerts.prometheus.promql import number
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.campaign.parts import Adaptive, Ladder, Line, PacePoint, Title
from fenghuo.schemas.kinds.measures import LATENCY_BOUNDS_MS, Measure
from fenghuo.schemas.level import Level
from fenghuo.schemas.metrics.form import Form
from fenghuo.schemas.metrics.forms.change import Change
from fenghuo.schemas.metrics.forms.freshness import Age, Silence
from fenghuo.schemas.metrics.forms.growth import Growth
from fenghuo.schemas.metrics.forms.pace import Pace
from fenghuo.schemas.metrics.forms.quantile import Quantile
from fenghuo.schemas.metrics.forms.rate import Rate
from fenghuo.schemas.metrics.forms.ratio import Ratio
from fenghuo.schemas.metrics.forms.share import Share
from fenghuo.schemas.metrics.forms.slope import Slope
from tests.strategies import START_MS
from tests.streams.judge.test_readings import FAILED, ORDERS, PAID, REQUESTS, Scene

COUNTS = st.integers(0, 2_000)
SOME = st.integers(1, 2_000)
DIGITS = 6


class Case(NamedTuple):
    """A scene, what is read in it, and what that is, exactly."""

    scene: Scene
    metric: Form
    truth: Fraction


@st.composite
def ratios(draw: st.DrawFn) -> Case:
    whole = draw(SOME)
    failed = draw(st.integers(0, whole))
    unit = draw(st.sampled_from((1.0, 100.0, 10_000.0)))
    metric = Ratio((FAILED,), (PAID, FAILED), 10, unit)
    return Case(_failing(failed, whole), metric, Fraction(failed * int(unit), whole))


@st.composite
def rates(draw: st.DrawFn) -> Case:
    window_s = draw(st.integers(1, 20))
    counts = draw(st.lists(COUNTS, min_size=window_s, max_size=window_s))
    return Case(_orders(counts), Rate(ORDERS, window_s), Fraction(sum(counts), window_s))


@st.composite
def shares(draw: st.DrawFn) -> Case:
    window_s, counted = draw(st.integers(1, 20)), draw(SOME)
    line = Fraction(draw(st.integers(10, 100_000)), 10)
    scene = Scene()
    for at in range(98 - window_s, 98):
        scene.second("traffic", at, requests=counted if at == 97 else 0)
    scene.head("traffic", 98_000)
    scene.campaign = _with(scene, capacity={"old": Line("old", _TITLE, float(line))})
    return Case(scene, Share(REQUESTS, window_s, "old"), counted / line / window_s)


@st.composite
def changes(draw: st.DrawFn) -> Case:
    window_s, past_s = draw(st.integers(1, 8)), draw(st.integers(8, 20))
    past = draw(st.lists(SOME, min_size=past_s, max_size=past_s))
    now = draw(st.lists(COUNTS, min_size=window_s, max_size=window_s))
    truth = Fraction(sum(now), window_s) / Fraction(sum(past), past_s)
    return Case(_orders([*past, *now]), Change(ORDERS, window_s, past_s), truth)


@st.composite
def growths(draw: st.DrawFn) -> Case:
    window_s, counted = draw(st.integers(1, 20)), draw(SOME)
    minutes = draw(st.lists(st.integers(1, 600), min_size=3, max_size=3))
    scene = _orders([0] * (window_s - 1) + [counted])
    curve = tuple(
        PacePoint(float(minute), float(total))
        for minute, total in enumerate(accumulate([0, *minutes]))
    )
    scene.campaign = _with(scene, last_year={"order.events": curve})
    # the window ends at second 98: inside the second minute
    before = Fraction(0)
    for second in range(98 - window_s, 98):
        before += Fraction(minutes[second // 60], 60)
    return Case(scene, Growth(ORDERS, window_s), counted / before)


@st.composite
def slopes(draw: st.DrawFn) -> Case:
    half = draw(st.integers(1, 10))
    older, newer = draw(COUNTS), draw(COUNTS)
    counts = [older] + [0] * (half - 1) + [newer] + [0] * (half - 1)
    rise_per_s = Fraction(newer - older, half)
    return Case(_orders(counts), Slope(ORDERS, 2 * half), rise_per_s / Fraction(half, 60))


@st.composite
def quantiles(draw: st.DrawFn) -> Case:
    q = Fraction(draw(st.integers(1, 99)), 100)
    low, high = draw(SOME), draw(COUNTS)
    scene = Scene()
    scene.second("traffic", 97, latency_ms_5=low, latency_ms_9=high)
    scene.head("traffic", 98_000)
    rank = q * (low + high)
    bucket, part = (5, rank / low) if rank <= low else (9, (rank - low) / high)
    begins, ends = LATENCY_BOUNDS_MS[bucket - 1], LATENCY_BOUNDS_MS[bucket]
    metric = Quantile(Measure("traffic", "latency_ms"), float(q), 5)
    return Case(scene, metric, begins + (ends - begins) * part)


@st.composite
def paces(draw: st.DrawFn) -> Case:
    """Of 1 000 000 fen half is due after an hour; minutes that make whole fen due."""
    scene, minute = Scene(), 3 * draw(st.integers(1, 20))
    scene.now_ms = START_MS + minute * 60_000
    fen = draw(st.integers(0, 2_000_000))
    scene.head("order", 98_000, by_region={"east": (1, fen)})
    return Case(
        scene, Pace(Measure("order", "paid_amount_fen")), Fraction(fen, minute * 25_000) * 3
    )


@st.composite
def times(draw: st.DrawFn) -> Case:
    scene, past_ms = Scene(), draw(st.integers(0, 90_000))
    scene.head("order", 100_000 - past_ms, record_ms=scene.now_ms - past_ms)
    metric: Form = Age("order") if draw(st.booleans()) else Silence("order")
    return Case(scene, metric, Fraction(past_ms, 1000))


CASES = {
    make.__name__: make()
    for make in (ratios, rates, shares, changes, growths, slopes, quantiles, paces, times)
}


@pytest.mark.parametrize("kind", CASES)
@settings(max_examples=40)
@given(data=st.data(), hair=st.sampled_from((-1, 0, 0, 0, 1)), rising=st.booleans())
def test_a_value_reaches_its_bound_exactly_when_the_numbers_do(
    kind: str, data: st.DataObject, hair: int, rising: bool
) -> None:
    case = data.draw(CASES[kind])
    written, bound = _decimal(case.truth, hair)
    value = case.scene.view().read(case.metric, "total").value
    assert value is not None

    ladder = _ladder(written, rising=rising)
    reached = case.truth >= bound if rising else case.truth <= bound
    assert (grade(value, ladder, Level.GREEN) == Level.BLUE) == reached, (value, written)


@given(whole=SOME, share=st.integers(0, 100))
@example(100, 57)
@example(100, 29)
@example(1_000, 7)
def test_a_share_in_percent_enters_and_stays_at_the_bound_that_says_it(
    whole: int, share: int
) -> None:
    """57 of 100 are 57 %."""
    scene = _failing(share * whole, 100 * whole)
    value = scene.view().read(Ratio((FAILED,), (PAID, FAILED), 10, 100.0), "total").value

    assert value == share
    for rising in (True, False):
        assert grade(float(value), _ladder(str(share), rising=rising), Level.GREEN) == Level.BLUE
        left = _ladder(str(share), rising=rising, leave=True)
        assert grade(float(value), left, Level.BLUE) == Level.BLUE


@given(percent=st.integers(1, 99), scores=st.integers(1, 9), expected=st.integers(1, 10_000))
def test_a_score_reaches_the_bound_that_says_it(percent: int, scores: int, expected: int) -> None:
    """Three times the floor of 7 % away from 100: a score of 3."""
    usual, floor = 100.0 * expected, Adaptive(floor_share=percent / 100)
    value = float(100 * expected + scores * percent * expected)

    assert score_of(value, usual, 0.0, floor) == scores


@given(st.floats(-1e15, 1e15))
def test_prometheus_reads_the_same_bound(bound: float) -> None:
    assert float(number(bound)) == bound


def _failing(failed: int, whole: int) -> Scene:
    scene = Scene()
    scene.second("order", 97, paid=whole - failed, failed=failed)
    scene.head("order", 98_000)
    return scene


def _orders(counts: list[int]) -> Scene:
    """Orders in the seconds before second 98."""
    scene = Scene()
    for at, count in enumerate(counts, 98 - len(counts)):
        scene.second("order", at, events=count)
    scene.head("order", 98_000)
    return scene


def _decimal(truth: Fraction, hair: int) -> tuple[str, Fraction]:
    """As a campaign file would write it: the number, or a hair above or below it."""
    scaled = round(truth * 10**DIGITS) + hair
    whole, rest = divmod(abs(scaled), 10**DIGITS)
    text = f"{'-' if scaled < 0 else ''}{whole}.{rest:0{DIGITS}d}"
    return text, Fraction(scaled, 10**DIGITS)


def _ladder(written: str, *, rising: bool, leave: bool = False) -> Ladder:
    """A ladder that is blue at this bound, to enter or to leave, and never worse."""
    bound = float(tomllib.loads(f"bound = {written}")["bound"])
    side = 1 if rising else -1
    never = [side * (1e12 + step) for step in range(5)]
    at, beyond = (bound, *never[1:]), tuple(never)
    return Ladder(rising, beyond if leave else at, at if leave else beyond)


def _with(scene: Scene, **changes: object) -> Campaign:
    return replace(scene.campaign, **changes)  # type: ignore[arg-type]


_TITLE = Title("旧", "Old")
