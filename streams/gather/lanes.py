"""Lanes: which records of a fetch are a lane's. No clock, no I/O.

Both lanes share the source topics; a worker takes its own lane's records out of each fetch and
passes over the others, so that these never move a watermark, close a second, are counted, or make a
partition look busy. Offsets stay those of the log: a fetch without a record of the lane still says
how far was read.
"""

from collections.abc import Mapping, Sequence
from itertools import compress

import msgspec
import numpy as np

from fenghuo.schemas.arrays import Flags
from fenghuo.schemas.lane import SHADOW, Lane
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.records.marks import is_shadow
from fenghuo.schemas.records.messages import Messages
from fenghuo.schemas.wire.letters import Headers


def only(fetch: Fetch, lane: Lane) -> Fetch:
    """The fetch with the records of one lane; the fetch itself when all are."""
    is_mine = lane == SHADOW
    if is_mine and fetch.unreadable:
        fetch = msgspec.structs.replace(fetch, unreadable=())
    if fetch.shadow is None:
        return _none(fetch) if is_mine else fetch
    mine = fetch.shadow if is_mine else ~fetch.shadow
    places = np.flatnonzero(mine)
    if len(places) == len(mine):
        return fetch
    if not len(places):
        return _none(fetch)
    return msgspec.structs.replace(
        fetch,
        offsets=fetch.offsets[places],
        values=_only(fetch.values, mine),
        record_ms=fetch.record_ms[places],
        replays={
            new: fetch.replays[old]
            for new, old in enumerate(places.tolist())
            if old in fetch.replays
        },
        shadow=fetch.shadow[places] if is_mine else None,
        mark_of=lambda at: fetch.headers_of(int(places[at])),
        theirs=None if fetch.theirs is None else fetch.theirs[places],
        key_at=lambda at: fetch.key_of(int(places[at])),
    )


def marked(headers: Mapping[int, Headers], size: int) -> Flags | None:
    """Which of this many records are marked as shadow; None when none is."""
    found = [place for place, of in headers.items() if is_shadow(of)]
    if not found:
        return None
    flags = np.zeros(size, np.bool_)
    flags[found] = True
    return flags


def _none(fetch: Fetch) -> Fetch:
    return msgspec.structs.replace(
        fetch,
        offsets=fetch.offsets[:0],
        values=(),
        record_ms=fetch.record_ms[:0],
        replays={},
        shadow=None,
        mark_of=None,
        key_at=None,
    )


def _only(values: Sequence[bytes | None], mine: Flags) -> Sequence[bytes | None]:
    if isinstance(values, Messages):
        return values.only(mine)
    return tuple(compress(values, mine.tolist()))
