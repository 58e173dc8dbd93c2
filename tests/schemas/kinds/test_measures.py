"""Measures, cuts and the quantile of a row of buckets."""

import bisect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.kinds.measures import (
    BASE_CUTS,
    BUCKETS,
    DIMENSIONS,
    HISTOGRAMS,
    KINDS,
    LATENCY_BOUNDS_MS,
    MEASURES,
    Measure,
    bucket_of,
    counters,
    cut_name,
    cuts,
    histograms,
    parse_cut,
    quantile,
    scope_name,
)
from fenghuo.schemas.level import LOOKS, WARNINGS, Level

latencies = st.lists(st.integers(0, 700_000), min_size=1, max_size=200)


def _row(values: list[int]) -> list[int]:
    row = [0] * BUCKETS
    for value in values:
        row[bucket_of(value)] += 1
    return row


def test_every_kind_has_its_measures_and_cuts() -> None:
    for table in (MEASURES, HISTOGRAMS, DIMENSIONS, BASE_CUTS):
        assert tuple(table) == KINDS
    assert all(MEASURES[kind][0] == "events" and BASE_CUTS[kind][0] == () for kind in KINDS)
    for kind in KINDS:
        used = {dimension for cut in BASE_CUTS[kind] for dimension in cut}
        assert used <= set(DIMENSIONS[kind])
    assert "order.paid_amount_fen" in counters()
    assert histograms() == ("traffic.latency_ms",)
    assert str(Measure("order", "paid")) == "order.paid"


def test_extra_cuts_come_after_the_base_ones_each_once() -> None:
    extra = {"order": (("promotion",), ("region",))}

    assert cuts("order", extra) == (*BASE_CUTS["order"], ("promotion",))
    assert cuts("traffic", extra) == BASE_CUTS["traffic"]


@pytest.mark.parametrize("cut", [(), ("region",), ("region", "category")])
def test_cut_names_read_back(cut: tuple[str, ...]) -> None:
    assert parse_cut(cut_name(cut)) == cut


def test_a_scope_is_written_with_its_dimension() -> None:
    assert scope_name("region", "east") == "region=east"


@pytest.mark.parametrize(
    ("value_ms", "bucket"),
    [(0, 0), (1, 0), (2, 1), (4, 3), (5, 3), (600_000, BUCKETS - 2), (600_001, BUCKETS - 1)],
)
def test_a_bucket_includes_its_upper_bound(value_ms: int, bucket: int) -> None:
    assert bucket_of(value_ms) == bucket


def test_the_quantile_of_nothing_is_nothing() -> None:
    assert quantile([0] * BUCKETS, 0.99) is None


@pytest.mark.parametrize(
    ("values", "q", "expected", "why"),
    [
        ([1] * 10, 0.5, 0.5, "half of the first bucket, which begins at 0"),
        ([1] * 10, 1.0, 1.0, "all of it: its bound"),
        ([1] * 10, 0.0, 0.0, "nothing of it: where it begins"),
        ([90] * 4, 0.25, 77.5, "a quarter of the bucket (70, 100]"),
        ([1] * 5 + [90] * 5, 0.5, 1.0, "the rank is filled exactly by the first bucket"),
        ([1] * 5 + [90] * 5, 0.6, 76.0, "one of the five of the second"),
        ([90], 0.0, 70.0, "empty buckets below do not count"),
        ([700_000] * 3, 0.5, 600_000.0, "beyond the last bound: at least that"),
        ([1] * 99 + [700_000], 0.99, 1.0, "the overflow is not touched"),
    ],
)
def test_quantile_is_linear_inside_its_bucket(
    values: list[int], q: float, expected: float, why: str
) -> None:
    assert quantile(_row(values), q) == pytest.approx(expected), why


@given(latencies, st.floats(0.0, 1.0))
def test_quantile_stays_in_the_bucket_of_the_exact_one(values: list[int], q: float) -> None:
    exact = sorted(values)[max(0, math.ceil(q * len(values)) - 1)]
    found = quantile(_row(values), q)

    assert found is not None
    i = bisect.bisect_left(LATENCY_BOUNDS_MS, exact)
    low = LATENCY_BOUNDS_MS[i - 1] if i else 0
    high = LATENCY_BOUNDS_MS[min(i, len(LATENCY_BOUNDS_MS) - 1)]
    assert low <= found <= high


@given(latencies, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_quantile_never_falls_as_q_rises(values: list[int], q1: float, q2: float) -> None:
    low, high = quantile(_row(values), min(q1, q2)), quantile(_row(values), max(q1, q2))

    assert low is not None
    assert high is not None
    assert low <= high


@given(latencies, st.integers(2, 10**9), st.sampled_from([0.5, 0.95, 0.99]))
def test_quantile_does_not_depend_on_the_size(values: list[int], times: int, q: float) -> None:
    row = _row(values)

    assert quantile([count * times for count in row], q) == pytest.approx(quantile(row, q))


@pytest.mark.parametrize(
    ("row", "q"),
    [([0] * BUCKETS, 1.1), ([0] * BUCKETS, math.nan), ([0] * 3, 0.5), ([-1, 1] * 20, 0.5)],
)
def test_quantile_refuses_what_makes_no_sense(row: list[int], q: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        quantile(row, q)


def test_quantile_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        quantile([-1] + [1] * (BUCKETS - 1), 0.5)


def test_levels_are_ordered_and_each_looks_different() -> None:
    assert [level.word for level in Level] == ["green", "blue", "cyan", "yellow", "orange", "red"]
    assert list(LOOKS) == list(Level)
    assert Level.GREEN < Level.BLUE < Level.RED
    for field in ("zh", "en", "title_zh", "title_en", "shape", "colour", "letter_zh", "letter_en"):
        assert len({getattr(level.look, field) for level in Level}) == len(Level)
    assert tuple(Level)[1:] == WARNINGS


def test_a_level_is_read_from_its_word_only() -> None:
    assert all(Level.parse(level.word) is level for level in Level)
    for word, told in (("orang", 'did you mean "orange"'), ("5", "got '5'"), ("RED", "got 'RED'")):
        with pytest.raises(ValueError, match=told):
            Level.parse(word)
