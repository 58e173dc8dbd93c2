"""Archive: of the pulses of one (source, second) only the newest is kept, until it is worth
storing. No clock, no I/O.

A pulse is stored when its second closed or when it has been held for two seconds. The offset that
may be committed lies before every pulse that is not stored yet, so a restart reads those again;
storing twice changes nothing.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.kinds.measures import HISTOGRAMS, MEASURES
from fenghuo.schemas.store.port import INSERT_ROWS_MAX
from fenghuo.schemas.store.tables import LATE_TABLE, PULSE_TABLE, REFUSED_TABLE, TRANSITION_TABLE
from fenghuo.schemas.wire.letters import Headers, Letter, from_record
from fenghuo.schemas.wire.pulse import Head, Rows, Source
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams.counting.windows import SECOND_MS

HOLD_MS = 2_000
"""How long a pulse of an open second waits for a newer one."""
HELD_ROWS_MAX = 500_000
"""Rows held at most; then reading waits until some are stored."""

SAMPLES_MAX = 2**63 - 1
"""What the store holds of a change of level: more samples are told as so many."""
Columns = dict[str, Any]
"""Equally long columns by name: lists, or arrays for numbers."""


class _Held(msgspec.Struct):
    version: int
    offset: int
    since_ms: int
    rows: Rows


class Block(msgspec.Struct, frozen=True):
    """One insert: a table, by its name in the real lane, and its columns."""

    table: str
    columns: Columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def only(self, rows: slice) -> "Block":
        """Some of its rows."""
        return Block(self.table, {name: column[rows] for name, column in self.columns.items()})

    def halves(self) -> tuple["Block", "Block"]:
        """Its first and its second half."""
        middle = len(self) // 2
        return self.only(slice(middle)), self.only(slice(middle, None))


class Unstored:
    """The fetches that were read and are not stored whole, by partition: how far behind history is.

    By the broker's time of their records, so that a worker that just started, or reads a backlog,
    tells the same as one that was there all the time.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], deque[tuple[int, int]]] = {}

    def read(self, part: tuple[str, int], next_offset: int, oldest_ms: int) -> None:
        """A fetch that ends before next_offset, and the time of its oldest record."""
        self._waiting.setdefault(part, deque()).append((next_offset, oldest_ms))

    def stored(self, part: tuple[str, int], offset: int) -> None:
        """All below this offset is stored."""
        waiting = self._waiting.get(part, deque())
        while waiting and waiting[0][0] <= offset:
            waiting.popleft()

    def oldest_ms(self) -> int | None:
        """The time of the oldest record that waits; None when none does."""
        return min((waiting[0][1] for waiting in self._waiting.values() if waiting), default=None)


