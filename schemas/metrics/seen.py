"""Seen: what a metric may look at when it is read. The judge's view is one."""

from fractions import Fraction
from typing import Protocol

from fenghuo.schemas.kinds.measures import Measure

TREND_S = 300
"""How far back a projection looks."""


class Seen(Protocol):
    """Events counted so far, at one moment, in scopes ("total", "region=east").

    Seconds are whole seconds of event time; a window of n seconds up to `end_s` holds
    [end_s - n, end_s).
    """

    @property
    def now_ms(self) -> int:
        """The moment."""

    def end_s(self, kind: str) -> int | None:
        """End of the last full second of a kind; None when there is nothing to judge."""

    def known_s(self, kind: str, end_s: int, seconds: int) -> int:
        """How much of a window lies after the first second there ever was."""

    def sum(self, measure: Measure, scope: str, end_s: int, seconds: int) -> int:
        """A counter over a window."""

    def buckets(self, measure: Measure, scope: str, end_s: int, seconds: int) -> list[int]:
        """Bucket counts of a histogram over a window."""

    def trend(self, measure: Measure, scope: str, within_s: int) -> float | None:
        """The rate after so long, if it goes on as in the last minutes; None where chance would
        explain what is seen.
        """

    def line_per_s(self, line: str) -> float:
        """What a capacity line carries."""

    def last_year(self, measure: Measure, end_s: int, seconds: int) -> Fraction | None:
        """What last year had counted in the same campaign minutes; None where it is silent."""

    def paid(self, region: str | None) -> tuple[int, int]:
        """(orders, fen) paid since the campaign began, late ones too; of a region or of all."""

    def due_fen(self, at_ms: int, region: str | None) -> int:
        """What the target makes due by a moment."""

    def users(self, of: str, region: str | None) -> int | None:
        """Distinct users since the campaign began; None while nobody has told."""

    def waiting(self, kind: str) -> int | None:
        """Records of a kind in the log that nobody has counted yet; None where it is not known."""

    def as_of_ms(self, kind: str) -> int | None:
        """Event time up to which the kind's windows count."""

    def record_ms(self, kind: str) -> int | None:
        """When the last record of a kind came."""


def region_of(scope: str) -> str | None:
    """The region of a scope that is one; None for the total."""
    return scope.partition("=")[2] if scope.startswith("region=") else None
