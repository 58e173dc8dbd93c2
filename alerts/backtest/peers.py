"""Detectors to compare with, on the same rows: written from their descriptions, none of them
tuned here. Each gives a number for every sample; what reaches a threshold is a detection.
"""

from collections.abc import Sequence
from math import erfc, isnan, sqrt
from typing import Final

import numpy as np

from fenghuo.alerts.backtest.spans import Track, learning
from fenghuo.schemas.level import Level

GAUSSIAN_WINDOW: Final = 6_400
GAUSSIAN_STEP: Final = 150
DEVIATION_MIN: Final = 1e-6


def windowed_gaussian(values: Sequence[float]) -> list[float]:
    """One minus the tail probability of the value under the normal distribution of the window
    before it, which moves on by GAUSSIAN_STEP samples once it is full. NaN of no data.
    """
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    middle = float(np.median(known)) if len(known) else 0.0
    near = known - middle  # sums of squares of small numbers lose less
    sums = np.concatenate([[0.0], np.cumsum(near)])
    squares = np.concatenate([[0.0], np.cumsum(near * near)])
    found: list[float] = []
    at = 0
    for value in values:
        if isnan(value):
            found.append(value)
            continue
        low = max(at - GAUSSIAN_WINDOW, 0) // GAUSSIAN_STEP * GAUSSIAN_STEP
        high = min(at, low + GAUSSIAN_WINDOW)
        if high:
            count = high - low
            mean = (sums[high] - sums[low]) / count
            spread = max((squares[high] - squares[low]) / count - mean * mean, 0.0)
            deviation = sqrt(spread) or DEVIATION_MIN
            found.append(1.0 - 0.5 * erfc(abs(value - middle - mean) / deviation / sqrt(2)))
        else:
            found.append(0.0)
        at += 1
    return found


def above_percentile(values: Sequence[float]) -> list[float]:
    """By how many standard deviations of the learning time a value lies above that time's 99th
    percentile.
    """
    every = np.asarray(values, np.float64)
    first = every[: learning(len(every))]
    first = first[~np.isnan(first)]
    if not len(first):
        return [float("nan")] * len(every)
    spread = float(first.std()) or DEVIATION_MIN
    margin: list[float] = ((every - np.percentile(first, 99)) / spread).tolist()
    return margin


def track_of(times_ms: Sequence[int], scores: Sequence[float], end_ms: int) -> Track:
    """A warning that is red while the score is above 0 and green else, without holds."""
    moves: list[tuple[int, int | None]] = []
    for at_ms, score in zip(times_ms, scores, strict=True):
        to = int(Level.RED) if score > 0 else 0
        if not moves or moves[-1][1] != to:
            moves.append((at_ms, to))
    return Track(times_ms[0] if times_ms else 0, end_ms, tuple(moves))
