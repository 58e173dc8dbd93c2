"""judge_series(): one rule over one series of values, as the live judge would have judged it.

Each sample is expected, decided, advanced and only then learned, so nothing of it is known before
it is judged. Time is the sample's; between two samples nothing happens.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan, nan
from typing import Protocol

from fenghuo.alerts.backtest.spans import Track
from fenghuo.alerts.judging.decide import Graded, Outcome, decide
from fenghuo.alerts.judging.machine import advance
from fenghuo.schemas.campaign.parts import Rule
from fenghuo.schemas.metrics.reading import Reading
from fenghuo.schemas.wire.warning import State

SCOPE = "total"


class Expects(Protocol):
    """A baseline: what it expects at a moment, from what it was told before."""

    def expect(self, at_ms: int) -> tuple[float, float] | None:
        """Expected value and usual deviation; None: too little is known yet."""

    def learn(self, at_ms: int, value: float | None) -> None:
        """Take in a sample; None: there was no data."""


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """What a rule made of a series. Of each sample: what was expected, and what was graded (of an
    adaptive rule the score, else the value); NaN where there was none.
    """

    track: Track
    expected: Sequence[float]
    scores: Sequence[float]


def judge_series(
    rule: Rule, baseline: Expects | None, times_ms: Sequence[int], values: Sequence[float]
) -> SeriesResult:
    """The rule over samples in order of time; a value of NaN is no data. A rule that is not
    adaptive needs no baseline.
    """
    state = State()
    moves: list[tuple[int, int | None]] = []
    expected, scores = array("d"), array("d")
    for at_ms, value in zip(times_ms, values, strict=True):
        sample = None if isnan(value) else value
        known = baseline.expect(at_ms) if baseline else None
        outcome = decide(rule, Reading(sample, 1, *(known or (None, None))), state.level)
        expected.append(known[0] if known else nan)
        scores.append(_graded(outcome))
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


def _graded(outcome: Outcome) -> float:
    """What was held against the ladder."""
    if not isinstance(outcome, Graded) or outcome.reading.value is None:
        return nan
    return outcome.reading.value if outcome.score is None else outcome.score
