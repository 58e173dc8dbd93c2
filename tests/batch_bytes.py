"""Record batches as brokers keep them, written field by field: what our reader is tried on."""

import gzip
import struct
from collections.abc import Sequence

import cramjam
import msgspec
from crc32c import crc32c

from fenghuo.schemas.wire.letters import Headers

GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
CODECS = (0, GZIP, SNAPPY, LZ4, ZSTD)
APPEND_TIME, TRANSACTIONAL, CONTROL = 8, 16, 32
ABORT, COMMIT = 0, 1
XERIAL = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)


class Record(msgspec.Struct, frozen=True):
    """One record; delta: of its offset, from that of its batch."""

    value: bytes | None
    delta: int = 0
    key: bytes | None = None
    headers: Headers = ()
    later_ms: int = 0


def number(value: int) -> bytes:
    """A zigzag varint."""
    value, out = value << 1 ^ value >> 63, bytearray()
    value &= (1 << 64) - 1
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def text(data: bytes | None) -> bytes:
    """Bytes behind their length."""
    return number(-1) if data is None else number(len(data)) + data


def name(of: str | bytes) -> bytes:
    """A header's name; bytes for one that is no text."""
    return of.encode() if isinstance(of, str) else of


def record(one: Record) -> bytes:
    """The bytes of a record."""
    body = b"\0" + number(one.later_ms) + number(one.delta) + text(one.key) + text(one.value)
    body += number(len(one.headers))
    body += b"".join(text(name(of)) + text(value) for of, value in one.headers)
    return number(len(body)) + body


def packed(codec: int, data: bytes) -> bytes:
    """As producers compress; snappy as snappy-java frames it."""
    if codec == GZIP:
        return gzip.compress(data)
    if codec == SNAPPY:
        parts = [data[at : at + 32_768] for at in range(0, len(data), 32_768)]
        blocks = [bytes(cramjam.snappy.compress_raw(part)) for part in parts]
        return XERIAL + b"".join(struct.pack(">i", len(block)) + block for block in blocks)
    if codec == LZ4:
        return bytes(cramjam.lz4.compress(data))
    return bytes(cramjam.zstd.compress(data)) if codec == ZSTD else data


def batch(
    records: Sequence[Record],
    *,
    base: int = 0,
    attributes: int = 0,
    producer: int = -1,
    last: int | None = None,
    count: int | None = None,
    time_ms: int = 1_000,
    body: bytes | None = None,
) -> bytes:
    """A batch of format 2 with a right checksum. The low bits of attributes say the codec; last:
    its last offset delta where that is none of its records'; count and body: to lie with.
    """
    if body is None:
        body = packed(attributes & 7, b"".join(map(record, records)))
    last = max((one.delta for one in records), default=0) if last is None else last
    count = len(records) if count is None else count
    largest_ms = time_ms + max((one.later_ms for one in records), default=0)
    behind = struct.pack(">hiqqqhii", attributes, last, time_ms, largest_ms, producer, 0, 0, count)
    behind += body
    head = struct.pack(">qiibI", base, len(behind) + 9, 0, 2, crc32c(behind))
    return head + behind


def records(values: Sequence[bytes | None], headers: Headers = ()) -> list[Record]:
    """Records of these values, offsets without gaps."""
    return [Record(value, delta, b"k", headers, delta) for delta, value in enumerate(values)]


def mark(of: int, *, base: int, producer: int) -> bytes:
    """What ends a transaction."""
    one = Record(b"\0\0\0\0\0\0", 0, struct.pack(">hh", 0, of))
    return batch([one], base=base, attributes=TRANSACTIONAL | CONTROL, producer=producer)
