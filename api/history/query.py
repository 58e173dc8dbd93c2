"""Totals and history: what to ask the store, and how its rows become an answer. Pure.

The SQL runs on ClickHouse 18.16 and on 26.x. Of one pulse (log, topic, partition, second) the rows
with the highest version count, as a set; a row may be there twice, because an insert was retried or
parts are not merged yet: so pick the version, collapse duplicates, then add. Late events add to the
same sums.

Steps begin where the campaign's clock says: days at its midnight, weeks on its Monday. A first or
last step that reaches beyond the span holds only what lies in the span, so that the steps add up to
the totals.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fenghuo.schemas.kinds.kind import Cut
from fenghuo.schemas.kinds.measures import (
    BUCKETS,
    HISTOGRAMS,
    MEASURES,
    WEIGHED,
    cut_name,
    quantile,
)
from fenghuo.schemas.lane import Lane
from fenghuo.schemas.store.port import wide_sum, wide_sums
from fenghuo.schemas.store.tables import LATE_TABLE, PULSE_TABLE, of, refused_events
from fenghuo.schemas.wire.topics import TOPIC_OF

POINTS_MAX = 2_000
DAY_MS = 86_400_000
STEP_S_MAX = 7 * 86_400
SERVER_S_MAX = 10
"""The store gives up by itself after this long, so that no question runs on with nobody waiting."""
TIME_STEPS_S: Mapping[str, int] = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "week": 7 * 86_400,
}
QUANTILES: Mapping[str, float] = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}
RATIOS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "order.failure_rate": ("order", ("failed",), ("paid", "failed")),
    "traffic.error_rate": ("traffic", ("errors",), ("requests",)),
}

Query = tuple[str, dict[str, object]]
Row = Mapping[str, Any]


class Span(NamedTuple):
    """Event time from `from_ms` to before `to_ms`; None is open. A second is where it begins."""

    from_ms: int | None = None
    to_ms: int | None = None

    def where(self, column: str = "`second_ms`") -> str:
        """The condition, to be put after another one."""
        parts = []
        if self.from_ms is not None:
            parts.append(f" AND {column} >= %(from_ms)s")
        if self.to_ms is not None:
            parts.append(f" AND {column} < %(to_ms)s")
        return "".join(parts)

    def params(self) -> dict[str, object]:
        """The values of the condition."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class Steps(NamedTuple):
    """Equal steps of event time, counted from a Monday's midnight on the campaign's clock."""

    step_ms: int
    utc_offset_minutes: int

    @property
    def shift_ms(self) -> int:
        """From the campaign's last Monday of 1969 to the epoch, which was a Thursday in UTC."""
        return 3 * DAY_MS + self.utc_offset_minutes * 60_000

    def begin(self, at_ms: int) -> int:
        """The beginning of the step that holds a moment."""
        return (at_ms + self.shift_ms) // self.step_ms * self.step_ms - self.shift_ms

    def sql(self, column: str) -> str:
        """The same in SQL: all terms are positive, where intDiv and // agree."""
        begun = f"intDiv({column} + {self.shift_ms}, {self.step_ms}) * {self.step_ms}"
        return f"{begun} - {self.shift_ms}"


class Metric(NamedTuple):
    """What one number of a history is made of."""

    name: str
    kind: str
    numerator: tuple[str, ...]
    denominator: tuple[str, ...] = ()
    q: float | None = None

    @property
    def measures(self) -> tuple[str, ...]:
        """What the store is asked for; `events` tells whether there is anything at all."""
        return tuple(dict.fromkeys(("events", *self.numerator, *self.denominator)))

    def value(self, row: Row) -> float | int | None:
        """The number of one summed row; None where there is nothing to divide by or to rank."""
        if self.q is not None:
            return quantile(_buckets(row[self.numerator[0]]), self.q)
        top = sum(int(row[name]) for name in self.numerator)
        if not self.denominator:
            return top
        below = sum(int(row[name]) for name in self.denominator)
        return top / below if below else None


