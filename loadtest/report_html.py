"""A run as one HTML file that needs nothing else: no script, no font, no network. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import Final

from fenghuo.loadtest.charts import Axis, Line, Point, chart
from fenghuo.loadtest.expect import QUANTILES
from fenghuo.loadtest.report import (
    GATE_MARKS,
    MARKS,
    number,
    peak_per_s,
    percentiles,
    scale,
)
from fenghuo.loadtest.result import Run, Sample

SHAPES: Final = {"PASS": "●", "FAIL": "■", "INVALID": "◆"}
RATE_SPAN: Final = 4
"""Samples that a rate in a chart is told over: two seconds."""
HOPS: Final = (
    ("planned", "offered"),
    ("sent", "sent"),
    ("acknowledged", "acknowledged"),
    ("gathered", "gathered"),
    ("archived", "archived"),
    ("shown", "shown"),
)
STYLE: Final = """
:root{font:16px/1.45 system-ui,"Noto Sans CJK SC",sans-serif;color:#1a1a1a;background:#fff}
body{max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.2rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.8rem 0 .4rem}
.verdict{border-left:.6rem solid;padding:.6rem 1rem;margin:1rem 0}
.verdict b{font-size:2rem;letter-spacing:.04em}.verdict ul{margin:.4rem 0 0;padding-left:1.2rem}
.PASS{border-color:#00663f;background:#eaf6f0}.PASS b{color:#00663f}
.FAIL{border-color:#b00020;background:#fdecee}.FAIL b{color:#b00020}
.INVALID{border-color:#7a5200;background:#fdf4e1}.INVALID b{color:#7a5200}
.scale{font-size:1.1rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.22rem .7rem;border-bottom:1px solid #ccc;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}td.text{text-align:left;white-space:normal}
td.differs{color:#b00020;font-weight:700}
svg{width:100%;height:auto;min-width:32rem}svg text{font-size:11px;fill:#333}
svg .y{text-anchor:end}svg .x{text-anchor:middle}svg .title{fill:#555}svg .end{font-weight:600}
svg .grid{stroke:#ddd}svg .mark{stroke:#777;stroke-dasharray:2 2}
.none{color:#555}code{overflow-wrap:anywhere}
@media print{h2{break-after:avoid}svg,table{break-inside:avoid}}
"""


def page(run: Run) -> str:
    """The whole report."""
    told = run.told
    title = f"{run.verdict.outcome}: {told.shape}, {number(told.rate_per_s)} events/s"
    return "".join(
        [
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
            *_head(run),
            *_charts(run),
            *_proof(run),
            *_tables(run),
            *_told(run),
            "</body></html>\n",
        ]
    )


def _head(run: Run) -> Iterator[str]:
    told, verdict = run.told, run.verdict
    yield (
        f"<h1>fenghuo load: {escape(told.shape)} up to {number(told.rate_per_s)} events/s "
        f"for {told.seconds} s, {escape(told.form)}, lane {escape(told.lane)}</h1>"
    )
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in verdict.reasons)
    yield (
        f'<section class="verdict {verdict.outcome}"><b>{SHAPES[verdict.outcome]} '
        f"{verdict.outcome} {MARKS[verdict.outcome]}</b><ul>{reasons}</ul></section>"
    )
    yield f'<p class="scale">Best second: <strong>{escape(scale(peak_per_s(run)))}</strong></p>'
    if verdict.gates:
        rows = [
            (f"{GATE_MARKS[g.outcome]} {g.text}", number(g.value, 1), number(g.samples), g.reason)
            for g in verdict.gates
        ]
        yield _table("Gates", ("expected", "value", "samples", "outcome"), rows, text_at=3)


def _charts(run: Run) -> Iterator[str]:
    samples = run.watched.samples
    seconds = Axis("seconds since the start", lambda value: f"{value:g}")
    end_s = float(run.told.seconds)
    marks = [(end_s, "end of plan")] if samples and samples[-1].at_ms > end_s * 1000 else []
    yield "<h2>Events a second, hop by hop</h2>"
    lines = [Line(label, _rates(samples, name)) for name, label in HOPS]
    yield _figure(
        chart("events a second of each hop", lines, seconds, Axis("events/s", short), marks=marks)
    )
    yield "<h2>Waiting and freshness</h2>"
    lag = Line("lag", [(s.at_ms / 1000, _maybe(s.lag)) for s in samples])
    yield _figure(
        chart("events in the log that are not gathered", [lag], seconds, Axis("events", short))
    )
    running = [s for s in samples if s.at_ms <= end_s * 1000]
    fresh = Line("age", [(s.at_ms / 1000, _maybe(s.fresh_ms)) for s in running])
    age = Axis("ms", number)
    yield _figure(chart("age of the newest event time shown", [fresh], seconds, age))
    yield "<h2>Latency from the planned time</h2>"
    families = percentiles(run)
    names = [(float(i), f"p{percentile:g}") for i, (_, percentile, _) in enumerate(QUANTILES)]
    names[-1] = (names[-1][0], "max")
    lines = [
        Line(title.removeprefix("planned → "), [(i, found.get(q[0])) for (i, _), q in
             zip(names, QUANTILES, strict=True)])
        for title, found, _ in families
    ]  # fmt: skip
    yield _figure(
        chart("latency by percentile", lines, Axis("percentile", short), age, ticks=names)
    )
    rows = [
        (title, *(number(found.get(name), 1) for name, *_ in QUANTILES), number(count))
        for title, found, count in families
    ]
    heads = ("milliseconds", *(word for _, word in names), "samples")
    yield _table("", heads, rows)
    yield from _knee(run)


def _knee(run: Run) -> Iterator[str]:
    if not run.knee:
        return
    held = max((step.rate_per_s for step in run.knee if step.held), default=0)
    yield f"<h2>Capacity: {number(held)} events/s held</h2>"
    points: list[Point] = [(float(step.rate_per_s), step.fresh_p99_ms) for step in run.knee]
    marks = [(float(held), "knee")] if held else []
    yield _figure(
        chart(
            "p99 of event to page by offered rate",
            [Line("p99 shown", points)],
            Axis("offered events/s", short),
            Axis("ms", number),
            marks=marks,
        )
    )
    rows = [
        (
            number(step.rate_per_s),
            "held" if step.held else "not held",
            number(step.sent_per_s),
            number(step.lag_max),
            number(step.fresh_p99_ms),
            step.why,
        )
        for step in run.knee
    ]
    heads = ("offered/s", "", "sent/s", "most waiting", "p99 shown, ms", "why not")
    yield _table("", heads, rows, text_at=5)


def _proof(run: Run) -> Iterator[str]:
    proof = run.proof
    words = {True: "The books close.", False: "The books do not close.", None: "Not proven."}
    yield f"<h2>Proof: {words[proof.closed]}</h2>"
    heads = ("hop", "events", "messages", "paid orders", "fen")
    body, before = [], None
    for hop in proof.hops:
        cells = (hop.events, hop.messages, hop.paid, hop.paid_amount_fen)
        differs = before is not None and hop.events is not None and hop.events != before
        first = f'<td class="differs">{number(hop.events)} ({(hop.events or 0) - (before or 0):+d})'
        text = f"{first}</td>" if differs else f"<td>{number(hop.events)}</td>"
        rest = "".join(f"<td>{number(cell)}</td>" for cell in cells[1:])
        why = f'<td class="text">{escape(hop.why)}</td>'
        body.append(f"<tr><td>{escape(hop.name)}</td>{text}{rest}{why}</tr>")
        before = hop.events if hop.events is not None else before
    yield f'<div class="wide"><table>{_heads((*heads, ""))}{"".join(body)}</table></div>'
    if proof.problems:
        yield "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in proof.problems) + "</ul>"
    if proof.missing:
        rows = [(str(m.producer), f"{m.first} to {m.last}", m.near) for m in proof.missing[:200]]
        yield _table("Missing records", ("producer", "numbers", "near"), rows, text_at=2)


def _tables(run: Run) -> Iterator[str]:
    produced = run.produced
    if run.proof.fates:
        fates = [
            (f.kind, number(f.log), number(f.accepted), number(f.late), number(f.refused))
            for f in run.proof.fates
        ]
        yield _table("What became of them", ("kind", "log", "accepted", "late", "refused"), fates)
    if produced.planted:
        planted = [(name, number(count)) for name, count in sorted(produced.planted.items())]
        yield _table("Bad data on purpose", ("kind", "events"), planted)
    rows = [
        ("missed (due, and not sent in time)", number(produced.missed.events)),
        ("failed (sent, not acknowledged)", number(produced.failed.events)),
        ("messages handed over more than 100 ms late", number(produced.late_sends)),
        ("the client's queue was full", number(produced.queue_full)),
        ("all shown after the last acknowledgement, ms", number(run.watched.settled_ms)),
        ("CPU of the producers, s", number(produced.cpu_s, 1)),
        ("clock against monotonic time, ms", number(produced.clock_step_ms)),
        *((f"failure: {name}", number(n)) for name, n in sorted(produced.failures.items())),
    ]
    yield _table("The generator", ("", ""), rows)


def _told(run: Run) -> Iterator[str]:
    told = run.told
    rows = [
        ("machine", told.machine),
        ("seed", str(told.seed)),
        ("version", told.version),
        ("commit", told.commit or "–"),
        ("campaign", f"{told.campaign}, {told.campaign_hash}"),
        *sorted(told.settings.items()),
        *sorted(told.versions.items()),
        ("run", run.produced.run),
    ]
    yield "<h2>To do it again</h2>"
    yield f"<p><code>{escape(told.command)}</code></p>"
    yield _table("", ("", ""), rows, text_at=1)


def _rates(samples: Sequence[Sample], name: str) -> list[Point]:
    """Events a second over a stretch of samples."""
    found: list[Point] = []
    stretches: Iterable[tuple[Sample, Sample]] = zip(samples, samples[RATE_SPAN:], strict=False)
    if len(samples) <= RATE_SPAN:
        stretches = pairwise(samples)
    for first, last in stretches:
        then, now, span_ms = getattr(first, name), getattr(last, name), last.at_ms - first.at_ms
        known = then is not None and now is not None and span_ms > 0
        found.append((last.at_ms / 1000, (now - then) * 1000 / span_ms if known else None))
    return found


def _maybe(value: int | None) -> float | None:
    return None if value is None else float(value)


def short(value: float) -> str:
    """A large number for an axis: 5.8 M, 250 k."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _figure(svg: str) -> str:
    return f'<div class="wide">{svg}</div>'


def _heads(names: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<th>{escape(name)}</th>" for name in names) + "</tr>"


def _table(
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    text_at: int | None = None,
) -> str:
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=text' if i == text_at else ''}>{escape(cell)}</td>"
            for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    head = f"<h2>{escape(title)}</h2>" if title else ""
    return f'{head}<div class="wide"><table>{_heads(heads)}{body}</table></div>'
