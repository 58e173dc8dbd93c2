"""Census: the log read back after a run. Which of the run's records are there, how often, and what
they add up to (see `payload`).
"""

import time
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
import numpy as np
from confluent_kafka import Message as Record
from numpy.typing import NDArray

from fenghuo.loadtest.books import logbook
from fenghuo.loadtest.books.logbook import LIMIT_S, Log, LogError
from fenghuo.loadtest.proof import payload
from fenghuo.loadtest.proof.seen import Seen, first_of, within
from fenghuo.loadtest.verdict.result import Missing, Produced, Totals
from fenghuo.schemas.records.marks import RUN_HEADER, SHADOW_HEADER
from fenghuo.schemas.wire.topics import KIND_OF, KINDS

Place = logbook.Place
CensusError = LogError
MISSING_MAX: Final = 1_000
"""Gaps that are named; the rest is only counted."""
NEAR_MAX: Final = 20
"""Gaps whose neighbours are looked for: each takes a second look at the log."""
NEAR_S: Final = 30.0
"""As long as neighbours are looked for."""
STRETCH_RECORDS: Final = 8_192
"""So many records share one memory of where they lie: a second look goes through all of them."""
NUMBERS_MAX: Final = 1 << 32
"""Most records of a run: 512 MB of bits."""
FOUND, UNSURE, AGAIN = range(3)
ROW: Final = 5
"""Integers a record is entered with: number, offset, events, paid orders, fen."""

Headers = Sequence[tuple[str, bytes | None]]
Entry = tuple[Place, int, Headers, bytes]
"""One record of the log: its partition, offset, headers, value. A plain tuple: there are many."""


class Census(msgspec.Struct, frozen=True):
    """What the log holds of a run, by kind."""

    found: dict[str, Totals] = {}
    """Records that were acknowledged, each once."""
    unsure: dict[str, Totals] = {}
    """Records that were sent, not acknowledged, and are there after all."""
    again: dict[str, Totals] = {}
    """What is there beyond the first time."""
    missing: tuple[Missing, ...] = ()
    unread: int = 0
    """Records that were acknowledged and are not there: all of the missing ones."""
    duplicates: int = 0
    """Records that are there more than once."""
    foreign: int = 0
    """Records of others in the same lane."""
    seconds: float = 0.0

    @property
    def sums(self) -> dict[str, Totals]:
        """Everything of the run that is in the log, and so has to be counted."""
        found: dict[str, Totals] = {}
        for part in (self.found, self.unsure, self.again):
            for kind, totals in part.items():
                found[kind] = found.get(kind, Totals()).plus(totals)
        return found


def ends(bootstrap: str, topics: Iterable[str]) -> dict[Place, int]:
    """Where each partition of these topics ends now; raises CensusError."""
    with Log(bootstrap) as log:
        return log.ends(topics)


def take(
    bootstrap: str,
    produced: Produced,
    begin: Mapping[Place, int],
    *,
    shadow: bool,
    limit_s: float = LIMIT_S,
) -> Census:
    """Count the records of a run from where the log ended before it; raises CensusError."""
    began_s = time.monotonic()
    end = ends(bootstrap, {topic for topic, _ in begin})
    for place in produced.partitions:
        key = (place.topic, place.partition)
        end[key] = max(end.get(key, 0), place.end_offset)
    with Log(bootstrap) as log:
        counter = Counter(produced, shadow=shadow)
        for records in log.batches(begin, end, limit_s=limit_s):
            counter.see([entry(record) for record in records])
        found = counter.census()
        seconds = round(time.monotonic() - began_s, 3)
        missing, until_s = list(found.missing), time.monotonic() + NEAR_S
        for at, gap in enumerate(missing[:NEAR_MAX]):
            if time.monotonic() < until_s:
                with suppress(LogError):  # the gap is known without its neighbours
                    missing[at] = _near(log, counter, gap)
    return msgspec.structs.replace(found, missing=tuple(missing), seconds=seconds)


def entry(record: Record) -> Entry:
    """What is asked of one record of the log."""
    place = (record.topic() or "", record.partition() or 0)
    return place, record.offset() or 0, record.headers() or (), record.value() or b""


class _Stretch(NamedTuple):
    """Records of one producer that lie near one another in one partition: numbers from low to
    high, offsets from first to last.
    """

    records: int
    low: int
    high: int
    first: int
    last: int

    def joined(self, other: "_Stretch") -> "_Stretch":
        """Both as one."""
        return _Stretch(
            self.records + other.records,
            min(self.low, other.low),
            max(self.high, other.high),
            min(self.first, other.first),
            max(self.last, other.last),
        )


