"""Steps of totals and history begin where the campaign's clock says."""

import asyncio
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.api.history import query as history
from fenghuo.api.history.answers import Answers
from fenghuo.api.history.query import DAY_MS, Span, Steps
from fenghuo.api.history.stores import Stores
from fenghuo.api.view.latest import Latest
from fenghuo.schemas.kinds.measures import MEASURES
from fenghuo.schemas.store import port as store
from tests.api.boards import campaign
from tests.api.history.test_history import World, line_of, totals, write
from tests.api.wall_clock import begin_there


@pytest.fixture
def stores(store_url: str) -> Iterator[Stores]:
    made = Stores(lambda: store.connect(store_url), store_url, store_url)
    yield made
    made.close()


@given(
    st.integers(0, 4_102_444_800),
    st.sampled_from(sorted(history.TIME_STEPS_S)),
    st.integers(-720, 840),
)
def test_steps_begin_on_the_campaigns_clock(at_s: int, unit: str, offset: int) -> None:
    steps = Steps(history.TIME_STEPS_S[unit] * 1000, offset)

    assert steps.begin(at_s * 1000) == begin_there(at_s * 1000, unit, offset)


MIDNIGHT = 1_794_153_600_000  # Monday 2026-11-09 00:00 in Shanghai, 16:00 of Sunday in UTC


@pytest.mark.parametrize(
    ("offset", "second_ms", "begins_ms"),
    [
        (480, MIDNIGHT - 1000, {"day": MIDNIGHT - DAY_MS, "week": MIDNIGHT - 7 * DAY_MS}),
        (480, MIDNIGHT, {"day": MIDNIGHT, "week": MIDNIGHT}),
        (480, MIDNIGHT + DAY_MS // 3, {"day": MIDNIGHT, "week": MIDNIGHT}),  # UTC's midnight
        (345, MIDNIGHT, {"hour": MIDNIGHT - 2_700_000, "day": MIDNIGHT - DAY_MS + 8_100_000}),
        (-720, MIDNIGHT, {"week": MIDNIGHT - 6 * DAY_MS - 4 * 3_600_000}),
    ],
)
def test_days_and_weeks_are_the_campaigns(
    offset: int, second_ms: int, begins_ms: Mapping[str, int], store_url: str, stores: Stores
) -> None:
    """Seen by totals and by history, from both engines."""
    row = dict.fromkeys(MEASURES["order"], 1) | {"paid_amount_fen": 300}
    place = {"log": "l", "topic": "orders", "partition": 0, "version": 1, "second_ms": second_ms}
    made = World(pulses=[{**place, "cut": "", "k1": "", "k2": "", **row}])
    write(store_url, "order", made, random.Random(1))
    ask = Answers(replace(campaign(), utc_offset_minutes=offset), stores, Latest(0))

    async def check() -> None:
        for unit, begin_ms in begins_ms.items():
            (found,) = (await totals(ask, "order", unit, Span()))["rows"]
            assert found[f"{unit}_ms"] == begin_ms == begin_there(second_ms, unit, offset)
            step_s = history.TIME_STEPS_S[unit]
            line = await line_of(ask, "order.paid_amount_fen", step_s, "", Span())
            assert line["series"][0]["points"][-1] == 300
            assert line["from_ms"] + (len(line["series"][0]["points"]) - 1) * step_s * 1000 == (
                begin_ms
            )

    asyncio.run(check())
