"""What can be counted, by event kind, and along which dimensions: the one home of these names.

Counters add up. Histograms are rows of bucket counts over LATENCY_BOUNDS_MS that add up too;
bucket `i` holds the values `bound[i-1] < v <= bound[i]`, the last one all above the last bound.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

from fenghuo.schemas.kinds.events import ALL
from fenghuo.schemas.kinds.kind import Cut
from fenghuo.schemas.metrics.exact import written

Series = tuple[str, str, str]
"""(cut, k1, k2): `("region,category", "east", "food")`; unused keys are empty."""

KINDS: tuple[str, ...] = tuple(ALL)
MEASURES: dict[str, tuple[str, ...]] = {name: kind.measures for name, kind in ALL.items()}
"""Counters add up: `events` counts events, the rest what they mean."""
HISTOGRAMS: Mapping[str, tuple[str, ...]] = {
    name: (kind.histogram,) if kind.histogram else () for name, kind in ALL.items()
}
WEIGHED: Mapping[str, frozenset[str]] = {name: kind.weighed for name, kind in ALL.items()}
DIMENSIONS: Mapping[str, tuple[str, ...]] = {name: kind.dimensions for name, kind in ALL.items()}
"""What a cut may use."""
FLAGS: Mapping[str, tuple[str, ...]] = {name: kind.flags for name, kind in ALL.items()}
"""Fields that decide which measures an event counts in; with the dimensions they make the code."""
FIXED_LABELS: Mapping[str, tuple[str, ...]] = {
    dimension: labels for kind in ALL.values() for dimension, labels in kind.fixed_labels.items()
}
"""Labels that are part of the event format, so no campaign may declare them."""
OTHER = "other"
UNCLASSIFIED = "unclassified"

BASE_CUTS: Mapping[str, tuple[Cut, ...]] = {name: kind.base_cuts for name, kind in ALL.items()}

LATENCY_BOUNDS_MS: tuple[int, ...] = (
    1,
    2,
    3,
    5,
    7,
    10,
    15,
    20,
    30,
    50,
    70,
    100,
    150,
    200,
    300,
    500,
    700,
    1000,
    1500,
    2000,
    3000,
    5000,
    7000,
    10000,
    15000,
    30000,
    60000,
    120000,
    300000,
    600000,
)
BUCKETS = len(LATENCY_BOUNDS_MS) + 1


class Measure(NamedTuple):
    """A measure of one kind, written `order.events`."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.name}"


def counters() -> tuple[str, ...]:
    """All counters in their written form: `order.events`, ..."""
    return tuple(f"{kind}.{name}" for kind in KINDS for name in MEASURES[kind])


def histograms() -> tuple[str, ...]:
    """All histograms in their written form: `traffic.latency_ms`."""
    return tuple(f"{kind}.{name}" for kind in KINDS for name in HISTOGRAMS[kind])


def columns(kind: str) -> tuple[str, ...]:
    """Value columns of a kind: its counters, then latency buckets where it has them."""
    buckets = (f"{name}_{i}" for name in HISTOGRAMS[kind] for i in range(BUCKETS))
    return (*MEASURES[kind], *buckets)


def cuts(kind: str, campaign_extra: Mapping[str, Sequence[Cut]]) -> tuple[Cut, ...]:
    """The cuts kept for a kind: the base ones, then those the campaign adds, each once."""
    return tuple(dict.fromkeys((*BASE_CUTS[kind], *campaign_extra.get(kind, ()))))


def cut_name(cut: Cut) -> str:
    """`()` -> "", `("region", "category")` -> "region,category": as in tables and the API."""
    return ",".join(cut)


def parse_cut(name: str) -> Cut:
    """The inverse of cut_name."""
    return tuple(name.split(",")) if name else ()


def scope_name(dimension: str, label: str) -> str:
    """`region`, `east` -> "region=east"; the total's scope is plainly "total"."""
    return f"{dimension}={label}"


def scope_names(scope: str, labels: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Every scope that a rule's word for scopes means: `region` those of each label,
    `region,category` those of each pair ("region=east,category=food"), any other the total.
    """
    dimensions = parse_cut(scope)
    if scope in ("total", "kind") or not dimensions:
        return ("total",)
    named = [[scope_name(one, label) for label in labels.get(one, ())] for one in dimensions]
    return tuple(",".join(names) for names in product(*named))


def scope_series(scope: str) -> Series:
    """The series of a scope: "total", "region=east" or "region=east,category=food"."""
    if scope == "total":
        return ("", "", "")
    pairs = [part.partition("=") for part in scope.split(",")]
    one, other = ([label for _, _, label in pairs] + [""])[:2]
    return (",".join(dimension for dimension, _, _ in pairs), one, other)


def bucket_of(value_ms: int) -> int:
    """Which bucket a value falls into."""
    return bisect_left(LATENCY_BOUNDS_MS, value_ms)


def quantile(bucket_counts: Sequence[int], q: float) -> float | None:
    """The q-quantile in ms, linear inside its bucket; None of nothing.

    In the overflow bucket the answer is the last bound: only "at least this" is certain.
    """
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"expected a quantile between 0 and 1, got {q}")
    if len(bucket_counts) != BUCKETS:
        raise ValueError(f"expected {BUCKETS} bucket counts, got {len(bucket_counts)}")
    counts = [int(count) for count in bucket_counts]
    if min(counts) < 0:
        raise ValueError(f"expected bucket counts of at least 0, got {min(counts)}")
    total = sum(counts)
    if total == 0:
        return None
    top, parts = written(q)
    rank = top * total  # counted in parts of an event, as all below
    below = 0
    used = [i for i, count in enumerate(counts) if count]
    for i in used[:-1]:
        if below + counts[i] * parts >= rank:
            return _inside(i, rank - below, counts[i] * parts)
        below += counts[i] * parts
    return _inside(used[-1], rank - below, counts[used[-1]] * parts)


def _inside(bucket: int, part: int, whole: int) -> float:
    if bucket == len(LATENCY_BOUNDS_MS):
        return float(LATENCY_BOUNDS_MS[-1])
    low = LATENCY_BOUNDS_MS[bucket - 1] if bucket else 0
    return (low * whole + (LATENCY_BOUNDS_MS[bucket] - low) * part) / whole  # rounded once
