"""A viewer from outside sees every view, comes back when it is cut off, and times what it saw."""

import itertools
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest.watch import watch
from fenghuo.loadtest.watch.watch import Freshness, View, Viewer, as_of_ms, delays_ms, quantile
from tests.api.boards import FakeSource
from tests.api.server import running, wait_for

START_MS = 1_760_000_000_000


def view(at_ms: int | None, kind: str = "order") -> View:
    return {"kinds": [{"kind": "traffic", "as_of_ms": None}, {"kind": kind, "as_of_ms": at_ms}]}


@st.composite
def views(draw: st.DrawFn) -> list[tuple[int, View]]:
    """Arrivals and what they show, which may stand still, fall back or be nothing."""
    steps = draw(st.lists(st.integers(0, 400), min_size=1, max_size=12))
    arrivals = itertools.accumulate(steps, initial=START_MS + 500)
    shown = [draw(st.one_of(st.none(), st.integers(-300, 2_500))) for _ in range(len(steps) + 1)]
    return [
        (arrived, view(None if at is None else START_MS + at))
        for arrived, at in zip(arrivals, shown, strict=True)
    ]


@given(views(), st.integers(1, 2_000), st.sampled_from([7, 100_000]))
def test_every_millisecond_of_the_run_is_timed_once(
    seen: list[tuple[int, View]], span_ms: int, at_once: int
) -> None:
    found = Freshness("order", START_MS, START_MS + span_ms)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "TIMES_AT_ONCE", at_once)
        for arrived_ms, one in seen:
            found.see(arrived_ms, one)
    histogram = HdrHistogram.decode(found.encoded().encode())

    expected = []
    for at_ms in range(START_MS, START_MS + span_ms):
        first = next((a for a, one in seen if (as_of_ms(one, "order") or 0) >= at_ms), None)
        if first is not None:
            expected.append(first - at_ms)
    assert histogram.get_total_count() == len(expected)
    if expected:
        worst_ms = histogram.get_max_value() / 1000
        assert worst_ms == pytest.approx(max(expected), rel=0.002, abs=0.01)


def test_delays_are_those_of_the_milliseconds_that_became_visible() -> None:
    seen = [(1_000, view(900)), (1_100, view(None)), (1_200, view(902)), (1_300, view(901))]

    assert delays_ms(seen, "order") == [1_200 - 901, 1_200 - 902]
    assert delays_ms(seen, "traffic") == []


def test_quantiles_are_of_the_samples() -> None:
    assert quantile([], 0.5) is None
    assert [quantile([3, 1, 2], q) for q in (0, 0.5, 0.99)] == [1, 2, 3]


def test_a_viewer_asks_again_until_it_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "AGAIN_S", 0.05)
    seen: list[Any] = []
    with running(FakeSource(), viewers_max=1) as run:
        url = f"http://127.0.0.1:{run.port}"
        run.push(1.0)
        with Viewer(url, lambda _arrived_ms, one: seen.append(one["seq"])):
            wait_for(lambda: seen)
            second = Viewer(url).__enter__()
            wait_for(lambda: "503" in second.why)  # all places are taken
            assert second.views == []
        wait_for(lambda: second.views)
        run.feed.close()  # every viewer is sent away, nobody is let in
        wait_for(lambda: "503" in second.why)
        second.__exit__()


def test_a_viewer_keeps_the_newest_views_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "VIEWS_MAX", 3)
    source = FakeSource()
    with running(source) as run, Viewer(f"http://127.0.0.1:{run.port}/") as viewer:
        for number in range(8):
            run.push(60.0 + number)
            wait_for(lambda n=number: any(one["seq"] > n for _, one in viewer.views))
            assert len(viewer.views) <= 3
        levels = list(viewer.levels("error_rate", "system=payment"))

    assert 1 <= len(levels) <= 3
    assert viewer.why == ""


def test_nobody_there_is_a_reason() -> None:
    with Viewer("http://127.0.0.1:1/") as viewer:
        wait_for(lambda: "refused" in viewer.why)

    assert viewer.views == []
