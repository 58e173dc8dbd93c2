"""Visitors: distinct users by mergeable sketches, their wire form and what they amount to.

Theta sketches of Apache DataSketches with 4 096 entries: a relative standard error of 1.6 %, so 19
of 20 estimates lie within 3.1 %. A record of topic `users` holds the sketches that one worker has
of one source partition, read up to an offset. Sketches of different workers and sources are united
by whoever reads; of one source those of the highest epoch count, for a changed campaign counts its
log anew.

Wire form: four bytes, big-endian, the length of a JSON head; the head; the compact sketches one
after the other, in the order and of the sizes that the head tells.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from datasketches import compact_theta_sketch, theta_union

from fenghuo.schemas.wire.pulse import Source

LG_K: Final = 12
RELATIVE_ERROR: Final = 2 ** (-LG_K / 2)
"""One standard error of an estimate, relative to it."""
ACTIVE: Final = "active"
"""Whoever ordered, visited or complained."""
NEW: Final = "new"
"""Who paid an order as a new user."""
MEASURES: Final = (ACTIVE, NEW)

Name = tuple[str, str]
"""(measure, region)."""
Sketches = Mapping[Name, bytes]
"""Compact sketches by their names."""


class VisitorsError(ValueError):
    """Bytes that are no record of visitors."""


class Part(msgspec.Struct, frozen=True):
    """What one worker knows of one source partition: of all events below the offset."""

    source: Source
    epoch: int
    offset: int
    sketches: Sketches


class Estimate(msgspec.Struct, frozen=True):
    """How many, and the bounds of two standard errors."""

    measure: str
    region: str
    """Empty: in all regions together."""
    users: int
    low: int
    high: int


class _Head(msgspec.Struct, frozen=True):
    source: Source
    epoch: int
    offset: int
    sketches: tuple[tuple[str, str, int], ...]


_HEAD: Final = msgspec.json.Decoder(_Head)


def encode(part: Part) -> bytes:
    """The record of a source partition."""
    named = sorted(part.sketches.items())
    sizes = tuple((*name, len(data)) for name, data in named)
    head = msgspec.json.encode(_Head(part.source, part.epoch, part.offset, sizes))
    return b"".join([len(head).to_bytes(4, "big"), head, *(data for _, data in named)])


def decode(data: bytes) -> Part:
    """What `encode` wrote; raises VisitorsError for anything else."""
    try:
        end = 4 + int.from_bytes(data[:4], "big")
        head = _HEAD.decode(data[4:end])
        sketches = {}
        for measure, region, size in head.sketches:
            sketches[measure, region] = data[end : end + size]
            _opened(sketches[measure, region])
            end += size
        if end != len(data):
            raise ValueError(f"expected {end} bytes, got {len(data)}")
    except (msgspec.MsgspecError, LookupError, ValueError, RuntimeError, MemoryError) as error:
        raise VisitorsError(f"not a record of visitors: {str(error)[:300]}") from error
    return Part(head.source, head.epoch, head.offset, sketches)


def united(sketches: Iterable[bytes]) -> bytes:
    """The union of some sketches."""
    union = theta_union(LG_K)
    for data in sketches:
        union.update(_opened(data))
    found: bytes = union.get_result().serialize()
    return found


def estimates(parts: Iterable[Part]) -> list[Estimate]:
    """How many there are, by measure and region and over all regions."""
    parts = list(parts)
    newest: dict[Source, int] = {}
    for part in parts:
        newest[part.source] = max(part.epoch, newest.get(part.source, 0))
    by_name: dict[Name, list[bytes]] = {}
    for part in parts:
        if part.epoch < newest[part.source]:
            continue
        for (measure, region), data in part.sketches.items():
            by_name.setdefault((measure, region), []).append(data)
            by_name.setdefault((measure, ""), []).append(data)
    return [_estimate(name, united(found)) for name, found in sorted(by_name.items())]


def _estimate(name: Name, data: bytes) -> Estimate:
    sketch = _opened(data)
    figures = (sketch.get_estimate(), sketch.get_lower_bound(2), sketch.get_upper_bound(2))
    return Estimate(*name, *(round(figure) for figure in figures))


def _opened(data: bytes) -> compact_theta_sketch:
    return compact_theta_sketch.deserialize(data)
