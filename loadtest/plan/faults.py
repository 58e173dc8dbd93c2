"""Bad data on purpose, at stated shares. Pure: what is hit is told by seed and tick.

late: an hour old, its second was closed long ago. disorder: up to some seconds older than its
neighbours, still in time. duplicate: the same record twice. malformed: cut off in the middle.
brushing: orders of a ring of fake buyers. burst: complaints come in multiples for a fifth of the
run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SHARES: Final = ("late", "disorder", "duplicate", "malformed", "brushing")
FACTOR: Final = "burst"
BURST_MAX: Final = 1_000.0
SOUND, LATE, DISORDER, DUPLICATE, MALFORMED = range(5)
LATE_MS: Final = 3_600_000
LATE_FROM_MS: Final = 3_000
"""Before that no event is late: the first ones of a partition close nothing."""
DISORDER_MS: Final = 4_000


class FaultError(ValueError):
    """A share that cannot be used."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of all records that are hit, 0 to 1; brushing: of all orders; burst: a factor."""

    late: float = 0.0
    disorder: float = 0.0
    duplicate: float = 0.0
    malformed: float = 0.0
    brushing: float = 0.0
    burst: float = 1.0

    def pick(self, rng: np.random.Generator, records: int, at_ms: int) -> NDArray[np.int64]:
        """What happens to each of so many records that are due at at_ms: SOUND, LATE, ..."""
        late = self.late if at_ms >= LATE_FROM_MS else 0.0
        shares = np.cumsum([late, self.disorder, self.duplicate, self.malformed])
        if not shares[-1]:
            return np.zeros(records, np.int64)
        hit = np.searchsorted(shares, rng.random(records), side="right")
        return np.where(hit < len(shares), hit + 1, SOUND)


def back_ms(fault: int, rng: np.random.Generator) -> int:
    """How much older than due the events of a record are."""
    if fault == LATE:
        return LATE_MS
    return int(rng.integers(1, DISORDER_MS)) if fault == DISORDER else 0


def faults(pairs: Sequence[str]) -> Faults:
    """`late=0.01`, `burst=8`, ...; raises FaultError naming what is known."""
    given: dict[str, Any] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        most = BURST_MAX if name == FACTOR else 1.0
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if name not in (*SHARES, FACTOR) or not 0 <= value <= most:
            known = f"{', '.join(SHARES)} (0 to 1) or {FACTOR} (a factor, 1 to {BURST_MAX:.0f})"
            raise FaultError(f"--bad: expected NAME=SHARE with {known}, got {pair!r}")
        given[name] = value
    found = Faults(**given)
    if (total := found.late + found.disorder + found.duplicate + found.malformed) > 1:
        raise FaultError(f"--bad: expected shares of at most 1 together, got {total}")
    return found
