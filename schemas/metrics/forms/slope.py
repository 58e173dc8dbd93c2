"""Slope: how fast a rate rises."""

from dataclasses import dataclass
from typing import ClassVar

from fenghuo.schemas.kinds.measures import Measure
from fenghuo.schemas.metrics.exact import quotient
from fenghuo.schemas.metrics.form import Windowed
from fenghuo.schemas.metrics.reading import NOTHING, Reading
from fenghuo.schemas.metrics.seen import Seen


@dataclass(frozen=True, slots=True)
class Slope(Windowed):
    """By how much the rate rises per minute: the newer half of the window against the older one;
    samples = what was counted.
    """

    measure: Measure
    window_s: int

    WORDS: ClassVar = "slope of {measure:counter} over {window_s:span}"
    UNITS: ClassVar = ("per_s_min",)

    def read(self, seen: Seen, scope: str) -> Reading:
        kind, window_s = self.measure.kind, self.window_s
        end_s = seen.end_s(kind)
        if end_s is None or seen.known_s(kind, end_s, window_s) < window_s:
            return NOTHING  # half a past rises from nothing
        newer = window_s // 2
        older = window_s - newer
        late = seen.sum(self.measure, scope, end_s, newer)
        soon = seen.sum(self.measure, scope, end_s - newer, older)
        # between the middles of the halves lie window_s / 120 minutes
        rise = 120 * (late * older - soon * newer)
        return Reading(quotient(rise, newer * older * window_s), late + soon)
