"""Sift: the two loops of gather that see every event. Compiled; what they mean is said in windows.

The first goes along the log and tells each event's fate, the second adds up those that count.
"""

# Compiled: numba infers the types, the signatures stand in the decorators.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: PLR0917

from copy import copy

import msgspec
import numpy as np

from fenghuo.schemas.arrays import Flags, Ints, Letters
from fenghuo.schemas.compiled import BYTES, INT, INTS, NOTHING, compiled
from fenghuo.schemas.kinds.bounds import TS_MIN_MS
from fenghuo.streams.counting.windows import NEVER_MS, SECOND_MS, second_of, sums
from fenghuo.streams.decode.batch import Batch

COUNTS, LATE, PAST, FUTURE = range(4)
"""Fates: counts in its second; its second was closed; before 1990; after its own record."""
TABLE_MAX = 1 << 18
"""Most (second, cell) pairs that are added up in a table, 4 MiB; others are sorted."""


class Sums(msgspec.Struct, frozen=True):
    """Events added up: (second, cell, n, x) in any order; their seconds in rising order, and the
    message in which the last event of each lies.
    """

    rows: tuple[Ints, Ints, Ints, Ints]
    seconds: Ints
    last: Ints


class Sifted:
    """The fates of a batch's events, `fate[i]` of event i, and what follows from them."""

    def __init__(self, fate: Letters, found: Ints) -> None:
        self.fate = fate
        self.frontier_ms, self.late, self.past, self.future, self.first_s, self.last_s = (
            found.tolist()
        )

    def only(self, keep: Flags) -> "Sifted":
        """Without some that count."""
        kept = copy(self)
        kept.fate = self.fate[keep]
        return kept

    @property
    def counted(self) -> int:
        """Events that count in their seconds."""
        return len(self.fate) - self.late - self.past - self.future


def sift(batch: Batch, limit_ms: Ints, frontier_ms: int, lateness_ms: int) -> Sifted:
    """The fate of each event; limit_ms: of each message, beyond which its events lie in the future.
    The frontier goes on event by event, past what is out of time.
    """
    fate = np.empty(len(batch), np.uint8)
    found = np.empty(6, np.int64)
    _sift(
        batch.ts, batch.message, limit_ms, np.int64(lateness_ms), np.int64(frontier_ms), fate, found
    )
    return Sifted(fate, found)


class Adder:
    """Adds up events by second and cell; keeps its table for the next batch."""

    def __init__(self) -> None:
        self._n = self._x = np.zeros(0, np.int64)

    def add(self, batch: Batch, sifted: Sifted) -> Sums:
        """The sums of the events that count; there is at least one."""
        span = sifted.last_s - sifted.first_s + 1
        width = int(batch.cell.max()) + 1
        if span * width > TABLE_MAX:
            return _sorted(batch, sifted, width)
        if span * width > len(self._n):
            self._n, self._x = np.zeros((2, span * width), np.int64)
        touched = np.empty(min(sifted.counted, span * width), np.int64)
        last = np.full(span, -1, np.int64)
        count = _add(
            *(batch.ts, batch.cell, batch.x, batch.message, sifted.fate),
            *(np.int64(sifted.first_s), np.int64(width)),
            *(self._n, self._x, touched, last),
        )
        key = touched[:count]
        n, x = self._n[key], self._x[key]
        self._n[key] = self._x[key] = 0
        second = (key // width + sifted.first_s) * SECOND_MS
        used = np.flatnonzero(last >= 0)
        seconds = (used + sifted.first_s) * SECOND_MS
        return Sums((second, key % width, n, x), seconds, last[used])


def _sorted(batch: Batch, sifted: Sifted, width: int) -> Sums:
    """The same for events far apart in time."""
    kept = batch.only(sifted.fate == COUNTS)
    second = second_of(kept.ts)
    seconds, at = np.unique(second, return_inverse=True)
    key, n, x = sums(at * width + kept.cell, np.ones(len(kept), np.int64), kept.x)
    _, from_end = np.unique(at[::-1], return_index=True)
    rows = (seconds[key // width], key % width, n, x)
    return Sums(rows, seconds, kept.message[len(kept) - 1 - from_end])


@compiled(NOTHING(INTS, INTS, INTS, INT, INT, BYTES, INTS))
def _sift(ts, message, limit_ms, lateness_ms, frontier_ms, fate, found):
    late, past, future = 0, 0, 0
    first, last = np.int64(2**62), np.int64(NEVER_MS)
    for i in range(len(ts)):
        t = ts[i]
        if t < TS_MIN_MS:
            fate[i] = PAST
            past += 1
        elif t > limit_ms[message[i]]:
            fate[i] = FUTURE
            future += 1
        else:
            second = t // SECOND_MS
            closed = second * SECOND_MS + SECOND_MS <= frontier_ms - lateness_ms
            frontier_ms = max(frontier_ms, t)
            if closed:
                fate[i] = LATE
                late += 1
            else:
                fate[i] = COUNTS
                first, last = min(first, second), max(last, second)
    found[0], found[1], found[2], found[3] = frontier_ms, late, past, future
    found[4], found[5] = first, last


@compiled(INT(INTS, INTS, INTS, INTS, BYTES, INT, INT, INTS, INTS, INTS, INTS))
def _add(ts, cell, x, message, fate, first, width, n, total, touched, last):
    """Into the tables n and total by (second, cell); touched: the places that were 0; how many."""
    count = 0
    for i in range(len(ts)):
        if fate[i] != COUNTS:
            continue
        second = ts[i] // SECOND_MS - first
        at = second * width + cell[i]
        if n[at] == 0:
            touched[count] = at
            count += 1
        n[at] += 1
        total[at] += x[i]
        last[second] = message[i]
    return count
