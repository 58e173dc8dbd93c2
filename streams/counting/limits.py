"""Limits: up to what event time the records of a source partition count, where its topic keeps the
producer's time (CreateTime). No clock, no I/O.

The broker's own time of a record (LogAppendTime) is in the log, so which events lie in the future
is too. A producer's time says nothing: there the limit is what the broker's clock said when the
record was read for the first time, and that has to be written down. It is a step function of the
offset: a new step is made when an event needs it, once a second at most, and no event is published
before the steps that it rests on are. Whoever reads again takes the steps as they are.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.kinds.bounds import TS_MIN_MS
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.wire.position import Position
from fenghuo.streams.decode.arrow.frame import Frame
from fenghuo.streams.decode.batch import Batch

BY_CLOCK = "; by the clock when it was read, for the topic keeps the producer's time"
"""What a letter says whose limit is not in the log."""
STATED = re.compile(r"^ts: expected at most (-?\d+), got ")
STEP_MS = 1_000
"""A limit stands at least this long; what lies beyond it is refused meanwhile."""


class Limits:
    """The limits of one source partition."""

    def __init__(self, start: Position, future_ms: int) -> None:
        self._future_ms = future_ms
        self._safe = start
        self._steps = list(start.limits)
        self._decided = start.decided
        self._is_told = True

    def of(self, fetch: Fetch) -> Ints:
        """The limit of each record of a fetch as the steps say now."""
        limit_ms = fetch.record_ms + self._future_ms
        if fetch.theirs is None:
            return limit_ms
        theirs = fetch.theirs
        # a producer's time may make the limit stricter, where it can be one at all
        stated = np.where(fetch.record_ms < TS_MIN_MS, 2**62, limit_ms)[theirs]
        limit_ms[theirs] = np.minimum(stated, self._at(fetch.offsets[theirs]))
        return limit_ms

    def meet(self, fetch: Fetch, part: Batch | Frame, now_ms: int) -> bool:
        """These events of a fetch come: whether there is a new step. now_ms: what the broker's
        clock says.
        """
        assert fetch.theirs is not None
        if isinstance(part, Batch):
            message, ts = part.message, part.ts
        else:
            message = np.full(len(part), part.message, np.int64)
            ts = part.dt.astype(np.int64) + part.base_ms
        new = fetch.theirs[message] & (fetch.offsets[message] >= self._decided)
        if not new.any():
            return False
        ts, offset = ts[new], fetch.offsets[message[new]]
        first, last, newest_ms = int(offset[0]), int(offset[-1]), now_ms + self._future_ms
        if not self._steps:
            return self._step(first, newest_ms, last)
        last_ms = self._steps[-1][1]
        beyond = ts > last_ms
        if not beyond.any():
            return False
        if newest_ms - last_ms >= STEP_MS and (beyond & (ts <= newest_ms)).any():
            return self._step(first, newest_ms, last)
        self._decided, self._is_told = last + 1, False
        return False

    def news(self) -> Position | None:
        """What is new of the limits, with the position that was safe before: to be sent and
        acknowledged before anything that `take` of the gather gives after it.
        """
        if self._is_told:
            return None
        self._is_told = True
        limits, decided = self.since(self._safe.offset)
        self._safe = replace(self._safe, limits=limits, decided=decided)
        return self._safe

    def safe(self, place: Position) -> None:
        """A later position has been sent."""
        self._safe = place

    def since(self, offset: int) -> tuple[tuple[tuple[int, int], ...], int]:
        """What somebody has to know who reads from there: the steps, and the offset up to which
        they decide. Those that nobody needs any more are forgotten.
        """
        least = bisect_right(self._steps, (min(offset, self._safe.offset), 2**62)) - 1
        del self._steps[: max(least, 0)]
        first = bisect_right(self._steps, (offset, 2**62)) - 1
        return tuple(self._steps[max(first, 0) :]), self._decided

    def _step(self, offset: int, limit_ms: int, last: int) -> bool:
        self._steps.append((offset, limit_ms))
        self._decided, self._is_told = last + 1, False
        return True

    def _at(self, offsets: Ints) -> Ints:
        if not self._steps:
            return np.full(len(offsets), 2**62, np.int64)  # nothing was decided: no event came
        starts, limits = np.array(self._steps, np.int64).T
        return limits[np.maximum(np.searchsorted(starts, offsets, side="right") - 1, 0)]


def merged(place: Position, known: Sequence[Position]) -> Position:
    """A position with all that others of its source and epoch know of limits: a dead worker's late
    write may stand behind that of a living one.
    """
    alike = [one for one in known if (one.source, one.epoch) == (place.source, place.epoch)]
    steps = dict(place.limits)
    for one in alike:
        for offset, limit_ms in one.limits:
            steps.setdefault(offset, limit_ms)
    decided = max([place.decided, *(one.decided for one in alike)])
    whole = replace(place, limits=tuple(sorted(steps.items())), decided=decided)
    return replace(whole, limits=Limits(whole, 0).since(place.offset)[0])


def stated(detail: str) -> int | None:
    """The limit that the letter of an event of the future states."""
    found = STATED.match(detail)
    return int(found[1]) if found else None
