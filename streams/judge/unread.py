"""Unread: what waits in the log, by what the broker and the workers say. No clock, no I/O.

A worker tells its lag only while it lives: records of a partition that nobody reads, or reads yet,
are known to the broker alone. What the broker said is a few seconds old, a living worker's word is
newer: the further end counts.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from fenghuo.schemas.wire.pulse import Head
from fenghuo.schemas.wire.topics import KIND_OF

Part = tuple[str, int]
"""Topic and partition."""
Bounds = Mapping[Part, tuple[int, int]]
"""First offset and end of each source partition, as the broker last said."""
NO_BOUNDS: Bounds = MappingProxyType({})
UNHEARD_MS = 15_000
"""A partition whose worker has said nothing for this long is read by nobody: others would have
taken it over by then.
"""


class Unread(msgspec.Struct, frozen=True):
    """by_kind: records that wait; a kind of which nobody knows anything has no entry. orphans: how
    many wait in each partition that nobody reads.
    """

    by_kind: Mapping[str, int]
    orphans: Mapping[Part, int]


def unread(heads: Iterable[Head], log: Bounds, now_ms: int) -> Unread:
    """What waits, of all partitions that somebody knows."""
    newest: dict[Part, Head] = {}
    for head in sorted(heads, key=lambda head: head.sent_ms):  # a log made anew comes last
        newest[head.source.topic, head.source.partition] = head
    by_kind: dict[str, int] = {}
    orphans: dict[Part, int] = {}
    for part in sorted(newest.keys() | log.keys()):
        known, (first, end) = newest.get(part), log.get(part, (0, 0))
        if known is not None:
            first, end = max(first, known.next_offset), max(end, known.end_offset)
        waiting, kind = max(end - first, 0), KIND_OF[part[0]]
        by_kind[kind] = by_kind.get(kind, 0) + waiting
        if waiting and (known is None or now_ms - known.sent_ms >= UNHEARD_MS):
            orphans[part] = waiting
    return Unread(by_kind, orphans)
