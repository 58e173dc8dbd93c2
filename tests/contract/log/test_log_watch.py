"""Where the source topics begin and end, as a real broker tells it: partitions that are new, what
was deleted, and what nobody may read yet.
"""

import asyncio
import time
from collections.abc import Callable

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from fenghuo.schemas.wire.topics import TOPIC_OF
from fenghuo.streams.watch.log_watch import LogWatch
from tests.parts.kafka import Kafka, kafka

pytestmark = [pytest.mark.real]
PATIENCE_S = 60


def test_the_watch_knows_new_partitions_deleted_records_and_open_transactions(
    need: Callable[[str], None],
) -> None:
    need("kafka")
    with kafka() as broker:
        asyncio.run(story(broker))


async def story(broker: Kafka) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    watch = LogWatch(broker.bootstrap)
    watch.start()
    made = admin.create_topics([NewTopic(topic, 2, 1) for topic in TOPIC_OF.values()])
    for one in made.values():
        one.result(30)
    await told(watch, {(topic, part): (0, 0) for topic in TOPIC_OF.values() for part in (0, 1)})

    admin.create_partitions([NewPartitions("orders", 4)])["orders"].result(30)
    send(broker, 3, 5)
    await told(watch, {("orders", 2): (0, 0), ("orders", 3): (0, 5)})

    admin.delete_records([TopicPartition("orders", 3, 2)])
    await told(watch, {("orders", 3): (2, 5)})

    client = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "open"})
    client.init_transactions(30)
    client.begin_transaction()
    client.produce("orders", b"x", partition=1)
    client.flush(30)
    send(broker, 0, 1)
    await told(watch, {("orders", 0): (0, 1), ("orders", 1): (0, 0)})
    client.commit_transaction(30)
    await told(watch, {("orders", 1): (0, 2)})  # the commit's own record

    broker.kill()
    await asyncio.sleep(1)
    broker.start()
    send(broker, 0, 1)
    await told(watch, {("orders", 0): (0, 2)})


def send(broker: Kafka, partition: int, many: int) -> None:
    client = Producer({"bootstrap.servers": broker.bootstrap})
    for _ in range(many):
        client.produce("orders", b"x", partition=partition)
    client.flush(30)


async def told(watch: LogWatch, wanted: dict[tuple[str, int], tuple[int, int]]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not wanted.items() <= dict(watch.bounds).items():
        assert time.monotonic() < deadline, watch.bounds
        await asyncio.sleep(0.1)