class Pulses:
    """The newest pulse of every (kind, source, second) that is not stored yet."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, Source, int], _Held] = {}
        self._watermark_ms: dict[Source, int] = {}
        self._chosen: dict[tuple[str, Source, int], Rows] = {}
        self.rows = 0

    def see(self, head: Head, rows: Rows, offset: int, now_ms: int) -> None:
        """Take in one frame, read from this offset of topic `pulses`."""
        if head.watermark_ms is not None:
            before = self._watermark_ms.get(head.source, head.watermark_ms)
            self._watermark_ms[head.source] = max(before, head.watermark_ms)
        for second_ms, part in by_second(rows):
            key = (head.kind, head.source, second_ms)
            version = int(part.stamp["version"][0])
            held = self._held.get(key)
            if held is None:
                self._held[key] = _Held(version, offset, now_ms, part)
                self.rows += len(part)
            elif version == held.version:  # a frame was cut inside this second, or came twice
                merged = _union(held.rows, part)
                self.rows += len(merged) - len(held.rows)
                held.rows = merged
            elif version > held.version:
                self.rows += len(part) - len(held.rows)
                held.version, held.offset, held.rows = version, offset, part

    def due(self, now_ms: int) -> list[Block]:
        """Blocks to store now. They stay held until `stored` says that they are safe."""
        chosen = [key for key, held in self._held.items() if self._is_due(key, held, now_ms)]
        by_kind: dict[str, list[tuple[Source, Rows]]] = {}
        size = 0
        self._chosen = {}
        for key in chosen:
            held = self._held[key]
            if size + len(held.rows) > INSERT_ROWS_MAX and self._chosen:
                break
            size += len(held.rows)
            self._chosen[key] = held.rows
            by_kind.setdefault(key[0], []).append((key[1], held.rows))
        return [pulse_block(kind, parts) for kind, parts in by_kind.items()]

    def stored(self) -> None:
        """The blocks of the last `due` are safe; what was replaced meanwhile stays."""
        for key, rows in self._chosen.items():
            held = self._held[key]
            if held.rows is rows:  # neither replaced nor made whole by a second frame
                self.rows -= len(held.rows)
                del self._held[key]
        self._chosen = {}

    def safe_offset(self, next_offset: int) -> int:
        """The offset a restart may read from: nothing below it is unstored."""
        return min((held.offset for held in self._held.values()), default=next_offset)

    def _is_due(self, key: tuple[str, Source, int], held: _Held, now_ms: int) -> bool:
        closed = self._watermark_ms.get(key[1], 0) >= key[2] + SECOND_MS
        return closed or now_ms - held.since_ms >= HOLD_MS


def by_second(rows: Rows) -> Iterator[tuple[int, Rows]]:
    """The rows of each second; rows of one second lie together."""
    if not len(rows):
        return
    starts = np.flatnonzero(np.diff(rows.second_ms, prepend=rows.second_ms[0] - 1))
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        yield int(rows.second_ms[start]), rows.only(slice(start, stop))


def _union(one: Rows, other: Rows) -> Rows:
    """Rows of two parts of one pulse, each series once."""
    known = {one.series[code] for code in one.code.tolist()}
    new = [i for i, code in enumerate(other.code.tolist()) if other.series[code] not in known]
    if not new:
        return one
    picked = other.only(np.array(new))
    series = (*one.series, *other.series)
    return Rows(
        np.concatenate((one.second_ms, picked.second_ms)),
        np.concatenate((one.code, picked.code + len(one.series))),
        series,
        np.concatenate((one.values, picked.values)),
        {name: np.concatenate((one.stamp[name], picked.stamp[name])) for name in one.stamp},
    )


def pulse_block(kind: str, parts: Sequence[tuple[Source, Rows]]) -> Block:
    """Pulses of one kind as one block of its table."""
    columns = _columns(kind, parts, {"version": np.uint64})
    return Block(PULSE_TABLE[kind], columns)


def late_block(kind: str, parts: Sequence[tuple[Source, Rows]]) -> Block:
    """Late rows of one kind as one block of its table."""
    return Block(LATE_TABLE[kind], _columns(kind, parts, {"offset": np.int64, "idx": np.uint32}))


def _columns(kind: str, parts: Sequence[tuple[Source, Rows]], stamps: dict[str, Any]) -> Columns:
    logs: list[str] = []
    names: list[str] = []
    partitions: list[int] = []
    keys: list[tuple[str, str, str]] = []
    for source, rows in parts:
        logs += [source.log] * len(rows)
        names += [source.topic] * len(rows)
        partitions += [source.partition] * len(rows)
        keys += [rows.series[code] for code in rows.code.tolist()]
    cut, k1, k2 = ([key[i] for key in keys] for i in range(3))
    values = np.concatenate([rows.values for _, rows in parts])
    columns: Columns = {
        "log": logs,
        "topic": names,
        "partition": np.array(partitions, np.uint32),
        "second_ms": np.concatenate([rows.second_ms for _, rows in parts]),
        "cut": cut,
        "k1": k1,
        "k2": k2,
    }
    for name, kind_of in stamps.items():
        columns[name] = np.concatenate([rows.stamp[name] for _, rows in parts]).astype(kind_of)
    width = len(MEASURES[kind])
    for j, name in enumerate(MEASURES[kind]):
        columns[name] = _column(values, j)
    for name in HISTOGRAMS[kind]:
        columns[name] = values[:, width:].tolist()
    return columns


def _column(values: Ints, j: int) -> Ints:
    return np.ascontiguousarray(values[:, j])


def refused_block(letters: Sequence[Letter]) -> Block:
    """Refused events; their bytes stay on the dead-letter topic."""
    return Block(
        REFUSED_TABLE,
        {
            "log": [letter.source.log for letter in letters],
            "topic": [letter.source.topic for letter in letters],
            "partition": np.array([letter.source.partition for letter in letters], np.uint32),
            "offset": np.array([letter.offset for letter in letters], np.int64),
            "idx": np.array([letter.idx for letter in letters], np.uint32),
            "reason": [letter.reason for letter in letters],
            "detail": [letter.detail for letter in letters],
            "record_ms": np.array([letter.record_ms for letter in letters], np.int64),
            "bytes": np.array([letter.whole_size for letter in letters], np.uint32),
            "count": np.array([letter.count for letter in letters], np.uint64),
            "form": np.array([letter.form for letter in letters], np.uint8),
        },
    )


def transition_block(campaign: str, log: str, transitions: Sequence[Transition]) -> Block:
    """Changes of level; a level of -1 is "no data"."""
    nan = float("nan")
    return Block(
        TRANSITION_TABLE,
        {
            "campaign": [campaign] * len(transitions),
            "log": [log] * len(transitions),
            "rule": [t.rule for t in transitions],
            "scope": [t.scope for t in transitions],
            "seq": np.array([t.seq for t in transitions], np.uint32),
            "incident": np.array([t.incident for t in transitions], np.uint32),
            "from_level": np.array([_level(t.from_level) for t in transitions], np.int8),
            "to_level": np.array([_level(t.to_level) for t in transitions], np.int8),
            "at_ms": np.array([t.at_ms for t in transitions], np.int64),
            "value": np.array([nan if t.value is None else t.value for t in transitions]),
            "samples": np.array([min(t.samples, SAMPLES_MAX) for t in transitions], np.int64),
            "threshold": np.array(
                [nan if t.threshold is None else t.threshold for t in transitions]
            ),
            "reason": [t.reason for t in transitions],
        },
    )


def letter_of(value: bytes, headers: Headers) -> Letter:
    """The letter of a record; raises ValueError for what is none, or does not fit its table."""
    letter = from_record(value, headers)
    refused_block([letter])
    return letter


def transition_of(value: bytes) -> Transition:
    """The change of level of a record; raises as its decoder does, and OverflowError for what does
    not fit its table.
    """
    transition = msgspec.json.decode(value, type=Transition)
    transition_block("", "", [transition])
    return transition


def _level(level: int | None) -> int:
    return -1 if level is None else level
