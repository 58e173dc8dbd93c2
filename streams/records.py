"""Records: what a fetch brought, as columns over the bytes as they came.

Reads record batches of format 2 (KIP-98), all that brokers have written since Apache Kafka 0.11:
a compiled loop goes from record to record and notes where the values lie. No Python object is made
of a record; headers are looked at only where a record has others than the mark of a load run.
"""

import struct
from typing import Any, Final

import aiokafka.codec
import aiokafka.errors
import numpy as np
from aiokafka.record.memory_records import MemoryRecords
from crc32c import crc32c

from fenghuo.schemas.compiled import BYTES, INT, INTS, LETTERS, compiled, inlined
from fenghuo.schemas.letters import Headers
from fenghuo.schemas.marks import RUN_HEADER, SHADOW_HEADER, is_shadow
from fenghuo.schemas.messages import Messages
from fenghuo.streams.fetch import Fetch

_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, magic, crc, attributes, last offset delta, base and largest
time, producer id, epoch and sequence, number of records.
"""
_LENGTH_END: Final = 12
_CRC_END: Final = 21
_CODECS: Final = {
    1: aiokafka.codec.gzip_decode,
    2: aiokafka.codec.snappy_decode,
    3: aiokafka.codec.lz4_decode,
    4: aiokafka.codec.zstd_decode,
}
_CODEC, _APPEND_TIME, _CONTROL = 7, 8, 32
# what headers a record has
_NONE, _RUN, _SHADOW, _OTHER = range(4)
_MARKS: Final = np.frombuffer((RUN_HEADER + SHADOW_HEADER).encode(), np.uint8)
_RUN_SIZE: Final = len(RUN_HEADER)


class RawRecords:
    """What the client makes of a fetched partition: its own records, and the bytes they are read
    from.
    """

    def __init__(self, data: bytes) -> None:
        self.data = bytes(data)
        own = MemoryRecords(self.data)
        self.size_in_bytes, self.has_next = own.size_in_bytes, own.has_next
        self.next_batch = own.next_batch


def read(data: bytes, start: int, where: object) -> Fetch | None:
    """All whole batches of `data` as one Fetch that begins at offset `start`; None when they bring
    nothing new. Raises CorruptRecordException, and UnsupportedVersionError for older formats.
    """
    pieces: list[bytes] = [data]
    batches: list[tuple[int, int, int, int, int, int]] = []
    at, stop, size = 0, start, len(data)
    while at + _HEAD.size <= len(data):
        head = _HEAD.unpack_from(data, at)
        base, length, _, magic, crc, attributes, last, time_ms, append_ms, *_, count = head
        end = at + _LENGTH_END + length
        if magic != 2:
            raise aiokafka.errors.UnsupportedVersionError(
                f"{where}: expected records of format 2, got {magic}; set FENGHUO_TRANSPORT=1"
            )
        if end > len(data):
            break
        if crc32c(memoryview(data)[at + _CRC_END : end]) != crc:
            raise aiokafka.errors.CorruptRecordException(f"{where}: invalid CRC at offset {base}")
        if not attributes & _CONTROL:
            begin = at + _HEAD.size
            if attributes & _CODEC:
                pieces.append(_CODECS[attributes & _CODEC](memoryview(data)[begin:end]))
                begin, size = size, size + len(pieces[-1])
            append_ms = append_ms if attributes & _APPEND_TIME else -1
            until = size if attributes & _CODEC else end
            batches.append((begin, until, count, base, time_ms, append_ms))
        at, stop = end, max(stop, base + last + 1)
    if stop == start:
        return None
    buffer = np.frombuffer(data if len(pieces) == 1 else b"".join(pieces), np.uint8)
    return _fetch(buffer, batches, (start, stop), where)


def _fetch(
    buffer: np.ndarray[Any, Any],
    batches: list[tuple[int, int, int, int, int, int]],
    bounds: tuple[int, int],
    where: object,
) -> Fetch:
    start, stop = bounds
    most = sum(batch[2] for batch in batches)
    rows = np.empty((5, most), np.int64)
    kinds = np.empty(most, np.uint8)
    count = 0
    for batch in batches:
        count = _walk(buffer, np.array(batch, np.int64), start, _MARKS, *rows, kinds, count)
        if count < 0:
            raise aiokafka.errors.CorruptRecordException(
                f"{where}: expected {batch[2]} records in the batch at offset {batch[3]}"
            )
    offsets, stamps, value, length, head = rows[:, :count]
    kinds = kinds[:count]
    headers = {
        int(i): _headers(buffer[head[i] : head[i] + 64 * 1024].tobytes())
        for i in np.flatnonzero(kinds == _OTHER)
    }
    shadow = kinds == _SHADOW
    for i, found in headers.items():
        shadow[i] = is_shadow(found)
    return Fetch(
        offsets,
        Messages(buffer, value, length),
        stamps,
        start,
        stop,
        headers,
        shadow if shadow.any() else None,
        lambda at: _headers(buffer[head[at] : head[at] + 64 * 1024].tobytes()),
    )


def _headers(data: bytes) -> Headers:
    """The headers of one record, from their number on."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            letter = data[at]
            at += 1
            value |= (letter & 127) << shift
            shift += 7
            if letter < 128:
                return value >> 1 ^ -(value & 1)

    def text() -> bytes | None:
        nonlocal at
        size = number()
        if size < 0:
            return None
        at += size
        return data[at - size : at]

    return [((text() or b"").decode("utf-8", "replace"), text()) for _ in range(number())]


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
def _kind(buffer, at, end, marks):
    """Which headers a record has that is not without."""
    _, many = _number(buffer, at, end)
    place, size = _number(buffer, at + 1, end)
    if many != 1 or place + size > end:
        return _OTHER
    first = 0 if size == _RUN_SIZE else _RUN_SIZE
    if size != _RUN_SIZE and size != len(marks) - _RUN_SIZE:
        return _OTHER
    for k in range(size):
        if buffer[place + k] != marks[first + k]:
            return _OTHER
    return _RUN if first == 0 else _SHADOW


@compiled(INT(LETTERS, INTS, INT, LETTERS, *(INTS, INTS, INTS, INTS, INTS), BYTES, INT))
def _walk(buffer, batch, start, marks, offsets, stamps, value, length, head, kinds, count):
    """Note the records of a batch from offset `start` on, behind the first `count`; how many there
    are then, or -1 for a batch that does not add up.
    """
    at, end, records, base, time_ms, append_ms = batch
    for _ in range(records):
        at, size = _number(buffer, at, end)
        if at < 0 or size < 0 or at + size > end:
            return -1
        until = at + size
        at, later_ms = _number(buffer, at + 1, until)
        if at < 0:
            return -1
        at, delta = _number(buffer, at, until)
        if at < 0:
            return -1
        at, key = _number(buffer, at, until)
        if at < 0:
            return -1
        at, many = _number(buffer, at + max(key, 0), until)
        if at < 0 or at + max(many, 0) >= until:
            return -1
        behind = at + max(many, 0)
        if base + delta >= start:
            offsets[count] = base + delta
            stamps[count] = append_ms if append_ms >= 0 else time_ms + later_ms
            value[count], length[count], head[count] = at, many, behind
            kinds[count] = _NONE if buffer[behind] == 0 else _kind(buffer, behind, until, marks)
            count += 1
        at = until
    return count
