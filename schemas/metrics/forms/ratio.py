"""Ratio: so many of so many."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from fenghuo.schemas.kinds.measures import Measure
from fenghuo.schemas.metrics.exact import quotient
from fenghuo.schemas.metrics.form import Form
from fenghuo.schemas.metrics.reading import NOTHING, Reading
from fenghuo.schemas.metrics.seen import Seen

# a reading is always in its rule's unit, so the unit fixes a ratio's scale: 5.2 percent is 5.2
SCALES: Final = {"ratio": 1.0, "percent": 100.0, "per_10k": 10_000.0}


@dataclass(frozen=True, slots=True)
class Ratio(Form):
    """Sum of counters over sum of counters, times scale; samples = the denominator."""

    numerator: tuple[Measure, ...]
    denominator: tuple[Measure, ...]
    window_s: int
    scale: float = 1.0

    WORDS: ClassVar = "{numerator:sum} / {denominator:sum} over {window_s:span}"
    UNITS: ClassVar = tuple(SCALES)
    HINTS: ClassVar = {"/": '"/": a sum stands in a ratio only'}

    @property
    def kind(self) -> str:
        return self.denominator[0].kind

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(measure.kind for measure in (*self.numerator, *self.denominator))

    @property
    def reach_s(self) -> int:
        return self.window_s

    def in_unit(self, unit: str) -> "Ratio":
        return replace(self, scale=SCALES.get(unit, 1.0))

    def read(self, seen: Seen, scope: str) -> Reading:
        above = self._sum(seen, scope, self.numerator)
        below = self._sum(seen, scope, self.denominator)
        if above is None or not below:
            return NOTHING
        return Reading(quotient(above, below, times=self.scale), below)

    def _sum(self, seen: Seen, scope: str, measures: Sequence[Measure]) -> int | None:
        total = 0
        for measure in measures:
            end_s = seen.end_s(measure.kind)
            if end_s is None:
                if measure.kind in {below.kind for below in self.denominator}:
                    return None
                continue  # no complaint has ever come: that is none, not unknown
            total += seen.sum(measure, scope, end_s, self.window_s)
        return total
