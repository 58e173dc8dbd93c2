"""Capacity search: the highest rate that a system holds. Pure: asked for a rate, told whether it
held.

Doubling brackets the limit, halving the bracket (geometrically) finds it. A step holds when nothing
was missed or lost, what waits in the log does not grow, and what viewers see stays fresh.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Final

from fenghuo.loadtest.verdict.result import Knee, Sample

STEPS_MAX: Final = 14
CLOSE: Final = 1.08
"""Found when the lowest rate that failed is at most so many times the highest that held."""
FRESH_P99_MS_MAX: Final = 1_000
LAG_S_MAX: Final = 1.0
"""More than this much of the offered rate waiting at the end is a lag that grew."""


class Search:
    """A bracket around the limit that closes step by step."""

    def __init__(self, first_rate: int, rate_max: int) -> None:
        self.held = 0
        """The highest rate that held so far; 0: none."""
        self.failed: int | None = None
        self.steps = 0
        self._next: int | None = min(first_rate, rate_max)
        self._rate_max = rate_max

    @property
    def next_rate(self) -> int | None:
        """What to try next; None when the limit is known closely enough, or too many steps were
        taken.
        """
        return self._next

    def told(self, *, held: bool) -> None:
        """Whether the rate that was asked for was held."""
        rate = self._next
        if rate is None:
            return
        self.steps += 1
        if held:
            self.held = max(self.held, rate)
        else:
            self.failed = rate if self.failed is None else min(self.failed, rate)
        self._next = self._following()

    def _following(self) -> int | None:
        if self.steps >= STEPS_MAX or self.held >= self._rate_max:
            return None
        if self.failed is None:
            return min(self.held * 2, self._rate_max)
        if not self.held:
            return self.failed // 2 or None
        if self.failed <= self.held * CLOSE:
            return None
        return isqrt(self.held * self.failed)


def growing(samples: Sequence[Sample], rate_per_s: int) -> str:
    """Why the lag of a step is not bounded; empty when it is. The last third is looked at: a start
    may stumble.
    """
    lags = [sample.lag for sample in samples if sample.lag is not None]
    late = lags[len(lags) * 2 // 3 :]
    if not late:
        return "nobody could tell the lag"
    most = round(rate_per_s * LAG_S_MAX)
    if min(late) > most:
        return f"at least {min(late)} events waited in the log, more than {LAG_S_MAX:.0f} s of them"
    return ""


def step(
    rate_per_s: int,
    *,
    sent_per_s: float,
    reasons: Sequence[str],
    samples: Sequence[Sample],
    fresh_p99_ms: float | None,
) -> Knee:
    """One step told: held or not, and why not. reasons: what the verdict found wrong."""
    lags = [sample.lag for sample in samples if sample.lag is not None]
    stale = ""
    if fresh_p99_ms is None:
        stale = "no viewer was shown anything"
    elif fresh_p99_ms > FRESH_P99_MS_MAX:
        stale = f"p99 of event to page was {fresh_p99_ms:.0f} ms, over {FRESH_P99_MS_MAX}"
    why = [*reasons, *filter(None, (growing(samples, rate_per_s), stale))]
    return Knee(
        rate_per_s=rate_per_s,
        held=not why,
        sent_per_s=sent_per_s,
        lag_max=max(lags, default=None),
        fresh_p99_ms=fresh_p99_ms,
        why="; ".join(why),
    )
