"""Census: the log read back after a run. Which of the run's records are there, how often, and what
they add up to, decoded by other means than those that are measured (Arrow, and a JSON parser).
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal, Self

import msgspec
import numpy as np
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record
from numpy.typing import NDArray

from fenghuo.loadtest.result import Missing, Produced, Totals
from fenghuo.schemas.marks import RUN_HEADER, SHADOW_HEADER
from fenghuo.schemas.topics import KIND_OF

Place = tuple[str, int]
"""Topic and partition."""
CALL_S: Final = 10.0
QUIET_S: Final = 20.0
"""Nothing came for this long, though the log goes on: the census cannot be finished."""
MISSING_MAX: Final = 1_000
NEIGHBOURS: Final = 2_048
"""Every so many records of a producer their place is remembered, to say where a gap lies."""


class CensusError(RuntimeError):
    """The log cannot be read back: says which partition and how far it was read."""


@dataclass
class Census:
    """What the log holds of a run."""

    sums: dict[str, Totals] = field(default_factory=dict)
    """Of the run's records, by kind."""
    missing: list[Missing] = field(default_factory=list)
    unread: int = 0
    """Records that were acknowledged and are not there: all of the missing ones."""
    duplicates: int = 0
    """Records that are there more than once."""
    foreign: int = 0
    """Records of others in the same lane."""
    seconds: float = 0.0


def ends(bootstrap: str, topics: Iterable[str]) -> dict[Place, int]:
    """Where each partition of these topics ends now."""
    with _Reader(bootstrap) as reader:
        return reader.ends(topics)


def take(bootstrap: str, produced: Produced, begin: Mapping[Place, int], *, shadow: bool) -> Census:
    """Count the records of a run from where the log ended before it; raises CensusError."""
    began_s = time.monotonic()
    with _Reader(bootstrap) as reader:
        end = reader.ends({topic for topic, _ in begin})
        for place in produced.partitions:
            key = (place.topic, place.partition)
            end[key] = max(end.get(key, 0), place.end_offset)
        counter = _Counter(produced, shadow=shadow)
        for record in reader.records(begin, end):
            counter.see(record)
    found = counter.census()
    found.seconds = time.monotonic() - began_s
    return found


