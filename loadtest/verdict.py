"""The verdict: PASS, FAIL, or INVALID when the run says nothing about the system. Pure.

INVALID wins over FAIL and FAIL over PASS: a run whose generator could not keep its own plan may
neither condemn nor acquit. Every reason is kept.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from fenghuo.loadtest.expect import Expectation, Seen, gate, quantiles
from fenghuo.loadtest.result import Gate, Produced, Proof, Verdict, Watched

HANDED_P99_MS_MAX: Final = 100.0
LATE_SHARE_MAX: Final = 0.01
CLOCK_MS_MAX: Final = 50
PROVEN: Final = ("lost", "duplicates")
"""Gates that only a proof can answer."""


def judge(
    produced: Produced, proof: Proof, watched: Watched, expected: Sequence[Expectation]
) -> Verdict:
    """The verdict on a run, with every reason."""
    seen = Seen(produced, proof, watched)
    gates = tuple(_gate(one, seen) for one in expected)
    invalid = [*_invalid(produced), *(g.reason for g in gates if g.outcome == "invalid")]
    failed = [g.reason for g in gates if g.outcome == "failed"]
    if proof.closed is False:
        failed += ["the books do not close", *proof.problems]
    if invalid:
        return Verdict("INVALID", tuple(dict.fromkeys((*invalid, *failed))), gates)
    if failed:
        return Verdict("FAIL", tuple(dict.fromkeys(failed)), gates)
    return Verdict("PASS", tuple(g.reason for g in gates), gates)


def _gate(expected: Expectation, seen: Seen) -> Gate:
    found = gate(expected, seen)
    proof = seen.proof
    if expected.measure.name not in PROVEN or proof.closed is not None or found.value:
        return found
    why = "; ".join(proof.problems) or "the hops could not all be asked"
    return Gate(found.text, found.value, found.samples, "invalid", f"it is not proven: {why}")


def _invalid(produced: Produced) -> Iterator[str]:
    """Why the generator may not be believed."""
    if produced.stopped:
        yield "stopped before the end of the plan"
    if not produced.planned.events:
        yield "nothing was planned"
    if abs(produced.clock_step_ms) > CLOCK_MS_MAX:
        yield (
            f"the wall clock moved by {produced.clock_step_ms} ms against the monotonic one: "
            "latencies are not to be trusted; let the clock settle"
        )
    cause = (
        f"the broker took less than was offered ({produced.queue_full} times the client's queue "
        "was full)"
        if produced.queue_full
        else "the generator was starved: use more --processes, a lower --rate, or a larger machine"
    )
    missed = produced.planned.events - produced.sent.events
    if missed and produced.planned.events:
        share = missed / produced.planned.events
        yield f"{missed} events ({share:.2%}) were not sent in time: {cause}"
    late_p99_ms = quantiles(produced.handed)[0].get("p99", 0.0)
    late_share = produced.late_sends / max(1, produced.sent.messages)
    if late_p99_ms > HANDED_P99_MS_MAX or late_share > LATE_SHARE_MAX:
        yield (
            f"the generator lagged: {late_share:.1%} of the messages were handed over more than "
            f"{HANDED_P99_MS_MAX:.0f} ms after their time, p99 {late_p99_ms:.0f} ms: {cause}"
        )
