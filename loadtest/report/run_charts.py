"""The charts of a run: its hops over time, what waited, latencies by percentile, the knee. Pure."""

from collections.abc import Callable, Sequence
from math import log10
from typing import Final

from hdrh.histogram import HdrHistogram

from fenghuo.loadtest.report.charts import AREA, LOOKS, Axis, Chart, Dot, Line, Look, Point, short
from fenghuo.loadtest.report.figures import number
from fenghuo.loadtest.report.lines import TITLES
from fenghuo.loadtest.verdict.expect import HISTOGRAMS, QUANTILES, Seen
from fenghuo.loadtest.verdict.result import Run, Sample

RATE_SPAN: Final = 4
"""Samples that a rate in a chart is told over: two seconds."""
STEPS: Final = 8
"""Points of a latency curve for each nine of its percentile."""
INTO: Final = (("planned", "offered"), ("sent", "sent"), ("acknowledged", "acknowledged"))
OUT: Final = (
    *(("planned", "offered"), ("gathered", "gathered")),
    *(("archived", "archived"), ("shown", "shown")),
)


def throughput(run: Run) -> list[Chart]:
    """Events a second into the log, and out of it."""
    rate, seconds = Axis("events/s", short), _seconds(run)
    return [
        Chart("into", "Into the log, events a second", _hops(run, INTO), seconds, rate, _end(run)),
        Chart("out", "Out of the log, events a second", _hops(run, OUT), seconds, rate, _end(run)),
    ]


def waiting(run: Run) -> list[Chart]:
    """What waited in the log, how old the newest event shown was, how busy the machine."""
    events, ms = Axis("events", short), Axis("ms", number)
    busy, seconds = Axis("% of all cores", short), _seconds(run)
    # after the plan nothing new can be shown, so age says nothing of the system any more
    running = [s for s in run.watched.samples if s.at_ms <= run.told.seconds * 1000]
    whole = run.watched.samples
    lag, fresh = Line("waiting", _over(whole, _lag)), Line("age", _over(running, _fresh))
    used = Line("busy", _over(whole, _busy))
    end = _end(run)
    return [
        Chart("lag", "Events in the log that are not gathered yet", [lag], seconds, events, end),
        Chart("fresh", "Age of the newest event that a viewer is shown", [fresh], seconds, ms),
        Chart("busy", "Share of the machine in use", [used], seconds, busy, end),
    ]


def latency(run: Run) -> Chart:
    """Three lines over the percentiles, as far as there are samples to speak of."""
    seen = Seen(run.produced, run.proof, run.watched)
    ticks = [(_nines(p), f"p{p:g}") for name, p, _ in QUANTILES if name != "max"]
    lines = []
    for (family, title), look in zip(TITLES.items(), LOOKS[::-1], strict=True):
        points, dots = _curve(HISTOGRAMS[family][2](seen))
        lines.append(Line(title, points, look, dots))
    x = Axis("percentile", short, ticks)
    y = Axis("ms from the planned time, powers of ten", _power, logarithmic=True)
    return Chart("latency", "Latency by percentile", lines, x, y, label_ends=True)


def knee(run: Run) -> list[Chart]:
    """Freshness and waiting over the offered rate; the knee is the highest rate that was held."""
    most = max((float(step.rate_per_s) for step in run.knee), default=0.0)
    offered = Axis("offered events/s", short, span=(0.0, most))
    held = max((step.rate_per_s for step in run.knee if step.held), default=None)
    marks = [] if held is None else [(float(held), f"knee: {number(held)}/s")]
    found = []
    for name, title, axis, of in (
        ("knee-fresh", "p99 from planned to shown", Axis("ms", number), "fresh_p99_ms"),
        ("knee-lag", "Most events that waited in the log", Axis("events", short), "lag_max"),
    ):
        known = [
            Dot(float(step.rate_per_s), float(value), not step.held)
            for step in run.knee
            if (value := getattr(step, of)) is not None
        ]
        line = Line(title, [(dot.x, dot.y) for dot in known], Look(LOOKS[0].colour, 1.5), known)
        found.append(Chart(name, title, [line], offered, axis, marks))
    return found


def _seconds(run: Run) -> Axis:
    """All charts over time have the same one, so that they can be read below one another."""
    last_ms = run.watched.samples[-1].at_ms if run.watched.samples else 0
    last_s = max(last_ms / 1000, float(run.told.seconds))
    return Axis("seconds since the start", lambda value: f"{value:g}", span=(0.0, last_s))


def _end(run: Run) -> list[tuple[float, str]]:
    samples, end_s = run.watched.samples, run.told.seconds
    return [(float(end_s), "plan ends")] if samples and samples[-1].at_ms > end_s * 1000 else []


def _hops(run: Run, names: Sequence[tuple[str, str]]) -> list[Line]:
    """The plan as an area, the others as lines over it; without samples what is in the books."""
    looks = (AREA, *LOOKS)
    if len(run.watched.samples) > 1:
        return [
            Line(label, _rates(run.watched.samples, name), look)
            for (name, label), look in zip(names, looks, strict=False)
        ]
    seconds = run.produced.seconds
    return [
        Line(
            label, [(float(second.at_s), float(getattr(second, name))) for second in seconds], look
        )
        for (name, label), look in zip(names, looks, strict=False)
        if names is INTO
    ]


def _rates(samples: Sequence[Sample], name: str) -> list[Point]:
    """Events a second over a stretch of samples, told in its middle."""
    found: list[Point] = []
    span = min(RATE_SPAN, len(samples) - 1)
    for first, last in zip(samples, samples[span:], strict=False):
        then, now, span_ms = getattr(first, name), getattr(last, name), last.at_ms - first.at_ms
        known = then is not None and now is not None and span_ms > 0
        at_s = (first.at_ms + last.at_ms) / 2000
        found.append((at_s, (now - then) * 1000 / span_ms if known else None))
    return found


def _over(samples: Sequence[Sample], of: Callable[[Sample], float | None]) -> list[Point]:
    return [(sample.at_ms / 1000, of(sample)) for sample in samples]


def _lag(sample: Sample) -> float | None:
    return None if sample.lag is None else float(sample.lag)


def _fresh(sample: Sample) -> float | None:
    return None if sample.fresh_ms is None else float(sample.fresh_ms)


def _busy(sample: Sample) -> float | None:
    return None if sample.busy is None else sample.busy * 100


def _nines(percentile: float) -> float:
    """p90 is 1, p99 is 2, p99.9 is 3."""
    return log10(100 / (100 - percentile))


def _curve(encoded: str) -> tuple[list[Point], list[Dot]]:
    """(points up to the last percentile that the samples allow, dots at those with a name)."""
    histogram = HdrHistogram.decode(encoded.encode()) if encoded else None
    count = int(histogram.get_total_count()) if histogram else 0
    named = [p for name, p, needed in QUANTILES if name != "max" and count >= needed]
    if histogram is None or not named:
        return [], []
    first, last = _nines(named[0]), _nines(named[-1])
    between = (i / STEPS for i in range(1, int(last * STEPS) + 1))
    finer = [100 - 100 / 10**nines for nines in between if first < nines < last]
    values = histogram.get_percentile_to_value_dict([*named, *finer])
    points: list[Point] = [(_nines(p), values[p] / 1000) for p in sorted(values)]
    return points, [Dot(_nines(p), values[p] / 1000) for p in named]


def _power(value: float) -> str:
    return f"{value:g}" if value < 1 else number(value)
