"""A run told in plain lines of at most 100 columns, and as JSON. Pure."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from fenghuo.loadtest.report import figures
from fenghuo.loadtest.report.figures import UNKNOWN, exact, share, signed
from fenghuo.loadtest.verdict.expect import HISTOGRAMS, MEASURES, QUANTILES, Seen, quantiles
from fenghuo.loadtest.verdict.result import Hop, Proof, Run, Told

COLUMNS: Final = 100
MISSING_SHOWN: Final = 10
PUBLISHED_PER_S: Final = 583_000
"""Orders a second at the peak of 2020, as published; see deploy/campaigns/double11.toml."""
PLAN_PER_S: Final = 5_800_000
"""The campaign plan's figure for all requests of the peak; no other source is known."""
MARKS: Final = {"PASS": "✔", "FAIL": "✘", "INVALID": "?"}
GATE_MARKS: Final = {"passed": "✔", "failed": "✘", "invalid": "?"}
BOOKS: Final = {
    True: "the books close, to the event and to the fen",
    False: "the books do not close",
    None: "the books could not be proven",
}
TITLES: Final = {"send_": "sent", "ack_": "acknowledged", "": "shown"}
"""The three families of latency, in the order in which they happen."""

number = figures.number


class Derived(msgspec.Struct, frozen=True):
    """A figure of a run that --expect can ask for; value is null where it was not measured."""

    value: float | None
    samples: int
    unit: str


class Step(NamedTuple):
    """A hop and what it has more (or less) than the hop before it that could be asked."""

    hop: Hop
    more: int | None
    notes: tuple[str, ...]
    """The same of messages, paid orders and fen, where they differ; why the hop is silent."""


def as_json(run: Run) -> bytes:
    """The whole run as one JSON object, with every measure and the scale worked out beside it."""
    seen = Seen(run.produced, run.proof, run.watched)
    measures = {name: measure.read(seen) for name, measure in MEASURES.items()}
    whole = msgspec.structs.asdict(run)
    whole["exit_code"] = run.verdict.exit_code
    whole["scale"] = scale(peak_per_s(run))
    whole["measures"] = {
        name: Derived(value, samples, MEASURES[name].unit)
        for name, (value, samples) in measures.items()
    }
    return msgspec.json.encode(whole)


def text(run: Run) -> str:
    """The run for a terminal: the verdict first, then what it rests on."""
    return "\n".join(line.rstrip() for line in _lines(run))


def peak_per_s(run: Run) -> int:
    """Acknowledged events of the best second."""
    return max((second.acknowledged for second in run.produced.seconds), default=0)


def scale(per_s: int) -> str:
    """How much that is, beside what is known of the festival itself."""
    return (
        f"{number(per_s)}/s = {share(per_s, PUBLISHED_PER_S)} of {number(PUBLISHED_PER_S)} "
        f"orders/s (2020, published), {share(per_s, PLAN_PER_S)} of "
        f"{exact(PLAN_PER_S / 1e6)} million/s (plan)"
    )


def headline(told: Told) -> str:
    """What was done, in one line."""
    return (
        f"{told.shape} up to {number(told.rate_per_s)} events/s for {number(told.seconds)} s, "
        f"{told.form}, lane {told.lane}"
    )


def percentiles(run: Run) -> list[tuple[str, dict[str, float], int]]:
    """(title, milliseconds by quantile, samples) of each family of latencies; quantiles that have
    too few samples to speak of are left out.
    """
    seen, rows = Seen(run.produced, run.proof, run.watched), []
    for family, title in TITLES.items():
        found, count = quantiles(HISTOGRAMS[family][2](seen))
        enough = {name: found[name] for name, _, needed in QUANTILES if count >= needed}
        rows.append((title, enough, count))
    return rows


def steps(proof: Proof) -> list[Step]:
    """The hops with the differences between them."""
    found, last = [], dict[str, int]()
    names = ("events", "messages", "paid", "paid_amount_fen")
    for hop in proof.hops:
        more = {
            name: value - last[name]
            for name in names
            if (value := getattr(hop, name)) is not None and name in last
        }
        last |= {name: getattr(hop, name) for name in names if getattr(hop, name) is not None}
        words = {"messages": "messages", "paid": "paid orders", "paid_amount_fen": "fen"}
        notes = [f"{signed(more[n])} {word}" for n, word in words.items() if more.get(n)]
        found.append(Step(hop, more.get("events"), (*notes, *((hop.why,) if hop.why else ()))))
    return found


