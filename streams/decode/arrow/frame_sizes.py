"""Frame sizes: what a frame would take unpacked, told from its own words before anything of it is
unpacked: each compressed buffer begins with its length. Two KiB may say a gibibyte.

Reads as much of Arrow's metadata (flatbuffers) as that takes.
"""

import struct
from collections.abc import Iterator

import numpy as np

from fenghuo.schemas.kinds.bounds import EVENTS_PER_MESSAGE_MAX
from fenghuo.streams.decode.arrow.frame_codes import FrameError

FRAME_BYTES_MAX = 64 << 20
"""Most bytes of a frame, unpacked: 100 000 rows of 640 bytes."""
MESSAGES_MAX = 256
"""Most parts of a stream: schema, tables, batch. More are not needed by one batch."""
_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
_U16, _I32, _U32, _I64 = (struct.Struct(code) for code in ("<H", "<i", "<I", "<q"))


def check_sizes(value: memoryview) -> None:
    """Raises FrameError for a stream that is too large unpacked, or cannot be walked through."""
    size = 0
    try:
        for count, (meta, body) in enumerate(_messages(value)):
            if count >= MESSAGES_MAX:
                raise FrameError(f"more than {MESSAGES_MAX} parts in a stream")
            rows, unpacked = _unpacked(meta, body)
            if rows > EVENTS_PER_MESSAGE_MAX:
                raise FrameError(f"{rows} rows, most are {EVENTS_PER_MESSAGE_MAX}")
            size += unpacked
            if size > FRAME_BYTES_MAX:
                raise FrameError(f"{size} bytes or more unpacked, most are {FRAME_BYTES_MAX}")
    except (struct.error, IndexError, OverflowError) as error:
        raise FrameError(f"not an Arrow stream: {error}") from error


def _messages(value: memoryview) -> Iterator[tuple[memoryview, memoryview]]:
    """(metadata, body) of each part of the stream."""
    at = 0
    while at + 8 <= len(value):
        (mark,), (size,) = _U32.unpack_from(value, at), _I32.unpack_from(value, at + 4)
        if mark != 0xFFFFFFFF or size <= 0:
            return
        meta = value[at + 8 : at + 8 + size]
        length = _scalar(meta, _table(meta, 0), 3, _I64)
        if length < 0 or at + 8 + size + length > len(value):
            raise FrameError("not an Arrow stream: it is cut off")
        at += 8 + size
        yield meta, value[at : at + length]
        at += length


def _unpacked(meta: memoryview, body: memoryview) -> tuple[int, int]:
    """(rows, bytes) of one part."""
    root = _table(meta, 0)
    kind = _slot(meta, root, 1)
    header = _slot(meta, root, 2)
    if not (kind and header) or meta[kind] not in (_RECORD_BATCH, _DICTIONARY_BATCH):
        return 0, 0
    batch = _table(meta, header)
    is_table = meta[kind] == _DICTIONARY_BATCH
    if is_table:
        inner = _slot(meta, batch, 1)
        if not inner:
            return 0, 0
        batch = _table(meta, inner)
    rows = 0 if is_table else _scalar(meta, batch, 0, _I64)
    buffers, is_packed = _slot(meta, batch, 2), _slot(meta, batch, 3)
    if not buffers:
        return rows, 0
    at = buffers + _U32.unpack_from(meta, buffers)[0]
    (count,) = _U32.unpack_from(meta, at)
    if at + 4 + 16 * count > len(meta):
        raise FrameError("not an Arrow stream: its list of buffers is cut off")
    places = np.frombuffer(meta, "<i8", 2 * count, at + 4).reshape(-1, 2)
    start, length = places[:, 0], places[:, 1]
    if ((start < 0) | (length < 0) | (start > len(body)) | (length > len(body) - start)).any():
        raise FrameError("not an Arrow stream: a buffer lies outside of it")
    if not is_packed:
        return rows, int(length.sum())
    begin = start[length >= 8]
    if not len(begin):
        return rows, 0
    octets = np.frombuffer(body, np.uint8)[begin[:, None] + np.arange(8)]
    said = np.ascontiguousarray(octets).view("<i8")[:, 0]
    plain = length[length >= 8] - 8
    return rows, sum(int(n) for n in np.where(said < 0, plain, said).tolist())


def _table(data: memoryview, at: int) -> int:
    """The place of the table that an offset at this place leads to."""
    return at + int(_U32.unpack_from(data, at)[0])


def _slot(data: memoryview, table: int, field: int) -> int:
    """The place of a field of a table; 0 when it is absent."""
    names = table - int(_I32.unpack_from(data, table)[0])
    if names < 0:
        raise FrameError("not an Arrow stream: a table lies outside of it")
    (size,) = _U16.unpack_from(data, names)
    if 4 + 2 * field >= size:
        return 0
    (offset,) = _U16.unpack_from(data, names + 4 + 2 * field)
    return table + int(offset) if offset else 0


def _scalar(data: memoryview, table: int, field: int, form: struct.Struct) -> int:
    at = _slot(data, table, field)
    return int(form.unpack_from(data, at)[0]) if at else 0
