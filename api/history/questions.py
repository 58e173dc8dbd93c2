"""Questions whose answers may be large: each says what it asks of a store and makes its JSON.

Rows become Python objects and JSON here, seconds of work for a large answer; so the api has them
answered in processes of their own (`asker.py`), never beside the live stream. A question that would
be too large is refused before it is computed: the store counts first.
"""

from collections.abc import Sequence

import msgspec

from fenghuo.api.history import query as history
from fenghuo.api.history.query import Row, Span, Steps
from fenghuo.api.view.whole_numbers import encoded
from fenghuo.schemas.kinds.kind import Cut
from fenghuo.schemas.lane import Lane
from fenghuo.schemas.store.port import Store

ROWS_MAX = 20_000
"""Of one answer: five and a half hours of seconds, two weeks of minutes."""
BYTES_MAX = 8_000_000


class TooLarge(ValueError):
    """An answer that would go beyond a limit: what was expected, what it would be."""


class Totals(msgspec.Struct, frozen=True, tag=True):
    """The rows of /totals, as a JSON array."""

    kind: str
    cut: Cut
    unit: str | None
    """One of TIME_STEPS_S: a row for each such step."""
    utc_offset_minutes: int
    span: Span
    lane: Lane

    def answer(self, store: Store) -> bytes:
        """Asks; raises StoreError, or TooLarge."""
        steps = None
        if self.unit is not None:
            steps = Steps(history.TIME_STEPS_S[self.unit] * 1000, self.utc_offset_minutes)
        measures = history.measures_of(self.kind)
        rows = _sums(store, (self.kind, self.cut, measures), steps, self.span, lane=self.lane)
        return _packed([history.total_row(self.kind, self.cut, self.unit, row) for row in rows])


class History(msgspec.Struct, frozen=True, tag=True):
    """The series of /history, as a JSON array."""

    metric: str
    cut: Cut
    steps: Steps
    begins_ms: tuple[int, int]
    """Where the first step begins, and before where the last one does."""
    span: Span
    lane: Lane

    def answer(self, store: Store) -> bytes:
        """Asks; raises StoreError, or TooLarge."""
        metric = history.metrics()[self.metric]
        what = (metric.kind, self.cut, metric.measures)
        rows = _sums(store, what, self.steps, self.span, lane=self.lane)
        begins = range(*self.begins_ms, self.steps.step_ms)
        return _packed(history.series(metric, self.cut, begins, rows))


Question = Totals | History


def _sums(
    store: Store,
    what: tuple[str, Cut, Sequence[str]],
    steps: Steps | None,
    span: Span,
    *,
    lane: Lane,
) -> list[Row]:
    kind, cut, measures = what
    if steps is not None:
        count = history.count_query(kind, cut, steps, span, lane=lane, most=ROWS_MAX + 1)
        if int(store.query(*count)[0]["rows"]) > ROWS_MAX:
            raise TooLarge(f"expected at most {ROWS_MAX} rows, these would be more")
    sums = history.sums_query(kind, cut, measures, steps=steps, span=span, lane=lane)
    return [row for row in store.query(*sums) if not history.is_nothing(row)]


def _packed(value: object) -> bytes:
    found = encoded(value)
    if len(found) > BYTES_MAX:
        raise TooLarge(f"expected an answer of at most {BYTES_MAX} bytes, this has {len(found)}")
    return found
