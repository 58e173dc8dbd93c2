"""What a letter keeps only the beginning of, read again from where it came."""

import contextlib
import hashlib
from collections.abc import Mapping

import numpy as np

from fenghuo.schemas.log import reading
from fenghuo.schemas.wire import rows
from fenghuo.schemas.wire.letters import Letter
from fenghuo.schemas.wire.topics import KIND_OF
from fenghuo.streams.decode.codec import Codec


async def whole(bootstrap: str, letter: Letter, codecs: Mapping[str, Codec]) -> bytes | None:
    """All that was refused: what the letter keeps, or the log still has, size and hash agreeing;
    None where neither has it, or it means no events. codecs: by kind.
    """
    if letter.reason == "unreadable":
        return None  # a batch
    if not letter.is_cut:
        return letter.data
    value = await _value(bootstrap, letter)
    if value is None or letter.source.topic not in KIND_OF:
        return None
    if is_all(letter, value):
        return value
    meant = rows.parse(letter.rows) if letter.rows else np.array([letter.idx])
    try:
        some = codecs[KIND_OF[letter.source.topic]].split(value)(meant)
    except (LookupError, ValueError):
        return None  # a message that does not have these events
    return some if is_all(letter, some) else None


def is_all(letter: Letter, data: bytes) -> bool:
    """Whether these bytes are those that the letter keeps the beginning of."""
    return len(data) == letter.size and hashlib.sha256(data).hexdigest() == letter.hash


async def _value(bootstrap: str, letter: Letter) -> bytes | None:
    """The record's value, where the log still has it."""
    place = letter.source.topic, letter.source.partition
    first, end = (await reading.bounds(bootstrap, [place]))[place]
    if not first <= letter.offset < end:
        return None
    at = letter.offset
    async with contextlib.aclosing(
        reading.fetches(bootstrap, *place, first=at, end=at + 1)
    ) as found:
        async for fetch in found:
            if at in fetch.offsets:
                return fetch.values[int(np.searchsorted(fetch.offsets, at))]
    return None
