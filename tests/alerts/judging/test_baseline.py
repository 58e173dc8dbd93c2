"""What is usual is learnt from the past alone, and a restart forgets nothing of it."""

import math
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.alerts.judging.baseline import DAY_MS, LONG, STEPS_MIN, Baseline
from fenghuo.schemas.campaign.parts import Adaptive

MINUTE_MS = 60_000
START_MS = 1_700_000_000_000 // DAY_MS * DAY_MS
Said = list[tuple[float, float] | None]


def told(
    baseline: Baseline,
    values: Sequence[float | None],
    start_ms: int = START_MS,
    *,
    step_ms: int = MINUTE_MS,
) -> Said:
    """What it expected of each value before it was told."""
    said: Said = []
    for i, value in enumerate(values):
        at_ms = start_ms + i * step_ms
        said.append(baseline.expect(at_ms))
        baseline.learn(at_ms, value)
    return said


VALUES = st.lists(
    st.one_of(st.none(), st.floats(-1e9, 1e9), st.integers(0, 5).map(float)),
    min_size=2,
    max_size=300,
)


@settings(max_examples=30)
@given(VALUES, st.data(), st.sampled_from(("day", "none")))
def test_a_baseline_that_was_dumped_and_loaded_goes_on_as_if_nothing_had_happened(
    values: list[float | None], data: st.DataObject, season: str
) -> None:
    config = Adaptive(season=season)
    cut = data.draw(st.integers(0, len(values)))
    steady, shaky = Baseline(config, MINUTE_MS), Baseline(config, MINUTE_MS)
    expected = told(steady, values)

    said = told(shaky, values[:cut])
    again = Baseline.load(config, MINUTE_MS, shaky.dump())
    said += told(again, values[cut:], START_MS + cut * MINUTE_MS)

    assert said == expected
    assert again.dump() == steady.dump()


@settings(max_examples=20)
@given(VALUES, VALUES)
def test_what_is_expected_depends_on_the_past_alone(
    values: list[float | None], future: list[float | None]
) -> None:
    alone = told(Baseline(Adaptive(), MINUTE_MS), values)
    assert told(Baseline(Adaptive(), MINUTE_MS), [*values, *future])[: len(values)] == alone


@settings(max_examples=20)
@given(VALUES)
def test_a_deviation_is_finite_and_above_nothing(values: list[float | None]) -> None:
    for said in told(Baseline(Adaptive(), MINUTE_MS), values):
        assert said is None or (math.isfinite(said[0]) and 0 < said[1] < math.inf)


@given(st.integers(-20, 20), st.integers(1, 5))
def test_another_unit_changes_no_score(exponent: int, seed: int) -> None:
    """Scores are what ladders grade: they may not depend on fen or yuan."""
    random = Random(seed)
    values = [random.gauss(100, 5) for _ in range(200)]
    factor = 2.0**exponent
    plain = told(Baseline(Adaptive(), MINUTE_MS), values)
    other = told(Baseline(Adaptive(), MINUTE_MS), [value * factor for value in values])
    for one, scaled in zip(plain, other, strict=True):
        assert (one is None) == (scaled is None)
        if one and scaled:
            assert scaled == pytest.approx((one[0] * factor, one[1] * factor))


def test_nothing_is_said_before_enough_was_seen() -> None:
    said = told(Baseline(Adaptive(), MINUTE_MS), [5.0] * (STEPS_MIN + 10))
    assert said[:STEPS_MIN] == [None] * STEPS_MIN
    assert said[-1] is not None


def test_a_jump_stands_out_and_noise_does_not() -> None:
    random = Random(4)
    baseline = Baseline(Adaptive(), MINUTE_MS)
    values = [random.gauss(1_000, 50) for _ in range(2_000)]
    said = told(baseline, values)
    scores = [
        abs(value - one[0]) / one[1]
        for value, one in zip(values[500:], said[500:], strict=True)
        if one is not None
    ]
    assert len(scores) == 1_500
    assert sum(score >= 4 for score in scores) <= 3
    expected = baseline.expect(START_MS + 2_000 * MINUTE_MS)
    assert expected is not None
    assert abs(2_000 - expected[0]) / expected[1] > 8


def test_a_rhythm_of_days_is_learnt() -> None:
    """At the step up of each day a season expects it; without one it comes as a surprise."""
    random = Random(7)
    day = [100.0] * 12 + [400.0] * 12  # by the hour
    values = [value + random.gauss(0, 2) for _ in range(12) for value in day]
    hour_ms = 3_600_000
    at_ms = START_MS + len(values) * hour_ms
    expectations = {}
    for season in ("day", "none"):
        baseline = Baseline(Adaptive(season=season), hour_ms)
        told(baseline, [*values, *day[:12]], step_ms=hour_ms)
        expectations[season] = baseline.expect(at_ms + 12 * hour_ms)
    assert expectations["day"] is not None
    assert expectations["none"] is not None
    assert abs(expectations["day"][0] - 400) < 40
    assert abs(expectations["none"][0] - 400) > 100


def test_last_years_curve_is_scaled_to_the_present_level() -> None:
    baseline = Baseline(Adaptive(season="last_year"), MINUTE_MS)
    curve = [100.0 + 10 * (i % 30) for i in range(400)]
    for i, usual in enumerate(curve):
        baseline.learn(START_MS + i * MINUTE_MS, 1.2 * usual, usual)
    found = baseline.expect(START_MS + 400 * MINUTE_MS, 350.0)
    assert found is not None
    assert found[0] == pytest.approx(420.0)


def test_a_step_without_data_teaches_nothing() -> None:
    baseline = Baseline(Adaptive(), MINUTE_MS)
    said = told(baseline, [10.0] * 100 + [None] * (LONG - 3))
    assert said[-1] == pytest.approx(said[100])


@pytest.mark.parametrize(
    ("config", "step_ms", "data"),
    [
        (Adaptive(season="none"), MINUTE_MS, None),
        (Adaptive(), 1_000, None),
        (Adaptive(), MINUTE_MS, b"no dump"),
    ],
)
def test_what_another_baseline_left_is_refused(
    config: Adaptive, step_ms: int, data: bytes | None
) -> None:
    dumped = Baseline(Adaptive(), MINUTE_MS).dump() if data is None else data
    with pytest.raises(ValueError, match="expected a"):
        Baseline.load(config, step_ms, dumped)
