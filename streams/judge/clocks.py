"""Clocks: how far each kind of event has come, from the heads of its partitions. No I/O."""

from collections.abc import Mapping

import msgspec

from fenghuo.schemas.kinds.measures import KINDS
from fenghuo.schemas.wire.pulse import Head, Source
from fenghuo.streams.counting.windows import SECOND_MS
from fenghuo.streams.judge.ring import Ring

SLACK_S = 180
"""How far the frontier may lie behind the newest second and still be judged."""
UNHEARD_MS = 3_000
"""A partition whose worker has said nothing for this long is not called idle: nobody knows."""
CAUGHT_UP_MS = 2_000
"""A worker that had read everything this long ago is not behind: what is old came old."""
LIVE_MS = 60_000
"""A replay of the past has its newest event further from now than this: there nothing is late."""


class Clock(msgspec.Struct, frozen=True):
    """Where one kind stands in event time, and when its last record came.

    behind: sources that are read to their end and yet lie further behind the newest of the kind
    than lateness allows, and how far in ms. Nobody waits for them; what they bring still counts.
    """

    as_of_ms: int | None
    watermark_ms: int | None
    record_ms: int | None
    behind: Mapping[Source, int] = {}


def clocks(
    heads: Mapping[Source, Head], rings: Mapping[str, Ring], now_ms: int
) -> dict[str, Clock]:
    """The clock of each kind: its frontier is the least over its partitions that are neither idle
    nor behind.

    A kind that is idle as a whole goes with the others: if orders stopped while traffic flows,
    their rate is zero, not frozen. No frontier lies after the wall clock, however far ahead a
    producer's clock is.
    """
    stands = {
        source: min(head.frontier_ms, max(head.sent_ms, head.record_ms or 0))
        for source, head in heads.items()
        if head.frontier_ms is not None
    }
    behind = _behind(heads, stands, now_ms)
    own: dict[str, int | None] = {}
    active: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        frontiers = {source: at for source, at in stands.items() if heads[source].kind == kind}
        for source, frontier in frontiers.items():
            is_idle = heads[source].idle and _is_heard(heads[source], now_ms)
            if not is_idle and source not in behind[kind]:
                active[kind].append(frontier)
        own[kind] = min(active[kind]) if active[kind] else max(frontiers.values(), default=None)
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
        made[kind] = Clock(
            as_of, min(marks, default=None), max(records, default=None), behind[kind]
        )
    return made


def _behind(
    heads: Mapping[Source, Head], stands: Mapping[Source, int], now_ms: int
) -> dict[str, dict[Source, int]]:
    """By kind: the sources that lag though nothing of theirs waits to be read, and by how much.

    What waits to be read is our own delay: judging without it would look like an outage.
    """
    found: dict[str, dict[Source, int]] = {kind: {} for kind in KINDS}
    if now_ms - max(stands.values(), default=0) >= LIVE_MS:
        return found
    newest: dict[str, int] = {}
    for source, at in stands.items():
        kind = heads[source].kind
        newest[kind] = max(newest.get(kind, at), at)
    for source, at in stands.items():
        head = heads[source]
        by_ms = newest[head.kind] - at
        lateness_ms = (head.frontier_ms or 0) - (head.watermark_ms or 0)
        if by_ms > lateness_ms and _is_heard(head, now_ms) and _is_caught_up(head):
            found[head.kind][source] = by_ms
    return found


def _is_heard(head: Head, now_ms: int) -> bool:
    return now_ms - head.sent_ms < UNHEARD_MS


def _is_caught_up(head: Head) -> bool:
    if head.caught_up_ms is None:  # a worker of an earlier release does not say
        return head.next_offset >= head.end_offset
    return head.sent_ms - head.caught_up_ms < CAUGHT_UP_MS
