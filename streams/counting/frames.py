"""Frames: the short way from the columns of a frame to sums, one compiled pass over its rows.

It counts rows as long as each is an event that simply counts; what it means is said in sift and in
Frame.batch, which take over at the first row that is anything else.
"""

# Compiled: numba infers the types, the signatures stand in the decorators.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: PLR0917

import numpy as np

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.compiled import INT, INTS, LETTERS, NOTHING, TABLE, compiled
from fenghuo.schemas.compiled import apart as outside
from fenghuo.schemas.kinds.bounds import TS_MIN_MS
from fenghuo.streams.counting.fates import Sums
from fenghuo.streams.counting.windows import NEVER_MS, SECOND_MS
from fenghuo.streams.decode.arrow.frame import Frame
from fenghuo.streams.decode.codes import BUCKETS_BY_MS

TABLE_MAX = 1 << 18
"""Most (second, cell) pairs that are added up at once: 4 MiB, and 2 more to remember which."""
SECONDS_MAX = 16
"""Most of them that have a place in it."""
_APART, _FULL = -1, -2


class FrameAdder:
    """Adds up frames by second and cell until it is emptied. A second has its place in the table by
    the remainder, so seconds near to each other never meet there.
    """

    def __init__(self) -> None:
        self._width = self._count = 0
        self.rows = 0
        """How many rows it has added up."""
        self._make(0)

    def __len__(self) -> int:
        """How many sums it holds."""
        return self._count

    def add(
        self,
        frame: Frame,
        start: int,
        *,
        frontier_ms: int,
        lateness_ms: int,
        limit_ms: int,
        apart: Ints,
    ) -> tuple[int, int, bool]:
        """Count rows from `start` on while they simply count: not beyond limit_ms, not late, not in
        the seconds `apart`. Gives the first row that is not counted, the frontier before it, and
        whether only the table has no room for it.
        """
        width = (int(frame.codes.max()) + 1) * frame.buckets
        if width > self._width:
            if self._count or not 0 < width <= TABLE_MAX:
                return start, frontier_ms, self._count > 0
            self._make(1 << (width - 1).bit_length())
        x, latency = frame.x, frame.values.get(frame.kind.histogram)
        found = np.array(
            [
                *(start, frame.message, frame.base_ms, frame.buckets),
                *_bounds(frame, frame.kind.weight),
                *_bounds(frame, frame.kind.histogram),
                *(limit_ms, lateness_ms, frontier_ms, self._width, self._count, 0),
            ],
            np.int64,
        )
        end = _count(
            *(frame.dt.astype(np.int64), frame.index.astype(np.int64), frame.codes, x),
            x if latency is None else latency.astype(np.int64),
            *(BUCKETS_BY_MS, found, apart),
            *(self._second, self._last, self._table, self._touched),
        )
        frontier_ms, _, self._count, is_full = found[10:].tolist()
        self.rows += end - start
        return end, frontier_ms, bool(is_full)

    def take(self) -> Sums:
        """What was added up since the last time; there is something."""
        rows = np.empty((4, self._count), np.int64)
        _empty(self._touched, np.int64(self._width), self._second, self._table, rows)
        used = np.flatnonzero(self._second != NEVER_MS)
        used = used[np.argsort(self._second[used])]
        seconds, last = self._second[used] * SECOND_MS, self._last[used]
        self._second[used] = NEVER_MS
        self._count = self.rows = 0
        second, cell, n, x = rows
        return Sums((second, cell, n, x), seconds, last)

    def _make(self, width: int) -> None:
        """An empty table for cells below width."""
        seconds = min(SECONDS_MAX, TABLE_MAX // width) if width else 0
        self._width = width
        self._table = np.zeros(2 * seconds * width, np.int64)
        self._touched = np.empty(seconds * width + 1, np.int64)
        self._second, self._last = np.full((2, seconds), NEVER_MS, np.int64)


def _bounds(frame: Frame, name: str) -> tuple[int, int]:
    """Least and most of this value, if the frame has it."""
    return frame.kind.bounds[name] if name in frame.values else (0, 2**62)


@outside
def _place(begin, apart, second_at):
    """The place of the second that begins then."""
    for k in range(len(apart)):
        if apart[k] == begin:
            return _APART
    second = begin // SECOND_MS
    k = second % len(second_at)
    if second_at[k] != second and second_at[k] != NEVER_MS:
        return _FULL
    second_at[k] = second
    return k


@compiled(INT(*(INTS, INTS, INTS, INTS, INTS), LETTERS, *(INTS, INTS), *(INTS, INTS, INTS, INTS)))
def _count(dt, index, codes, x, latency, bucket_of, found, apart, second_at, last, table, touched):
    """Add rows into table[place, (n, x)]; the first that is not counted. touched: the places that
    were 0. found: what holds for all rows, and at its end how things stand.
    """
    start, message, base_ms, buckets = found[0], found[1], found[2], found[3]
    x_low, x_high, latency_low, latency_high = found[4], found[5], found[6], found[7]
    limit_ms, lateness_ms, frontier_ms = found[8], found[9], found[10]
    width, count, slowest = found[11], found[12], len(bucket_of) - 1
    begin, end, place, done = 0, 0, -1, 0
    for row in range(start, len(dt)):
        i = np.uint64(row)
        t, code, amount = base_ms + dt[i], codes[np.uint64(index[i])], x[i]
        if code < 0 or amount < x_low or amount > x_high or t < TS_MIN_MS or t > limit_ms:
            break
        if latency[i] < latency_low or latency[i] > latency_high:
            break
        if t < begin or t >= end:
            second = t // SECOND_MS
            begin, end, place = second * SECOND_MS, second * SECOND_MS + SECOND_MS, -1
        if end <= frontier_ms - lateness_ms:
            break
        if place < 0:
            k = _place(begin, apart, second_at)
            if k < 0:
                found[13] = k == _FULL
                break
            last[k] = message
            place = k * width
        frontier_ms = max(frontier_ms, t)
        at = place + code * buckets
        if buckets > 1:
            at += bucket_of[np.uint64(min(latency[i], slowest))]
        touched[np.uint64(count)] = at
        n, total = np.uint64(2 * at), np.uint64(2 * at + 1)
        count += table[n] == 0
        table[n] += 1
        table[total] += amount
        done += 1
    found[10], found[12] = frontier_ms, count
    return start + done


@compiled(NOTHING(INTS, INT, INTS, INTS, TABLE))
def _empty(touched, width, second_at, table, rows):
    """The sums at the touched places as (second, cell, n, x), and zeros in their stead."""
    for i in range(rows.shape[1]):
        at = touched[i]
        rows[0, i], rows[1, i] = second_at[at // width] * SECOND_MS, at % width
        rows[2, i], rows[3, i] = table[2 * at], table[2 * at + 1]
        table[2 * at] = table[2 * at + 1] = 0
