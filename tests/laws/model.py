"""The definition of the counting in plain Python: event by event, with dicts. Slow, and easy to
believe.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fenghuo.schemas.kinds.bounds import SECOND_WEIGHT_MAX, TS_MIN_MS
from fenghuo.schemas.kinds.measures import BASE_CUTS, LATENCY_BOUNDS_MS
from tests.strategies import FUTURE_MS, LABELS, LATENESS_MS, Event, Record

Series = tuple[str, str, str]
Values = tuple[int, ...]
CUTS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    **BASE_CUTS,
    "order": (*BASE_CUTS["order"], ("promotion",)),
}
NEVER_MS = -(2**62)


@dataclass
class Counted:
    """What a log amounts to. on_time keeps every event that counts in a second, with its offset."""

    on_time: list[tuple[int, int, dict[Series, Values]]] = field(default_factory=list)
    late: dict[tuple[int, int, Series], tuple[int, Values]] = field(default_factory=dict)
    letters: dict[tuple[int, int], str] = field(default_factory=dict)
    by_region: dict[str, tuple[int, int]] = field(default_factory=dict)
    accepted: int = 0
    unknown_labels: int = 0
    unknown_fields: int = 0
    frontier_ms: int = NEVER_MS
    weights: dict[int, int] = field(default_factory=dict)
    """By second: fen of its orders, paid or not, or requests."""

    @property
    def pulses(self) -> dict[int, tuple[int, dict[Series, Values]]]:
        """Second -> (offset after its last event, series)."""
        made: dict[int, tuple[int, dict[Series, Values]]] = {}
        for second, offset, parts in self.on_time:
            sums = made[second][1] if second in made else {}
            made[second] = (offset + 1, _add(sums, parts))
        return made

    def at(self, second: int, version: int) -> dict[Series, Values]:
        """What a second looks like, read up to an offset."""
        sums: dict[Series, Values] = {}
        for of, offset, parts in self.on_time:
            if of == second and offset < version:
                _add(sums, parts)
        return sums


def count(
    kind: str,
    records: Sequence[Record],
    *,
    lateness_ms: int = LATENESS_MS,
    future_ms: int = FUTURE_MS,
    campaign: tuple[int, int] = (0, 2**60),
    labels: Mapping[str, Sequence[str]] = LABELS,
    weight_max: int = SECOND_WEIGHT_MAX,
) -> Counted:
    """A whole log, counted by the book."""
    made, replayed = Counted(), set[tuple[int, int]]()
    for record in records:
        made.unknown_fields += record.message.unknown_fields
        reasons = [
            one if isinstance(one, str) else _out_of_time(one["ts"], record.record_ms + future_ms)
            for one in record.message.outcomes
        ]
        if record.replay and "" in reasons:  # something of it could count: once is enough
            if record.replay in replayed:
                reasons = [reason or "already_replayed" for reason in reasons]
            replayed.add(record.replay)
        for idx, (outcome, reason) in enumerate(zip(record.message.outcomes, reasons, strict=True)):
            if reason:
                made.letters[record.offset, idx] = reason
            elif isinstance(outcome, dict):
                _count_event(
                    *(made, kind, outcome),
                    place=(record.offset, idx),
                    lateness_ms=lateness_ms,
                    campaign=campaign,
                    labels=labels,
                    weight_max=weight_max,
                )
    return made


def _out_of_time(ts: int, limit_ms: int) -> str:
    return "time_past" if ts < TS_MIN_MS else "time_future" if ts > limit_ms else ""


def _count_event(
    made: Counted,
    kind: str,
    event: Event,
    *,
    place: tuple[int, int],
    lateness_ms: int,
    campaign: tuple[int, int],
    labels: Mapping[str, Sequence[str]],
    weight_max: int,
) -> None:
    second = event["ts"] // 1000 * 1000
    parts = {series: values_of(kind, event) for series in series_of(kind, event, labels)}
    is_late = second + 1000 <= made.frontier_ms - lateness_ms
    made.frontier_ms = max(made.frontier_ms, event["ts"])
    if is_late:
        made.late |= {(*place, series): (second, values) for series, values in parts.items()}
    else:
        weight = made.weights.get(second, 0) + weight_of(kind, event)
        if weight > weight_max:
            made.letters[place] = "second_full"
            return
        made.weights[second] = weight
        made.on_time.append((second, place[0], parts))
        made.accepted += 1
    made.unknown_labels += unknown_labels(kind, event, labels)
    if kind == "order" and event["status"] == "paid" and campaign[0] <= event["ts"] < campaign[1]:
        region = bounded("region", event["region"], labels)
        before = made.by_region.get(region, (0, 0))
        made.by_region[region] = (before[0] + 1, before[1] + event["amount_fen"])


def bounded(dimension: str, value: object, labels: Mapping[str, Sequence[str]] = LABELS) -> str:
    """The label an event counts under."""
    known = ("1", "2", "3", "4", "5") if dimension == "severity" else labels.get(dimension, ())
    if value is not None and str(value) in known:
        return str(value)
    return "unclassified" if dimension == "type" and not value else "other"


def unknown_labels(kind: str, event: Event, labels: Mapping[str, Sequence[str]] = LABELS) -> int:
    """How many labels of an event the campaign does not name."""
    named = {dimension: event.get(dimension) for cut in CUTS[kind] for dimension in cut}
    return sum(
        value not in (None, "other") and bounded(dimension, value, labels) == "other"
        for dimension, value in named.items()
    )


def series_of(
    kind: str, event: Event, labels: Mapping[str, Sequence[str]] = LABELS
) -> list[Series]:
    """The series an event counts in: one of each cut."""
    found = []
    for cut in CUTS[kind]:
        k1, k2 = (*(bounded(dimension, event.get(dimension), labels) for dimension in cut), "", "")[
            :2
        ]
        found.append((",".join(cut), k1, k2))
    return found


def weight_of(kind: str, event: Event) -> int:
    """What an event adds to the weight of its second."""
    if kind == "order":
        return int(event["amount_fen"])
    return (event.get("count") or 1) if kind == "traffic" else 0


def values_of(kind: str, event: Event) -> Values:
    """What one event adds to each of its series."""
    if kind == "complaint":
        return (1, 1)
    if kind == "order":
        status = event["status"]
        paid = int(status == "paid")
        flags = [int(status == word) for word in ("failed", "cancelled", "refunded")]
        flags += [int(bool(event.get(name))) for name in ("new_user", "repeat")]
        bought = [paid * flag for flag in flags[-2:]]
        return (1, paid, paid * event["amount_fen"], *flags, *bought)
    weight = event.get("count") or 1
    buckets = [0] * (len(LATENCY_BOUNDS_MS) + 1)
    buckets[bisect_left(LATENCY_BOUNDS_MS, event["latency_ms"])] = weight
    return (1, weight, weight if event["status"] >= 500 else 0, *buckets)


def total(parts: Iterable[Mapping[Series, Values]]) -> dict[Series, Values]:
    """The sum of several, series by series."""
    sums: dict[Series, Values] = {}
    for part in parts:
        _add(sums, part)
    return sums


def _add(sums: dict[Series, Values], parts: Mapping[Series, Values]) -> dict[Series, Values]:
    for series, values in parts.items():
        before = sums.get(series)
        sums[series] = (
            values if before is None else tuple(a + b for a, b in zip(before, values, strict=True))
        )
    return sums
