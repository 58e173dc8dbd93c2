"""A run told in lines of text, and as JSON. Pure."""

from collections.abc import Iterator
from typing import Final

import msgspec

from fenghuo.loadtest.expect import HISTOGRAMS, QUANTILES, Seen, quantiles
from fenghuo.loadtest.result import Hop, Run

PUBLISHED_PER_S: Final = 583_000
"""Orders a second at the peak of 2020, as published; see deploy/campaigns/double11.toml."""
PLAN_PER_S: Final = 5_800_000
"""The campaign plan's figure for all requests of the peak."""
MARKS: Final = {"PASS": "✔", "FAIL": "✘", "INVALID": "?"}
GATE_MARKS: Final = {"passed": "✔", "failed": "✘", "invalid": "?"}
TITLES: Final = {
    "": "planned → shown",
    "ack_": "planned → acknowledged",
    "send_": "planned → sent",
}


def as_json(run: Run) -> bytes:
    """The whole run as one JSON object."""
    return msgspec.json.encode(run)


def text(run: Run) -> str:
    """The run for a terminal: the verdict first, then what it rests on."""
    return "\n".join(_lines(run))


def number(value: float | None, digits: int = 0) -> str:
    """A figure with thin groups; a dash for what is not known."""
    return "–" if value is None else f"{value:,.{digits}f}".replace(",", " ")


def peak_per_s(run: Run) -> int:
    """Acknowledged events of the best second."""
    return max((second.acknowledged for second in run.produced.seconds), default=0)


def scale(per_s: int) -> str:
    """How much that is, beside what is known of the festival itself."""
    orders, plan = per_s / PUBLISHED_PER_S, per_s / PLAN_PER_S
    return (
        f"{number(per_s)}/s = {_percent(orders)} of 583 000 orders/s (2020, published), "
        f"{_percent(plan)} of 5.8 million/s (plan)"
    )


def percentiles(run: Run) -> list[tuple[str, dict[str, float], int]]:
    """(title, milliseconds by quantile, samples) of each family of latencies."""
    seen = Seen(run.produced, run.proof, run.watched)
    return [(TITLES[name], *quantiles(of(seen))) for name, (_, of) in HISTOGRAMS.items()]


def _percent(share: float) -> str:
    digits = 1 if share >= 0.1 else 2
    return f"{number(share * 100, digits)} %"


def _lines(run: Run) -> Iterator[str]:
    verdict, produced, told = run.verdict, run.produced, run.told
    yield f"{MARKS[verdict.outcome]} {verdict.outcome}"
    yield from (f"    {reason}" for reason in verdict.reasons)
    yield ""
    yield (
        f"{told.shape} up to {number(told.rate_per_s)} events/s for {told.seconds} s, "
        f"{told.form}, lane {told.lane}, seed {told.seed}, {produced.producers} producer(s)"
    )
    yield f"best second: {scale(peak_per_s(run))}"
    for gate in verdict.gates:
        yield f"  {GATE_MARKS[gate.outcome]} {gate.text:<24} {gate.reason}"
    yield ""
    yield f"  {'hop':<14}{'events':>16}{'messages':>14}{'paid':>14}{'fen':>22}"
    yield from (_hop_line(hop) for hop in run.proof.hops)
    for problem in run.proof.problems:
        yield f"    {problem}"
    for gap in run.proof.missing[:10]:
        yield f"    missing: producer {gap.producer}, {gap.first} to {gap.last}, near {gap.near}"
    yield ""
    heads = "".join(f"{name:>10}" for name, *_ in QUANTILES)
    yield f"  {'milliseconds':<24}{heads}{'samples':>14}"
    for title, found, count in percentiles(run):
        cells = "".join(f"{number(found.get(name), 1):>10}" for name, *_ in QUANTILES)
        yield f"  {title:<24}{cells}{number(count):>14}"
    yield from _details(run)


def _details(run: Run) -> Iterator[str]:
    produced = run.produced
    if produced.planted:
        planted = ", ".join(f"{n} {number(c)}" for n, c in sorted(produced.planted.items()))
        yield f"  bad data on purpose: {planted}"
    for fate in run.proof.fates:
        yield (
            f"  {fate.kind}: accepted {number(fate.accepted)}, late {number(fate.late)}, "
            f"refused {number(fate.refused)}"
        )
    settled = run.watched.settled_ms
    yield f"  settled after {number(settled)} ms; producers used {produced.cpu_s:.1f} s of CPU"
    for step in run.knee:
        mark = "held" if step.held else f"did not hold: {step.why}"
        yield f"  {number(step.rate_per_s):>14}/s {mark}"


def _hop_line(hop: Hop) -> str:
    if hop.events is None:
        return f"  {hop.name:<14}{'–':>16}  {hop.why}"
    cells = (hop.events, hop.messages, hop.paid, hop.paid_amount_fen)
    return f"  {hop.name:<14}" + "".join(
        f"{number(cell):>{width}}" for cell, width in zip(cells, (16, 14, 14, 22), strict=True)
    )
