"""Age, silence and lag: how far behind a kind of events is."""

from dataclasses import dataclass
from typing import ClassVar

from fenghuo.schemas.metrics.form import Form
from fenghuo.schemas.metrics.reading import NOTHING, Reading
from fenghuo.schemas.metrics.seen import Seen


class _Freshness(Form):
    __slots__ = ()
    UNITS: ClassVar = ("s",)
    SCOPES: ClassVar = "kind"
    COUNTS: ClassVar = False
    of: str

    @property
    def kind(self) -> str:
        return self.of


@dataclass(frozen=True, slots=True)
class Age(_Freshness):
    """Seconds between now and the event-time frontier of a kind."""

    of: str

    WORDS: ClassVar = "age of {of:kind}"

    def read(self, seen: Seen, scope: str) -> Reading:
        return _since(seen, seen.as_of_ms(self.of))


@dataclass(frozen=True, slots=True)
class Silence(_Freshness):
    """Seconds of wall clock since the last record of a kind."""

    of: str

    WORDS: ClassVar = "silence of {of:kind}"

    def read(self, seen: Seen, scope: str) -> Reading:
        return _since(seen, seen.record_ms(self.of))


@dataclass(frozen=True, slots=True)
class Lag(_Freshness):
    """Records of a kind in the log that nobody has counted yet."""

    of: str

    WORDS: ClassVar = "lag of {of:kind}"
    UNITS: ClassVar = ("records",)

    def read(self, seen: Seen, scope: str) -> Reading:
        waiting = seen.waiting(self.of)
        return NOTHING if waiting is None else Reading(float(waiting), 1)


def _since(seen: Seen, at_ms: int | None) -> Reading:
    return NOTHING if at_ms is None else Reading(max(seen.now_ms - at_ms, 0) / 1000, 1)
