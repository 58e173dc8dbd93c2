"""Share: how much of a capacity line is taken."""

from dataclasses import dataclass
from typing import ClassVar

from fenghuo.schemas.kinds.measures import Measure
from fenghuo.schemas.metrics.form import Windowed
from fenghuo.schemas.metrics.forms.rate import rate
from fenghuo.schemas.metrics.reading import Reading
from fenghuo.schemas.metrics.seen import Seen


@dataclass(frozen=True, slots=True)
class Share(Windowed):
    """Rate over the window / a capacity line; samples = what was counted."""

    measure: Measure
    window_s: int
    line: str

    WORDS: ClassVar = "{measure:counter} over {window_s:span} of {line:line}"
    UNITS: ClassVar = ("ratio",)
    SCOPES: ClassVar = "total"
    EARLY: ClassVar = True

    def read(self, seen: Seen, scope: str) -> Reading:
        return rate(seen, self.measure, scope, self.window_s, by=seen.line_per_s(self.line))

    def ahead(self, seen: Seen, scope: str, within_s: int) -> float | None:
        found = seen.trend(self.measure, scope, within_s)
        return None if found is None else found / seen.line_per_s(self.line)
