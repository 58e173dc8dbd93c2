"""Batches: what lies between the bytes of a fetch and its records: heads, checksums, codecs, and
the marks of transactions.

A batch that cannot be read is named by its offsets and passed over: it stops nobody. Only one that
came damaged may be another one when it is fetched again, so that is asked for first.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from crc32c import crc32c

from fenghuo.schemas.arrays import Letters
from fenghuo.schemas.records.fetch import Unreadable
from fenghuo.schemas.records.unpack import UnpackError, unpacked

_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, format, checksum, attributes, last offset delta, base and
largest time, producer id, epoch and sequence, number of records.
"""
_OLD: Final = struct.Struct(">qiIb")
"""Offset, length, checksum, format of a message of format 0 or 1 (before Apache Kafka 0.11)."""
_LENGTH_END: Final = 12
_FORMAT_AT: Final = 16
_FORMAT: Final = 2
_CRC_END: Final = 21
_OLD_CRC_END: Final = 16
_CODEC, _APPEND_TIME, _TRANSACTIONAL, _CONTROL = 7, 8, 16, 32
_RECORD_BYTES_MIN: Final = 7
"""Length, attributes, time, offset, key, value and number of headers: a byte each."""
_ABORT: Final = b"\x00\x00"
"""Type of the mark that ends an aborted transaction."""
KEPT_BYTES: Final = 4_096
"""So much of a batch that cannot be read goes into its dead letter."""
ENOUGH_BYTES: Final = 32 << 20
"""So many unpacked bytes end a fetch: its other batches are fetched again."""
ANYWHERE: Final = 2**63 - 1
Aborted = Sequence[tuple[int, int]]
"""(producer id, first offset) of each transaction that was taken back."""


class Damaged(ValueError):
    """A batch whose checksum is not that of its bytes: asked for again, it may be another one."""


class Batch(NamedTuple):
    """A batch of format 2: its head, and its records in the bytes [begin, end) of `letters`."""

    base: int
    stop: int
    """Offset behind its last one, whether or not that is still there."""
    attributes: int
    time_ms: int
    largest_ms: int
    producer: int
    records: int
    letters: Letters
    begin: int
    end: int

    @property
    def is_packed(self) -> bool:
        """Whether its records are compressed."""
        return bool(self.attributes & _CODEC)

    @property
    def append_ms(self) -> int:
        """The broker's time for all of its records, -1 when they have their own."""
        return self.largest_ms if self.attributes & _APPEND_TIME else -1

    def unpacked(self) -> "Batch":
        """The same with its records unpacked. Raises UnpackError."""
        letters, begin, end = self.letters, self.begin, self.end
        if self.is_packed:
            codec = self.attributes & _CODEC
            letters = unpacked(codec, letters[begin:end].data)
            begin, end = 0, len(letters)
        if not 0 <= self.records <= (end - begin) // _RECORD_BYTES_MIN:
            raise UnpackError(f"it cannot hold {self.records} records")
        return self._replace(letters=letters, begin=begin, end=end)

    def unreadable(self, where: object, why: str) -> Unreadable:
        """What stands for it when it cannot be read: as many events as it says that it has."""
        events = min(max(self.records, 1), max(self.stop - self.base, 1))
        return Unreadable(
            *(self.base, self.stop, events),
            detail=f"{where}: the batch at offsets {self.base} to {self.stop - 1}: {why}",
            size=self.end - self.begin,
            record_ms=max(self.largest_ms, 0),
            data=self.letters[self.begin : self.end][:KEPT_BYTES].tobytes(),
        )


class Read(NamedTuple):
    """What the bytes of a fetch hold, up to offset `stop`."""

    batches: list[Batch]
    unreadable: list[Unreadable]
    stop: int


class Transactions:
    """Which batches count, as they go by: marks do not, nor do aborted transactions."""

    def __init__(self, aborted: Aborted) -> None:
        self._waiting = sorted(aborted, key=lambda one: one[1], reverse=True)
        self._open: set[int] = set()

    def hide(self, batch: Batch) -> bool:
        """Whether nothing of the next batch counts."""
        while self._waiting and self._waiting[-1][1] < batch.stop:
            self._open.add(self._waiting.pop()[0])
        if batch.attributes & _CONTROL:
            if _is_abort(batch):
                self._open.discard(batch.producer)
            return True
        return bool(batch.attributes & _TRANSACTIONAL) and batch.producer in self._open


