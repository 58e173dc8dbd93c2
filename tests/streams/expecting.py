"""A plain baseline for tests of the loop: the median of the last values, and how far they lie off
it.
"""

from collections import deque
from statistics import median

LATEST = 60
LEAST = 10


class Recent:
    """What a baseline must be able to do, and no more."""

    def __init__(self) -> None:
        self.asked_ms: list[int] = []
        self.told: list[tuple[int, float | None]] = []
        self._values: deque[float] = deque(maxlen=LATEST)

    def expect(self, at_ms: int) -> tuple[float, float] | None:
        """Median and median distance; None of too few values."""
        self.asked_ms.append(at_ms)
        if len(self._values) < LEAST:
            return None
        middle = median(self._values)
        return middle, 1.4826 * median(abs(value - middle) for value in self._values)

    def learn(self, at_ms: int, value: float | None) -> None:
        """Remember a value."""
        self.told.append((at_ms, value))
        if value is not None:
            self._values.append(value)
