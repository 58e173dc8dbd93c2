"""The score of the Numenta Anomaly Benchmark, for detections and for a sweep of thresholds. Pure.

As published: A. Lavin and S. Ahmad, "Evaluating Real-time Anomaly Detection Algorithms - the
Numenta Anomaly Benchmark", ICMLA 2015; where the paper leaves a choice, as the benchmark's v1.0
counts places in rows:

- rows of the learning time are not scored (scoring.learning);
- s(y) = 2 / (1 + exp(5 y)) - 1 weighs a place y, -1 at the left edge of a window, -1/width in its
  last row; behind a window y is the distance from its last row over width - 1; from y = 3 on, and
  before the first window, s is -1;
- a window counts once, for its best (that is its earliest) detection: s(y) / s(-1) times the weight
  of a true positive; a window without one costs the weight of a false negative;
- each detection outside all windows costs -s(y) times the weight of a false positive;
- 100 (raw - null) / (perfect - null): null detects nothing; perfect each window in its first row.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import exp, isnan
from typing import Final, NamedTuple

from fenghuo.alerts.backtest.spans import Span, learning

STEEPNESS: Final = 5.0
FAR: Final = 3.0
OUTSIDE: Final = -1


@dataclass(frozen=True, slots=True)
class Costs:
    """What a detection in a window, one outside, and a window missed weigh. The standard profile.

    Rows without a detection outside the windows (true negatives) weigh nothing in any profile.
    """

    hit: float = 1.0
    false_alarm: float = 0.11
    miss: float = 1.0


class Scored(NamedTuple):
    """A series to be scored: the times of its rows, in order, and its windows."""

    times_ms: Sequence[int]
    windows: Sequence[Span]


class Place(NamedTuple):
    """A row: the number of its window in the series, or OUTSIDE, and its weight s(y)."""

    window: int
    weight: float


def score(detected: Iterable[tuple[Scored, Iterable[int]]], costs: Costs = Costs()) -> float | None:
    """The normalised score of detections, as row numbers of each series; None without a window."""
    raw, windows = 0.0, 0
    for series, rows in detected:
        places = _Places(series)
        raw += _raw([places.at(row) for row in set(rows) if row >= places.first], costs)
        windows += len(places.scored)
    return _normalised(raw - costs.miss * windows, windows, costs)


def best(
    graded: Iterable[tuple[Scored, Sequence[float]]], costs: Costs = Costs()
) -> tuple[float, float] | None:
    """The one threshold with the highest score over all series, when each row whose number is at
    least the threshold is a detection: (threshold, normalised score). NaN never is one.

    Infinity is the threshold that nothing reaches. None without a window.
    """
    rows: list[tuple[float, int, Place]] = []
    windows = 0
    for number, (series, values) in enumerate(graded):
        places = _Places(series)
        windows += len(places.scored)
        rows += [
            (values[row], number, places.at(row))
            for row in range(places.first, len(values))
            if not isnan(values[row])
        ]
    rows.sort(key=lambda row: -row[0])
    caught: dict[tuple[int, int], float] = {}
    raw = highest = -costs.miss * windows
    threshold = float("inf")
    for value, group in groupby(rows, key=lambda row: row[0]):
        for _, number, place in group:
            if place.window == OUTSIDE:
                raw += costs.false_alarm * place.weight
                continue
            gain = costs.hit * place.weight / TOP
            before = caught.get((number, place.window), -costs.miss)
            if gain > before:
                caught[number, place.window] = gain
                raw += gain - before
        if raw > highest:
            threshold, highest = value, raw
    found = _normalised(highest, windows, costs)
    return None if found is None else (threshold, found)


def weight(y: float) -> float:
    """s(y), between -1 and 1."""
    return -1.0 if y >= FAR else 2.0 / (1.0 + exp(STEEPNESS * y)) - 1.0


TOP: Final = weight(-1.0)


def _raw(places: Iterable[Place], costs: Costs) -> float:
    """What detections add to a detector that detects nothing."""
    caught: dict[int, float] = {}
    total = 0.0
    for place in places:
        if place.window == OUTSIDE:
            total += costs.false_alarm * place.weight
        else:
            caught[place.window] = max(caught.get(place.window, 0.0), place.weight)
    return total + sum(costs.hit * top / TOP + costs.miss for top in caught.values())


def _normalised(raw: float, windows: int, costs: Costs) -> float | None:
    if not windows:
        return None
    null, perfect = -costs.miss * windows, costs.hit * windows
    return 100.0 * (raw - null) / (perfect - null)


class _Places:
    """Where the rows of a series stand. scored: windows with a row after the learning time."""

    def __init__(self, series: Scored) -> None:
        times_ms = series.times_ms
        self.first = learning(len(times_ms))
        edges = [
            (bisect_left(times_ms, window.start_ms), bisect_left(times_ms, window.end_ms) - 1)
            for window in sorted(series.windows, key=lambda window: window.start_ms)
        ]
        self._edges = [(left, right) for left, right in edges if left <= right]
        self._lefts = [left for left, _ in self._edges]
        self.scored = [number for number, (_, r) in enumerate(self._edges) if r >= self.first]

    def at(self, row: int) -> Place:
        number = bisect_left(self._lefts, row + 1) - 1
        if number < 0:
            return Place(OUTSIDE, -1.0)
        left, right = self._edges[number]
        width = right - left + 1
        if row <= right:
            return Place(number, weight(-(right - row + 1) / width))
        return Place(OUTSIDE, weight((row - right) / max(width - 1, 1)))
