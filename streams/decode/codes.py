"""Codes: one small integer for all low-cardinality dimensions of an event.

Counting by one code is one `bincount`, whatever the number of cuts; what a cut shows is a sum over
the code table, done once a tick and not once an event. Label sets are bounded by the campaign: what
it does not name is `other`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.kinds.events import ALL
from fenghuo.schemas.kinds.kind import Cut
from fenghuo.schemas.kinds.measures import (
    BUCKETS,
    FIXED_LABELS,
    FLAGS,
    LATENCY_BOUNDS_MS,
    OTHER,
    UNCLASSIFIED,
    Series,
    cut_name,
)
from fenghuo.streams.decode.cut_sums import spread

RAW_KEYS_MAX = 100_000
"""Raw label combinations remembered; past it the memory is emptied and filled again."""
_Item = TypeVar("_Item", np.int64, np.bool_)
BUCKETS_BY_MS: Final[npt.NDArray[np.uint8]] = np.searchsorted(
    np.array(LATENCY_BOUNDS_MS), np.arange(LATENCY_BOUNDS_MS[-1] + 2), side="left"
).astype(np.uint8)
"""Latency bucket of each whole millisecond; the last entry is that of all above."""


def buckets_of(latency_ms: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Latency bucket of each value."""
    return BUCKETS_BY_MS.take(latency_ms, mode="clip")


