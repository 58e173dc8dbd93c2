"""The plain calls of streams/transport/kafka.py say the same on both brokers, but for a few.

Known differences: Tansu makes a topic by being asked for it, with four partitions. Apache Kafka
keeps `message.timestamp.type=LogAppendTime`, so the time of a record is the broker's, whatever its
producer says; Tansu takes the setting and keeps the producer's time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import aiokafka
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from kafka import TopicPartition

from fenghuo.schemas.log import reading
from fenghuo.schemas.wire import topics
from fenghuo.streams.transport import kafka
from tests.contract.conftest import Broker
from tests.parts.kafka import kafka as kafka_broker
from tests.parts.process import free_port
from tests.parts.tansu import tansu

pytestmark = pytest.mark.real

T = TypeVar("T")


def run(work: Awaitable[T], seconds: float = 30) -> T:
    """In a loop of its own, and never for ever."""

    async def bounded() -> T:
        return await asyncio.wait_for(work, seconds)

    return asyncio.run(bounded())


@pytest.fixture
def topic(broker: Broker, request: pytest.FixtureRequest) -> str:
    """An empty topic of three partitions."""
    name = "calls-" + "".join(c if c.isalnum() else "-" for c in request.node.name)
    broker.make_topics({name: 3})
    return name


@pytest.fixture(params=["tansu", "kafka"])
def empty(request: pytest.FixtureRequest, need: Callable[[str], None]) -> Iterator[Broker]:
    """A broker that nobody has made a topic on."""
    need(request.param)
    with tansu() if request.param == "tansu" else kafka_broker() as part:
        yield Broker(request.param, part)


def test_prepare_makes_every_topic_once(empty: Broker) -> None:
    broker = empty
    settings = broker.settings(partitions=3)
    first = run(kafka.prepare(settings))
    plan = topics.plan(3)
    found = run(kafka.partitions_of(broker.bootstrap, plan))

    assert first
    assert found == {name: count for name, (count, _) in plan.items()}
    # more partitions later: what is there stays as it is, and the log keeps its name
    assert run(kafka.prepare(broker.settings(partitions=5))) == first
    assert run(kafka.partitions_of(broker.bootstrap, plan)) == found


def test_workers_that_prepare_at_once_agree(broker: Broker) -> None:
    async def together() -> list[str]:
        return await asyncio.gather(*(kafka.prepare(broker.settings()) for _ in range(4)))

    assert len(set(run(together()))) == 1


def test_topics_have_the_settings_of_the_plan(broker: Broker) -> None:
    if broker.make == "tansu":
        pytest.skip("Tansu does not tell all settings of a topic")
    run(kafka.prepare(broker.settings()))

    async def configs(client: AIOKafkaAdminClient, name: str) -> dict[str, str]:
        asked = ConfigResource(ConfigResourceType.TOPIC, name)
        (answer,) = await client.describe_configs([asked])
        return {entry[0]: entry[1] for entry in answer.resources[0][4]}

    async def look() -> dict[str, dict[str, str]]:
        client = await kafka.admin(broker.bootstrap)
        try:
            return {name: await configs(client, name) for name in topics.plan(1)}
        finally:
            await client.close()

    found = run(look())
    for name, (_, config) in topics.plan(1).items():
        assert {key: found[name][key] for key in config} == config


def test_no_broker_says_where_it_was_looked_for() -> None:
    port = free_port()
    with pytest.raises(reading.KafkaDown, match=f"no broker at 127.0.0.1:{port} within 0 s"):
        run(kafka.admin(f"127.0.0.1:{port}", wait_s=0.3))


def test_partitions_of_leaves_out_what_is_missing(broker: Broker, topic: str) -> None:
    missing = f"missing-{broker.make}"
    found = run(kafka.partitions_of(broker.bootstrap, [topic, missing]))

    # Tansu makes what it is asked for: parts call `prepare` before anything else
    assert found == ({topic: 3, missing: 4} if broker.make == "tansu" else {topic: 3})


def test_bounds_follow_the_log(broker: Broker, topic: str) -> None:
    parts = [(topic, partition) for partition in range(3)]
    assert run(reading.bounds(broker.bootstrap, parts)) == dict.fromkeys(parts, (0, 0))

    broker.send(topic, 1, [b"a", b"b"])
    broker.send(topic, 2, [b"c"])
    found = run(reading.bounds(broker.bootstrap, parts))
    assert found == {(topic, 0): (0, 0), (topic, 1): (0, 2), (topic, 2): (0, 1)}
    assert run(reading.bounds(broker.bootstrap, [])) == {}


def test_bounds_begin_where_records_were_deleted(broker: Broker, topic: str) -> None:
    if broker.make == "tansu":
        pytest.skip("Tansu keeps its log in memory and deletes nothing")
    broker.send(topic, 0, [b"a", b"b", b"c"])

    async def delete() -> None:
        from aiokafka.admin import RecordsToDelete

        client = await kafka.admin(broker.bootstrap)
        try:
            await client.delete_records({TopicPartition(topic, 0): RecordsToDelete(2)})
        finally:
            await client.close()

    run(delete())
    assert run(reading.bounds(broker.bootstrap, [(topic, 0)])) == {(topic, 0): (2, 3)}
    assert [r.value for r in run(reading.read_all(broker.bootstrap, topic))] == [b"c"]


def test_read_all_reads_all_and_ends(broker: Broker, topic: str) -> None:
    assert run(reading.read_all(broker.bootstrap, topic)) == []
    assert run(reading.read_all(broker.bootstrap, topic, last=3)) == []

    large = b"x" * (3 << 20)
    values = [b"first", b"", large, *(str(n).encode() for n in range(1_000)), large, b"last"]
    broker.send(topic, 0, values)
    found = run(reading.read_all(broker.bootstrap, topic))
    assert [record.offset for record in found] == list(range(len(values)))
    assert [record.value for record in found] == values
    for last in (1, 2, len(values), 10_000):
        some = run(reading.read_all(broker.bootstrap, topic, last=last))
        assert [record.value for record in some] == values[-last:]


def test_read_all_ends_behind_the_mark_of_a_transaction(broker: Broker, topic: str) -> None:
    if broker.make == "tansu":
        pytest.skip("fenghuo sends no transactions; Apache Kafka has them all the same")
    producer = broker.producer(transactional_id=topic)
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(topic, b"one", partition=0)
    producer.commit_transaction()
    producer.close(10)

    assert [record.value for record in run(reading.read_all(broker.bootstrap, topic))] == [b"one"]
    assert run(reading.read_all(broker.bootstrap, topic, last=1)) == []


def test_committed_tells_what_a_group_committed(broker: Broker, topic: str) -> None:
    group = f"group-{topic}"
    parts = [(topic, partition) for partition in range(3)]
    broker.send(topic, 0, [b"a", b"b", b"c"])
    assert run(kafka.committed(broker.bootstrap, group, parts)) == {}

    async def commit(offsets: dict[int, int]) -> None:
        reader = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=broker.bootstrap, group_id=group, enable_auto_commit=False
        )
        await reader.start()
        try:
            wanted = {aiokafka.TopicPartition(topic, p): offset for p, offset in offsets.items()}
            reader.assign(list(wanted))
            await reader.commit(wanted)
        finally:
            await reader.stop()

    run(commit({0: 2, 1: 0}))
    assert run(kafka.committed(broker.bootstrap, group, parts)) == {parts[0]: 2, parts[1]: 0}
    run(commit({0: 3}))
    assert run(kafka.committed(broker.bootstrap, group, parts))[parts[0]] == 3
    assert run(kafka.committed(broker.bootstrap, "another", parts)) == {}


def test_time_of_a_record(broker: Broker) -> None:
    """LogAppendTime: on Apache Kafka the broker's, on Tansu (known difference) the producer's."""
    from aiokafka.admin import NewTopic

    name = f"times-{broker.make}"
    config = topics.plan(1)[topics.TOPIC_OF["order"]][1]

    async def make() -> None:
        client = await kafka.admin(broker.bootstrap)
        try:
            await client.create_topics([NewTopic(name, 1, 1, topic_configs=config)])
        finally:
            await client.close()

    run(make())
    before_ms = time.time_ns() // 1_000_000
    producer = broker.producer()
    try:
        producer.send(name, b"x", partition=0, timestamp_ms=4_102_444_800_000).get(30)
    finally:
        producer.close(10)
    after_ms = time.time_ns() // 1_000_000
    (record,) = run(reading.read_all(broker.bootstrap, name))

    if broker.make == "kafka":
        assert before_ms <= record.timestamp <= after_ms
    else:
        assert record.timestamp == 4_102_444_800_000


def test_calls_close_what_they_open(broker: Broker, topic: str) -> None:
    """Nothing is left running in the loop: a part makes these calls at every assignment."""
    work: list[Callable[[], Awaitable[object]]] = [
        lambda: reading.bounds(broker.bootstrap, [(topic, 0)]),
        lambda: reading.read_all(broker.bootstrap, topic),
        lambda: kafka.committed(broker.bootstrap, "g", [(topic, 0)]),
        lambda: kafka.partitions_of(broker.bootstrap, [topic]),
        lambda: kafka.prepare(broker.settings()),
    ]

    async def look() -> list[str]:
        before = asyncio.all_tasks()
        for begin in work:
            await begin()
        await asyncio.sleep(0.05)
        return [repr(task) for task in asyncio.all_tasks() - before]

    assert run(look()) == []
