"""Places: where the reading of a source partition begins. No clock, no I/O.

Every choice is one that cannot be silently wrong: the best position there is, an older one, the
log's first record. Where records were deleted unread the count goes on behind them, and the gap is
named. What would make the numbers wrong stops this partition alone, with the cure.
"""

from collections.abc import AsyncIterable, Mapping, Sequence
from typing import Any

import msgspec

from fenghuo.schemas.log.foreign import FOREIGN, Foreign, key_of
from fenghuo.schemas.wire import position
from fenghuo.schemas.wire.position import Position
from fenghuo.schemas.wire.pulse import Head, Source, Tally
from fenghuo.schemas.wire.topics import KIND_OF
from fenghuo.streams.counting import windows
from fenghuo.streams.gather.taken import Terms

Part = tuple[str, int]
"""Topic and partition."""


class Begin(msgspec.Struct, frozen=True):
    """Where a partition is read from; stopped: why it cannot be, with the cure."""

    place: Position
    stopped: str | None = None


async def read(
    records: AsyncIterable[Any], topic: str, foreign: Foreign = FOREIGN
) -> dict[Part, list[Position]]:
    """The positions of each partition on their topic, the best first; what is none is passed
    over.
    """
    found: dict[Part, list[Position]] = {}
    async for record in records:
        place = foreign.read(topic, record.offset, _position, record)
        if place is not None:
            found.setdefault((place.source.topic, place.source.partition), []).append(place)
    for places in found.values():
        places.sort(key=lambda place: (place.epoch, place.offset, place.decided), reverse=True)
    return found


def _position(record: Any) -> Position:
    place = position.decode(record.value or b"")
    key = key_of(record.key)
    if key != str(place.source):
        raise ValueError(f"key {key} over a position of {place.source}")
    return place


def choose(found: Sequence[Position], source: Source, life: str) -> tuple[Source, list[Position]]:
    """What is known of this life of a topic: the name of its log, and its positions, best first.

    A topic that was deleted and made anew is another log: its offsets begin again, and what was
    counted of the one before stays as it is. life: the broker's id of the topic, "" if it tells
    none.
    """
    ours = [place for place in found if place.source.log.partition("/")[0] == source.log]
    same = [place for place in ours if life and place.life == life]
    if same:
        log = same[0].source.log
        return msgspec.structs.replace(source, log=log), [
            place for place in same if place.source.log == log
        ]
    others = [place for place in ours if life and place.life]
    if others:
        return msgspec.structs.replace(source, log=f"{source.log}/{life}"), []
    return source, [place for place in ours if place.source == source]


def begin(
    source: Source,
    found: Sequence[Position],
    bounds: tuple[int, int],
    terms: Terms,
    *,
    head: Head | None = None,
    life: str = "",
    foreign: Foreign = FOREIGN,
) -> Begin:
    """Where to begin, given the positions of this source (best first), the first and end offsets of
    its log, and, where `wants_head` asks for it, the newest head there is of it.
    """
    first, end = bounds
    good = [place for place in found if place.offset <= end]
    for place in found[: len(found) - len(good)] if good else ():
        why = f"{source}: position {place.offset} lies beyond the log's end {end}"
        foreign.pass_over("positions", place.offset, why)
    if found and not good:
        best = found[0]
        return Begin(
            best,
            f"expected at least {best.offset} records, the log ends at {end}: it was cut, or the "
            "topic was made anew by a broker that does not tell. Use new topics, or empty topic "
            "positions to count this log from its beginning",
        )
    fresh = Position(
        *(source, 0, terms.fingerprint, first, None, windows.NEVER_MS, Tally()),
        *(terms.lateness_ms, terms.future_ms),
        life=life,
        own=terms.own(KIND_OF[source.topic]),
    )
    if not good:
        return Begin(fresh if head is None else _unplaced(fresh, head, first))
    place = msgspec.structs.replace(good[0], life=life or good[0].life)
    if (place.lateness_ms, place.future_ms) != (terms.lateness_ms, terms.future_ms):
        # other events would be late or refused: what the store has of them could not be taken back
        return Begin(
            place,
            f"was counted with lateness {place.lateness_ms} and future {place.future_ms} ms, is to "
            f"be with {terms.lateness_ms} and {terms.future_ms}: set FENGHUO_LATENESS_MS and "
            "FENGHUO_FUTURE_MS as they were, or use new topics",
        )
    own = terms.own(KIND_OF[source.topic])
    if place.own != own if place.own and own else place.fingerprint != terms.fingerprint:
        if first > 0:
            return Begin(
                place,
                f"labels, cuts or campaign times changed, and the log begins at offset {first}: "
                "what is gone cannot be counted anew. Go back to the former campaign file, or use "
                "new topics",
            )
        return Begin(msgspec.structs.replace(fresh, epoch=place.epoch + 1))
    if place.offset < first:
        return Begin(_behind_gap(place, head, first))
    return Begin(place)


def wants_head(found: Sequence[Position], bounds: tuple[int, int]) -> bool:
    """Whether `begin` has to know what was published last: there is no position, or records behind
    the best one are gone.
    """
    good = [place for place in found if place.offset <= bounds[1]]
    return not good or good[0].offset < bounds[0]


def _unplaced(fresh: Position, head: Head, first: int) -> Position:
    """Published before, but its position is lost: all of it again, or on from what is left."""
    if first == 0:
        return msgspec.structs.replace(fresh, epoch=head.epoch)
    lost = msgspec.structs.replace(fresh, epoch=head.epoch, offset=0)
    return _behind_gap(lost, head, first)


def _behind_gap(place: Position, head: Head | None, first: int) -> Position:
    """Where the count goes on when records behind the position are gone.

    The seconds that were open can be counted no more, for their first events are gone; what was
    published of them stays, and every event that comes for them yet is late: late rows are told
    apart by their offsets, so each is added once. The newest head says how far that goes: all
    below its offset was published, so it is the rest that is missing.
    """
    known = head if head is not None and head.epoch == place.epoch else None
    if known is None or known.next_offset < place.offset:
        read_to, tally, gaps = place.offset, place.tally, place.gaps
        is_new = place.floor_ms == windows.NEVER_MS
        seen_ms = place.frontier_ms if is_new else place.floor_ms + place.lateness_ms + 999
    else:
        read_to, tally, gaps = known.next_offset, known.tally, known.gaps
        seen_ms = known.frontier_ms
    offset = max(first, read_to)
    if seen_ms is None:
        sealed_ms, floor_ms = None, windows.NEVER_MS
    else:
        floor_ms = seen_ms // windows.SECOND_MS * windows.SECOND_MS + windows.SECOND_MS
        sealed_ms = floor_ms + place.lateness_ms
    return msgspec.structs.replace(
        place,
        offset=offset,
        frontier_ms=sealed_ms,
        floor_ms=floor_ms,
        tally=tally,
        gaps=gaps.plus(read_to, first),
        sealed=offset,
    )


def named(found: Mapping[Part, Sequence[Position]], source: Source, life: str) -> str:
    """The name of the log a partition has now."""
    return choose(found.get((source.topic, source.partition), ()), source, life)[0].log