class _Reader:
    """A consumer without a group."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "fenghuo-load-census",  # asked for, though no group is joined
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.message.max.bytes": 8 << 20,
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": 64 * 1024,
                "log_level": 0,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def ends(self, topics: Iterable[str]) -> dict[Place, int]:
        """The end of each partition: as far as reading gets, for Tansu's own answer stops inside
        the last batch.
        """
        try:
            known = self._consumer.list_topics(timeout=CALL_S).topics
            places = [(t, n) for t in topics for n in (known[t].partitions if t in known else ())]
            bounds = {
                place: self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=CALL_S)
                for place in places
            }
        except KafkaException as error:
            raise CensusError(f"the broker does not say where the log ends: {error}") from error
        found = {place: end for place, (_, end) in bounds.items()}
        asked = {place for place, (first, end) in bounds.items() if end > first}
        self._consumer.assign([TopicPartition(*place, found[place] - 1) for place in asked])
        deadline = time.monotonic() + CALL_S
        while asked and time.monotonic() < deadline:
            for record in self._consumer.consume(1_000, 0.1):
                place = (record.topic() or "", record.partition() or 0)
                told = record.error()
                if told is not None and told.code() == KafkaError._PARTITION_EOF:
                    found[place] = max(found[place], record.offset() or 0)
                    asked.discard(place)
        self._consumer.unassign()
        return found

    def records(self, begin: Mapping[Place, int], end: Mapping[Place, int]) -> Iterable[Record]:
        """Every record from begin to end, partitions mixed."""
        at = {place: begin.get(place, 0) for place in end}
        left = {place for place in end if at[place] < end[place]}
        self._consumer.assign([TopicPartition(*place, at[place]) for place in left])
        heard_s = time.monotonic()
        while left:
            for record in self._consumer.consume(1_000, 0.2):
                place = (record.topic() or "", record.partition() or 0)
                if record.error() is not None or place not in left:
                    continue
                heard_s = time.monotonic()
                offset = record.offset() or 0
                if offset < end[place]:
                    yield record
                if offset + 1 >= end[place]:
                    left.discard(place)
            left -= {place for place in left if self._position(place) >= end[place]}
            if left and time.monotonic() - heard_s > QUIET_S:
                topic, number = min(left)
                raise CensusError(
                    f"{topic}/{number}: expected records up to {end[topic, number]}, nothing came "
                    f"for {QUIET_S:.0f} s after {self._position((topic, number))}"
                )

    def _position(self, place: Place) -> int:
        """The next offset: past marks of transactions too, which are no records."""
        (found,) = self._consumer.position([TopicPartition(*place)])
        return int(found.offset) if found.offset and found.offset > 0 else 0


class _Counter:
    """Looks at records one by one; one bit remembers a record that was seen."""

    def __init__(self, produced: Produced, *, shadow: bool) -> None:
        self._run = produced.run.encode()
        self._mine = SHADOW_HEADER if shadow else RUN_HEADER
        self._shadow = shadow
        self._produced = produced
        self._seen = {n.producer: np.zeros(n.sent, np.bool_) for n in produced.numbers}
        self._near: dict[int, dict[int, str]] = {n.producer: {} for n in produced.numbers}
        self._sums: dict[str, list[int]] = {}
        self._summer = Summer()
        self.duplicates = 0
        self.foreign = 0

    def see(self, record: Record) -> None:
        """One record of the log."""
        header = next(iter(record.headers() or ()), None)
        is_shadow = header is not None and header[0] == SHADOW_HEADER
        if is_shadow != self._shadow:
            return  # of the other lane
        parts = header[1].split(b".") if header and header[0] == self._mine and header[1] else [b""]
        producer = int(parts[1]) if len(parts) == 3 and parts[0] == self._run else -1
        if producer not in self._seen:
            self.foreign += 1
            return
        number, seen = int(parts[2]), self._seen[producer]
        if number >= len(seen):
            self.foreign += 1
            return
        topic, value = record.topic() or "", record.value() or b""
        kind = KIND_OF[topic]
        sums = self._sums.setdefault(kind, [0, 0, 0, 0])
        if seen[number]:
            self.duplicates += 1
        seen[number] = True
        if not number % NEIGHBOURS:
            self._near[producer][number] = f"{topic}/{record.partition()}/{record.offset()}"
        for i, amount in enumerate((1, *self._summer.of(kind, value))):
            sums[i] += amount

    def census(self) -> Census:
        """What was seen."""
        found = Census(duplicates=self.duplicates, foreign=self.foreign)
        found.sums = {kind: Totals(*sums) for kind, sums in self._sums.items()}
        for numbers in self._produced.numbers:
            unseen = ~self._seen[numbers.producer]
            for first, last in numbers.unsure:  # may be there or not
                unseen[first : last + 1] = False
            found.unread += int(unseen.sum())
            for first, last in islice(stretches(unseen), MISSING_MAX - len(found.missing)):
                near = self._near[numbers.producer].get(first // NEIGHBOURS * NEIGHBOURS, "")
                found.missing.append(Missing(numbers.producer, first, last, near))
        return found


def stretches(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where flags are set, as inclusive ranges."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


class _Order(msgspec.Struct):
    amount_fen: int
    status: Literal["created", "paid", "failed", "cancelled", "refunded", "shipped", "delivered"]


class Summer:
    """(events, paid, fen) of a message, by this module's own reading of it."""

    def __init__(self) -> None:
        self._order = msgspec.json.Decoder(_Order)
        self.unreadable = Counter[str]()

    def of(self, kind: str, value: bytes) -> tuple[int, int, int]:
        """What cannot be read is one event without sums: it will be refused as a whole."""
        try:
            if value[:4] == b"\xff\xff\xff\xff":
                return _frame_sums(kind, value)
            if kind != "order":
                return 1, 0, 0
            order = self._order.decode(value)
        except (msgspec.MsgspecError, pa.ArrowException, OSError, ValueError, KeyError):
            self.unreadable[kind] += 1
            return 1, 0, 0
        paid = order.status == "paid"
        return 1, int(paid), order.amount_fen * paid


def _frame_sums(kind: str, value: bytes) -> tuple[int, int, int]:
    with pa.ipc.open_stream(pa.py_buffer(value)) as reader:
        (rows,) = list(reader)
    if kind != "order":
        return rows.num_rows, 0, 0
    code: Any = rows.column("code")
    is_paid = np.array([entry == "paid" for entry in _statuses(code.dictionary)], np.bool_)
    paid = is_paid[code.indices.to_numpy()]
    amounts = rows.column("amount_fen").to_numpy()[paid]
    return rows.num_rows, int(paid.sum()), int(amounts.sum(dtype=np.int64))


def _statuses(table: Any) -> Sequence[str]:
    found: Sequence[str] = table.field("status").to_pylist()
    return found
