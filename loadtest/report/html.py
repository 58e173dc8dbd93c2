"""A run as one HTML file that needs nothing else: no script, no font, no network. Pure."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from fenghuo.loadtest.report import run_charts
from fenghuo.loadtest.report.charts import Chart, drawn
from fenghuo.loadtest.report.figures import UNKNOWN, exact, number, signed
from fenghuo.loadtest.report.lines import (
    BOOKS,
    GATE_MARKS,
    headline,
    peak_per_s,
    percentile_heads,
    percentiles,
    scale,
    steps,
)
from fenghuo.loadtest.report.style import STYLE
from fenghuo.loadtest.verdict.expect import MEASURES, QUANTILES, Seen
from fenghuo.loadtest.verdict.result import Gate, Run, Verdict

MISSING_SHOWN: Final = 200
YEAR_10000_MS: Final = 253_402_300_800_000
OUTCOMES: Final = {"passed": "good", "failed": "bad", "invalid": "unsure"}
IN_A_WORD: Final = {
    "PASS": "Everything that was expected was measured, and held.",
    "FAIL": "The run is valid, and something that was expected did not hold.",
    "INVALID": "The run says nothing about the system, neither good nor bad.",
}
SHAPES: Final = {
    "PASS": '<circle cx="16" cy="16" r="15"/><path d="M8 17l6 6 11-13" class="on"/>',
    "FAIL": '<path d="M10 1h12l9 9v12l-9 9H10l-9-9V10z"/><path d="M10 10l12 12M22 10L10 22"/>',
    "INVALID": '<path d="M16 2l15 27H1z"/><path d="M16 11v9M16 24v.5"/>',
}
"""A disc, an octagon, a triangle: to be told apart without colour and before reading."""
_GROUPS: Final = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
THIN: Final = "\u202f"


def page(run: Run) -> str:
    """The whole report."""
    title = f"{run.verdict.outcome}: {headline(run.told)}"
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{_text(title)}</title><style>{STYLE}</style></head><body>",
            *_head(run),
            *_key(run),
            *_gates(run.verdict),
            *_knee(run),
            *_charts(run),
            *_proof(run),
            *_data(run),
            *_generator(run),
            *_told(run),
            "</body></html>\n",
        ]
    )


def _head(run: Run) -> Iterator[str]:
    outcome, start_ms = run.verdict.outcome, run.produced.start_ms
    began = ""
    if 0 < start_ms < YEAR_10000_MS:
        began = f", {datetime.fromtimestamp(start_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield (
        f"<header><p>fenghuo load, run {_text(run.produced.run)}{began}</p>"
        f"<h1>{_text(headline(run.told))}</h1></header>"
    )
    reasons = "".join(f"<li>{_text(reason)}</li>" for reason in run.verdict.reasons)
    yield (
        f'<section class="verdict {outcome}" aria-label="verdict">{_shape(outcome)}<div>'
        f"<strong>{outcome}</strong><p>{IN_A_WORD[outcome]}</p><ul>{reasons}</ul></div></section>"
    )


def _shape(outcome: str) -> str:
    first, second = SHAPES[outcome].split("/><", 1)
    line = 'fill="none" stroke="#fff" stroke-width="3.5" stroke-linecap="round"'
    second = second.replace("path", f"path {line}", 1).replace(' class="on"', "")
    return (
        f'<svg viewBox="0 0 32 32" aria-hidden="true">{first} fill="currentColor"/><{second}</svg>'
    )


def _key(run: Run) -> Iterator[str]:
    """The few figures that somebody in a hurry looks for."""
    seen = Seen(run.produced, run.proof, run.watched)
    tiles = []
    for name, label in (
        ("peak_per_s", "best second"),
        ("p99_ms", "p99 until shown"),
        ("lost", "lost"),
        ("duplicates", "twice in the log"),
        ("lag_max", "most waiting"),
        ("settled_ms", "all shown after"),
    ):
        measure = MEASURES[name]
        value, samples = measure.read(seen)
        few = value is None or samples < measure.samples_min
        shown = UNKNOWN if few or value is None else exact(round(value, 0 if value >= 10 else 1))
        doubt = measure.source == "proof" and run.proof.closed is None and not few
        words = f"{_text(shown)}{' <small>not proven</small>' if doubt else ''}"
        tiles.append(f"<div><dt>{label}, {measure.unit}</dt><dd>{words}</dd></div>")
    yield f'<dl class="key">{"".join(tiles)}</dl>'
    parts = scale(peak_per_s(run)).split("), ")
    told = "), ".join(f"<span>{_text(part)}</span>" for part in parts)
    yield f'<p class="scale">Scale, at the best second: <b>{told}</b></p>'


def _gates(verdict: Verdict) -> Iterator[str]:
    yield "<h2>What was expected</h2>"
    if not verdict.gates:
        yield '<p class="none">Nothing: no gate was given.</p>'
        return
    rows = [
        [
            f"<b>{_text(gate.text)}</b>",
            _outcome(gate.outcome),
            _text(UNKNOWN if gate.value is None else exact(gate.value)),
            _n(gate.samples),
            _text(_meaning(gate)),
        ]
        for gate in verdict.gates
    ]
    yield _table("gates", ("gate", "outcome", "measured", "samples", "what it is"), rows, text=4)


def _outcome(outcome: str) -> str:
    return f'<span class="{OUTCOMES[outcome]}">{GATE_MARKS[outcome]} {outcome}</span>'


def _meaning(gate: Gate) -> str:
    """What was measured; where that did not go well, what was found."""
    measure = MEASURES.get(re.split(r"[<=>]", gate.text, maxsplit=1)[0])
    return gate.reason if measure is None or gate.outcome != "passed" else measure.meaning


def _knee(run: Run) -> Iterator[str]:
    if not run.knee:
        return
    held = max((step.rate_per_s for step in run.knee if step.held), default=None)
    what = "no rate was held" if held is None else f"{number(held)} events/s were held"
    yield f"<h2>Capacity: {_text(what)}</h2>"
    yield "<p>Discs are rates that the system held, crosses those that it did not hold.</p>"
    yield from map(_figure, run_charts.knee(run))
    rows = [
        [
            _n(step.rate_per_s),
            '<span class="good">✔ held</span>'
            if step.held
            else '<span class="bad">✘ not held</span>',
            _n(step.sent_per_s),
            _n(step.lag_max),
            _n(step.fresh_p99_ms),
            _text(step.why),
        ]
        for step in run.knee
    ]
    heads = ("offered/s", "outcome", "sent/s", "most waiting", "p99 shown, ms", "why not")
    yield _table("steps of the search", heads, rows, text=5)


def _charts(run: Run) -> Iterator[str]:
    yield "<h2>Throughput</h2>"
    yield from map(_figure, run_charts.throughput(run))
    yield "<h2>Waiting and freshness</h2>"
    if run.watched.why:
        yield f"<p>Not everything could be seen: {_text(run.watched.why)}.</p>"
    yield from map(_figure, run_charts.waiting(run))
    yield "<h2>Latency from the planned time</h2>"
    yield (
        "<p>Times were planned before the run, so a message that had to wait for its turn counts "
        "with its waiting. Sent and acknowledged count messages, shown counts milliseconds of "
        "event time. A percentile is told where there are samples enough to speak of.</p>"
    )
    yield _figure(run_charts.latency(run))
    names = percentile_heads()
    rows = [
        [_text(title), *(_n(ms.get(name), 1) for _, name in names), _n(count)]
        for title, ms, count in percentiles(run)
    ]
    yield _table("latency", ("ms until", *(word for word, _ in names), "samples"), rows)
    if any(len(ms) < len(QUANTILES) for _, ms, _ in percentiles(run)):
        yield f'<p class="none">{UNKNOWN} too few samples to say.</p>'


def _proof(run: Run) -> Iterator[str]:
    proof = run.proof
    yield f"<h2>Proof: {BOOKS[proof.closed]}</h2>"
    if not proof.hops:
        yield '<p class="none">No hop could be asked.</p>'
    rows = []
    for step in steps(proof):
        hop, more = step.hop, step.more
        change = "" if more is None else '<span class="same">=</span>'
        if more:
            change = f'<span class="bad">{_text(signed(more))}</span>'
        figures = (hop.messages, hop.paid, hop.paid_amount_fen)
        notes = _text(", ".join(step.notes))
        rows.append(
            [_text(hop.name), _n(hop.events), change, *(_n(figure) for figure in figures), notes]
        )
    heads = ("hop", "events", "change", "messages", "paid orders", "fen", "")
    if rows:
        yield _table("hops", heads, rows, text=6)
    if proof.problems:
        items = "".join(f"<li>{_text(problem)}</li>" for problem in proof.problems)
        yield f'<ul class="plain">{items}</ul>'
    if proof.foreign_messages:
        yield f"<p>Records of others in between: {_n(proof.foreign_messages)}.</p>"
    if proof.missing:
        gaps = [
            [str(m.producer), str(m.first), str(m.last), _n(m.last - m.first + 1), _text(m.near)]
            for m in proof.missing[:MISSING_SHOWN]
        ]
        yield "<h3>Acknowledged, and not in the log</h3>"
        names = ("producer", "first number", "last number", "records", "near")
        yield _table("missing records", names, gaps, text=4)
        if (more := len(proof.missing) - MISSING_SHOWN) > 0:
            yield f"<p>{_n(more)} ranges more are in the JSON.</p>"


def _data(run: Run) -> Iterator[str]:
    fates, planted = run.proof.fates, sorted(run.produced.planted.items())
    yield '<h2>What became of the data</h2><div class="pair"><div><h3>By kind</h3>'
    if fates:
        rows = [
            [_text(f.kind), _n(f.log), _n(f.accepted), _n(f.late), _n(f.refused)] for f in fates
        ]
        yield _table("fates by kind", ("kind", "in the log", "accepted", "late", "refused"), rows)
    else:
        yield '<p class="none">The live view was not asked.</p>'
    yield "</div><div><h3>Bad data on purpose</h3>"
    if planted:
        rows = [[_text(name), _n(count)] for name, count in planted]
        yield _table("planted bad data", ("kind", "events"), rows)
    else:
        yield '<p class="none">None was planted.</p>'
    yield "</div></div>"


def _generator(run: Run) -> Iterator[str]:
    made = run.produced
    yield "<h2>The generator</h2>"
    facts = [
        ("producers", number(made.producers)),
        ("missed: due, and not sent in time", _unit(made.missed.events, "events")),
        ("failed: sent, and not acknowledged", _unit(made.failed.events, "events")),
        ("handed over more than 100 ms late", _unit(made.late_sends, "messages")),
        ("the latest of them", _unit(made.late_ms_max, "ms")),
        ("the client's queue was full", _unit(made.queue_full, "times")),
        ("wall clock against monotonic", f"{signed(made.clock_step_ms)} ms"),
        ("CPU of the producers", f"{number(made.cpu_s, 1)} s"),
    ]
    facts += [(f"failure: {name}", number(n)) for name, n in sorted(made.failures.items())]
    yield _facts("the generator", facts)


def _unit(value: int, unit: str) -> str:
    return f"{number(value)} {unit}"


def _told(run: Run) -> Iterator[str]:
    told = run.told
    yield f"<h2>To do it again</h2><pre><code>{escape(told.command)}</code></pre>"
    facts = (
        ("seed", str(told.seed)),
        ("version", told.version),
        ("commit", told.commit),
        ("machine", told.machine),
        ("campaign", told.campaign),
        ("campaign hash", told.campaign_hash),
        ("shape", told.shape),
        ("form", told.form),
        ("lane", told.lane),
    )
    yield '<div class="pair"><div><h3>What was run</h3>'
    yield _facts("what was run", facts)
    yield "</div><div><h3>Settings</h3>"
    yield _facts("settings", sorted(told.settings.items()))
    yield "<h3>Versions</h3>"
    yield _facts("versions", sorted(told.versions.items()))
    yield "</div></div>"


def _facts(name: str, facts: Sequence[tuple[str, str]]) -> str:
    body = "".join(
        f'<tr><th scope="row">{escape(what)}</th><td>{escape(value) or UNKNOWN}</td></tr>'
        for what, value in facts
    )
    return f'<table class="facts" aria-label="{name}"><tbody>{body}</tbody></table>'


def _figure(chart: Chart) -> str:
    return f"<figure><figcaption>{escape(chart.title)}</figcaption>{drawn(chart)}</figure>"


def _table(
    name: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, text: int | None = None
) -> str:
    """Cells are HTML; the first one of a row names it; `text` is the column of words."""
    css = ['class="text"' if i == text else "" for i in range(len(heads))]
    head = "".join(
        f'<th scope="col"{f" {c}" if c else ""}>{word}</th>'
        for word, c in zip(heads, css, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row">{first}</th>'
        + "".join(
            f"<td{f' {c}' if c else ''}>{cell}</td>" for cell, c in zip(rest, css[1:], strict=True)
        )
        + "</tr>"
        for first, *rest in rows
    )
    top = f"<thead><tr>{head}</tr></thead>" if any(heads) else ""
    return (
        f'<div class="table" role="region" aria-label="{name}" tabindex="0">'
        f'<table class="{name.partition(" ")[0]}">{top}<tbody>{body}</tbody></table></div>'
    )


def _n(value: float | None, digits: int = 0) -> str:
    return _text(number(value, digits))


def _text(words: str) -> str:
    """Words with thin spaces inside their figures, as HTML."""
    return escape(_GROUPS.sub(THIN, words))
