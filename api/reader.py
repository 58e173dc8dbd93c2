"""Reader: follows topic `status` of a lane into Latest, without a group, for ever."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from fenghuo.api.board import Latest
from fenghuo.schemas import status
from fenghuo.schemas.topics import MESSAGE_BYTES_MAX, STATUS
from fenghuo.schemas.warning import Transition

LOG = logging.getLogger(__name__)
BACKLOG_BOARDS = 600
"""How many of the newest boards are read at the start: the past of the sparklines."""
POLL_MS = 500
QUIET_S = 30.0
"""When nothing came for this long, the connection is made anew."""
CLOSE_S = 1.0
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0)

Told = Callable[[tuple[Transition, ...]], None]


class BoardSource(Protocol):
    """Where boards come from."""

    latest: Latest
    undecodable: int

    async def run(self, told: Told) -> None:
        """Apply boards to `latest` for ever; call `told` with the new transitions of each batch."""


class Reader:
    """Boards from the broker. Broker away: tries again for ever, and the age of the data grows."""

    def __init__(
        self,
        bootstrap: str,
        latest: Latest,
        clock_ms: Callable[[], int],
        *,
        topic: str = STATUS,
    ) -> None:
        self.latest = latest
        self._topic = topic
        self.undecodable = 0
        self._bootstrap = bootstrap
        self._clock_ms = clock_ms

    async def run(self, told: Told) -> None:
        """Follow the topic; ends only by being cancelled."""
        failures = 0
        while True:
            version = self.latest.version
            try:
                await self._follow(told)
            except (Exception, asyncio.CancelledError) as error:
                if _is_told_to_stop():
                    raise
                # Whatever the broker does, the page goes on.
                failures = 0 if self.latest.version > version else failures
                wait_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
                failures += 1
                LOG.warning("status topic at %s: %s; again in %s s", self._bootstrap, error, wait_s)
                await asyncio.sleep(wait_s)

    async def _follow(self, told: Told) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=MESSAGE_BYTES_MAX,
            request_timeout_ms=10_000,
            fetch_max_wait_ms=100,  # Tansu answers after half of it, whatever comes meanwhile
        )
        try:
            await consumer.start()
            await self._seek(consumer)
            await self._pump(consumer, told)
        finally:
            # A broker that is away must not hold up a stop.
            closing = asyncio.gather(consumer.stop(), return_exceptions=True)
            await asyncio.wait({closing}, timeout=CLOSE_S)

    async def _seek(self, consumer: Any) -> None:
        topic = self._topic
        partition = TopicPartition(topic, 0)
        if topic not in await asyncio.wait_for(consumer.topics(), 10):
            raise LookupError(f"expected topic {topic}, found none: is the judge running?")
        consumer.assign([partition])
        begin = await asyncio.wait_for(consumer.beginning_offsets([partition]), 10)
        end = await asyncio.wait_for(consumer.end_offsets([partition]), 10)
        consumer.seek(partition, max(begin[partition], end[partition] - BACKLOG_BOARDS))

    async def _pump(self, consumer: Any, told: Told) -> None:
        quiet_s = 0.0
        while quiet_s < QUIET_S:
            batch = await consumer.getmany(timeout_ms=POLL_MS)
            records = [record for found in batch.values() for record in found]
            quiet_s = 0.0 if records else quiet_s + POLL_MS / 1000
            version = self.latest.version
            news: list[Transition] = []
            for record in records:
                news.extend(self._take(record))
            if self.latest.version > version:
                told(tuple(news))
        raise TimeoutError(f"no board for {QUIET_S:.0f} s")

    def _take(self, record: Any) -> tuple[Transition, ...]:
        try:
            board = status.decode(record.value or b"")
        except msgspec.MsgspecError as error:
            self.undecodable += 1
            LOG.warning("board at offset %s cannot be read: %s", record.offset, error)
            return ()
        return self.latest.apply(board, self._clock_ms()) or ()


def _is_told_to_stop() -> bool:
    """The client also cancels its own tasks when a connection breaks: only our own stop counts."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
