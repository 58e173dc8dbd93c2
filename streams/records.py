"""Records: what a fetch brought, as columns over the bytes as they came.

Reads record batches of format 2 (KIP-98), all that brokers have written since Apache Kafka 0.11:
a compiled loop goes from record to record and notes where the values lie. No Python object is made
of a record, nor of its headers: the loop sees which of them mean something here, and whoever wants
the others asks for them.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import aiokafka.errors
import numpy as np
from aiokafka.record.memory_records import MemoryRecords
from crc32c import crc32c

from fenghuo.schemas.compiled import BYTES, INT, INTS, LETTERS, compiled, inlined
from fenghuo.schemas.letters import REPLAY_HEADER, Headers
from fenghuo.schemas.marks import SHADOW_HEADER
from fenghuo.schemas.messages import Messages
from fenghuo.streams.fetch import Fetch, Unreadable
from fenghuo.streams.unpack import UnpackError, unpacked

_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, magic, crc, attributes, last offset delta, base and largest
time, producer id, epoch and sequence, number of records.
"""
_LENGTH_END: Final = 12
_CRC_END: Final = 21
_CODEC, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 7, 8, 16, 32
_ABORT: Final = b"\0\0"
RECORD_BYTES_MIN: Final = 7
"""A record without key, value and headers; more records than that do not fit into a batch."""
KEPT_BYTES: Final = 4_096
"""So much of a batch that cannot be read goes into its dead letter."""
# what a record's headers say, as bits
_SHADOW, _REPLAY = 1, 2
_NAMES: Final = np.frombuffer((SHADOW_HEADER + REPLAY_HEADER).encode(), np.uint8)
_SHADOW_SIZE: Final = len(SHADOW_HEADER)
Aborted = Sequence[tuple[int, int]]
"""(producer id, first offset) of each transaction that was taken back."""


class RawRecords:
    """What the client makes of a fetched partition: its own records, and the bytes they are read
    from.
    """

    def __init__(self, data: bytes) -> None:
        self.data = bytes(data)
        own = MemoryRecords(self.data)
        self.size_in_bytes, self.has_next = own.size_in_bytes, own.has_next
        self.next_batch = own.next_batch


def read(
    data: bytes, start: int, where: object, aborted: Aborted = (), *, is_again: bool = False
) -> Fetch | None:
    """All whole batches of `data` as one Fetch that begins at offset `start`; None when they bring
    nothing new. Batches of aborted transactions are passed over. One that cannot be read is told as
    Unreadable, so that what comes behind it counts.

    is_again: the same bytes came before. Raises CorruptRecordException for a checksum that is wrong
    for the first time, and UnsupportedVersionError for older formats.
    """
    batches = _Batches(data, where, aborted)
    at, stop = 0, start
    while at + _HEAD.size <= len(data):
        head = _Head(*_HEAD.unpack_from(data, at))
        end = at + _LENGTH_END + head.length
        if head.magic != 2:
            raise aiokafka.errors.UnsupportedVersionError(
                f"{where}: expected records of format 2, got {head.magic}; set FENGHUO_TRANSPORT=1"
            )
        if end > len(data):
            break
        if head.base + head.last >= start:
            if crc32c(memoryview(data)[at + _CRC_END : end]) == head.crc:
                batches.add(head, at + _HEAD.size, end)
            elif is_again:
                batches.refuse(head, at, end, "its checksum is wrong")
            else:
                raise aiokafka.errors.CorruptRecordException(
                    f"{where}: invalid CRC at offset {head.base}"
                )
        at, stop = end, max(stop, head.base + head.last + 1)
    return None if stop == start else batches.fetch(start, stop)


class _Head(NamedTuple):
    base: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last: int
    time_ms: int
    largest_ms: int
    producer: int
    epoch: int
    sequence: int
    records: int


