"""`make sim SEED=7`: a day of campaign with faults drawn from a seed. Three seeds when none is
given.
"""

import os

import pytest

from tests.sim.day import Day
from tests.sim.workers import decoded

GIVEN = os.environ.get("SEED")
SEEDS = [int(GIVEN)] if GIVEN else [1, 2, 3]
MUST_HAPPEN = (
    *("rebalance", "zombie", "fetch twice", "slow fetch", "half a backlog", "compaction"),
    *("gather dies", "judge stops", "archive stops", "store outage"),
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_with_everything_going_wrong_ends_with_the_right_sums(seed: int) -> None:
    day = Day(seed)
    try:
        day.run()
    finally:
        decoded.cache_clear()
        print(f"seed {seed}: {day.ticks} ticks, {day.feed.events} events, {day.faults.counts}")

    assert day.feed.events > 10_000
    if GIVEN is None:
        assert [what for what in MUST_HAPPEN if what not in day.faults.counts] == []
