"""Shapes: what is due is exact, rises, and does not depend on how a run is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest.plan.shape import CONSTANT, Shape, ShapeError, shape

NAMES = ("constant", "ramp", "ramp:from=30", "steps", "steps:count=7", "spike", "festival")
SHAPES = st.sampled_from([shape(name) for name in NAMES])
RATES = st.integers(1, 50_000_000)
SECONDS = st.integers(1, 3_600)


@given(SHAPES, RATES, SECONDS, st.lists(st.integers(-10, 4_000_000), max_size=20))
def test_what_is_due_never_falls(found: Shape, rate: int, seconds: int, moments: list[int]) -> None:
    due = [found.events_by(at_ms, rate, seconds) for at_ms in sorted(moments)]

    assert due == sorted(due)
    assert found.events_by(0, rate, seconds) == 0
    assert all(0 <= events <= rate * seconds for events in due)


@given(SHAPES, RATES, SECONDS)
def test_no_moment_is_above_the_peak(found: Shape, rate: int, seconds: int) -> None:
    for at_ms in range(0, seconds * 1000, max(1, seconds * 50)):
        due = found.events_by(at_ms + 10, rate, seconds) - found.events_by(at_ms, rate, seconds)
        assert due <= rate // 100 + 1
        assert 0 <= found.rate_at(at_ms, rate, seconds) <= rate


@pytest.mark.parametrize("name", NAMES)
def test_the_peak_is_reached(name: str) -> None:
    found = shape(name)

    assert max(found.rate_at(at_ms, 1_000, 60) for at_ms in range(0, 60_001, 10)) == 1_000


@given(RATES, SECONDS)
def test_a_constant_run_has_rate_times_seconds(rate: int, seconds: int) -> None:
    assert CONSTANT.events_by(seconds * 1000, rate, seconds) == rate * seconds
    assert CONSTANT.events_by(500, rate, seconds) == rate // 2


def test_a_ramp_has_half_of_it() -> None:
    assert shape("ramp").events_by(10_000, 1_000, 10) == 5_000
    assert shape("ramp").events_by(5_000, 1_000, 10) == 1_250


def test_a_spike_jumps() -> None:
    found = shape("spike:base=10,at=50,for=10")

    rates = [found.rate_at(at_ms, 1_000, 10) for at_ms in (0, 4_999, 5_000, 5_999, 6_000)]
    assert rates == [100, 100, 1_000, 1_000, 100]


def test_the_festival_has_a_burst_a_plateau_and_a_second_wave() -> None:
    found = shape("festival")
    seconds = [found.rate_at(at_s * 1_000, 1_000, 100) for at_s in range(100)]

    assert max(seconds[:20]) < 300  # warm-up
    assert seconds[22:30] == [1_000] * 8  # 00:00
    assert all(450 <= rate <= 560 for rate in seconds[46:65])
    assert seconds[72] == 800  # second wave
    assert seconds[-1] < 200


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flat", "expected one of constant, ramp:from=0, steps:count=5"),
        ("ramp:to=3", "ramp: no such option to"),
        ("ramp:from=-1", "expected one of"),
        ("ramp:from=101", "between 0 and 100 percent"),
        ("steps:count=0", "a count of 1 to 50"),
        ("spike:at=90,for=20", "between 0 and 100 percent"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        shape(text)
