"""The verdict: PASS, FAIL, or INVALID when the run says nothing about the system. Pure.

INVALID wins over FAIL and FAIL over PASS: a run whose generator could not keep its own plan may
neither condemn nor acquit. Every reason is kept.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from fenghuo.loadtest.report.figures import exact, number, share
from fenghuo.loadtest.verdict.expect import Expectation, Seen, gate, quantiles
from fenghuo.loadtest.verdict.result import Gate, Produced, Proof, Verdict, Watched

HANDED_P99_MS_MAX: Final = 100.0
LATE_SHARE_MAX: Final = 0.01
CLOCK_MS_MAX: Final = 50


def judge(
    produced: Produced, proof: Proof, watched: Watched, expected: Sequence[Expectation]
) -> Verdict:
    """The verdict on a run, with every reason."""
    seen = Seen(produced, proof, watched)
    gates = tuple(_gate(one, seen) for one in expected)
    invalid = [*_invalid(produced), *(_told(g) for g in gates if g.outcome == "invalid")]
    silent = {one.text for one in gates if one.outcome == "invalid"}
    silent &= {one.text for one in expected if one.measure.source == "proof"}
    if silent and proof.closed is None:
        why = "; ".join(proof.problems) or "not every hop could be asked"
        invalid.append(f"the books could not be proven: {why}")
    failed = [_told(g) for g in gates if g.outcome == "failed"]
    if proof.closed is False:
        failed += ["the books do not close", *proof.problems]
    if invalid:
        return Verdict("INVALID", tuple(dict.fromkeys((*invalid, *failed))), gates)
    if failed:
        return Verdict("FAIL", tuple(dict.fromkeys(failed)), gates)
    return Verdict("PASS", tuple(dict.fromkeys(_good(proof, gates))), gates)


def _gate(expected: Expectation, seen: Seen) -> Gate:
    """A loss that was seen is a loss; that none was seen says nothing where a hop was silent."""
    found = gate(expected, seen)
    proof = seen.proof
    if expected.measure.source != "proof" or proof.closed is not None or found.outcome != "passed":
        return found
    reason = f"{found.reason} as far as could be seen, which proves nothing"
    return Gate(found.text, found.value, found.samples, "invalid", reason)


def _told(found: Gate) -> str:
    return f"{found.text}: {found.reason}"


def _good(proof: Proof, gates: Sequence[Gate]) -> Iterator[str]:
    yield from (found.reason for found in gates)
    if proof.closed:
        yield "the books close, to the event and to the fen"
    elif not gates:
        yield "nothing was expected, and the books were not proven"


def _invalid(produced: Produced) -> Iterator[str]:
    """Why the generator may not be believed."""
    planned = produced.planned.events
    if produced.stopped:
        yield "stopped before the end of the plan"
    if not planned:
        yield "nothing was planned: raise --rate or --seconds"
    if abs(produced.clock_step_ms) > CLOCK_MS_MAX:
        yield (
            f"the wall clock moved by {produced.clock_step_ms:+d} ms against the monotonic one "
            f"(at most {CLOCK_MS_MAX}): latencies are not to be trusted; let the clock settle and "
            "run again"
        )
    yield from _unsent(produced)
    late_p99_ms = quantiles(produced.handed)[0].get("p99", 0.0)
    messages = produced.sent.messages
    if late_p99_ms > HANDED_P99_MS_MAX or produced.late_sends > LATE_SHARE_MAX * messages:
        yield (
            f"the generator lagged: {number(produced.late_sends)} of {number(messages)} messages "
            f"({share(produced.late_sends, messages)}) were handed over more than "
            f"{exact(HANDED_P99_MS_MAX)} ms after their time, p99 {exact(late_p99_ms)} ms: "
            f"{_cause(produced)}"
        )


def _unsent(produced: Produced) -> Iterator[str]:
    planned, missed = produced.planned.events, produced.missed.events
    if missed:
        yield (
            f"{number(missed)} of {number(planned)} planned events ({share(missed, planned)}) were "
            f"not sent in time and count as missed: {_cause(produced)}"
        )
    never = planned - produced.sent.events - missed
    if never > 0:
        why = "the run was stopped" if produced.stopped else "a producer ended early; see its log"
        yield (
            f"{number(never)} of {number(planned)} planned events ({share(never, planned)}) were "
            f"never reached: {why}"
        )


def _cause(produced: Produced) -> str:
    if produced.queue_full:
        return (
            f"the broker took less than was offered (the client's queue was full "
            f"{number(produced.queue_full)} times): lower --rate, or give the broker more"
        )
    return "the generator was starved of CPU: use more --processes, a lower --rate or more cores"
