"""Rate: so many per second."""

from dataclasses import dataclass
from typing import ClassVar

from fenghuo.schemas.kinds.measures import Measure
from fenghuo.schemas.metrics.exact import quotient
from fenghuo.schemas.metrics.form import Windowed
from fenghuo.schemas.metrics.reading import NOTHING, Reading
from fenghuo.schemas.metrics.seen import Seen


@dataclass(frozen=True, slots=True)
class Rate(Windowed):
    """Per second over the window; samples = what was counted."""

    measure: Measure
    window_s: int

    WORDS: ClassVar = "{measure:counter} over {window_s:span}"
    UNITS: ClassVar = ("per_s",)
    EARLY: ClassVar = True

    def read(self, seen: Seen, scope: str) -> Reading:
        return rate(seen, self.measure, scope, self.window_s)

    def ahead(self, seen: Seen, scope: str, within_s: int) -> float | None:
        return seen.trend(self.measure, scope, within_s)


def rate(seen: Seen, measure: Measure, scope: str, window_s: int, *, by: float = 1) -> Reading:
    """Per second over a window, of as much of it as there was, divided by a number."""
    end_s = seen.end_s(measure.kind)
    known = 0 if end_s is None else seen.known_s(measure.kind, end_s, window_s)
    if end_s is None or known == 0:
        return NOTHING
    total = seen.sum(measure, scope, end_s, window_s)
    return Reading(quotient(total, known, by=by), total)
