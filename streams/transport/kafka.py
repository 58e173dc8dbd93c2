"""Plain Kafka calls beside Faust: making topics, what the broker knows of topics and groups."""

import asyncio
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.structs import TopicPartition
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from fenghuo.schemas.campaign.campaign import CampaignError, load
from fenghuo.schemas.lane import Lane, named
from fenghuo.schemas.log import reading
from fenghuo.schemas.log.reading import KafkaDown
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import topics

LOG = logging.getLogger("fenghuo.kafka")
KNOWN_TRIES = 100
"""Of a tenth of a second each."""
REACH_S = 60.0
"""How long a starting part waits for the broker."""
SAY_S = 1.0
"""A broker that is away for longer is spoken of."""


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
            unmade = set()
            for name, code, *rest in answer.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    if name == topics.of(topics.CLOCK, settings.lane):
                        LOG.warning(
                            "topic %s could not be made: the broker's clock is unknown", name
                        )
                        unmade.add(name)
                        continue
                    why = f"{for_code(code).__name__} {rest}"
                    raise KafkaDown(f"cannot make topic {name} at {settings.kafka}: {why}")
            await known(client, missing - unmade)
        cluster = await client.describe_cluster()
        return str(cluster.get("cluster_id") or "log")
    finally:
        await client.close()


async def known(client: AIOKafkaAdminClient, names: Iterable[str]) -> None:
    """Wait until the broker that is asked knows topics that were just made: Apache Kafka answers as
    soon as its controller has decided, a moment before its brokers have heard of it.
    """
    waiting = set(names)
    for _ in range(KNOWN_TRIES):
        found = await client.describe_topics(sorted(waiting)) if waiting else []
        waiting -= {topic["topic"] for topic in found if not topic["error_code"]}
        if not waiting:
            return
        await asyncio.sleep(0.1)
    LOG.warning("topics were made and are not known yet: %s", ", ".join(sorted(waiting)))


def _lasts_ms(settings: Settings) -> int:
    """How long the campaign lasts."""
    try:
        found = load(settings.campaign)
    except (CampaignError, OSError, ValueError) as error:
        raise KafkaDown(f"cannot make topics for a campaign that cannot be read: {error}") from None
    return found.end_ms - found.start_ms


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
    async with reading.reader(bootstrap, group_id=group) as consumer:
        wanted = [TopicPartition(topic, partition) for topic, partition in parts]
        consumer.assign(wanted)
        found = {(tp.topic, tp.partition): await consumer.committed(tp) for tp in wanted}
        return {part: offset for part, offset in found.items() if offset is not None}
