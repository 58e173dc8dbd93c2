"""Change: now against the time just before."""

from dataclasses import dataclass
from typing import ClassVar

from fenghuo.schemas.kinds.measures import Measure
from fenghuo.schemas.metrics.exact import quotient
from fenghuo.schemas.metrics.form import Windowed
from fenghuo.schemas.metrics.reading import NOTHING, Reading
from fenghuo.schemas.metrics.seen import Seen


@dataclass(frozen=True, slots=True)
class Change(Windowed):
    """Rate over the window / rate over the baseline before it; samples = the baseline's events."""

    measure: Measure
    window_s: int
    baseline_s: int

    WORDS: ClassVar = "{measure:counter} over {window_s:span} vs last {baseline_s:span}"
    UNITS: ClassVar = ("ratio",)

    @property
    def reach_s(self) -> int:
        return self.window_s + self.baseline_s

    def read(self, seen: Seen, scope: str) -> Reading:
        kind, window_s = self.measure.kind, self.window_s
        end_s = seen.end_s(kind)
        if end_s is None:
            return NOTHING
        before = end_s - window_s
        known = seen.known_s(kind, before, self.baseline_s)
        if known < window_s:
            return NOTHING  # too short a past to compare with
        base = seen.sum(self.measure, scope, before, self.baseline_s)
        if not base:
            return NOTHING
        now = seen.sum(self.measure, scope, end_s, window_s)
        return Reading(quotient(now * known, base * window_s), base)
