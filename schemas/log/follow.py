"""Follow: reads a topic of one partition for ever, without a group, in order: whoever follows reads
all of it. Broker away: tries again for ever.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from fenghuo.schemas.log import reading
from fenghuo.schemas.log.again import Well, again
from fenghuo.schemas.log.reading import Record

LOG = logging.getLogger("fenghuo.follow")
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0)
ANSWER_S = 10.0
FETCH_WAIT_MS = 100
"""Tansu answers after half of it, whatever comes meanwhile."""
REQUEST_MS = 10_000
SHORT_S = 3.0
"""A log that ends before what was read, for this long, is another one: a new leader may not know
for a moment how far it goes, and Tansu answers no more than that beyond an end.
"""

Take = Callable[[Iterator[Record]], None]
"""Is given records in order, some at once. Must not raise for what is in them."""


class Follow:
    """The records of a topic: its `last` ones or all there are, and then what comes. A topic that
    was cut, or made anew, is followed from its beginning again. quiet_s: when nothing came for so
    long the connection is made anew; None: silence is normal.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        take: Take,
        *,
        last: int | None = None,
        quiet_s: float | None = None,
    ) -> None:
        self.next_offset: int | None = None
        """Behind the last record taken; None before it is known where to begin."""
        self._bootstrap = bootstrap
        self._tp = TopicPartition(topic, 0)
        self._take = take
        self._last = last
        self._quiet_s = quiet_s
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def begin(self) -> None:
        """Follow in a task of its own; returns when what is there now is taken."""
        _, end = (await reading.bounds(self._bootstrap, [self._tp]))[self._tp]
        self._task = asyncio.create_task(self.run())
        while not self.has_read(end):
            self._news.clear()
            await self._news.wait()

    def has_read(self, end: int) -> bool:
        """Whether everything below this offset was taken. Raises what ended the task, if anything
        did.
        """
        if self._task is not None and self._task.done():
            self._task.result()
        return self.next_offset is not None and self.next_offset >= end

    async def ends(self, *topics: str) -> list[int]:
        """Where topics of one partition end now, asked over the connection that is there. Raises
        ConnectionError when there is none, KafkaError or TimeoutError when nobody answers.
        """
        if self._consumer is None:
            raise ConnectionError(f"no connection to {self._bootstrap}")
        parts = [TopicPartition(topic, 0) for topic in topics]
        found = await asyncio.wait_for(self._consumer.end_offsets(parts), ANSWER_S)
        return [found[part] for part in parts]

    async def run(self) -> None:
        """Follow the topic; ends only by being cancelled."""
        where = f"topic {self._tp.topic} at {self._bootstrap} is not read now"
        await again(self._connected, where, LOG, pauses_s=BACK_OFF_S)

    async def _connected(self, well: Well) -> None:
        try:
            await self._follow(well)
        finally:
            self._consumer = None

    async def _follow(self, well: Well) -> None:
        options = {"fetch_max_wait_ms": FETCH_WAIT_MS, "request_timeout_ms": REQUEST_MS}
        async with reading.reader(self._bootstrap, **options) as consumer:
            await self._seek(consumer)
            self._consumer = consumer
            now_s = asyncio.get_running_loop().time
            heard_s = whole_s = now_s()
            while self._quiet_s is None or now_s() - heard_s < self._quiet_s:
                try:
                    fetch = await reading.next_fetch(consumer, self._tp)
                except OffsetOutOfRangeError:
                    await self._seek_again(consumer)
                    continue
                if fetch is not None:
                    heard_s = now_s() if len(fetch.offsets) else heard_s
                    self._take(reading.records_of(self._tp.topic, fetch))
                    self._reached(fetch.next_offset)
                    well()
                if not self._is_short(consumer):
                    whole_s = now_s()
                elif now_s() - whole_s >= SHORT_S:
                    await self._seek_again(consumer)
            raise TimeoutError(f"nothing came for {self._quiet_s:.0f} s")

    async def _seek(self, consumer: AIOKafkaConsumer) -> None:
        tp = self._tp
        if tp.topic not in await asyncio.wait_for(consumer.topics(), ANSWER_S):
            raise LookupError(f"expected topic {tp.topic}, found none: are the workers running?")
        consumer.assign([tp])
        begin = (await asyncio.wait_for(consumer.beginning_offsets([tp]), ANSWER_S))[tp]
        end = (await asyncio.wait_for(consumer.end_offsets([tp]), ANSWER_S))[tp]
        at = self.next_offset
        if at is None or not begin <= at:
            at = begin if self._last is None else max(begin, end - self._last)
        self._go_on(consumer, at)

    def _is_short(self, consumer: AIOKafkaConsumer) -> bool:
        end = reading.readable_end(consumer, self._tp)
        return end is not None and end < (self.next_offset or 0)

    async def _seek_again(self, consumer: AIOKafkaConsumer) -> None:
        """What was to be read next is not there: deleted, or the log is another one."""
        begin = (await asyncio.wait_for(consumer.beginning_offsets([self._tp]), ANSWER_S))[self._tp]
        LOG.warning("topic %s begins at %s now: read from there", self._tp.topic, begin)
        self._go_on(consumer, begin)

    def _go_on(self, consumer: AIOKafkaConsumer, at: int) -> None:
        consumer.seek(self._tp, at)
        self._reached(at)

    def _reached(self, offset: int) -> None:
        self.next_offset = offset
        self._news.set()
