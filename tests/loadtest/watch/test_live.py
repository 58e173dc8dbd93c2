"""The live view says what the samples say: on a screen, as lines, or not at all."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fenghuo.loadtest.report.panel import SPARK, SPARKS_MAX, Panel, spark, thinned
from fenghuo.loadtest.verdict.result import Sample
from fenghuo.loadtest.watch.live import Live

counts = st.integers(0, 10**12)
maybe = st.one_of(st.none(), counts)
samples = st.builds(
    Sample,
    at_ms=st.integers(-5_000, 10**8),
    planned=counts,
    sent=counts,
    acknowledged=counts,
    missed=counts,
    gathered=maybe,
    archived=maybe,
    shown=maybe,
    lag=maybe,
    fresh_ms=maybe,
    busy=st.one_of(st.none(), st.floats(0, 1)),
)


def drawn(panel: Panel) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    with console.capture() as text:
        console.print(panel.table())
    return text.get()


def sample(at_ms: int, sent: int, **changes: float | None) -> Sample:
    return Sample(at_ms, sent, sent, sent, 0, **changes)  # type: ignore[arg-type]


def second(number: int) -> Sample:
    rest = {"gathered": 900 * number, "shown": 800 * number, "lag": 100, "busy": 0.5}
    return sample(number * 1_000, 1_000 * number, fresh_ms=100 * number, **rest)


@given(st.lists(samples, max_size=15), st.integers(0, 1_000), st.lists(st.floats(0, 1e6)))
def test_anything_can_be_shown(seen: list[Sample], seconds: int, curve: list[float]) -> None:
    panel = Panel("a run", seconds, curve)
    for one in seen:
        panel.add(one)

    assert "a run" in drawn(panel)
    assert "\n" not in panel.line()


def test_a_panel_tells_every_hop_its_rate_and_freshness() -> None:
    panel = Panel("a run", 60)
    for number in range(5):
        panel.add(second(number))
    lines = {line.split()[1]: line.split()[3:] for line in drawn(panel).splitlines() if "│" in line}

    assert lines["sent"] == ["4", "000", "│", "1", "000", "│"]
    assert lines["gathered"] == ["3", "600", "│", "900", "│"]
    assert lines["archived"] == ["–", "│", "–", "│"]
    assert lines["missed"][0] == "0"
    assert lines["machine"][:3] == ["50%", "of", "the"]
    assert "freshness  400 ms, p50 200, p99 400" in drawn(panel)
    assert "4 of 60 s" in drawn(panel)
    assert panel.line() == (
        "   4.0 s  1 000 sent/s, offered 4 000, sent 4 000, acknowledged 4 000, gathered 3 600, "
        "archived –, shown 3 200, missed 0, lag 100, fresh 400 ms, p50 200, p99 400"
    )


def test_the_age_of_events_after_the_end_is_no_freshness() -> None:
    panel = Panel("a run", 2)
    for number in range(9):
        panel.add(second(number))

    assert panel.line().endswith("fresh 800 ms, p50 100, p99 200")


def test_a_panel_without_samples_waits() -> None:
    panel = Panel("a run", 60)

    assert panel.line() == "a run: waiting"
    assert panel.rate("sent") is None
    assert "0 of 60 s" in drawn(panel)


@given(st.lists(st.floats(0, 1e9), max_size=300))
def test_a_curve_keeps_its_peak_and_fits(values: list[float]) -> None:
    found = thinned(values, SPARKS_MAX)

    assert len(found) == min(len(values), SPARKS_MAX)
    assert max(found, default=0) == max(values, default=0)
    assert set(spark(found)) <= set(SPARK)
    if max(values, default=0) > 0:
        assert len(spark(found)) == len(found)
        assert SPARK[-1] in spark(found)


def test_a_log_gets_a_line_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    with Live("a run", 60, quiet=False, console=Console(file=io.StringIO())) as live:
        for number in range(10):
            live.show(sample(number * 250, number))
    lines = capsys.readouterr().err.splitlines()

    assert [line.split()[0] for line in lines] == ["0.0", "1.0", "2.0"]


def test_a_screen_is_redrawn(capsys: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, color_system=None)
    with Live("a run", 60, quiet=False, console=console) as live:
        live.show(second(1))
        live.show(second(2))
        live.say("reading the log back")

    assert "2 000" in screen.getvalue()
    assert "reading the log back" in screen.getvalue()
    assert capsys.readouterr().err == ""


def test_a_quiet_run_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()
    with Live("a run", 60, quiet=True, console=Console(file=screen, force_terminal=True)) as live:
        live.show(second(1))
        live.say("reading the log back")

    assert screen.getvalue() == capsys.readouterr().err == ""
