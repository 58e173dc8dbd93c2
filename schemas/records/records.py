"""Records: what a fetch brought, as columns over the bytes as they came.

Reads record batches of format 2 (KIP-98), all that brokers have written since Apache Kafka 0.11:
a compiled loop goes from record to record and notes where the values lie, and which records carry a
header that counting asks for. No Python object is made of a record; its other headers are read
where they lie when somebody wants them, however many tracing puts there.
"""

# Compiled: numba infers the types, the signatures stand in the decorators.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: PLR0917

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from fenghuo.schemas.arrays import Letters
from fenghuo.schemas.compiled import BYTES, INT, INTS, LETTERS, TABLE, compiled, inlined
from fenghuo.schemas.records import batches
from fenghuo.schemas.records.batches import ANYWHERE, Aborted, Batch
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.records.marks import SHADOW_HEADER
from fenghuo.schemas.records.messages import Messages
from fenghuo.schemas.wire.letters import REPLAY_HEADER, Headers

RECORDS_MAX: Final = 1_000_000
"""Records of one Fetch at most; the others of a larger batch are fetched again."""
HEADERS_MAX: Final = 1_000
"""So many headers of a record are looked at: some megabytes unpack to a hundred million."""
# which of the headers that are looked for a record has
_SHADOW, _REPLAY = 1, 2
_NAMES: Final = np.frombuffer((SHADOW_HEADER + REPLAY_HEADER).encode(), np.uint8)
_SHADOW_SIZE: Final = len(SHADOW_HEADER)
_VARINT_BYTES_MAX: Final = 10


def read(
    data: bytes,
    start: int,
    where: object,
    aborted: Aborted = (),
    *,
    end: int = ANYWHERE,
    is_again: bool = False,
) -> Fetch | None:
    """All whole batches of `data` as one Fetch that begins at offset `start`; None when they bring
    nothing new. One that cannot be read is told as Unreadable, so that what comes behind it counts;
    the rest is as `batches.read` has it. Raises Damaged.
    """
    found = batches.read(data, start, where, aborted, end=end, is_again=is_again)
    if found.stop == start:
        return None
    most = min(sum(batch.records for batch in found.batches), RECORDS_MAX)
    rows, marks = np.empty((7, most), np.int64), np.empty(most, np.uint8)
    buffer, places = _joined(found.batches)
    unreadable, theirs, count = list(found.unreadable), np.zeros(most, np.bool_), 0
    for batch, place in zip(found.batches, places, strict=True):
        after = _walk(buffer, _numbers(batch, place, start), _NAMES, rows, marks, count)
        if after < 0:
            text = f"expected {batch.records} records that fill it"
            unreadable.append(batch.unreadable(where, text))
        theirs[count : max(count, after)] = batch.append_ms < 0
        count = max(count, after)
    offsets, stamps, value, length, head, until, key = rows[:, :count]
    marks, theirs = marks[:count], theirs[:count]
    stop = int(offsets[-1]) + 1 if count == RECORDS_MAX else found.stop

    def headers_of(at: int) -> Headers:
        return headers(buffer[head[at] : until[at]].tobytes())

    def key_of(at: int) -> bytes | None:
        begin = int(key[at])
        size, behind = _varint(buffer[begin : begin + _VARINT_BYTES_MAX].tobytes(), 0)
        return None if size < 0 else buffer[begin + behind :][:size].tobytes()

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
        tuple(one for one in unreadable if one.first < stop),
        theirs if theirs.any() else None,
        key_of,
    )


def _joined(found: Sequence[Batch]) -> tuple[Letters, list[int]]:
    """The letters of all batches as one buffer, and where those of each begin in it. Batches that
    were not packed share theirs.
    """
    at: dict[int, int] = {}
    pieces: list[Letters] = []
    size = 0
    for batch in found:
        if id(batch.letters) not in at:
            at[id(batch.letters)] = size
            pieces.append(batch.letters)
            size += len(batch.letters)
    buffer = pieces[0] if len(pieces) == 1 else np.concatenate([np.empty(0, np.uint8), *pieces])
    buffer.flags.writeable = False
    return buffer, [at[id(batch.letters)] for batch in found]