def _lines(run: Run) -> Iterator[str]:
    verdict, produced = run.verdict, run.produced
    yield f"{MARKS[verdict.outcome]} {verdict.outcome}"
    for reason in verdict.reasons:
        yield from _wrapped(reason, "  - ")
    yield ""
    seed = f"seed {run.told.seed}, {number(produced.producers)} producer(s)"
    yield from _wrapped(f"{headline(run.told)}, {seed}")
    yield from _wrapped(scale(peak_per_s(run)), "scale: ")
    if verdict.gates:
        yield ""
        for gate in verdict.gates:
            yield from _wrapped(gate.reason, f"  {GATE_MARKS[gate.outcome]} {gate.text:<24} ")
    yield ""
    yield BOOKS[run.proof.closed]
    yield from _proof(run.proof)
    yield ""
    yield from _latencies(run)
    yield ""
    yield from _details(run)


def _proof(proof: Proof) -> Iterator[str]:
    rows = [
        (
            step.hop.name,
            number(step.hop.events),
            "" if not step.more else signed(step.more),
            number(step.hop.messages),
            number(step.hop.paid),
            number(step.hop.paid_amount_fen),
        )
        for step in steps(proof)
    ]
    yield from _table(("hop", "events", "", "messages", "paid orders", "fen"), rows)
    for step in steps(proof):
        if step.notes:
            yield from _wrapped(", ".join(step.notes), f"  {step.hop.name}: ")
    for problem in proof.problems:
        yield from _wrapped(problem, "  - ")
    for gap in proof.missing[:MISSING_SHOWN]:
        count = gap.last - gap.first + 1
        where = f", near {gap.near}" if gap.near else ""
        yield from _wrapped(
            f"missing: producer {gap.producer}, {number(count)} records, numbers {gap.first} to "
            f"{gap.last}{where}",
            "  ",
        )
    if len(proof.missing) > MISSING_SHOWN:
        yield f"  missing: {number(len(proof.missing) - MISSING_SHOWN)} ranges more"


def _latencies(run: Run) -> Iterator[str]:
    found = percentiles(run)
    heads = tuple(word for word, _ in percentile_heads())
    rows = [
        (title, *(number(ms.get(name), 1) for _, name in percentile_heads()), number(count))
        for title, ms, count in found
    ]
    yield from _table(("ms from the planned time until", *heads, "samples"), rows)
    if any(len(ms) < len(QUANTILES) for _, ms, _ in found):
        yield f"  {UNKNOWN}: too few samples to say"


def percentile_heads() -> list[tuple[str, str]]:
    """(how people write it, name) of each quantile."""
    return [("max" if name == "max" else f"p{p:g}", name) for name, p, _ in QUANTILES]


def _details(run: Run) -> Iterator[str]:
    produced = run.produced
    for fate in run.proof.fates:
        yield from _wrapped(
            f"{fate.kind}: {number(fate.log)} in the log, {number(fate.accepted)} accepted, "
            f"{number(fate.late)} late, {number(fate.refused)} refused"
        )
    if produced.planted:
        planted = ", ".join(f"{name} {number(n)}" for name, n in sorted(produced.planted.items()))
        yield from _wrapped(f"bad data on purpose: {planted}")
    if produced.failures:
        failures = ", ".join(f"{name} {number(n)}" for name, n in sorted(produced.failures.items()))
        yield from _wrapped(f"not acknowledged: {failures}")
    settled = run.watched.settled_ms
    after = "was not seen to settle" if settled is None else f"settled after {number(settled)} ms"
    yield f"{after}; producers used {exact(round(produced.cpu_s, 1))} s of CPU"
    if run.watched.why:
        yield from _wrapped(f"not everything was seen: {run.watched.why}")
    for step in run.knee:
        mark = "held" if step.held else f"not held: {step.why}"
        yield from _wrapped(mark, f"{number(step.rate_per_s):>14}/s ")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as they need to be, the first one left, the others right."""
    whole = [tuple(_plain(cell) for cell in row) for row in (heads, *rows)]
    widths = [max(len(row[i]) for row in whole) for i in range(len(heads))]
    for first, *rest in whole:
        cells = "".join(
            f"  {cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True) if width
        )
        yield f"  {first:<{widths[0]}}{cells}"


def _wrapped(words: str, start: str = "") -> list[str]:
    """Text that may come from anywhere, in lines that stand below one another."""
    start = _plain(start)[: COLUMNS // 2]
    return textwrap.wrap(
        _plain(words),
        COLUMNS,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_on_hyphens=False,
    ) or [start]


def _plain(words: str) -> str:
    """Nothing that a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in words)