class Coder:
    """Codes of one kind for one campaign's labels. A code, once given, never changes its meaning.

    A cell is a code with its latency bucket: `code * buckets + bucket` (buckets is 1 for kinds
    without latency).
    """

    def __init__(self, kind: str, labels: Mapping[str, Sequence[str]], cuts: Sequence[Cut]) -> None:
        self.kind = kind
        self.cuts = tuple(cuts)
        self.dimensions = tuple(dict.fromkeys(dim for cut in cuts for dim in cut))
        self.fields = self.dimensions + FLAGS[kind]
        """Event fields that make the raw key of `code`, in order."""
        self.buckets = BUCKETS if ALL[kind].histogram else 1
        self.series: list[Series] = []
        self._labels = {
            dim: frozenset(FIXED_LABELS.get(dim) or labels.get(dim, ())) for dim in self.dimensions
        }
        self._raw: dict[tuple[object, ...], int] = {}
        self._known: dict[tuple[object, ...], int] = {}
        self._series_ids: dict[Series, int] = {}
        self._table = _Table(len(self.cuts), len(ALL[kind].counters))
        self._weighed = np.array([counter.weighed for counter in ALL[kind].counters], np.bool_)

    def codes(self, keys: Sequence[tuple[object, ...]]) -> npt.NDArray[np.int64]:
        """The code of each raw key (values of `fields`)."""
        found = list(map(self._raw.get, keys))
        if None in found:
            found = [
                self.code(key) if code is None else code
                for key, code in zip(keys, found, strict=True)
            ]
        return np.array(found, np.int64)

    def code(self, key: tuple[object, ...]) -> int:
        """The code of one raw key."""
        code = self._raw.get(key)
        if code is None:
            if len(self._raw) >= RAW_KEYS_MAX:
                self._raw.clear()
            code = self._raw[key] = self._resolve(key)
        return code

    def unknown(self, codes: Ints, n: Ints) -> int:
        """How many labels the campaign does not name, in n events of each of these codes."""
        return int((self._table.unknown[codes] * n).sum())

    def regions(self, codes: Ints) -> tuple[Ints, tuple[str, ...]]:
        """Index of the region of each event, and the regions the indexes stand for."""
        names = (*sorted(self._labels.get("region", ())), OTHER)
        return self._table.region[codes], names

    def sold(self, codes: Ints) -> npt.NDArray[np.bool_]:
        """Which of these events are sales."""
        sales = ALL[self.kind].sales
        if sales is None:
            return np.zeros(len(codes), np.bool_)
        return self._counts(sales[0])[codes]

    def visitors(self) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """By code: index of the region, and whether it is a sale to a new user."""
        newcomers = ALL[self.kind].newcomers
        if not newcomers:
            return self._table.region, np.zeros(len(self._table.counted), np.bool_)
        return self._table.region, self._counts(newcomers)

    def spread(self, group: Ints, cell: Ints, n: Ints, x: Ints) -> tuple[Ints, Ints, Ints]:
        """Sums by group and series over every cut: (group, series, values[row, column]), in rising
        order of both.

        group: never falling; n: events; x: amount in fen (order) or weight (traffic).
        """
        return spread(
            (group, cell, n, x),
            self._table.series,
            self._table.counted,
            self._weighed,
            series=len(self.series),
            buckets=self.buckets,
        )

    def _counts(self, counter: str) -> npt.NDArray[np.bool_]:
        """By code: whether an event counts in this counter."""
        counted = self._table.counted[:, ALL[self.kind].measures.index(counter)]
        return np.ascontiguousarray(counted)

    def _resolve(self, key: tuple[object, ...]) -> int:
        """Bound the labels, then the code of what is left."""
        unknown = 0
        bounded: list[object] = []
        for dim, value in zip(self.dimensions, key, strict=False):
            label, missed = self._bound(dim, value)
            bounded.append(label)
            unknown += missed
        flags = key[len(self.dimensions) :]
        flagged = dict(zip(FLAGS[self.kind], flags, strict=True))
        counted = tuple(counter.when(flagged) for counter in ALL[self.kind].counters)
        full = (*bounded, counted, unknown)
        code = self._known.get(full)
        if code is None:
            code = self._known[full] = len(self._known)
            names = dict(zip(self.dimensions, map(str, bounded), strict=True))
            series = tuple(self._series(cut, names) for cut in self.cuts)
            region = (*sorted(self._labels.get("region", ())), OTHER).index(
                names.get("region", OTHER)
            )
            self._table.set(code, series, counted, unknown=unknown, region=region)
        return code

    def _bound(self, dim: str, value: object) -> tuple[str, int]:
        label = "" if value is None else str(value)
        if label in self._labels[dim]:
            return label, 0
        if dim == "type" and not label:
            return UNCLASSIFIED, 0
        if value is None:
            return OTHER, 0  # an optional field that is absent is no unknown label
        return OTHER, int(label != OTHER)

    def _series(self, cut: Cut, names: Mapping[str, str]) -> int:
        k1, k2 = (*(names[dim] for dim in cut), "", "")[:2]
        series = (cut_name(cut), k1, k2)
        found = self._series_ids.get(series)
        if found is None:
            found = self._series_ids[series] = len(self.series)
            self.series.append(series)
        return found


class _Table:
    """What each code means, as arrays that grow by doubling."""

    def __init__(self, cuts: int, measures: int) -> None:
        self.series: Ints = np.zeros((64, cuts), np.int64)
        self.counted: npt.NDArray[np.bool_] = np.zeros((64, measures), np.bool_)
        self.unknown: Ints = np.zeros(64, np.int64)
        self.region: Ints = np.zeros(64, np.int64)

    def set(
        self,
        code: int,
        series: tuple[int, ...],
        counted: tuple[bool, ...],
        *,
        unknown: int,
        region: int,
    ) -> None:
        """Enter a code: its series by cut, measures it counts in, unknown labels, region."""
        if code >= len(self.unknown):
            self.series = _doubled(self.series)
            self.counted = _doubled(self.counted)
            self.unknown = _doubled(self.unknown)
            self.region = _doubled(self.region)
        self.series[code] = series
        self.counted[code] = counted
        self.unknown[code] = unknown
        self.region[code] = region


def _doubled(array: npt.NDArray[_Item]) -> npt.NDArray[_Item]:
    return np.concatenate((array, np.zeros_like(array)))
