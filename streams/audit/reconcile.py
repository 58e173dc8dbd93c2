"""Audit: the books of each source partition, from the log alone, against what the store holds. No
clock, no I/O.

A second implementation of the counting on purpose: it shares the decoding with gather, but none of
its arithmetic (no codes, no open seconds, no pulses), so that a mistake in one shows against the
other.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import polars as pl

from fenghuo.schemas.kinds.bounds import SECOND_WEIGHT_MAX, TS_MIN_MS
from fenghuo.schemas.kinds.events import ALL
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.wire.letters import replay_of
from fenghuo.streams.decode.batch import Batch
from fenghuo.streams.decode.codec import Codec

DIFFERENCES_MAX = 100
"""Differences named at most; the rest is only counted."""
Key = tuple[int, int]
"""(offset, idx) of an event."""


class Second(msgspec.Struct):
    """Accepted events of one second: how many, how many fen paid, what they weigh, and between
    which offsets they lie.
    """

    events: int = 0
    fen: int = 0
    weight: int = 0
    first: int = 2**62
    last: int = -1


class Difference(msgspec.Struct, frozen=True):
    """Something the store has otherwise than the log: where, and both sides."""

    topic: str
    partition: int
    what: str
    second_ms: int | None
    offsets: tuple[int, int]
    expected: dict[str, int]
    found: dict[str, int]


class Books(msgspec.Struct, frozen=True):
    """The books of one partition. They close when log = accepted + late + refused, and the fen
    agree.
    """

    topic: str
    partition: int
    log: int
    accepted: int
    late: int
    refused: int
    open: int
    log_fen: int
    accepted_fen: int
    late_fen: int
    begins: int = 0
    """The first offset there is."""
    counted_from: int = 0
    """What lies before is held against gather's own books (see shortened)."""
    missing: int = 0
    """Offsets that were deleted before anybody read them: in no book."""

    @property
    def closed(self) -> bool:
        """Whether both sides agree, to the event and to the fen."""
        events = self.accepted + self.late + self.refused
        return self.log == events and self.log_fen == self.accepted_fen + self.late_fen


class Stored(msgspec.Struct, frozen=True):
    """What the store holds of one partition: seconds -> (events, fen), late keys -> (second,
    events, fen), offset -> refused events of that record.
    """

    seconds: Mapping[int, tuple[int, int]]
    late: Mapping[Key, tuple[int, int, int]]
    refused: Mapping[int, int]
    uneven: Mapping[int, str] = {}
    """Seconds in which a cut does not sum to the total, and which cut."""
    limits: Mapping[int, int] = {}
    """Offset -> what the letters of events of the future state as the limit of that record."""


