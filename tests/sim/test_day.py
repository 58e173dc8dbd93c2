"""`make sim SEED=7`: a day of campaign with faults drawn from a seed. Three seeds when none is
given.
"""

import os

import pytest

from fenghuo.schemas.lane import REAL, SHADOW, Lane
from tests.sim.day import Day
from tests.sim.workers import decoded

GIVEN = os.environ.get("SEED")
SEEDS = [int(GIVEN)] if GIVEN else [2, 3, 4]
DAYS = [*((seed, REAL) for seed in SEEDS), (SEEDS[0], SHADOW)]
MUST_HAPPEN = (
    *("rebalance", "zombie", "fetch twice", "slow fetch", "half a backlog", "compaction"),
    *("gather dies", "judge stops", "archive stops", "store outage"),
)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("seed", "lane"), DAYS)
def test_a_day_with_everything_going_wrong_ends_with_the_right_sums(seed: int, lane: Lane) -> None:
    day = Day(seed, lane)
    try:
        day.run()
    finally:
        decoded.cache_clear()
        print(
            f"seed {seed}, {lane}: {day.ticks} ticks, {day.feed.events} events, {day.faults.counts}"
        )

    assert day.feed.events > 10_000
    if GIVEN is None:
        assert [what for what in MUST_HAPPEN if what not in day.faults.counts] == []
