"""Growth: now against the same campaign minute of last year."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fenghuo.schemas.kinds.measures import Measure
from fenghuo.schemas.metrics.form import Windowed
from fenghuo.schemas.metrics.reading import NOTHING, Reading
from fenghuo.schemas.metrics.seen import Seen
from fenghuo.schemas.metrics.words import Known


@dataclass(frozen=True, slots=True)
class Growth(Windowed):
    """Rate over the window / last year's rate in the same campaign minutes; samples = counted."""

    measure: Measure
    window_s: int

    WORDS: ClassVar = "{measure:counter} over {window_s:span} vs last year"
    UNITS: ClassVar = ("ratio",)
    SCOPES: ClassVar = "total"  # of last year only the total is known

    @classmethod
    def refused(cls, word: str, fields: dict[str, Any], known: Known) -> str:
        if word != "year" or str(fields["measure"]) in known.last_year:
            return ""
        return f"a span: last_year has no curve of {fields['measure']}"

    def read(self, seen: Seen, scope: str) -> Reading:
        end_s = seen.end_s(self.measure.kind)
        if end_s is None or scope != "total":
            return NOTHING
        known = seen.known_s(self.measure.kind, end_s, self.window_s)
        before = seen.last_year(self.measure, end_s, known)
        if not before or before < 0:
            return NOTHING
        now = seen.sum(self.measure, scope, end_s, self.window_s)
        return Reading(float(now / before), now)