@functools.cache
def metrics() -> Mapping[str, Metric]:
    """Every metric by its name: counters, ratios, quantiles."""
    found = [
        Metric(f"{kind}.{name}", kind, (name,))
        for kind, names in MEASURES.items()
        for name in names
    ]
    found += [Metric(name, kind, top, below) for name, (kind, top, below) in RATIOS.items()]
    found += [
        Metric(f"{kind}.{name.removesuffix('_ms')}_{suffix}", kind, (name,), (), q)
        for kind, names in HISTOGRAMS.items()
        for name in names
        for suffix, q in QUANTILES.items()
    ]
    named = {metric.name: metric for metric in found}
    return named | {name.partition(".")[2]: named[name] for name in RATIOS}


def measures_of(kind: str) -> tuple[str, ...]:
    """Every measure of a kind, histograms last."""
    return (*MEASURES[kind], *HISTOGRAMS[kind])


def sums_query(
    kind: str,
    cut: Cut,
    measures: Sequence[str],
    *,
    steps: Steps | None,
    span: Span,
    lane: Lane,
) -> Query:
    """Sums of these measures by the labels of a cut and, with steps, by event time."""
    keys = [f"`k{n}`" for n in range(1, len(cut) + 1)]
    time = [] if steps is None else [f"{steps.sql('`at_ms`')} AS `t_ms`"]
    groups = [*(["`t_ms`"] if time else []), *keys]
    sums = [f"{_sum(kind, name)} AS `{name}`" for name in measures]
    grouped = f" GROUP BY {', '.join(groups)} ORDER BY {', '.join(groups)}" if groups else ""
    sql = (
        f"SELECT {', '.join([*time, *keys, *sums])} FROM ("
        f"{_pulses(of(PULSE_TABLE[kind], lane), measures, span)}"
        f" UNION ALL {_late(of(LATE_TABLE[kind], lane), measures, span)})"
        f"{grouped} SETTINGS max_execution_time = {SERVER_S_MAX}"
    )
    return sql, {"cut": cut_name(cut), **span.params()}


def count_query(kind: str, cut: Cut, steps: Steps, span: Span, *, lane: Lane, most: int) -> Query:
    """One row: how many rows `sums_query` would give, at most `most`: it reads keys alone, and no
    further. Labels of a pulse that a newer one replaced count too.
    """
    names = ", ".join(["`t_ms`", *(f"`k{n}`" for n in range(1, len(cut) + 1))])
    sources = " UNION ALL ".join(
        f"SELECT {steps.sql('`second_ms`')} AS `t_ms`, `k1`, `k2` FROM {of(table[kind], lane)}"
        f" WHERE `cut` = %(cut)s{span.where()}"
        for table in (PULSE_TABLE, LATE_TABLE)
    )
    sql = (
        f"SELECT count() AS `rows` FROM (SELECT DISTINCT {names} FROM ({sources}) LIMIT {most})"
        f" SETTINGS max_execution_time = {SERVER_S_MAX}"
    )
    return sql, {"cut": cut_name(cut), **span.params()}


def books_query(kind: str, span: Span, *, lane: Lane) -> Query:
    """One row: the newest second stored in the span, its late events, and all that was refused."""
    newest = ", ".join(f"max(`{name}`) AS `{name}`" for name in ("newest_ms", "late", "refused"))
    seconds = f"`cut` = ''{span.where()}"
    source = "`log`, `topic`, `partition`, `offset`, `idx`"
    pulses = (
        "SELECT max(`second_ms`) AS `newest_ms`, toUInt64(0) AS `late`, toUInt64(0) AS `refused`"
        f" FROM {of(PULSE_TABLE[kind], lane)} WHERE {seconds}"
    )
    late = (
        "SELECT max(`at_ms`) AS `newest_ms`, count() AS `late`, toUInt64(0) AS `refused` FROM"
        f" (SELECT any(`second_ms`) AS `at_ms` FROM {of(LATE_TABLE[kind], lane)} WHERE {seconds}"
        f" GROUP BY {source})"
    )
    refused = (
        "SELECT toInt64(0) AS `newest_ms`, toUInt64(0) AS `late`, sum(`events`) AS `refused` FROM"
        f" ({refused_events(lane, '`topic` = %(topic)s')})"
    )
    sql = f"SELECT {newest} FROM ({pulses} UNION ALL {late} UNION ALL {refused})"
    return sql, {"topic": TOPIC_OF[kind], **span.params()}


