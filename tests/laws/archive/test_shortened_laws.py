"""A log that lost its beginning is audited from any head behind it: the books close, and nothing
that the store lacks or has twice goes unseen.
"""

from collections.abc import Mapping
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fenghuo.schemas.wire.pulse import Head
from fenghuo.streams.audit import shortened
from fenghuo.streams.audit.reconcile import Ledger, Stored
from fenghuo.streams.audit.shortened import Recorded
from fenghuo.streams.gather.taken import Taken
from tests.laws.river import TERMS, Merged, Worker, codec_of, fetch_of, source_of
from tests.strategies import FUTURE_MS, LATENESS_MS, Record, cut, cuts_of, kinds_and_logs

SPAN_MS = (TERMS.start_ms, TERMS.end_ms)
TOTAL = ("", "", "")


def head_of(kind: str, taken: Taken) -> Head:
    """The head that is published with what was taken."""
    return Head(
        kind,
        source_of(kind),
        taken.position.epoch,
        taken.next_offset,
        taken.next_offset,
        taken.frontier_ms,
        taken.watermark_ms,
        0,
        None,
        idle=False,
        tally=taken.tally,
        sealed=taken.position.sealed,
    )


def heads_of(kind: str, records: list[Record], sizes: list[int]) -> tuple[list[Head], Merged]:
    """The heads of a worker that publishes behind each of these stretches, and all it published."""
    worker, heads = Worker(kind, records), []
    for part in cut(records, sizes):
        worker.gather.add(fetch_of(part))
        taken = worker.gather.take()
        worker.merged.see(taken)
        heads.append(head_of(kind, taken))
    return heads, worker.merged


def stored(kind: str, merged: Merged) -> Stored:
    """What the store has of all that."""

    def row(parts: Mapping[Any, tuple[int, ...]]) -> tuple[int, int]:
        return parts[TOTAL][0], parts[TOTAL][2] if kind == "order" else 0

    seconds = {second: row(parts) for second, (_, parts) in merged.pulses.items()}
    late = {
        (offset, idx): (second, values[0], values[2] if kind == "order" else 0)
        for (offset, idx, series), (second, values) in merged.late.items()
        if series == TOTAL
    }
    refused: dict[int, int] = {}
    for offset, _ in merged.letters:
        refused[offset] = refused.get(offset, 0) + 1
    return Stored(seconds, late, refused)


@settings(max_examples=60)
@given(kinds_and_logs(), st.data())
def test_the_rest_of_a_log_closes_its_books_from_any_head(
    log: tuple[str, list[Record]], data: st.DataObject
) -> None:
    kind, records = log[0], [replace_replay(record) for record in log[1]]
    assume(records)
    heads, merged = heads_of(kind, records, data.draw(cuts_of(len(records))))
    assume(heads)
    head = data.draw(st.sampled_from(heads))
    held = stored(kind, merged)

    def judged(of: Stored, growing: bool) -> tuple[bool, int]:
        ledger = Ledger(
            *(source_of(kind).topic, 0, codec_of(kind)),
            lateness_ms=LATENESS_MS,
            future_ms=FUTURE_MS,
            newest_ms=head.frontier_ms,
        )
        rest = [record for record in records if record.offset >= head.next_offset]
        if rest:
            ledger.read(fetch_of(rest))
        below = Recorded(1, head, SPAN_MS)
        books, differences = shortened.compare(ledger, of, below, growing=growing)
        return books.closed and not differences, books.log + books.open

    assert judged(held, growing=False) == (True, merged.tally.events)
    assert judged(held, growing=True)[0]
    for name in ("seconds", "late", "refused"):
        rows = getattr(held, name)
        for key in rows:
            less = {name: {other: row for other, row in rows.items() if other != key}}
            assert not judged(replace(held, **less), growing=False)[0], (name, key)


def replace_replay(record: Record) -> Record:
    """Which letters were replayed before the head is not known."""
    return Record(record.offset, record.record_ms, record.message, shadow=record.shadow)


def test_a_head_from_before_seconds_were_given_up_is_not_begun_from() -> None:
    before = head_of("order", Worker("order", []).gather.take())
    after = replace(before, sealed=7, next_offset=7)

    assert shortened.supersedes(after, before)
    assert not shortened.supersedes(before, after)
    assert not shortened.supersedes(replace(after, next_offset=9), after)
