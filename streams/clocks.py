"""Clocks: how far each kind of event has come, from the heads of its partitions. No I/O."""

from collections.abc import Mapping

import msgspec

from fenghuo.schemas.measures import KINDS
from fenghuo.schemas.pulse import Head, Source
from fenghuo.streams.ring import Ring
from fenghuo.streams.windows import SECOND_MS

SLACK_S = 180
"""How far the frontier may lie behind the newest second and still be judged."""
UNHEARD_MS = 3_000
"""A partition whose worker has said nothing for this long is not called idle: nobody knows."""


class Clock(msgspec.Struct, frozen=True):
    """Where one kind stands in event time, and when its last record came."""

    as_of_ms: int | None
    watermark_ms: int | None
    record_ms: int | None


def clocks(
    heads: Mapping[Source, Head], rings: Mapping[str, Ring], now_ms: int
) -> dict[str, Clock]:
    """The clock of each kind: its frontier is the least over its partitions that are not idle.

    A kind that is idle as a whole goes with the others: if orders stopped while traffic flows,
    their rate is zero, not frozen. No frontier lies after the wall clock, however far ahead a
    producer's clock is.
    """
    own: dict[str, int | None] = {}
    active: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        frontiers = []
        for head in heads.values():
            if head.kind != kind or head.frontier_ms is None:
                continue
            frontier = min(head.frontier_ms, max(head.sent_ms, head.record_ms or 0))
            frontiers.append(frontier)
            if not (head.idle and now_ms - head.sent_ms < UNHEARD_MS):
                active[kind].append(frontier)
        own[kind] = min(active[kind]) if active[kind] else max(frontiers, default=None)
    moving = [min(frontiers) for frontiers in active.values() if frontiers]
    common = min(moving) if moving else None
    made = {}
    for kind in KINDS:
        as_of = own[kind]
        if not active[kind] and common is not None and as_of is not None:
            as_of = max(as_of, common)
        newest = rings[kind].newest_s
        if as_of is not None and newest is not None:
            as_of = max(as_of, (newest - SLACK_S) * SECOND_MS)
        of_kind = [head for head in heads.values() if head.kind == kind]
        marks = [head.watermark_ms for head in of_kind if head.watermark_ms is not None]
        records = [head.record_ms for head in of_kind if head.record_ms is not None]
        made[kind] = Clock(as_of, min(marks, default=None), max(records, default=None))
    return made
