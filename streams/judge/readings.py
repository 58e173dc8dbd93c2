"""Readings: what the ladders grade, derived from the rings, the tallies and the clocks. No clock of
its own, no I/O. A value is rounded once, at its end (`schemas/metrics/exact.py`).

A windowed reading ends at the last full second before the kind's event-time frontier: a second is
full when every partition that is not idle has passed its end. Behind the watermark it is final,
before it provisional.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

import msgspec

from fenghuo.alerts.judging.forecast import Point, counted_by, projected
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.campaign.parts import Rule
from fenghuo.schemas.kinds.measures import (
    MEASURES,
    Measure,
    Series,
    columns,
    scope_series,
)
from fenghuo.schemas.metrics.form import Form
from fenghuo.schemas.metrics.forms.rate import Rate
from fenghuo.schemas.metrics.reading import NOTHING, Reading
from fenghuo.schemas.metrics.seen import TREND_S
from fenghuo.schemas.wire.pulse import Head, Source
from fenghuo.schemas.wire.visitors import Estimate
from fenghuo.streams.counting.windows import SECOND_MS
from fenghuo.streams.judge.clocks import Clock
from fenghuo.streams.judge.ring import Ring

STALE_MS = 15_000
"""When nothing at all has come for this long, windows have no reading: an old value is no value."""
TREND_STEP_S = 10
"""A projection looks at sums of ten seconds over the last five minutes."""
Counts = Callable[[], Sequence[Estimate]]
"""Distinct users, estimated when somebody asks."""


class View:
    """Everything a reading needs, at one moment."""

    def __init__(
        self,
        campaign: Campaign,
        rings: Mapping[str, Ring],
        heads: Mapping[Source, Head],
        clocks: Mapping[str, Clock],
        *,
        now_ms: int,
        users: Counts = tuple,
        waiting: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """waiting: how many records of each kind are in the log and not read yet."""
        self.campaign = campaign
        self.now_ms = now_ms
        self._users = users
        self._waiting = waiting
        self._earlier: dict[int, View] = {}
        self._rings = rings
        self._heads = heads
        self._clocks = clocks
        records = [clock.record_ms for clock in clocks.values() if clock.record_ms is not None]
        self.is_stale = not records or now_ms - max(records) > STALE_MS

    def read(self, metric: Form, scope: str, end_s: int | None = None) -> Reading:
        """The reading of a metric in a scope ("total", "region=east").

        end_s: read its windows as if they ended there, or at the last full second if that comes
        first; no reading where the ring does not reach so far back. What has no window knows the
        present only.
        """
        if end_s is None:
            return metric.read(self, scope)
        earlier = self._until(end_s)
        return metric.read(earlier, scope) if earlier._reaches(metric) else NOTHING

    def paid(self, region: str | None) -> tuple[int, int]:
        """(orders, fen) paid since the campaign began, late ones too; of a region or of all."""
        paid = fen = 0
        for head in self._heads.values():
            for name, (count, amount) in head.tally.by_region.items():
                if region is None or name == region:
                    paid, fen = paid + count, fen + amount
        return paid, fen

    def as_of_ms(self, kind: str) -> int | None:
        """Event time up to which the kind's windows count."""
        return self._clocks[kind].as_of_ms

    def record_ms(self, kind: str) -> int | None:
        """When the last record of a kind came."""
        return self._clocks[kind].record_ms

    def waiting(self, kind: str) -> int | None:
        """Records of a kind in the log that nobody has counted yet."""
        return self._waiting.get(kind)

    def users(self, of: str, region: str | None) -> int | None:
        """Distinct users since the campaign began, of a region or of all."""
        told = (one for one in self._users() if (one.measure, one.region) == (of, region or ""))
        return next((one.users for one in told), None)

    def line_per_s(self, line: str) -> float:
        """What a capacity line carries."""
        return self.campaign.capacity[line].requests_per_s

    def due_fen(self, at_ms: int, region: str | None) -> int:
        """What the target makes due by a moment."""
        return self.campaign.target_due_fen(at_ms, region)

    def last_year(self, measure: Measure, end_s: int, seconds: int) -> Fraction | None:
        """What last year had counted in the same campaign minutes; None where it is silent."""
        curve = self.campaign.last_year.get(str(measure), ())
        if not curve:
            return None
        ends = (self.campaign.campaign_minute(at * SECOND_MS) for at in (end_s - seconds, end_s))
        began, ended = (counted_by(curve, minute) for minute in ends)
        return ended - began

    def expected_by_last_year(self, metric: Form, at_ms: int) -> float | None:
        """What last year's curve says of a rate at a moment, per second; None where it is silent
        or of anything but a rate.
        """
        if not isinstance(metric, Rate):
            return None
        curve = self.campaign.last_year.get(str(metric.measure), ())
        minute = self.campaign.campaign_minute(at_ms)
        if not curve or minute < 0:
            return None
        before = minute - Fraction(metric.window_s, 60)
        counted = counted_by(curve, minute) - counted_by(curve, before)
        return float(counted / metric.window_s)

    def outlook(self, rule: Rule, scope: str, reading: Reading) -> Reading:
        """The reading with what it will be after the rule's early.within_s, where that can be told.

        A rate or a share follows its trend of the last five minutes. A pace: what is paid keeps to
        what falls due as it did in these minutes.
        """
        if rule.early is None or reading.value is None:
            return reading
        found = rule.metric.ahead(self, scope, rule.early.within_s)
        return reading if found is None else replace(reading, projected=max(found, 0.0))

    def _until(self, end_s: int) -> "View":
        """This view as if the last full second ended there, or where it does if that is earlier."""
        if end_s not in self._earlier:
            clocks = {
                kind: clock
                if clock.as_of_ms is None
                else msgspec.structs.replace(clock, as_of_ms=min(clock.as_of_ms, end_s * SECOND_MS))
                for kind, clock in self._clocks.items()
            }
            self._earlier[end_s] = View(
                *(self.campaign, self._rings, self._heads, clocks),
                now_ms=self.now_ms,
                users=self._users,
            )
        return self._earlier[end_s]

    def _reaches(self, metric: Form) -> bool:
        """Whether the rings still hold everything the metric looks at."""
        looked = [(self.end_s(kind), self._rings[kind]) for kind in metric.kinds]
        return all(end_s is None or ring.holds(end_s - metric.reach_s) for end_s, ring in looked)

    def end_s(self, kind: str) -> int | None:
        """End of the last full second, or None when there is nothing to judge."""
        as_of_ms = self._clocks[kind].as_of_ms
        return None if as_of_ms is None or self.is_stale else as_of_ms // SECOND_MS

    def known_s(self, kind: str, end_s: int, seconds: int) -> int:
        """How much of a window lies after the first second there ever was."""
        first = self._rings[kind].first_s
        return 0 if first is None else max(0, min(seconds, end_s - first))

    def sum(self, measure: Measure, scope: str, end_s: int, seconds: int) -> int:
        """A counter over a window."""
        ring = self._rings[measure.kind]
        return ring.cell(ring.window(end_s, seconds), series_of(scope), _column(measure))

    def buckets(self, measure: Measure, scope: str, end_s: int, seconds: int) -> list[int]:
        """Bucket counts of a histogram over a window."""
        ring = self._rings[measure.kind]
        row = ring.row(ring.window(end_s, seconds), series_of(scope))
        return row[len(MEASURES[measure.kind]) :]

    def trend(self, measure: Measure, scope: str, within_s: int) -> float | None:
        """The rate after so long, by the trend of the last five minutes."""
        after_s = within_s + TREND_STEP_S / 2  # a sum stands for the middle of its seconds
        return projected(self._steps(measure, scope), after_s)

    def _steps(self, measure: Measure, scope: str) -> list[Point]:
        """(second, rate) of the last minutes, step by step, as far back as anything is known."""
        end_s = self.end_s(measure.kind)
        if end_s is None:
            return []
        many = self.known_s(measure.kind, end_s, TREND_S) // TREND_STEP_S
        ring, column = self._rings[measure.kind], _column(measure)
        sums = ring.steps(series_of(scope), column, end_s, step_s=TREND_STEP_S, many=many)
        first = end_s - (many - 1) * TREND_STEP_S
        return [(first + i * TREND_STEP_S, total / TREND_STEP_S) for i, total in enumerate(sums)]


@lru_cache(maxsize=10_000)
def series_of(scope: str) -> Series:
    """The series of a scope, cached: scopes are few, and asked for at every tick."""
    return scope_series(scope)


@lru_cache(maxsize=1_000)
def _column(measure: Measure) -> int:
    return columns(measure.kind).index(measure.name)