class _Batches:
    """The batches of a fetch that bring records, and those that cannot be read."""

    def __init__(self, data: bytes, where: object, aborted: Aborted) -> None:
        self._data = data
        self._where = where
        self._to_abort = sorted(aborted, key=lambda one: one[1], reverse=True)
        self._aborting: set[int] = set()
        self._pieces = [data]
        self._size = len(data)
        self._batches: list[tuple[int, int, int, int, int, int]] = []
        self._heads: list[tuple[_Head, int, int]] = []
        self._unreadable: list[Unreadable] = []

    def add(self, head: _Head, begin: int, end: int) -> None:
        """A whole batch whose records lie between these places."""
        while self._to_abort and self._to_abort[-1][1] <= head.base:
            self._aborting.add(self._to_abort.pop()[0])
        if head.attributes & _CONTROL:
            if _control_type(self._data[begin:end]) == _ABORT:
                self._aborting.discard(head.producer)
            return
        if head.attributes & _TRANSACTIONAL and head.producer in self._aborting:
            return
        place = begin, end
        if codec := head.attributes & _CODEC:
            try:
                piece = unpacked(codec, memoryview(self._data)[begin:end])
            except UnpackError as error:
                self.refuse(head, begin, end, str(error))
                return
            place = self._size, self._size + len(piece)
            self._pieces.append(piece)
            self._size += len(piece)
        if not 0 <= head.records <= (place[1] - place[0]) // RECORD_BYTES_MIN:
            self.refuse(head, begin, end, f"it cannot hold {head.records} records")
            return
        append_ms = head.largest_ms if head.attributes & _APPEND_TIME else -1
        self._batches.append((*place, head.records, head.base, head.time_ms, append_ms))
        self._heads.append((head, begin, end))

    def refuse(self, head: _Head, begin: int, end: int, why: str) -> None:
        """A batch that is passed over; as many events are lost as it says that it has records."""
        first, past = head.base, head.base + head.last + 1
        self._unreadable.append(
            Unreadable(
                *(first, past, min(max(head.records, 1), max(past - first, 1))),
                detail=f"{self._where}: the batch at offsets {first} to {past - 1}: {why}",
                size=end - begin,
                record_ms=max(head.largest_ms, 0),
                data=self._data[begin : min(end, begin + KEPT_BYTES)],
            )
        )

    def fetch(self, start: int, stop: int) -> Fetch:
        """All of it."""
        pieces = self._pieces
        buffer = np.frombuffer(pieces[0] if len(pieces) == 1 else b"".join(pieces), np.uint8)
        most = sum(batch[2] for batch in self._batches)
        theirs = np.zeros(most, np.bool_)
        rows, marks, count = np.empty((6, most), np.int64), np.empty(most, np.uint8), 0
        for batch, place in zip(self._batches, self._heads, strict=True):
            walked = _walk(buffer, np.array(batch, np.int64), start, _NAMES, *rows, marks, count)
            if walked < 0:
                self.refuse(*place, f"expected {batch[2]} records in it")
            theirs[count : max(count, walked)] = batch[5] < 0
            count = max(count, walked)
        offsets, stamps, value, length, head, end = rows[:, :count]
        marks = marks[:count]

        def headers_of(at: int) -> Headers:
            return headers(buffer[head[at] : end[at]].tobytes())

        shadow = (marks & _SHADOW) > 0
        return Fetch(
            offsets,
            Messages(buffer, value, length),
            stamps,
            start,
            stop,
            {at: headers_of(at) for at in np.flatnonzero(marks & _REPLAY).tolist()},
            shadow if shadow.any() else None,
            headers_of,
            tuple(self._unreadable),
            theirs[:count] if theirs[:count].any() else None,
        )


def headers(data: bytes) -> Headers:
    """The headers of one record, from their number on."""
    at = 0

    def text() -> bytes | None:
        nonlocal at
        size, at = _varint(data, at)
        if size < 0:
            return None
        at += size
        return data[at - size : at]

    many, at = _varint(data, at)
    return [((text() or b"").decode("utf-8", "replace"), text()) for _ in range(many)]


def _control_type(data: bytes) -> bytes:
    """What a control batch marks, from its only record: the last two bytes of its key."""
    at = 0
    for _ in range(4):  # length, attributes, later by, offset
        _, at = _varint(data, at)
    _, at = _varint(data, at)
    return data[at + 2 : at + 4]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        letter = data[at]
        at += 1
        value |= (letter & 127) << shift
        shift += 7
        if letter < 128:
            return value >> 1 ^ -(value & 1), at


@inlined
def _number(buffer, at, end):
    """A zigzag varint: (place behind it, value); (-1, 0) when it goes on beyond the end."""
    value, shift = np.uint64(0), np.uint64(0)
    while at < end and shift < np.uint64(64):
        letter = np.uint64(buffer[at])
        at += 1
        value |= (letter & np.uint64(127)) << shift
        shift += np.uint64(7)
        if letter < np.uint64(128):
            return at, np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1))
    return -1, np.int64(0)


@inlined
def _is(buffer, at, size, names, first, length):
    """Whether the name of this size is the one that begins at `first` of `names`."""
    if size != length:
        return False
    for k in range(length):
        if buffer[at + k] != names[first + k]:
            return False
    return True


@inlined
def _marks(buffer, at, end, names):
    """What the headers of a record say; -1 when they do not end where the record does."""
    found = 0
    at, many = _number(buffer, at, end)
    for _ in range(many):
        at, size = _number(buffer, at, end)
        if at < 0 or size < 0 or size > end - at:
            return -1
        if _is(buffer, at, size, names, 0, _SHADOW_SIZE):
            found |= _SHADOW
        elif _is(buffer, at, size, names, _SHADOW_SIZE, len(names) - _SHADOW_SIZE):
            found |= _REPLAY
        at, length = _number(buffer, at + size, end)
        if at < 0 or length > end - at:
            return -1
        at += max(length, 0)
    return found if at == end else -1


@compiled(INT(LETTERS, INTS, INT, LETTERS, *(INTS, INTS, INTS, INTS, INTS, INTS), BYTES, INT))
def _walk(buffer, batch, start, names, offsets, stamps, value, length, head, ends, marks, count):
    """Note the records of a batch from offset `start` on, behind the first `count`; how many there
    are then, or -1 for a batch that does not add up. Every length is held against what is left
    before anything is read there.
    """
    at, end, records, base, time_ms, append_ms = batch
    for _ in range(records):
        at, size = _number(buffer, at, end)
        if at < 0 or size < 1 or size > end - at:
            return -1
        until = at + size
        at, later_ms = _number(buffer, at + 1, until)
        if at < 0:
            return -1
        at, delta = _number(buffer, at, until)
        if at < 0:
            return -1
        at, key = _number(buffer, at, until)
        if at < 0 or key > until - at:
            return -1
        at, many = _number(buffer, at + max(key, 0), until)
        if at < 0 or many > until - at:
            return -1
        behind = at + max(many, 0)
        found = 0
        if until - behind != 1 or buffer[behind] != 0:
            found = _marks(buffer, behind, until, names)
            if found < 0:
                return -1
        if base + delta >= start:
            offsets[count] = base + delta
            stamps[count] = append_ms if append_ms >= 0 else time_ms + later_ms
            value[count], length[count] = at, many
            head[count], ends[count] = behind, until
            marks[count] = found
            count += 1
        at = until
    return count
