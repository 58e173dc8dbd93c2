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

from fenghuo.alerts.judging.decide import Reading
from fenghuo.alerts.judging.forecast import Point, counted_by, projected
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.campaign.parts import (
    Age,
    Change,
    Growth,
    Lag,
    Metric,
    Pace,
    Quantile,
    Rate,
    Ratio,
    Rule,
    Share,
    Silence,
    Slope,
    Users,
)
from fenghuo.schemas.kinds.measures import (
    MEASURES,
    Measure,
    Series,
    columns,
    quantile,
    scope_series,
)
from fenghuo.schemas.metrics.exact import quotient
from fenghuo.schemas.metrics.reach import TREND_S, kinds_of, reach_s
from fenghuo.schemas.wire.pulse import Head, Source
from fenghuo.schemas.wire.visitors import Estimate
from fenghuo.streams.counting.windows import SECOND_MS
from fenghuo.streams.judge.clocks import Clock
from fenghuo.streams.judge.ring import Ring

STALE_MS = 15_000
"""When nothing at all has come for this long, windows have no reading: an old value is no value."""
TREND_STEP_S = 10
"""A projection looks at sums of ten seconds over the last five minutes."""
_NOTHING = Reading(None, 0)
Windowed = Rate | Share | Ratio | Quantile | Change | Growth | Slope
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

    def read(self, metric: Metric, scope: str, end_s: int | None = None) -> Reading:
        """The reading of a metric in a scope ("total", "region=east").

        end_s: read its windows as if they ended there, or at the last full second if that comes
        first; no reading where the ring does not reach so far back. What has no window knows the
        present only.
        """
        if end_s is not None:
            earlier = self._until(end_s)
            return earlier.read(metric, scope) if earlier._reaches(metric) else _NOTHING
        match metric:
            case Rate() | Share() | Ratio() | Quantile() | Change() | Growth() | Slope():
                return self._windowed(metric, scope)
            case _:
                return self._present(metric, scope)

    def rate(self, measure: Measure, scope: str, window_s: int) -> float | None:
        """Per second, for the page."""
        return self._rate(measure, scope, window_s).value

    def ratio(
        self,
        over: Sequence[Measure],
        under: Sequence[Measure],
        scope: str,
        window_s: int,
        *,
        scale: float,
    ) -> float | None:
        """A ratio, for the page."""
        return self._ratio(over, under, scope, window_s, scale=scale).value

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

    def last_year(self, metric: Metric, at_ms: int) -> float | None:
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
        within_s = rule.early.within_s
        after_s = within_s + TREND_STEP_S / 2  # a sum stands for the middle of its seconds
        match rule.metric:
            case Rate(measure):
                found = projected(self._trend(measure, scope), after_s)
            case Share(measure, _, line):
                found = projected(self._trend(measure, scope), after_s)
                if found is not None:
                    found /= self.campaign.capacity[line].requests_per_s
            case Pace(measure):
                found = self._pace_after(measure, scope, within_s)
            case _:
                found = None
        return reading if found is None else replace(reading, projected=max(found, 0.0))

    def _windowed(self, metric: Windowed, scope: str) -> Reading:
        match metric:
            case Rate(measure, window_s):
                return self._rate(measure, scope, window_s)
            case Share(measure, window_s, line):
                line_per_s = self.campaign.capacity[line].requests_per_s
                return self._rate(measure, scope, window_s, line_per_s)
            case Ratio(numerator, denominator, window_s, scale):
                return self._ratio(numerator, denominator, scope, window_s, scale=scale)
            case Quantile(measure, q, window_s):
                return self._quantile(measure, q, scope, window_s)
            case Change(measure, window_s, baseline_s):
                return self._change(measure, scope, window_s, baseline_s)
            case Growth(measure, window_s):
                return self._growth(measure, scope, window_s)
            case Slope(measure, window_s):
                return self._slope(measure, scope, window_s)

    def _present(self, metric: Pace | Users | Lag | Age | Silence, scope: str) -> Reading:
        match metric:
            case Pace():
                return self._pace(scope)
            case Users(of):
                return self._distinct(of, scope)
            case Lag(of):
                return self._lag(of)
            case Age(of):
                return self._since(self._clocks[of].as_of_ms)
            case Silence(of):
                return self._since(self._clocks[of].record_ms)

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

    def _reaches(self, metric: Metric) -> bool:
        """Whether the rings still hold everything the metric looks at."""
        looked = [(self._end_s(kind), self._rings[kind]) for kind in kinds_of(metric)]
        return all(end_s is None or ring.holds(end_s - reach_s(metric)) for end_s, ring in looked)

    def _end_s(self, kind: str) -> int | None:
        """End of the last full second, or None when there is nothing to judge."""
        as_of_ms = self._clocks[kind].as_of_ms
        return None if as_of_ms is None or self.is_stale else as_of_ms // SECOND_MS

    def _known_s(self, kind: str, end_s: int, seconds: int) -> int:
        """How much of a window lies after the first second there ever was."""
        first = self._rings[kind].first_s
        return 0 if first is None else max(0, min(seconds, end_s - first))

    def _sum(self, measure: Measure, scope: str, end_s: int, seconds: int) -> int:
        ring = self._rings[measure.kind]
        return ring.cell(ring.window(end_s, seconds), series_of(scope), _column(measure))

    def _rate(self, measure: Measure, scope: str, window_s: int, line_per_s: float = 1) -> Reading:
        end_s = self._end_s(measure.kind)
        known = 0 if end_s is None else self._known_s(measure.kind, end_s, window_s)
        if end_s is None or known == 0:
            return _NOTHING
        total = self._sum(measure, scope, end_s, window_s)
        return Reading(quotient(total, known, by=line_per_s), total)

    def _ratio(
        self,
        over: Sequence[Measure],
        under: Sequence[Measure],
        scope: str,
        window_s: int,
        *,
        scale: float,
    ) -> Reading:
        parts = []
        for measures in (over, under):
            total = 0
            for measure in measures:
                end_s = self._end_s(measure.kind)
                if end_s is None and measure.kind not in {m.kind for m in under}:
                    continue  # no complaint has ever come: that is none, not unknown
                if end_s is None:
                    return _NOTHING
                total += self._sum(measure, scope, end_s, window_s)
            parts.append(total)
        above, below = parts
        return Reading(quotient(above, below, times=scale), below) if below else _NOTHING

    def _quantile(self, measure: Measure, q: float, scope: str, window_s: int) -> Reading:
        end_s = self._end_s(measure.kind)
        if end_s is None:
            return _NOTHING
        ring = self._rings[measure.kind]
        row = ring.row(ring.window(end_s, window_s), series_of(scope))
        buckets = row[len(MEASURES[measure.kind]) :]
        return Reading(quantile(buckets, q), sum(buckets))

    def _change(self, measure: Measure, scope: str, window_s: int, baseline_s: int) -> Reading:
        end_s = self._end_s(measure.kind)
        if end_s is None:
            return _NOTHING
        before = end_s - window_s
        known = self._known_s(measure.kind, before, baseline_s)
        if known < window_s:
            return _NOTHING  # too short a past to compare with
        base = self._sum(measure, scope, before, baseline_s)
        if not base:
            return _NOTHING
        now = self._sum(measure, scope, end_s, window_s)
        return Reading(quotient(now * known, base * window_s), base)

    def _growth(self, measure: Measure, scope: str, window_s: int) -> Reading:
        end_s = self._end_s(measure.kind)
        curve = self.campaign.last_year.get(f"{measure.kind}.{measure.name}", ())
        if end_s is None or scope != "total" or not curve:
            return _NOTHING  # of last year only the total is known
        known = self._known_s(measure.kind, end_s, window_s)
        ends = (self.campaign.campaign_minute(at * SECOND_MS) for at in (end_s - known, end_s))
        began, ended = (counted_by(curve, minute) for minute in ends)
        now = self._sum(measure, scope, end_s, window_s)
        return Reading(float(now / (ended - began)), now) if ended > began else _NOTHING

    def _slope(self, measure: Measure, scope: str, window_s: int) -> Reading:
        end_s = self._end_s(measure.kind)
        if end_s is None or self._known_s(measure.kind, end_s, window_s) < window_s:
            return _NOTHING  # half a past rises from nothing
        newer = window_s // 2
        older = window_s - newer
        late = self._sum(measure, scope, end_s, newer)
        soon = self._sum(measure, scope, end_s - newer, older)
        # between the middles of the halves lie window_s / 120 minutes
        rise = 120 * (late * older - soon * newer)
        return Reading(quotient(rise, newer * older * window_s), late + soon)

    def _distinct(self, of: str, scope: str) -> Reading:
        region = _region_of(scope) or ""
        for one in self._users():
            if (one.measure, one.region) == (of, region):
                return Reading(float(one.users), one.users)
        return _NOTHING

    def _lag(self, kind: str) -> Reading:
        waiting = self._waiting.get(kind)
        return _NOTHING if waiting is None else Reading(float(waiting), 1)

    def _since(self, at_ms: int | None) -> Reading:
        return _NOTHING if at_ms is None else Reading(max(self.now_ms - at_ms, 0) / 1000, 1)

    def _trend(self, measure: Measure, scope: str) -> list[Point]:
        """(second, rate) of the last minutes, step by step, as far back as anything is known."""
        end_s = self._end_s(measure.kind)
        if end_s is None:
            return []
        many = self._known_s(measure.kind, end_s, TREND_S) // TREND_STEP_S
        ring, column = self._rings[measure.kind], _column(measure)
        sums = ring.steps(series_of(scope), column, end_s, step_s=TREND_STEP_S, many=many)
        first = end_s - (many - 1) * TREND_STEP_S
        return [(first + i * TREND_STEP_S, total / TREND_STEP_S) for i, total in enumerate(sums)]

    def _pace_after(self, measure: Measure, scope: str, within_s: int) -> float | None:
        end_s = self._end_s(measure.kind)
        if end_s is None:
            return None
        region = _region_of(scope)
        known = self._known_s(measure.kind, end_s, TREND_S)
        due = [
            self.campaign.target_due_fen(at_ms, region)
            for at_ms in (
                (end_s - known) * SECOND_MS,
                end_s * SECOND_MS,
                self.now_ms,
                self.now_ms + within_s * SECOND_MS,
            )
        ]
        if due[1] <= due[0] or due[3] <= 0:
            return None
        of_due = self._sum(measure, scope, end_s, known) / (due[1] - due[0])
        return (self.paid(region)[1] + of_due * (due[3] - due[2])) / due[3]

    def _pace(self, scope: str) -> Reading:
        region = _region_of(scope)
        due = self.campaign.target_due_fen(self.now_ms, region)
        paid, fen = self.paid(region)
        return Reading(quotient(fen, due), paid) if due else _NOTHING


@lru_cache(maxsize=10_000)
def series_of(scope: str) -> Series:
    """The series of a scope, cached: scopes are few, and asked for at every tick."""
    return scope_series(scope)


@lru_cache(maxsize=1_000)
def _column(measure: Measure) -> int:
    return columns(measure.kind).index(measure.name)


def _region_of(scope: str) -> str | None:
    dimension, _, label = scope.partition("=")
    return label if dimension == "region" else None