class Counter:
    """Enters records, many at once. Pure; remembers a bit of each, and where thousands lie."""

    def __init__(self, produced: Produced, *, shadow: bool) -> None:
        if (total := sum(n.sent for n in produced.numbers)) > NUMBERS_MAX:
            raise CensusError(f"expected a run of at most {NUMBERS_MAX} records, got {total}")
        self.run = produced.run
        self._mine = SHADOW_HEADER if shadow else RUN_HEADER
        self._shadow = shadow
        self._heads = {f"{self.run}.{n.producer}".encode(): n.producer for n in produced.numbers}
        self._unsure = {n.producer: n.unsure for n in produced.numbers}
        self._seen = {n.producer: Seen(n.sent) for n in produced.numbers}
        self._twice: dict[int, Seen] = {}
        self._sums = np.zeros((3, len(KINDS), 4), np.int64)
        self._stretches: dict[tuple[int, Place], list[_Stretch]] = {}
        self._duplicates = self._foreign = 0

    def see(self, entries: Sequence[Entry]) -> None:
        """The next records."""
        rows: dict[tuple[int, Place], array[int]] = {}
        for place, offset, headers, value in entries:
            is_shadow = (
                headers[0][0] == SHADOW_HEADER
                if len(headers) == 1
                else any(name == SHADOW_HEADER for name, _ in headers)
            )
            if is_shadow != self._shadow:
                continue  # of the other lane
            producer, number = self._numbered(headers)
            if producer < 0:
                self._foreign += 1
                continue
            if (found := rows.get((producer, place))) is None:
                found = rows[producer, place] = array("q")
            found.extend((number, offset, *payload.sums(KIND_OF[place[0]], value)))
        for (producer, place), found in rows.items():
            self._enter(producer, place, np.frombuffer(found, np.int64).reshape(-1, ROW))

    def census(self) -> Census:
        """What was seen so far; gaps do not know their neighbours yet."""
        missing: list[Missing] = []
        unread = 0
        for producer, seen in sorted(self._seen.items()):
            gaps = seen.gaps(self._unsure[producer])
            kept, numbers = first_of(gaps, MISSING_MAX - len(missing))
            missing += [Missing(producer, first, last, "") for first, last in kept]
            unread += numbers
        found, unsure, again = (
            {kind: Totals(*row) for kind, row in zip(KINDS, part.tolist(), strict=True) if row[0]}
            for part in self._sums
        )
        return Census(
            found=found,
            unsure=unsure,
            again=again,
            missing=tuple(missing),
            unread=unread,
            duplicates=self._duplicates,
            foreign=self._foreign,
        )

    def where(self, producer: int, number: int) -> list[tuple[Place, int, int]]:
        """Partitions and offsets, first to last, among which this record lies."""
        size = self._seen[producer].size
        if not 0 <= number < size or not self._seen[producer].has(np.array([number]))[0]:
            return []
        return [
            (place, stretch.first, stretch.last)
            for (of, place), stretches in self._stretches.items()
            for stretch in stretches
            if of == producer and stretch.low <= number <= stretch.high
        ]

    def is_of(self, headers: Headers, producer: int, number: int) -> bool:
        """Whether a record with these headers is that one."""
        return self._numbered(headers) == (producer, number)

    def _numbered(self, headers: Headers) -> tuple[int, int]:
        """Producer and number of a record of the run; (-1, 0) for those of others."""
        for name, value in headers:
            if name == self._mine and value:
                head, _, digits = value.rpartition(b".")
                producer = self._heads.get(head, -1)
                if producer >= 0 and digits.isdigit() and len(digits) <= 15:
                    number = int(digits)
                    return (producer, number) if number < self._seen[producer].size else (-1, 0)
        return -1, 0

    def _enter(self, producer: int, place: Place, rows: NDArray[np.int64]) -> None:
        numbers, offsets = rows[:, 0], rows[:, 1]
        again = self._seen[producer].add(numbers)
        if again.any():
            known = self._twice.setdefault(producer, Seen(self._seen[producer].size))
            twice = known.add(numbers[again])
            self._duplicates += int(np.count_nonzero(~twice))
        fate = np.where(within(numbers, self._unsure[producer]), UNSURE, FOUND)
        fate[again] = AGAIN
        kind = KINDS.index(KIND_OF[place[0]])
        for which in (FOUND, UNSURE, AGAIN):
            chosen = rows[fate == which]
            self._sums[which, kind] += (len(chosen), *chosen[:, 2:].sum(axis=0))
        bounds = (numbers.min(), numbers.max(), offsets.min(), offsets.max())
        new = _Stretch(len(rows), *(int(bound) for bound in bounds))
        held = self._stretches.setdefault((producer, place), [])
        if held and held[-1].records + new.records <= STRETCH_RECORDS:
            held[-1] = held[-1].joined(new)
        else:
            held.append(new)


def _near(log: Log, counter: Counter, gap: Missing) -> Missing:
    """The gap with the places of its neighbours, which are read again for it."""
    before = _place(log, counter, gap.producer, gap.first - 1)
    after = _place(log, counter, gap.producer, gap.last + 1)
    parts = [text for text in (before and f"after {before}", after and f"before {after}") if text]
    return msgspec.structs.replace(gap, near=", ".join(parts))


def _place(log: Log, counter: Counter, producer: int, number: int) -> str:
    for place, first, last in counter.where(producer, number):
        for records in log.batches({place: first}, {place: last + 1}):
            for _, offset, headers, _ in map(entry, records):
                if counter.is_of(headers, producer, number):
                    return f"{place[0]}/{place[1]}/{offset}"
    return ""
