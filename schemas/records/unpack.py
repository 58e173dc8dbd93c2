"""Unpack: the records of a compressed batch, within a bound. All codecs of Kafka.

A batch says how large it is packed, never how large it becomes: some kilobytes of zstd can ask for
gigabytes. So it is unpacked into room that grows, and given up beyond the bound.
"""

from collections.abc import Callable
from typing import Any, Final

import cramjam
import numpy as np

from fenghuo.schemas.arrays import Letters

UNPACKED_BYTES_MAX: Final = 256 << 20
"""Most bytes of one batch. Topics take batches of a few megabytes, and text shrinks by ten."""
_ROOM_BYTES_MIN: Final = 256 << 10
_TIMES: Final = 8
"""How much larger bytes are expected to become, and how much more room there is each next time."""
_XERIAL: Final = b"\x82SNAPPY\0"
_XERIAL_SIZE: Final = 16
"""Java's clients cut snappy into blocks: the mark, two versions, then a length before each."""


class UnpackError(ValueError):
    """A batch that cannot be unpacked: says why."""


def unpacked(codec: int, data: memoryview, most: int = UNPACKED_BYTES_MAX) -> Letters:
    """The records of a batch with this codec (a number of Kafka's). Raises UnpackError when the
    bytes are broken, when they become more than `most`, or when nobody knows the codec.
    """
    if codec not in _CODECS:
        raise UnpackError(f"codec {codec} is none of Kafka's (0 to 4)")
    try:
        return _CODECS[codec](data, most)
    except (cramjam.DecompressionError, OSError, MemoryError) as error:
        raise UnpackError(f"broken bytes of codec {codec}: {error}") from error


def _streamed(module: Any) -> Callable[[memoryview, int], Letters]:
    def unpack(data: memoryview, most: int) -> Letters:
        room = min(max(_ROOM_BYTES_MIN, len(data) * _TIMES), most)
        while True:
            found = np.empty(room, np.uint8)
            try:
                return found[: module.decompress_into(data, found)]
            except cramjam.DecompressionError as error:
                if _NO_ROOM not in str(error):
                    raise
            if room >= most:
                raise _too_large(most)
            room = min(room * _TIMES, most)

    return unpack


def _snappy(data: memoryview, most: int) -> Letters:
    if bytes(data[: len(_XERIAL)]) != _XERIAL:
        return _block(data, most)
    pieces, size, at = [np.empty(0, np.uint8)], 0, _XERIAL_SIZE
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if length > len(data) - at - 4:
            raise UnpackError(f"a block of snappy of {length} bytes goes on beyond the batch")
        pieces.append(_block(data[at + 4 : at + 4 + length], most - size))
        size += len(pieces[-1])
        at += 4 + length
    return np.concatenate(pieces)


def _block(data: memoryview, most: int) -> Letters:
    """One block of snappy, which begins with its size."""
    size = cramjam.snappy.decompress_raw_len(data)
    if size > most:
        raise _too_large(most)
    found = np.empty(size, np.uint8)
    return found[: cramjam.snappy.decompress_raw_into(data, found.data)]


def _too_large(most: int) -> UnpackError:
    return UnpackError(f"more than {most} bytes when unpacked")


_NO_ROOM: Final = "whole buffer"
"""What cramjam says, among other words, when it needs more room."""
_CODECS: Final = {
    1: _streamed(cramjam.gzip),
    2: _snappy,
    3: _streamed(cramjam.lz4),
    4: _streamed(cramjam.zstd),
}
