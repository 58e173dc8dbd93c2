"""Wide: sums of whole numbers that cannot wrap, at the speed of 64 bits while these suffice. Pure.

Numbers are kept in parts: one as long as a bound says that no sum of them leaves 63 bits, else two,
the lower 32 bits and the rest, each of which adds up for itself.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from fenghuo.schemas.arrays import Ints
from fenghuo.streams.counting import windows

Parts = Sequence[Ints]
"""Equally shaped: the numbers themselves, or their lower bits and the rest."""
LARGEST: Final = 2**63 - 1
_BITS: Final = 32
_LOW: Final = (1 << _BITS) - 1


def split(values: Ints) -> Parts:
    """Numbers in two parts."""
    return values & _LOW, values >> _BITS


def exact(parts: Parts) -> list[int]:
    """The numbers of one row."""
    if len(parts) == 1:
        found: list[int] = parts[0].tolist()
        return found
    low, high = (part.tolist() for part in parts)
    return [(rest << _BITS) + bits for bits, rest in zip(low, high, strict=True)]


def number(parts: Parts, at: tuple[int, ...]) -> int:
    """One of the numbers."""
    if len(parts) == 1:
        return int(parts[0][at])
    low, high = parts
    return (int(high[at]) << _BITS) + int(low[at])


def sums_by(key: Ints, n: Ints, x: Ints) -> list[tuple[int, int, int]]:
    """(key, sum of n, sum of x) by key, whatever x, of 0 or more, adds up to."""
    parts = (x,) if int(x.max(initial=0)) * len(x) <= LARGEST else split(x)
    found = [windows.sums(key, n, part) for part in parts]
    keys, many, _ = found[0]
    return list(zip(keys.tolist(), many.tolist(), exact([one[2] for one in found]), strict=True))


class Table:
    """A table of numbers to be added up along its first axis, zeros at first."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.parts: list[Ints] = [np.zeros(shape, np.int64)]

    def bound(self, most: int) -> None:
        """No sum of what is in the table is, or will be until the next call, above this."""
        if (most > LARGEST) == (len(self.parts) == 2):
            return
        if most > LARGEST:
            self.parts = list(split(self.parts[0]))
        else:
            low, high = self.parts
            self.parts = [(high << _BITS) + low]

    def add(self, at: Any, values: Ints) -> None:
        """Add to some places, each named once."""
        if len(self.parts) == 1:
            self.parts[0][at] += values
            return
        for part, more in zip(self.parts, split(values), strict=True):
            part[at] += more

    def subtract(self, at: Any, values: Ints) -> None:
        """Take away what was added."""
        if len(self.parts) == 1:
            self.parts[0][at] -= values
            return
        for part, less in zip(self.parts, split(values), strict=True):
            part[at] -= less

    def clear(self, at: Any) -> None:
        """Zeros in some places."""
        for part in self.parts:
            part[at] = 0

    def grow(self, size: int) -> None:
        """A longer second axis."""
        for i, part in enumerate(self.parts):
            grown = np.zeros((part.shape[0], size, *part.shape[2:]), np.int64)
            grown[:, : part.shape[1]] = part
            self.parts[i] = grown
