"""Readings: what the ladders grade, derived from the rings, the tallies and the clocks. No clock of
its own, no I/O.

A windowed reading ends at the last full second before the kind's event-time frontier: a second is
full when every partition that is not idle has passed its end. Behind the watermark it is final,
before it provisional.
"""

from collections.abc import Mapping, Sequence

import msgspec

from fenghuo.alerts.rules import Reading
from fenghuo.schemas.campaign import Campaign
from fenghuo.schemas.campaign_parts import (
    Age,
    Change,
    Metric,
    Pace,
    Quantile,
    Rate,
    Ratio,
    Share,
    Silence,
)
from fenghuo.schemas.measures import KINDS, MEASURES, Measure, Series, columns, quantile
from fenghuo.schemas.pulse import Head, Source
from fenghuo.streams.ring import Ring
from fenghuo.streams.windows import SECOND_MS

SLACK_S = 180
"""How far the frontier may lie behind the newest second and still be judged."""
UNHEARD_MS = 3_000
"""A partition whose worker has said nothing for this long is not called idle: nobody knows."""
STALE_MS = 15_000
"""When nothing at all has come for this long, windows have no reading: an old value is no value."""
_NOTHING = Reading(None, 0)


class Clock(msgspec.Struct, frozen=True):
    """Where one kind stands in event time, and when its last record came."""

    as_of_ms: int | None
    watermark_ms: int | None
    record_ms: int | None


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
    ) -> None:
        self.campaign = campaign
        self.now_ms = now_ms
        self._rings = rings
        self._heads = heads
        self._clocks = clocks
        records = [clock.record_ms for clock in clocks.values() if clock.record_ms is not None]
        self._is_stale = not records or now_ms - max(records) > STALE_MS

    def read(self, metric: Metric, scope: str) -> Reading:
        """The reading of a metric in a scope ("total", "region=east")."""
        match metric:
            case Rate(measure, window_s):
                return self._rate(measure, scope, window_s, 1.0)
            case Share(measure, window_s, line):
                return self._rate(
                    measure, scope, window_s, self.campaign.capacity[line].requests_per_s
                )
            case Ratio(numerator, denominator, window_s, scale):
                return self._ratio(numerator, denominator, scope, window_s, scale=scale)
            case Quantile(measure, q, window_s):
                return self._quantile(measure, q, scope, window_s)
            case Change(measure, window_s, baseline_s):
                return self._change(measure, scope, window_s, baseline_s)
            case Pace():
                return self._pace(scope)
            case Age(of):
                as_of_ms = self._clocks[of].as_of_ms
                return (
                    _NOTHING
                    if as_of_ms is None
                    else Reading(max(self.now_ms - as_of_ms, 0) / 1000, 1)
                )
            case Silence(of):
                record_ms = self._clocks[of].record_ms
                return (
                    _NOTHING
                    if record_ms is None
                    else Reading(max(self.now_ms - record_ms, 0) / 1000, 1)
                )

    def rate(self, measure: Measure, scope: str, window_s: int) -> float | None:
        """Per second, for the page."""
        return self._rate(measure, scope, window_s, 1.0).value

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

    def _end_s(self, kind: str) -> int | None:
        """End of the last full second, or None when there is nothing to judge."""
        as_of_ms = self._clocks[kind].as_of_ms
        return None if as_of_ms is None or self._is_stale else as_of_ms // SECOND_MS

    def _known_s(self, kind: str, end_s: int, seconds: int) -> int:
        """How much of a window lies after the first second there ever was."""
        first = self._rings[kind].first_s
        return 0 if first is None else max(0, min(seconds, end_s - first))

    def _sum(self, measure: Measure, scope: str, end_s: int, seconds: int) -> int:
        ring = self._rings[measure.kind]
        row = ring.row(ring.window(end_s, seconds), series_of(scope))
        return int(row[columns(measure.kind).index(measure.name)])

    def _rate(self, measure: Measure, scope: str, window_s: int, line: float) -> Reading:
        end_s = self._end_s(measure.kind)
        known = 0 if end_s is None else self._known_s(measure.kind, end_s, window_s)
        if end_s is None or known == 0:
            return _NOTHING
        total = self._sum(measure, scope, end_s, window_s)
        return Reading(total / known / line, total)

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
        return Reading(above / below * scale, below) if below else _NOTHING

    def _quantile(self, measure: Measure, q: float, scope: str, window_s: int) -> Reading:
        end_s = self._end_s(measure.kind)
        if end_s is None:
            return _NOTHING
        ring = self._rings[measure.kind]
        row = ring.row(ring.window(end_s, window_s), series_of(scope))
        buckets = row[len(MEASURES[measure.kind]) :].tolist()
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
        return Reading((now / window_s) / (base / known), base)

    def _pace(self, scope: str) -> Reading:
        dimension, _, label = scope.partition("=")
        region = label if dimension == "region" else None
        due = self.campaign.target_due_fen(self.now_ms, region)
        paid, fen = self.paid(region)
        return Reading(fen / due, paid) if due else _NOTHING


def series_of(scope: str) -> Series:
    """The series of a scope: "total" or "region=east"."""
    dimension, _, label = scope.partition("=")
    return ("", "", "") if scope == "total" else (dimension, label, "")


def clocks(
    heads: Mapping[Source, Head], rings: Mapping[str, Ring], now_ms: int
) -> dict[str, Clock]:
    """The clock of each kind: its frontier is the least over its partitions that are not idle.

    A kind that is idle as a whole goes with the others: if orders stopped while traffic flows,
    their rate is zero, not frozen. No frontier lies after the wall clock, however far ahead a
    producer's clock is.
    """
    own: dict[str, int | None] = {}
    active: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        frontiers = []
        for head in heads.values():
            if head.kind != kind or head.frontier_ms is None:
                continue
            frontier = min(head.frontier_ms, max(head.sent_ms, head.record_ms or 0))
            frontiers.append(frontier)
            if not (head.idle and now_ms - head.sent_ms < UNHEARD_MS):
                active[kind].append(frontier)
        own[kind] = min(active[kind]) if active[kind] else max(frontiers, default=None)
    moving = [min(frontiers) for frontiers in active.values() if frontiers]
    common = min(moving) if moving else None
    made = {}
    for kind in KINDS:
        as_of = own[kind]
        if not active[kind] and common is not None and as_of is not None:
            as_of = max(as_of, common)
        newest = rings[kind].newest_s
        if as_of is not None and newest is not None:
            as_of = max(as_of, (newest - SLACK_S) * SECOND_MS)
        of_kind = [head for head in heads.values() if head.kind == kind]
        marks = [head.watermark_ms for head in of_kind if head.watermark_ms is not None]
        records = [head.record_ms for head in of_kind if head.record_ms is not None]
        made[kind] = Clock(as_of, min(marks, default=None), max(records, default=None))
    return made
