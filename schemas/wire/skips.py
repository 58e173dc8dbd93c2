"""Skips: records that somebody passed over by hand (`fenghuo dlq skip`), on record for ever.

A record that breaks the counting stops its partition. A skip says that it counts as one refused
event, whatever is in it; whoever reads the log again does the same.
"""

from collections.abc import AsyncIterable
from typing import Any

import msgspec

from fenghuo.schemas.log.foreign import FOREIGN, Foreign, key_of
from fenghuo.schemas.wire.pulse import Source


class Skip(msgspec.Struct, frozen=True):
    """One record of a source partition that is passed over."""

    source: Source
    offset: int
    reason: str
    at_ms: int

    @property
    def key(self) -> str:
        """The key of its record."""
        return f"{self.source}/{self.offset}"


def encode(skip: Skip) -> bytes:
    """As JSON."""
    return msgspec.json.encode(skip)


async def read(
    records: AsyncIterable[Any], topic: str, foreign: Foreign = FOREIGN
) -> dict[Source, dict[int, str]]:
    """Why each offset of a source is passed over."""
    found: dict[Source, dict[int, str]] = {}
    async for record in records:
        skip = foreign.read(topic, record.offset, _skip, record)
        if skip is not None:
            found.setdefault(skip.source, {})[skip.offset] = skip.reason
    return found


def _skip(record: Any) -> Skip:
    skip = msgspec.json.decode(record.value or b"", type=Skip)
    if key_of(record.key) != skip.key:
        raise ValueError(f"key {record.key!r} over a skip of {skip.key}")
    return skip
