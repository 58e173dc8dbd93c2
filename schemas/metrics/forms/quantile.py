"""Quantile: below which value so large a share lies."""

from dataclasses import dataclass
from typing import ClassVar

from fenghuo.schemas.kinds.measures import Measure, quantile
from fenghuo.schemas.metrics.form import Windowed
from fenghuo.schemas.metrics.reading import NOTHING, Reading
from fenghuo.schemas.metrics.seen import Seen


@dataclass(frozen=True, slots=True)
class Quantile(Windowed):
    """A quantile of a histogram; samples = what the histogram holds."""

    measure: Measure
    q: float
    window_s: int

    WORDS: ClassVar = "{q:quantile} of {measure:histogram} over {window_s:span}"
    UNITS: ClassVar = ("ms",)

    def read(self, seen: Seen, scope: str) -> Reading:
        end_s = seen.end_s(self.measure.kind)
        if end_s is None:
            return NOTHING
        buckets = seen.buckets(self.measure, scope, end_s, self.window_s)
        return Reading(quantile(buckets, self.q), sum(buckets))