class Ledger:
    """What the log of one source partition comes to, read fetch by fetch from its beginning."""

    def __init__(
        self,
        topic: str,
        partition: int,
        codec: Codec,
        *,
        lateness_ms: int,
        future_ms: int,
        limits: Mapping[int, int] | None = None,
        skips: Container[int] = (),
        newest_ms: int | None = None,
    ) -> None:
        """limits: what letters state. Where a record carries its producer's time, which event lies
        in the future is not in the log: a letter is believed if its own limit bears it out. skips:
        offsets that were passed over by hand, each one refused event whatever is in it. newest_ms:
        the newest event time before what will be read.
        """
        self.topic = topic
        self.partition = partition
        self.seconds: dict[int, Second] = {}
        self.late: dict[Key, tuple[int, int]] = {}
        self.refused: Counter[int] = Counter()
        self.events = 0
        self._codec = codec
        self._lateness_ms = lateness_ms
        self._future_ms = future_ms
        self._limits = limits or {}
        self._skips = skips
        self._newest_ms = newest_ms
        self._replayed: set[tuple[int, int]] = set()

    @property
    def watermark_ms(self) -> int | None:
        """Seconds that end by then never change."""
        return None if self._newest_ms is None else self._newest_ms - self._lateness_ms

    def read(self, fetch: Fetch) -> None:
        """Enter the next records."""
        if not any(offset in self._skips for offset in fetch.offsets.tolist()):
            self._enter(fetch)
            return
        for at, offset in enumerate(fetch.offsets.tolist()):
            if offset in self._skips:
                self.events += 1
                self.refused[offset] += 1
            else:
                self._enter(fetch.one(at))

    def _enter(self, fetch: Fetch) -> None:
        batch = self._codec.decode(fetch.values)
        self.events += len(batch)
        for refusal in batch.refusals:
            self.events += refusal.count
            self.refused[int(fetch.offsets[refusal.message])] += refusal.count
        for lost in fetch.unreadable:
            self.events += lost.events
            self.refused[lost.first] += lost.events
        if not len(batch):
            return
        frame = self._frame(fetch, batch)
        in_time = (pl.col("ts") >= TS_MIN_MS) & (pl.col("ts") <= pl.col("limit_ms"))
        repeated = self._repeated(fetch, set(frame.filter(in_time)["message"].to_list()))
        wrong = ~in_time | pl.col("message").is_in(repeated)
        self.refused.update(dict(frame.filter(wrong).group_by("offset").len().iter_rows()))
        good = frame.filter(~wrong).with_columns(
            second=pl.col("ts") - pl.col("ts") % 1000,
            newest=pl.col("ts").cum_max().shift(1, fill_value=self._newest_ms),
        )
        if self._newest_ms is not None:
            good = good.with_columns(newest=pl.max_horizontal("newest", pl.lit(self._newest_ms)))
        is_late = (pl.col("second") + 1000 <= pl.col("newest") - self._lateness_ms).fill_null(
            value=False
        )
        for offset, idx, second, fen in (
            good.filter(is_late).select("offset", "idx", "second", "fen").iter_rows()
        ):
            self.late[offset, idx] = (second, fen)
        by_second = (
            self._not_too_heavy(good.filter(~is_late))
            .group_by("second")
            .agg(
                pl.len(),
                pl.col("fen").sum(),
                pl.col("x").sum(),
                pl.col("offset").min().alias("first"),
                pl.col("offset").max().alias("last"),
            )
        )
        for second, events, fen, weight, first, last in by_second.iter_rows():
            entry = self.seconds.setdefault(second, Second())
            entry.events += events
            entry.fen += fen
            entry.weight += weight
            entry.first, entry.last = min(entry.first, first), max(entry.last, last)
        if len(good):
            newest = int(good["ts"].max())  # type: ignore[arg-type]
            self._newest_ms = newest if self._newest_ms is None else max(self._newest_ms, newest)

    def _frame(self, fetch: Fetch, batch: Batch) -> pl.DataFrame:
        coder = self._codec.coder
        sells = ALL[coder.kind].sales and len(batch)
        paid = coder.sold(batch.cell // coder.buckets) if sells else None
        limit_ms = fetch.record_ms[batch.message] + self._future_ms
        offset = fetch.offsets[batch.message]
        if fetch.theirs is not None:
            theirs = fetch.theirs[batch.message]
            records, at = np.unique(offset[theirs], return_inverse=True)
            stated = [self._limits.get(one, 2**62) for one in records.tolist()]
            limit_ms[theirs] = np.array(stated, np.int64)[at]
        return pl.DataFrame(
            {
                "message": batch.message,
                "offset": offset,
                "idx": batch.idx,
                "ts": batch.ts,
                "limit_ms": limit_ms,
                "x": batch.x,
                "fen": batch.x * paid if paid is not None else batch.x * 0,
            }
        )

    def _not_too_heavy(self, good: pl.DataFrame) -> pl.DataFrame:
        """Without the events, which are refused, that would make their seconds too heavy."""

        def weight(second: int) -> int:
            return self.seconds[second].weight if second in self.seconds else 0

        more = dict(good.group_by("second").agg(pl.col("x").sum()).iter_rows())
        held = {second: weight(second) for second in more}
        if all(held[second] + x <= SECOND_WEIGHT_MAX for second, x in more.items()):
            return good
        fits = []
        for second, x, offset in good.select("second", "x", "offset").iter_rows():
            fits.append(held[second] + x <= SECOND_WEIGHT_MAX)
            held[second] += x if fits[-1] else 0
            if not fits[-1]:
                self.refused[offset] += 1
        return good.filter(pl.Series(fits))

    def _repeated(self, fetch: Fetch, counted: set[int]) -> list[int]:
        """Messages that are a replayed dead letter counted before."""
        found = []
        for at in sorted(fetch.replays):
            letter = replay_of(fetch.replays[at])
            if letter is None or at not in counted:
                continue
            if letter in self._replayed:
                found.append(at)
            self._replayed.add(letter)
        return found


def compare(ledger: Ledger, stored: Stored, *, growing: bool) -> tuple[Books, list[Difference]]:
    """The books of a partition, and every difference. While the log grows only closed seconds are
    compared.
    """
    limit = ledger.watermark_ms if growing else None
    if growing and limit is None:
        limit = -(2**62)

    def judged(second_ms: int) -> bool:
        return limit is None or second_ms + 1000 <= limit

    expected = {s: entry for s, entry in ledger.seconds.items() if judged(s)}
    still_open = sum(entry.events for s, entry in ledger.seconds.items() if not judged(s))
    seconds = {s: found for s, found in stored.seconds.items() if judged(s)}
    books = Books(
        ledger.topic,
        ledger.partition,
        ledger.events - still_open,
        sum(events for events, _ in seconds.values()),
        sum(events for _, events, _ in stored.late.values()),
        sum(stored.refused.values()),
        still_open,
        sum(entry.fen for entry in expected.values()) + sum(fen for _, fen in ledger.late.values()),
        sum(fen for _, fen in seconds.values()),
        sum(fen for _, _, fen in stored.late.values()),
    )
    return books, [
        *_seconds(ledger, expected, seconds),
        *_late(ledger, stored),
        *_refused(ledger, stored),
        *_uneven(ledger, stored, judged=[s for s in stored.uneven if judged(s)]),
    ]


def _seconds(
    ledger: Ledger, expected: Mapping[int, Second], found: Mapping[int, tuple[int, int]]
) -> Iterable[Difference]:
    for second_ms in sorted(expected.keys() | found.keys()):
        entry = expected.get(second_ms, Second())
        events, fen = found.get(second_ms, (0, 0))
        if (entry.events, entry.fen) != (events, fen):
            yield Difference(
                ledger.topic,
                ledger.partition,
                "second",
                second_ms,
                (entry.first, entry.last) if entry.events else (-1, -1),
                {"events": entry.events, "fen": entry.fen},
                {"events": events, "fen": fen},
            )


def _late(ledger: Ledger, stored: Stored) -> Iterable[Difference]:
    for key in sorted(ledger.late.keys() | stored.late.keys()):
        second_ms, fen = ledger.late.get(key, (None, 0))
        found_second, events, found_fen = stored.late.get(key, (None, 0, 0))
        if (second_ms, int(second_ms is not None), fen) != (found_second, events, found_fen):
            yield Difference(
                ledger.topic,
                ledger.partition,
                "late",
                second_ms if second_ms is not None else found_second,
                (key[0], key[0]),
                {"events": int(second_ms is not None), "fen": fen},
                {"events": events, "fen": found_fen},
            )


def _refused(ledger: Ledger, stored: Stored) -> Iterable[Difference]:
    for offset in sorted(ledger.refused.keys() | stored.refused.keys()):
        expected, found = ledger.refused.get(offset, 0), stored.refused.get(offset, 0)
        if expected != found:
            yield Difference(
                ledger.topic,
                ledger.partition,
                "refused",
                None,
                (offset, offset),
                {"events": expected},
                {"events": found},
            )


def _uneven(ledger: Ledger, stored: Stored, judged: Sequence[int]) -> Iterable[Difference]:
    for second_ms in sorted(judged):
        entry = ledger.seconds.get(second_ms, Second())
        yield Difference(
            ledger.topic,
            ledger.partition,
            f"cut {stored.uneven[second_ms]}",
            second_ms,
            (entry.first, entry.last) if entry.events else (-1, -1),
            {"events": entry.events},
            {},
        )


def report(books: Sequence[Books], differences: Sequence[Difference]) -> dict[str, Any]:
    """The result as the command prints it."""
    closed = not differences and all(book.closed for book in books)
    return {
        "closed": closed,
        "partitions": [
            {
                "topic": book.topic,
                "partition": book.partition,
                "log": book.log,
                "accepted": book.accepted,
                "late": book.late,
                "refused": book.refused,
                "open": book.open,
                "begins": book.begins,
                "counted_from": book.counted_from,
                "missing": book.missing,
                "fen": {"log": book.log_fen, "accepted": book.accepted_fen, "late": book.late_fen},
            }
            for book in books
        ],
        "differences": [
            msgspec.to_builtins(difference) for difference in differences[:DIFFERENCES_MAX]
        ],
        "differences_total": len(differences),
    }
