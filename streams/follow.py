"""Follow: reads a topic of one partition without a group, for ever, in a task of its own; broker
away: tries again.
"""

import asyncio
import logging
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord, TopicPartition

from fenghuo.streams import kafka

LOG = logging.getLogger("fenghuo.follow")
PAUSE_S = 0.5
ANSWER_S = 5.0
FETCH_WAIT_MS = 100
"""Tansu answers after half of it, whatever comes meanwhile."""


class Follow:
    """The records of a topic from one of its last on, in order, each given to `take`, which must
    not raise for what is in it.
    """

    def __init__(self, bootstrap: str, topic: str, take: Callable[[ConsumerRecord], None]) -> None:
        self.next_offset = 0
        """Behind the last record taken."""
        self._bootstrap = bootstrap
        self._tp = TopicPartition(topic, 0)
        self._take = take
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def begin(self, last: int | None = None) -> None:
        """Start with the `last` records there are, or all; returns when these were taken."""
        part = (self._tp.topic, 0)
        first, end = (await kafka.bounds(self._bootstrap, [part]))[part]
        self.next_offset = first if last is None else max(first, end - last)
        self._task = asyncio.create_task(self._for_ever())
        while self.next_offset < end:
            self._news.clear()
            await self._news.wait()

    def check(self) -> None:
        """Raises what ended the task, if anything did."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def ends(self, *topics: str) -> list[int]:
        """Where topics of one partition end now, asked over the connection that is there. Raises
        ConnectionError when there is none, KafkaError or TimeoutError when nobody answers.
        """
        if self._consumer is None:
            raise ConnectionError(f"no connection to {self._bootstrap}")
        parts = [TopicPartition(topic, 0) for topic in topics]
        found = await asyncio.wait_for(self._consumer.end_offsets(parts), ANSWER_S)
        return [found[part] for part in parts]

    async def _for_ever(self) -> None:
        while True:
            try:
                await self._follow()
            except (Exception, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise  # told to stop; the client also cancels its own tasks
                self._consumer = None
                LOG.warning("topic %s: %r; again in %s s", self._tp.topic, error, PAUSE_S)
                await asyncio.sleep(PAUSE_S)

    async def _follow(self) -> None:
        async with kafka.reader(
            self._bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=FETCH_WAIT_MS
        ) as consumer:
            consumer.assign([self._tp])
            consumer.seek(self._tp, self.next_offset)
            self._consumer = consumer
            while True:
                for records in (await consumer.getmany(timeout_ms=1_000)).values():
                    for record in records:
                        self._take(record)
                        self.next_offset = record.offset + 1
                    self._news.set()
                self.next_offset = max(self.next_offset, await consumer.position(self._tp))
