"""Pace: what is there against what the target makes due by now."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from fenghuo.schemas.kinds.measures import Measure
from fenghuo.schemas.metrics.exact import quotient
from fenghuo.schemas.metrics.form import Form
from fenghuo.schemas.metrics.reading import NOTHING, Reading
from fenghuo.schemas.metrics.seen import TREND_S, Seen, region_of
from fenghuo.schemas.metrics.words import Known

TARGETED: Final = "order.paid_amount_fen"


@dataclass(frozen=True, slots=True)
class Pace(Form):
    """Sum since the campaign's start / what the pace curve makes due now; samples = paid orders."""

    measure: Measure

    WORDS: ClassVar = "{measure:counter} of target"
    UNITS: ClassVar = ("ratio",)
    SCOPES: ClassVar = "paced"
    EARLY: ClassVar = True

    @property
    def kind(self) -> str:
        return self.measure.kind

    @classmethod
    def refused(cls, word: str, fields: dict[str, Any], known: Known) -> str:
        if word != "of" or (known.has_target and str(fields["measure"]) == TARGETED):
            return ""
        needs = f"there is a target of {TARGETED} only, with targets.gmv_fen and a pace.curve"
        return f'"over" and a span: {needs}'

    def read(self, seen: Seen, scope: str) -> Reading:
        region = region_of(scope)
        due = seen.due_fen(seen.now_ms, region)
        paid, fen = seen.paid(region)
        return Reading(quotient(fen, due), paid) if due else NOTHING

    def ahead(self, seen: Seen, scope: str, within_s: int) -> float | None:
        """What is paid keeps to what falls due as it did in the last minutes."""
        end_s = seen.end_s(self.measure.kind)
        if end_s is None:
            return None
        region = region_of(scope)
        known = seen.known_s(self.measure.kind, end_s, TREND_S)
        moments = ((end_s - known) * 1000, end_s * 1000, seen.now_ms)
        due = [seen.due_fen(at, region) for at in (*moments, seen.now_ms + within_s * 1000)]
        if due[1] <= due[0] or due[3] <= 0:
            return None
        of_due = seen.sum(self.measure, scope, end_s, known) / (due[1] - due[0])
        return (seen.paid(region)[1] + of_due * (due[3] - due[2])) / due[3]