def _numbers(batch: Batch, place: int, start: int) -> np.ndarray[Any, Any]:
    """What the compiled loop is told of a batch."""
    begin, end = place + batch.begin, place + batch.end
    last = batch.stop - 1 - batch.base
    numbers = (begin, end, batch.records, batch.base, last, batch.time_ms, batch.append_ms, start)
    return np.array(numbers, np.int64)


def headers(data: bytes) -> Headers:
    """The first headers of one record, from their number on."""
    at = 0

    def text() -> bytes | None:
        nonlocal at
        size, at = _varint(data, at)
        if size < 0:
            return None
        at += size
        return data[at - size : at]

    many, at = _varint(data, at)
    return [
        ((text() or b"").decode("utf-8", "replace"), text()) for _ in range(min(many, HEADERS_MAX))
    ]


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
    while 0 <= at < end and shift < np.uint64(64):
        letter = np.uint64(buffer[at])
        at += 1
        value |= (letter & np.uint64(127)) << shift
        shift += np.uint64(7)
        if letter < np.uint64(128):
            return at, np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1))
    return -1, np.int64(0)


@inlined
def _is(buffer, at, names, first, size):
    """Whether the buffer has this name here; that there is room for it is known."""
    same = 0
    while same < size and buffer[at + same] == names[first + same]:
        same += 1
    return same == size


@inlined
def _kind(buffer, at, end, names):
    """Which of the headers that are looked for a record has; -1 when its headers do not end where
    it does. Letters beyond `end` are never looked at.
    """
    kind = 0
    at, many = _number(buffer, at, end)
    if at < 0 or many < 0 or many > end - at:
        return -1
    for number in range(many):
        at, size = _number(buffer, at, end)
        if at < 0 or size < 0 or size > end - at:
            return -1
        if number >= HEADERS_MAX:
            pass
        elif size == _SHADOW_SIZE and _is(buffer, at, names, 0, size):
            kind |= _SHADOW
        elif size == len(names) - _SHADOW_SIZE and _is(buffer, at, names, _SHADOW_SIZE, size):
            kind |= _REPLAY
        at, size = _number(buffer, at + size, end)
        if at < 0 or size > end - at:
            return -1
        at += max(size, 0)
    return kind if at == end else -1


@compiled(INT(LETTERS, INTS, LETTERS, TABLE, BYTES, INT))
def _walk(buffer, batch, names, rows, marks, count):
    """Note the records of a batch from offset `start` on, behind the first `count`, as far as there
    is room; how many there are then, or -1 for a batch that does not add up.
    """
    at, end, records, base, last, time_ms, append_ms, start = batch
    before = np.int64(-1)
    for _ in range(records):
        if count == rows.shape[1]:
            return count
        at, size = _number(buffer, at, end)
        if at < 0 or size < 0 or size > end - at:
            return -1
        until = at + size
        at, later_ms = _number(buffer, at + 1, until)
        if at < 0:
            return -1
        at, delta = _number(buffer, at, until)
        if at < 0 or delta <= before or delta > last:
            return -1
        before, key_at = delta, at
        at, key = _number(buffer, at, until)
        if at < 0 or key > until - at:
            return -1
        at, many = _number(buffer, at + max(key, 0), until)
        if at < 0 or many > until - at:
            return -1
        behind = at + max(many, 0)
        kind = 0
        if until - behind != 1 or buffer[behind] != 0:
            kind = _kind(buffer, behind, until, names)
            if kind < 0:
                return -1
        if base + delta >= start:
            rows[0, count] = base + delta
            rows[1, count] = append_ms if append_ms >= 0 else time_ms + later_ms
            rows[2, count], rows[3, count] = at, many
            rows[4, count], rows[5, count], rows[6, count] = behind, until, key_at
            marks[count] = kind
            count += 1
        at = until
    return count if at == end else -1
