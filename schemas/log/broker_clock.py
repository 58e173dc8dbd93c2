"""BrokerClock: the clock of a part, kept near the broker's.

No call of Kafka's tells the time, but a record produced to a topic with LogAppendTime comes back
with the time that the broker gave it. Topic `clock` is there for that alone. Where the broker does
not stamp records (Tansu) the time is that of the wall clock at the start, and goes on without its
jumps.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiokafka

from fenghuo.schemas.clock import JUMP_MS, Clock
from fenghuo.schemas.log.again import Well, again
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import topics

LOG = logging.getLogger("fenghuo.clock")
LOOK_S = 1.0
"""How often the wall clock is looked at."""
ASK_LOOKS = 5
"""The broker is asked at each fifth look."""
UNSTAMPED_LOOKS = 60
"""A broker that does not stamp records is asked less often: its settings may change."""
FIRST_ASKS = 3
"""Readings at the start: the first one pays for connecting."""
ASK_S_MAX = 5.0
STOP_S_MAX = 1.0
_BY_BROKER = 1


def wall_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def mono_ms() -> int:
    """A clock that nobody sets; it goes on while the machine sleeps, where there is such a one."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000


class BrokerClock:
    """The time of one part."""

    def __init__(self, part: str, settings: Settings) -> None:
        self._part, self._kafka = part, settings.kafka
        self._topic = topics.of(topics.CLOCK, settings.lane)
        self._clock = Clock(wall_ms(), mono_ms())
        self._keeping: asyncio.Task[None] | None = None
        self.jumps = 0
        """Times the wall clock of this host was set."""

    def now_ms(self) -> int:
        """The time now."""
        return self._clock.now_ms(mono_ms())

    @property
    def skew_ms(self) -> int:
        """By how much the wall clock of this host is ahead."""
        return self._clock.skew_ms

    async def start(self) -> None:
        """Read the broker's clock, if it tells; then keep to it. Takes ASK_S_MAX at most."""
        ready = asyncio.Event()
        self._keeping = asyncio.create_task(self._keep(ready))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ready.wait(), ASK_S_MAX)

    async def stop(self) -> None:
        """Keep to it no longer."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping}, timeout=STOP_S_MAX)

    async def _keep(self, ready: asyncio.Event) -> None:
        """Never ends: without the broker's time the part goes on with its own."""

        async def ask(well: Well) -> None:
            async with _producer(self._kafka) as producer:
                await self._find(producer)
                for _ in range(FIRST_ASKS):
                    await self._ask(producer)
                ready.set()
                well()
                await self._look_for_ever(producer)

        async def pause(wait_s: float) -> None:
            ready.set()
            for _ in range(int(wait_s / LOOK_S)):
                self._look()
                await asyncio.sleep(LOOK_S)

        what = "the broker's clock cannot be read now"
        await again(ask, what, LOG, pauses_s=(ASK_LOOKS * LOOK_S,), pause=pause)

    async def _find(self, producer: aiokafka.AIOKafkaProducer) -> None:
        """Raises LookupError while the topic is not there: a broker that makes topics by itself
        would make it without the settings that tell the time.
        """
        if self._topic not in (await producer.client.fetch_all_metadata()).topics():
            raise LookupError(f"expected topic {self._topic}, found none: do the workers run?")

    async def _look_for_ever(self, producer: aiokafka.AIOKafkaProducer) -> None:
        looks = 0
        while True:
            jump_ms = self._look()
            looks += 1
            often = ASK_LOOKS if self._clock.is_measured else UNSTAMPED_LOOKS
            if jump_ms or looks % often == 0:
                await self._ask(producer)
            await asyncio.sleep(LOOK_S)

    def _look(self) -> int:
        jump_ms = self._clock.see_wall(wall_ms(), mono_ms())
        if jump_ms:
            self.jumps += 1
            LOG.warning(
                "the clock of this host was set by %+.1f s; %s goes on by the time before",
                jump_ms / 1000,
                self._part,
            )
        return jump_ms

    async def _ask(self, producer: aiokafka.AIOKafkaProducer) -> None:
        was_wrong = abs(self.skew_ms) > JUMP_MS
        sent_at = mono_ms()
        answer = await asyncio.wait_for(
            producer.send_and_wait(self._topic, b"", key=self._part.encode(), partition=0),
            ASK_S_MAX,
        )
        if answer.timestamp_type != _BY_BROKER:
            return
        self._clock.see_broker(answer.timestamp, sent_at, mono_ms())
        self._look()
        if abs(self.skew_ms) > JUMP_MS and not was_wrong:
            LOG.warning(
                "the clock of this host is %.1f s %s the broker's: %s goes by the broker's. "
                "Let both follow one time server (chrony, ntpd)",
                abs(self.skew_ms) / 1000,
                "ahead of" if self.skew_ms > 0 else "behind",
                self._part,
            )


@asynccontextmanager
async def _producer(kafka: str) -> AsyncIterator[aiokafka.AIOKafkaProducer]:
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=kafka, acks=1, request_timeout_ms=10_000)
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()
