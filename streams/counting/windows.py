"""Windows: seconds of event time, the cumulative watermark, and sums by key. Integer milliseconds,
no clock.

A second is named by its start. The frontier of a source partition is the largest event time seen so
far; the watermark is the frontier less the lateness. A second is closed when the watermark has
reached its end. All of it goes event by event, so it does not matter how the log was cut into
fetches.
"""

# Compiled: numba infers the types, the signatures stand in the decorators.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, no-check-untyped-defs

from collections.abc import Iterable

import numpy as np

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.compiled import INTS, NOTHING, compiled

SECOND_MS = 1000
NEVER_MS = -(2**62)
"""Frontier of a partition without events: nothing is late yet."""
_DENSE = 8
"""A table of up to this many entries for each row is cheaper than sorting the rows."""


def second_of(ts: Ints) -> Ints:
    """Start of the second each event time lies in."""
    return ts // SECOND_MS * SECOND_MS


def floor_of(frontier_ms: int, lateness_ms: int) -> int:
    """Start of the oldest second that is still open at this frontier."""
    return (frontier_ms - lateness_ms) // SECOND_MS * SECOND_MS


def cut_by(moments: Iterable[int]) -> Ints:
    """Start of each second that one of these moments lies inside of."""
    inside = {moment for moment in moments if moment % SECOND_MS}
    return second_of(np.array(sorted(inside), np.int64))


def sums(key: Ints, n: Ints, x: Ints) -> tuple[Ints, Ints, Ints]:
    """Sums of n and x by key, exact in 64 bits: (keys ascending, sum of n, sum of x)."""
    if not len(key):
        return key, n, x
    low = int(key.min())
    span = int(key.max()) - low + 1
    if span <= _DENSE * len(key) + 1024:
        at, size = key - low, span
    else:
        unique, at = np.unique(key, return_inverse=True)
        size = len(unique)
    sum_n, sum_x = np.zeros((2, size), np.int64)
    _add(at, np.ascontiguousarray(n), np.ascontiguousarray(x), sum_n, sum_x)
    if size == span:
        used = np.flatnonzero(sum_n)
        return used + low, sum_n[used], sum_x[used]
    return unique, sum_n, sum_x


@compiled(NOTHING(INTS, INTS, INTS, INTS, INTS))
def _add(at, n, x, sum_n, sum_x):
    for i in range(len(at)):
        sum_n[at[i]] += n[i]
        sum_x[at[i]] += x[i]
