"""Shortened: the books of a partition whose log no longer begins at 0. No clock, no I/O.

Heads of pulses say what all below an offset amounts to. The log is counted again from the first of
them behind its present beginning; what the store has of seconds and offsets before is held, as a
sum, against that head. That is gather's own word, so it proves that nothing was lost or doubled on
the way to the store, and not that it was counted right.
"""

import msgspec

from fenghuo.schemas.wire.pulse import Head
from fenghuo.streams.audit import reconcile
from fenghuo.streams.audit.reconcile import Books, Difference, Ledger, Stored
from fenghuo.streams.counting import windows

Sums = dict[str, int]
"""Accepted, late and refused events, and fen paid in the campaign, late ones too."""


class Recorded(msgspec.Struct, frozen=True):
    """A log that begins at `first`, and what is on record of all below the offset of a head.

    span_ms: of the campaign; tallies know the fen of no other time.
    """

    first: int
    head: Head
    span_ms: tuple[int, int]

    @property
    def offset(self) -> int:
        """From here on the log is counted again."""
        return self.head.next_offset

    @property
    def end_ms(self) -> int:
        """Seconds before may have events from before the offset."""
        newest_ms = self.head.frontier_ms
        return 0 if newest_ms is None else windows.floor_of(newest_ms, 0) + windows.SECOND_MS

    def fen(self, second_ms: int, fen: int) -> int:
        """The fen of a second, if it lies in the campaign."""
        return fen if self.span_ms[0] <= second_ms < self.span_ms[1] else 0


def supersedes(head: Head, known: Head) -> bool:
    """Whether a head sent after another one makes it useless: labels changed since, or reading went
    on behind deleted records and gave up seconds that were open.
    """
    return (head.epoch, head.sealed) > (known.epoch, known.sealed)


def compare(
    ledger: Ledger, stored: Stored, below: Recorded, *, growing: bool
) -> tuple[Books, list[Difference]]:
    """The books of a partition of which the ledger has read what lies behind the head."""
    expected, found, fresh = _below(ledger, stored, below)
    books, differences = reconcile.compare(_behind(ledger, below), fresh, growing=growing)
    if growing and below.end_ms > (ledger.watermark_ms or 0):
        # some of these seconds are open: the store may have more of them by now
        expected, found = ({**one, "accepted": 0, "fen": 0} for one in (expected, found))
    if expected != found:
        place = (ledger.topic, ledger.partition, "on record", None, (0, below.offset - 1))
        differences.append(Difference(*place, expected, found))
    return _whole(books, expected, found, below), differences


def _below(ledger: Ledger, stored: Stored, below: Recorded) -> tuple[Sums, Sums, Stored]:
    """What seconds and offsets before the head must come to, what the store has of them, and what
    else it has.
    """
    tally, fen = below.head.tally, below.fen
    old = [second for second in stored.seconds if second < below.end_ms]
    mine = [(second, one) for second, one in ledger.seconds.items() if second < below.end_ms]
    late = {key: row for key, row in stored.late.items() if key[0] < below.offset}
    refused = {at: many for at, many in stored.refused.items() if at < below.offset}
    expected = {
        "accepted": tally.accepted + sum(one.events for _, one in mine),
        "late": tally.late,
        "refused": tally.refused,
        "fen": sum(paid for _, paid in tally.by_region.values())
        + sum(fen(second, one.fen) for second, one in mine),
    }
    found = {
        "accepted": sum(stored.seconds[second][0] for second in old),
        "late": sum(events for _, events, _ in late.values()),
        "refused": sum(refused.values()),
        "fen": sum(fen(second, stored.seconds[second][1]) for second in old)
        + sum(fen(second, paid) for second, _, paid in late.values()),
    }
    fresh = msgspec.structs.replace(
        stored,
        seconds={at: row for at, row in stored.seconds.items() if at >= below.end_ms},
        late={key: row for key, row in stored.late.items() if key not in late},
        refused={at: many for at, many in stored.refused.items() if at not in refused},
    )
    return expected, found, fresh


def _behind(ledger: Ledger, below: Recorded) -> Ledger:
    """The ledger without the seconds that are compared as a sum."""
    for second in [second for second in ledger.seconds if second < below.end_ms]:
        ledger.events -= ledger.seconds.pop(second).events
    return ledger


def _whole(books: Books, expected: Sums, found: Sums, below: Recorded) -> Books:
    """The books with what is on record."""
    return msgspec.structs.replace(
        books,
        log=books.log + expected["accepted"] + expected["late"] + expected["refused"],
        accepted=books.accepted + found["accepted"],
        late=books.late + found["late"],
        refused=books.refused + found["refused"],
        log_fen=books.log_fen + expected["fen"],
        accepted_fen=books.accepted_fen + found["fen"],
        begins=below.first,
        counted_from=below.offset,
        missing=below.head.gaps.missing,
    )
