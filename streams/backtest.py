"""judge_series(): one rule over one series of values, as the live judge would have judged it.

Each sample is expected, decided, advanced and only then learned, so nothing of it is known before
it is judged. Time is the sample's; between two samples nothing happens.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isnan, nan
from typing import Protocol

from fenghuo.alerts.machine import advance
from fenghuo.alerts.rules import Reading, decide
from fenghuo.alerts.scoring import Track
from fenghuo.schemas.campaign_parts import Adaptive, Rule
from fenghuo.schemas.warning import State

SCOPE = "total"


class Expects(Protocol):
    """A baseline: what it expects at a moment, from what it was told before."""

    def expect(self, at_ms: int) -> tuple[float, float] | None:
        """Expected value and usual deviation; None: too little is known yet."""

    def learn(self, at_ms: int, value: float | None) -> None:
        """Take in a sample; None: there was no data."""


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """What a rule made of a series. Of each sample: what was expected, and the score; NaN where
    there was none.
    """

    track: Track
    expected: Sequence[float]
    scores: Sequence[float]


def judge_series(
    rule: Rule, baseline: Expects | None, times_ms: Sequence[int], values: Sequence[float]
) -> SeriesResult:
    """The rule over samples in order of time; a value of NaN is no data. Without a baseline the
    value itself is graded, and is the score.
    """
    state = State()
    moves: list[tuple[int, int | None]] = []
    expected, scores = array("d"), array("d")
    for at_ms, value in zip(times_ms, values, strict=True):
        sample = None if isnan(value) else value
        known = baseline.expect(at_ms) if baseline else None
        if known is None:
            reading = Reading(sample, 1)
            expected.append(nan)
            scores.append(nan if rule.adaptive else value)
        else:
            reading = Reading(sample, 1, *known)
            expected.append(known[0])
            scores.append(score_of(rule.adaptive or Adaptive(), value, *known))
        outcome = decide(rule, reading, state.level)
        state, moved = advance(rule, state, outcome, at_ms, scope=SCOPE)
        if moved is not None:
            moves.append((moved.at_ms, moved.to_level))
        if baseline:
            baseline.learn(at_ms, sample)
    begin_ms = times_ms[0] if times_ms else 0
    end_ms = times_ms[-1] + step_of(times_ms) if times_ms else 0
    return SeriesResult(Track(begin_ms, end_ms, tuple(moves)), expected, scores)


def step_of(times_ms: Sequence[int]) -> int:
    """The usual distance of two samples (ms), at least 1; a minute when there is only one."""
    gaps = sorted(b - a for a, b in pairwise(times_ms) if b > a)
    return max(gaps[len(gaps) // 2], 1) if gaps else 60_000


def score_of(adaptive: Adaptive, value: float, expected: float, deviation: float) -> float:
    """How many deviations a value lies off what is expected, to the side that counts; never
    negative, NaN of NaN.
    """
    off = value - expected
    match adaptive.side:
        case "above":
            off = max(off, 0.0)
        case "below":
            off = max(-off, 0.0)
        case _:
            off = abs(off)
    usual = max(deviation, adaptive.floor, adaptive.floor_share * abs(expected))
    if usual > 0:
        return off / usual
    return inf if off > 0 else off
