"""LogWatch: asks the broker every few seconds what partitions the source topics have, and where
each begins and ends. Costs three small requests a time, whatever is in the log.
"""

import asyncio
import logging

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from fenghuo.schemas.log.again import Well, again
from fenghuo.schemas.wire.topics import TOPIC_OF
from fenghuo.streams.judge.unread import Bounds

LOG = logging.getLogger("fenghuo.log_watch")
EVERY_S = 3.0
METADATA_MS = 5_000
"""How often new partitions are looked for."""
ANSWER_S = 20.0


class LogWatch:
    """What the broker last said: `bounds`, to the last event that may be read."""

    def __init__(self, bootstrap: str) -> None:
        self.bounds: Bounds = {}
        self._bootstrap = bootstrap
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on."""
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """Never ends: a broker that is away is waited for."""
        what = "where the source topics end is not known now"
        await again(self._look, what, LOG, pauses_s=(EVERY_S,))

    async def _look(self, well: Well) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            isolation_level="read_committed",  # what nobody may read yet is no lag
            metadata_max_age_ms=METADATA_MS,
        )
        try:
            await consumer.start()
            while True:
                self.bounds = await asyncio.wait_for(_bounds(consumer), ANSWER_S)
                well()
                await asyncio.sleep(EVERY_S)
        finally:
            await consumer.stop()


async def _bounds(consumer: AIOKafkaConsumer) -> Bounds:
    # the client keeps up with topics that it was asked about: partition 0 is there at all times
    wanted = [
        TopicPartition(topic, partition)
        for topic in TOPIC_OF.values()
        for partition in consumer.partitions_for_topic(topic) or {0}
    ]
    first = await consumer.beginning_offsets(wanted)
    end = await consumer.end_offsets(wanted)
    return {(part.topic, part.partition): (first[part], end[part]) for part in wanted}