def read(
    data: bytes,
    start: int,
    where: object,
    aborted: Aborted = (),
    *,
    end: int = ANYWHERE,
    is_again: bool = False,
) -> Read:
    """The whole batches of a fetch that begins at offset `start`, up to one that came damaged.

    is_again: it came so before, and is passed over; end: of the log, so that no damaged head leads
    beyond. Raises Damaged where a damaged one is the first.
    """
    found, stop, unpacked_bytes = Read([], [], start), start, 0
    transactions = Transactions(aborted)
    letters = np.frombuffer(data, np.uint8)
    for at, until in _whole(data):
        if fault := _fault(data, at, until):
            if stop > start:
                break
            if not is_again:
                raise Damaged(f"{where}: offset {start}: {fault}")
            batch = _damaged(letters, at, until, start=start, end=end)
            found.unreadable.append(batch.unreadable(where, fault))
        elif data[at + _FORMAT_AT] != _FORMAT:
            batch = _old(letters, at, until, stop)
            text = f"expected a batch of format {_FORMAT}, got {data[at + _FORMAT_AT]}"
            found.unreadable.append(batch.unreadable(where, text))
        else:
            batch = _batch(letters, at, until)
            if not transactions.hide(batch) and batch.records and batch.stop > start:
                try:
                    found.batches.append(batch.unpacked())
                    unpacked_bytes += len(found.batches[-1].letters) * batch.is_packed
                except UnpackError as error:
                    found.unreadable.append(batch.unreadable(where, str(error)))
        stop = max(stop, batch.stop)
        if unpacked_bytes >= ENOUGH_BYTES:
            break
    return found._replace(stop=stop)


def _whole(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each whole batch begins and ends; what can be none ends with the bytes."""
    at, size = 0, len(data)
    while at + _OLD.size <= size:
        length = int.from_bytes(data[at + 8 : at + _LENGTH_END], "big", signed=True)
        until = at + _LENGTH_END + length
        if length < _OLD.size - _LENGTH_END:
            yield at, size
            return
        if until > size:
            return
        yield at, until
        at = until


def _fault(data: bytes, at: int, until: int) -> str:
    """What says that a batch is not as it was written; nothing for one that is."""
    _, length, old_crc, magic = _OLD.unpack_from(data, at)
    head_size = _HEAD.size if magic >= _FORMAT else _OLD.size
    if length < head_size - _LENGTH_END:
        return f"expected a batch, got one of {length} bytes"
    if magic < _FORMAT:
        crc, found = old_crc, crc32(memoryview(data)[at + _OLD_CRC_END : until])
    else:
        crc, found = _HEAD.unpack_from(data, at)[4], crc32c(memoryview(data)[at + _CRC_END : until])
    return "" if crc == found else f"expected checksum {crc:08x}, got {found:08x}"


def _batch(letters: Letters, at: int, until: int) -> Batch:
    """The batch of format 2 that lies here."""
    head = _HEAD.unpack_from(letters.data, at)
    base, _, _, _, _, attributes, last, time_ms, largest_ms, producer, _, _, records = head
    place = letters, at + _HEAD.size, until
    return Batch(base, base + last + 1, attributes, time_ms, largest_ms, producer, records, *place)


def _damaged(letters: Letters, at: int, until: int, *, start: int, end: int) -> Batch:
    """What stands for a batch that came damaged: its offsets where they can be, else the next."""
    batch = _batch(letters, at, until) if until - at >= _HEAD.size else None
    if batch and 0 <= batch.base <= start < batch.stop <= end:
        return batch
    return Batch(start, start + 1, 0, -1, -1, -1, 1, letters, at, until)


def _old(letters: Letters, at: int, until: int, stop: int) -> Batch:
    """What stands for a message of before format 2: its offset is the last one in it."""
    (last,) = struct.unpack_from(">q", letters.data, at)
    return Batch(stop, max(last + 1, stop), 0, -1, -1, -1, 1, letters, at, until)


def _is_abort(batch: Batch) -> bool:
    """Whether a mark says that its producer's transaction was aborted; one that compaction emptied
    says nothing. Its key is a version and a type, two bytes each, behind four small numbers.
    """
    record = batch.letters[batch.begin : batch.end].tobytes()
    at = _behind(record, 0) + 1  # length, attributes
    for _ in range(3):  # time, offset, length of the key
        at = _behind(record, at)
    return batch.records > 0 and record[at + 2 : at + 4] == _ABORT


def _behind(data: bytes, at: int) -> int:
    """The place behind a number of variable length."""
    while at < len(data) and data[at] & 128:
        at += 1
    return at + 1
