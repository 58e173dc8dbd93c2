"""What can be counted, by event kind, and along which dimensions: the one home of these names.

Counters add up. Histograms are rows of bucket counts over LATENCY_BOUNDS_MS that add up too;
bucket `i` holds the values `bound[i-1] < v <= bound[i]`, the last one all above the last bound.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

from fenghuo.schemas.metrics.exact import written

Cut = tuple[str, ...]
Series = tuple[str, str, str]
"""(cut, k1, k2): `("region,category", "east", "food")`; unused keys are empty."""

KINDS: tuple[str, ...] = ("order", "traffic", "complaint")

# counters: `events` counts messages' events, the rest what they mean
MEASURES: Mapping[str, tuple[str, ...]] = {
    "order": (
        "events",
        "paid",
        "paid_amount_fen",
        "failed",
        "cancelled",
        "refunded",
        "new_users",
        "repeat",
    ),
    "traffic": ("events", "requests", "errors"),
    "complaint": ("events", "complaints"),
}
HISTOGRAMS: Mapping[str, tuple[str, ...]] = {
    "order": (),
    "traffic": ("latency_ms",),
    "complaint": (),
}

# what adds up fen or weights, not events: its sums need more than 63 bits where events are many
WEIGHED: Mapping[str, frozenset[str]] = {
    "order": frozenset({"paid_amount_fen"}),
    "traffic": frozenset({"requests", "errors", "latency_ms"}),
    "complaint": frozenset(),
}

# dimensions that a cut may use; identities (users, merchants, orders) are unbounded, so absent
DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "order": (
        "region",
        "category",
        "channel",
        "payment",
        "promotion",
        "user_tier",
        "acquisition",
    ),
    "traffic": ("region", "system", "channel", "action"),
    "complaint": ("region", "category", "channel", "type", "severity"),
}
FLAGS: Mapping[str, tuple[str, ...]] = {
    "order": ("status", "new_user", "repeat"),
    "traffic": ("status",),
    "complaint": (),
}
"""Fields that decide which measures an event counts in; with the dimensions they make the code."""
# dimensions whose labels are part of the event format, so no campaign may declare them
FIXED_LABELS: Mapping[str, tuple[str, ...]] = {
    "acquisition": ("organic", "paid"),
    "severity": ("1", "2", "3", "4", "5"),
}
OTHER = "other"
UNCLASSIFIED = "unclassified"

BASE_CUTS: Mapping[str, tuple[Cut, ...]] = {
    "order": ((), ("region",), ("region", "category"), ("channel",), ("payment",)),
    "traffic": ((), ("region",), ("channel",), ("system",)),
    "complaint": ((), ("region",), ("region", "category"), ("type",), ("severity",)),
}

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
    buckets = tuple(f"latency_ms_{i}" for i in range(BUCKETS)) if kind == "traffic" else ()
    return MEASURES[kind] + buckets


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