def as_of_ms(books: Sequence[Row]) -> int | None:
    """The end of the newest second stored; None where nothing is."""
    newest = int(books[0]["newest_ms"]) if books else 0
    return newest + 1000 if newest else None


def total_row(kind: str, cut: Cut, time_name: str | None, row: Row) -> dict[str, Any]:
    """One row of the answer: its time and labels, then its measures."""
    made: dict[str, Any] = {}
    if time_name is not None:
        made[f"{time_name}_ms"] = int(row["t_ms"])
    made |= {dimension: str(row[f"k{n}"]) for n, dimension in enumerate(cut, 1)}
    made |= {name: int(row[name]) for name in MEASURES[kind]}
    for name in HISTOGRAMS[kind]:
        buckets = _buckets(row[name])
        prefix = name.removesuffix("_ms")
        made |= {f"{prefix}_{part}": quantile(buckets, q) for part, q in QUANTILES.items()}
        made[name] = buckets
    return made


def is_nothing(row: Row) -> bool:
    """The sum over no rows at all, which a query without groups still answers."""
    return not int(row["events"])


def series(
    metric: Metric, cut: Cut, steps_ms: Sequence[int], rows: Sequence[Row]
) -> list[dict[str, Any]]:
    """One list of points for each label; a step without rows is None, never 0."""
    places = {t_ms: place for place, t_ms in enumerate(steps_ms)}
    found: dict[tuple[str, ...], list[float | int | None]] = {}
    for row in rows:
        labels = tuple(str(row[f"k{n}"]) for n in range(1, len(cut) + 1))
        points = found.setdefault(labels, [None] * len(steps_ms))
        points[places[int(row["t_ms"])]] = metric.value(row)
    return [
        {**dict(zip(cut, labels, strict=True)), "points": points}
        for labels, points in sorted(found.items())
    ]


def _pulses(table: str, measures: Sequence[str], span: Span) -> str:
    pulse = "`log`, `topic`, `partition`, `second_ms`"
    newest = (
        f"SELECT {pulse}, max(`version`) FROM {table}"
        f" WHERE `cut` = ''{span.where()} GROUP BY {pulse}"
    )
    return (
        f"SELECT `second_ms` AS `at_ms`, `k1`, `k2`, {_any(measures)} FROM {table}"
        f" WHERE `cut` = %(cut)s{span.where()} AND ({pulse}, `version`) IN ({newest})"
        f" GROUP BY {pulse}, `version`, `k1`, `k2`"
    )


def _late(table: str, measures: Sequence[str], span: Span) -> str:
    columns = "any(`second_ms`) AS `at_ms`, any(`k1`) AS `l1`, any(`k2`) AS `l2`"
    inner = (
        f"SELECT {columns}, {_any(measures)} FROM {table}"
        f" WHERE `cut` = %(cut)s{span.where()}"
        " GROUP BY `log`, `topic`, `partition`, `offset`, `idx`"
    )
    names = ", ".join(f"`m_{name}`" for name in measures)
    return f"SELECT `at_ms`, `l1` AS `k1`, `l2` AS `k2`, {names} FROM ({inner})"


def _sum(kind: str, name: str) -> str:
    """Events never add up to more than 63 bits; what they weigh may."""
    column = f"`m_{name}`"
    if name in HISTOGRAMS[kind]:
        return wide_sums(column)
    return wide_sum(column) if name in WEIGHED[kind] else f"sum({column})"


def _any(measures: Sequence[str]) -> str:
    """Any of the duplicates: they are the same."""
    return ", ".join(f"any(`{name}`) AS `m_{name}`" for name in measures)


def _buckets(counts: Sequence[int]) -> list[int]:
    """Bucket counts in full length: an event without a latency brings none."""
    found = [int(count) for count in counts]
    return found + [0] * (BUCKETS - len(found))
