"""Which numbers of a run were seen: a bit each, so that 100 million records take 12 MB. Pure."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

SLICE = 1 << 20
"""Numbers looked at together: gaps are searched without a byte for each number of the run."""


class Seen:
    """The numbers 0 up to, not including, `size`, none of them seen yet."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._bits = np.zeros(-(-size // 8), np.uint8)

    def add(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Enter numbers below `size`; for each whether it was seen before, here or in an earlier
        call.
        """
        first = np.zeros(len(numbers), np.bool_)
        first[np.unique(numbers, return_index=True)[1]] = True
        again = ~first | self.has(numbers)
        bits = np.left_shift(np.uint8(1), (numbers & 7).astype(np.uint8))
        np.bitwise_or.at(self._bits, numbers >> 3, bits)
        return again

    def has(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """For each number below `size` whether it was seen."""
        found: NDArray[np.bool_] = (self._bits[numbers >> 3] >> (numbers & 7)) & 1 > 0
        return found

    def gaps(self, excused: Iterable[tuple[int, int]] = ()) -> Iterator[tuple[int, int]]:
        """Numbers that were not seen, as inclusive ranges in rising order; those in the excused
        ranges are left out.
        """
        spans = sorted(excused)
        held: tuple[int, int] | None = None
        for begin in range(0, self.size, SLICE):
            for first, last in stretches(self._unseen(begin, spans)):
                if held and held[1] + 1 == begin + first:
                    held = (held[0], begin + last)
                    continue
                if held:
                    yield held
                held = (begin + first, begin + last)
        if held:
            yield held

    def _unseen(self, begin: int, spans: list[tuple[int, int]]) -> NDArray[np.bool_]:
        end = min(begin + SLICE, self.size)
        bits = self._bits[begin // 8 : -(-end // 8)]
        unseen = np.unpackbits(bits, count=end - begin, bitorder="little") == 0
        for first, last in spans:
            if first < end and last >= begin:
                unseen[max(first - begin, 0) : last + 1 - begin] = False
        return unseen


def within(numbers: NDArray[np.int64], spans: Iterable[tuple[int, int]]) -> NDArray[np.bool_]:
    """For each number whether it lies in one of these inclusive ranges, none of which overlap."""
    ordered = sorted(spans)
    firsts = np.array([first for first, _ in ordered], np.int64)
    lasts = np.array([last for _, last in ordered], np.int64)
    if not len(firsts):
        return np.zeros(len(numbers), np.bool_)
    at = np.searchsorted(firsts, numbers, side="right") - 1
    found: NDArray[np.bool_] = (at >= 0) & (numbers <= lasts[np.maximum(at, 0)])
    return found


def stretches(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where flags are set, as inclusive ranges."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def first_of(ranges: Iterable[tuple[int, int]], most: int) -> tuple[list[tuple[int, int]], int]:
    """The first `most` ranges, and how many numbers all of them hold together."""
    rest = iter(ranges)
    kept = list(islice(rest, most))
    return kept, sum(last - first + 1 for found in (kept, rest) for first, last in found)
