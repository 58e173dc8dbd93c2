"""Capacity search: it ends close to the limit, and says why a step did not hold."""

from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest.verdict.capacity import CLOSE, STEPS_MAX, Search, growing, step
from fenghuo.loadtest.verdict.result import Sample

RATE_MAX = 50_000_000


def search(first: int, limit: int) -> Search:
    found = Search(first, RATE_MAX)
    while (rate := found.next_rate) is not None:
        found.told(held=rate <= limit)
    return found


@given(st.integers(1_000, RATE_MAX), st.integers(1, 2 * RATE_MAX))
def test_a_search_ends_and_never_claims_what_did_not_hold(first: int, limit: int) -> None:
    found = search(first, limit)

    assert found.steps <= STEPS_MAX
    assert found.held <= limit
    assert found.failed is None or found.failed > limit


@given(st.integers(50_000, RATE_MAX // 2), st.floats(0.2, 8))
def test_a_limit_in_reach_is_found_closely(first: int, factor: float) -> None:
    limit = min(int(first * factor), RATE_MAX)
    found = search(first, limit)

    assert found.held * CLOSE >= limit or (found.failed or 0) <= found.held * CLOSE


def sample(at_ms: int, lag: int | None) -> Sample:
    return Sample(at_ms, 0, 0, 0, 0, lag=lag)


def test_a_lag_that_passes_is_no_lag_that_grows() -> None:
    stumble = [sample(i, 5_000 if i < 5 else 100) for i in range(12)]

    assert growing(stumble, 1_000) == ""
    assert "at least 8000 events" in growing([sample(i, i * 1_000) for i in range(12)], 1_000)
    assert growing([sample(0, None)], 1_000) == "nobody could tell the lag"


def test_a_step_says_every_reason() -> None:
    lags = [sample(i, 10_000) for i in range(3)]
    knee = step(1_000, sent_per_s=900.0, reasons=["missed 7"], samples=lags, fresh_p99_ms=1_500.0)
    calm = step(1_000, sent_per_s=1e3, reasons=[], samples=[sample(0, 5)], fresh_p99_ms=80.0)

    assert not knee.held
    assert knee.lag_max == 10_000
    assert [part in knee.why for part in ("missed 7", "waited in the log", "1500 ms")] == [True] * 3
    assert calm.held
    assert not calm.why
