"""The clock of a part on a real broker: known as soon as the topic is there, and never made by who
asks.
"""

import asyncio
import time
from collections.abc import Callable

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from fenghuo.schemas.log import broker_clock
from fenghuo.schemas.log.broker_clock import ASK_S_MAX, BrokerClock
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import topics
from tests.parts.kafka import Kafka, kafka

pytestmark = [pytest.mark.real]
AHEAD_MS = 50_000
PATIENCE_S = 60


def test_a_part_that_starts_before_the_topic_is_there_goes_by_the_brokers_time_from_then_on(
    need: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    need("kafka")
    right = broker_clock.wall_ms
    monkeypatch.setattr(broker_clock, "wall_ms", lambda: right() + AHEAD_MS)
    with kafka() as broker:
        asyncio.run(story(broker, right))


async def story(broker: Kafka, right: Callable[[], int]) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    clock = BrokerClock("api", Settings(kafka=broker.bootstrap))
    begun_s = time.monotonic()
    await clock.start()
    assert time.monotonic() - begun_s < ASK_S_MAX + 1
    assert clock.skew_ms == 0, "nobody knows better"
    assert topics.CLOCK not in admin.list_topics(timeout=30).topics

    config = topics.plan(1)[topics.CLOCK][1]
    admin.create_topics([NewTopic(topics.CLOCK, 1, 1, config=config)])[topics.CLOCK].result(30)
    deadline = time.monotonic() + PATIENCE_S
    while abs(clock.skew_ms - AHEAD_MS) > 1_000:
        assert time.monotonic() < deadline, clock.skew_ms
        await asyncio.sleep(0.1)
    assert abs(clock.now_ms() - right()) <= 1_000
    await clock.stop()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
