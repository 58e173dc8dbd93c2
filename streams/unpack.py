"""Unpack: the records of a compressed batch, within a bound. All codecs of Kafka.

A batch says how large it is packed, never how large it becomes: some kilobytes of zstd can ask for
gigabytes. So it is unpacked piece by piece, and given up beyond the bound.
"""

from typing import Final

import pyarrow as pa

UNPACKED_BYTES_MAX: Final = 256 << 20
"""Most bytes of one batch. Topics take batches of a few megabytes, and text shrinks by ten."""
_STREAMED: Final = {1: "gzip", 3: "lz4", 4: "zstd"}
_SNAPPY: Final = 2
_XERIAL: Final = b"\x82SNAPPY\0"
_XERIAL_SIZE: Final = 16
"""Java's clients cut snappy into blocks: the mark, two versions, then a length before each."""
_PIECE_BYTES_MIN: Final = 1 << 16


class UnpackError(ValueError):
    """A batch that cannot be unpacked: says why."""


def unpacked(codec: int, data: memoryview, most: int = UNPACKED_BYTES_MAX) -> bytes:
    """The records of a batch with this codec (a number of Kafka's). Raises UnpackError when the
    bytes are broken, when they become more than `most`, or when nobody knows the codec.
    """
    try:
        if codec == _SNAPPY:
            return _snappy(data, most)
        if codec in _STREAMED:
            return _streamed(_STREAMED[codec], data, most)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        if isinstance(error, UnpackError):
            raise
        raise UnpackError(f"broken bytes of codec {codec}: {error}") from error
    raise UnpackError(f"codec {codec} is none of Kafka's (0 to 4)")


def _streamed(name: str, data: memoryview, most: int) -> bytes:
    pieces, size = [], 0
    with pa.CompressedInputStream(pa.BufferReader(pa.py_buffer(data)), name) as stream:
        while piece := stream.read(max(_PIECE_BYTES_MIN, 4 * len(data))):
            pieces.append(piece)
            size += len(piece)
            if size > most:
                raise _too_large(most)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _snappy(data: memoryview, most: int) -> bytes:
    if bytes(data[: len(_XERIAL)]) != _XERIAL:
        return _block(data, most)
    pieces, size, at = [], 0, _XERIAL_SIZE
    while at + 4 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        pieces.append(_block(data[at + 4 : at + 4 + length], most - size))
        size += len(pieces[-1])
        at += 4 + length
    return b"".join(pieces)


def _block(data: memoryview, most: int) -> bytes:
    """One block of snappy, which begins with its size."""
    size = shift = 0
    for letter in data[:5]:
        size |= (letter & 127) << shift
        shift += 7
        if letter < 128:
            break
    if size > most:
        raise _too_large(most)
    whole: bytes = pa.decompress(data, decompressed_size=size, codec="snappy", asbytes=True)
    return whole


def _too_large(most: int) -> UnpackError:
    return UnpackError(f"more than {most} bytes when unpacked")
