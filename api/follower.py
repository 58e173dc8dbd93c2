"""Follower: reads a topic of one partition for ever, without a group: every replica reads all of
it. Broker away: tries again for ever.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from fenghuo.schemas.topics import MESSAGE_BYTES_MAX

LOG = logging.getLogger(__name__)
POLL_MS = 500
CLOSE_S = 1.0
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0)


class Follower(ABC):
    """What a subclass takes are the records of a topic, in order."""

    last: int | None = None
    """How many of the newest records are read at the start; None: all there are."""
    quiet_s: float | None = None
    """When nothing came for this long, the connection is made anew; None: silence is normal."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._batches = 0

    @abstractmethod
    def take(self, records: Sequence[Any]) -> None:
        """The next records. Must not raise for what is in them."""

    async def follow(self) -> None:
        """Follow the topic; ends only by being cancelled."""
        failures = 0
        while True:
            before = self._batches
            try:
                await self._follow()
            except (Exception, asyncio.CancelledError) as error:
                if _is_told_to_stop():
                    raise
                # Whatever the broker does, the page goes on.
                failures = 0 if self._batches > before else failures
                wait_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
                failures += 1
                where = f"topic {self._topic} at {self._bootstrap}"
                LOG.warning("%s: %s; again in %s s", where, error, wait_s)
                await asyncio.sleep(wait_s)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MESSAGE_BYTES_MAX,
            request_timeout_ms=10_000,
            fetch_max_wait_ms=100,  # Tansu answers after half of it, whatever comes meanwhile
        )
        try:
            await consumer.start()
            await self._seek(consumer)
            await self._pump(consumer)
        finally:
            # A broker that is away must not hold up a stop.
            closing = asyncio.gather(consumer.stop(), return_exceptions=True)
            await asyncio.wait({closing}, timeout=CLOSE_S)

    async def _seek(self, consumer: Any) -> None:
        topic = self._topic
        partition = TopicPartition(topic, 0)
        if topic not in await asyncio.wait_for(consumer.topics(), 10):
            raise LookupError(f"expected topic {topic}, found none: are the workers running?")
        consumer.assign([partition])
        begin = await asyncio.wait_for(consumer.beginning_offsets([partition]), 10)
        end = await asyncio.wait_for(consumer.end_offsets([partition]), 10)
        back = end[partition] if self.last is None else self.last
        consumer.seek(partition, max(begin[partition], end[partition] - back))

    async def _pump(self, consumer: Any) -> None:
        quiet_s = 0.0
        while self.quiet_s is None or quiet_s < self.quiet_s:
            batch = await consumer.getmany(timeout_ms=POLL_MS)
            records = [record for found in batch.values() for record in found]
            quiet_s = 0.0 if records else quiet_s + POLL_MS / 1000
            if records:
                self._batches += 1
                self.take(records)
        raise TimeoutError(f"nothing came for {self.quiet_s:.0f} s")


def _is_told_to_stop() -> bool:
    """The client also cancels its own tasks when a connection breaks: only our own stop counts."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
