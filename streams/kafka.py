"""Plain Kafka calls beside Faust: making topics, reading a short topic whole, offsets of partitions
and groups.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiokafka
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.structs import ConsumerRecord, TopicPartition
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from fenghuo.schemas import topics
from fenghuo.schemas.campaign import CampaignError, load
from fenghuo.schemas.lane import Lane, named
from fenghuo.schemas.settings import Settings

LOG = logging.getLogger("fenghuo.kafka")
REACH_S = 60.0
"""How long a starting part waits for the broker."""
SAY_S = 1.0
"""A broker that is away for longer is spoken of."""
ASKED_MAX = 50
"""Fetches, a tenth of a second each, to learn where partitions end."""


class Progress:
    """How much this process has read beside its group: who waits for that sees that it goes on."""

    records = 0


PROGRESS = Progress()


class KafkaDown(RuntimeError):
    """The broker could not be reached, or refused: says which and what to look at."""


def group(part: str, lane: Lane) -> str:
    """The consumer group of a part in a lane."""
    return "fenghuo-" + named(part, lane, "-")


async def admin(bootstrap: str, wait_s: float = REACH_S) -> AIOKafkaAdminClient:
    """A started admin client; waits for the broker to come, and says so."""
    loop = asyncio.get_running_loop()
    began_s, said = loop.time(), False
    while True:
        client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
        try:
            with _quiet():
                await client.start()
            return client
        except (KafkaError, OSError) as error:
            await client.close()
            waited_s = loop.time() - began_s
            if waited_s > wait_s:
                raise KafkaDown(
                    f"no broker at {bootstrap} within {wait_s:.0f} s:"
                    f" is it running, and is FENGHUO_KAFKA its address? ({error})"
                ) from None
            if waited_s > SAY_S and not said:
                said = True
                line = f"fenghuo: waits for a broker at {bootstrap}, {wait_s:.0f} s at most"
                print(line, file=sys.stderr, flush=True)
            await asyncio.sleep(0.1)


@contextmanager
def _quiet() -> Iterator[None]:
    """The client logs each try at each server; we say it once."""
    log = logging.getLogger("aiokafka")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


@asynccontextmanager
async def reader(bootstrap: str, **options: Any) -> AsyncIterator[aiokafka.AIOKafkaConsumer]:
    """A started consumer for assigned partitions, closed at the end."""
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        max_partition_fetch_bytes=8 << 20,
        enable_auto_commit=False,
        isolation_level="read_committed",  # what was taken back is no event
        **options,
    )
    try:
        await consumer.start()
    except (KafkaError, OSError) as error:
        await consumer.stop()
        raise KafkaDown(f"no broker answers at {bootstrap}: {error}") from error
    try:
        yield consumer
    finally:
        await asyncio.sleep(0)  # its tasks must have begun: stopping before that cancels the caller
        await consumer.stop()


async def prepare(settings: Settings) -> str:
    """Make the topics of a lane that are missing; the name of this life of the log (cluster id)."""
    client = await admin(settings.kafka)
    try:
        missing = set(topics.plan(1, settings.lane)) - set(await client.list_topics())
        if missing:
            plan = topics.plan(settings.partitions, settings.lane, _lasts_ms(settings))
            new = [
                NewTopic(name, plan[name][0], settings.replication, topic_configs=plan[name][1])
                for name in sorted(missing)
            ]
            answer = await client.create_topics(new)
            for name, code, *rest in answer.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    if name == topics.of(topics.CLOCK, settings.lane):
                        LOG.warning(
                            "topic %s could not be made: the broker's clock is unknown", name
                        )
                        continue
                    why = f"{for_code(code).__name__} {rest}"
                    raise KafkaDown(f"cannot make topic {name} at {settings.kafka}: {why}")
        cluster = await client.describe_cluster()
        return str(cluster.get("cluster_id") or "log")
    finally:
        await client.close()


def _lasts_ms(settings: Settings) -> int:
    """How long the campaign lasts."""
    try:
        found = load(settings.campaign)
    except (CampaignError, OSError, ValueError) as error:
        raise KafkaDown(f"cannot make topics for a campaign that cannot be read: {error}") from None
    return found.end_ms - found.start_ms


async def bounds(
    bootstrap: str, parts: Iterable[tuple[str, int]]
) -> Mapping[tuple[str, int], tuple[int, int]]:
    """(first, end) offset of each (topic, partition)."""
    async with reader(bootstrap) as consumer:
        wanted = [TopicPartition(topic, partition) for topic, partition in parts]
        found = await _bounds(consumer, wanted)
        return {(tp.topic, tp.partition): bound for tp, bound in found.items()}


async def _bounds(
    consumer: aiokafka.AIOKafkaConsumer, wanted: Sequence[TopicPartition]
) -> dict[TopicPartition, tuple[int, int]]:
    """First and end offsets; the end as fetches tell it, for Tansu's own answer stops inside the
    last batch.
    """
    first = await consumer.beginning_offsets(wanted)
    end = await consumer.end_offsets(wanted)
    filled = [tp for tp in wanted if end[tp] > first[tp]]
    consumer.assign(filled)
    for tp in filled:
        consumer.seek(tp, end[tp] - 1)
    for _ in range(ASKED_MAX):
        if all(readable_end(consumer, tp) is not None for tp in filled):
            break
        await consumer.getmany(timeout_ms=100)
    return {
        tp: (first[tp], max(end[tp], readable_end(consumer, tp) or 0) if tp in filled else end[tp])
        for tp in wanted
    }


def readable_end(consumer: Any, tp: Any) -> int | None:
    """The end of an assigned partition, see `before_open`; None until a fetch has told it."""
    return before_open(consumer.highwater(tp), consumer.last_stable_offset(tp))


def before_open(end: int | None, stable: int | None) -> int | None:
    """The end of a partition for who reads what is committed: before the first open transaction."""
    # Tansu tells no stable offset: it knows no transactions
    return end if end is None or stable is None or stable < 0 else min(end, stable)


async def read_all(bootstrap: str, topic: str, last: int | None = None) -> list[ConsumerRecord]:
    """Every record that a topic of one partition holds now, or only the `last` ones."""
    return [record async for record in read_each(bootstrap, topic, last)]


async def read_each(
    bootstrap: str, topic: str, last: int | None = None
) -> AsyncIterator[ConsumerRecord]:
    """The same, without holding them all."""
    tp = TopicPartition(topic, 0)
    async with reader(bootstrap) as consumer:
        first, end = (await _bounds(consumer, [tp]))[tp]
        if last is not None:
            first = max(first, end - last)
        consumer.assign([tp])
        consumer.seek(tp, first)
        while await consumer.position(tp) < end:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                PROGRESS.records += len(records)
                for record in records:
                    if record.offset < end:
                        yield record


async def partitions_of(bootstrap: str, names: Iterable[str]) -> dict[str, int]:
    """How many partitions each topic has; topics that do not exist are left out."""
    client = await admin(bootstrap)
    try:
        found = await client.describe_topics(list(names))
        return {
            topic["topic"]: len(topic["partitions"]) for topic in found if not topic["error_code"]
        }
    finally:
        await client.close()


async def lives(bootstrap: str, names: Iterable[str]) -> dict[str, str]:
    """The broker's id of each topic, which a topic that is made anew does not keep; "" where the
    broker has none.
    """

    def ask() -> dict[str, str]:
        client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        asked = client.describe_topics(TopicCollection(list(names)), request_timeout=10)
        ids = {name: future.result().topic_id for name, future in asked.items()}
        return {name: "" if _is_none(found) else str(found) for name, found in ids.items()}

    try:
        return await asyncio.to_thread(ask)
    except KafkaException as error:
        raise KafkaDown(f"cannot describe topics at {bootstrap}: {error}") from error


def _is_none(found: Any) -> bool:
    return not (found.get_most_significant_bits() or found.get_least_significant_bits())


async def committed(
    bootstrap: str, group: str, parts: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    """Offsets a group has committed for these partitions; those without one are left out."""
    # asked as a consumer: Tansu's answer to the admin call cannot be read
    async with reader(bootstrap, group_id=group) as consumer:
        wanted = [TopicPartition(topic, partition) for topic, partition in parts]
        consumer.assign(wanted)
        found = {(tp.topic, tp.partition): await consumer.committed(tp) for tp in wanted}
        return {part: offset for part, offset in found.items() if offset is not None}
