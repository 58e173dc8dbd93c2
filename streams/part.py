"""What gather, judge and archive share: the Faust app, its life from start to a clean stop, and the
watchdog.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import faust
import mode
from faust.sensors.monitor import Monitor
from faust.types import TP

from fenghuo.schemas import addresses
from fenghuo.schemas.log import reading
from fenghuo.schemas.log.broker_clock import BrokerClock
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import topics
from fenghuo.schemas.wire.topics import MESSAGE_BYTES_MAX
from fenghuo.streams import metrics
from fenghuo.streams.transport import kafka
from fenghuo.streams.transport.faust import FETCH_WAIT_MS, START_S_MAX, BatchTransport, die

STOP_S_MAX = 3.0
"""A part that has not stopped by then just ends: nothing that counts depends on a clean stop."""
METRICS_RETRY_S = 5.0
"""How soon a metrics port that was taken is tried again."""
SOONEST, COMPANY = 0.3, 0.05
"""Shares of a tick: news makes no tick sooner than this after the last one, and waits so long for
more of its kind.
"""
METADATA_MS = 5_000
"""How often the client asks what partitions there are: new ones are read this much later."""
GC_OBJECTS = 100_000
"""New objects between two looks of the cycle collector; Python's own is 700."""


class Quiet(Monitor):
    """Faust's monitor without its work on every message: our own counters are updated per fetch."""

    def on_message_in(self, *_: Any, **__: Any) -> None:
        pass

    def on_stream_event_in(self, *_: Any, **__: Any) -> None:
        return None

    def on_stream_event_out(self, *_: Any, **__: Any) -> None:
        pass

    def on_message_out(self, *_: Any, **__: Any) -> None:
        pass


class Part(ABC):
    """One kind of worker. A subclass says what it reads, where from, and what it does with a fetch
    and at a tick.
    """

    name: str
    topics: Sequence[str]
    fetch_wait_ms = FETCH_WAIT_MS
    """How long the broker may hold a fetch back."""
    ticks_apart = 1.0
    """How long this part waits for news before it ticks all the same, in ticks."""
    compression: str | None = None
    """How the records it sends are compressed; pulses are already."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = metrics.CLOCKS[self.name] = BrokerClock(self.name, settings)
        self.now_ms = self.clock.now_ms
        self.progress_ms = self.now_ms()
        """When this part last did what it is for, or had nothing to do."""
        self.app = self._app()
        self._stopping = asyncio.Event()
        self._news = asyncio.Event()

    def tick_soon(self) -> None:
        """Something came that others wait for: tick before it is due."""
        self._news.set()

    @abstractmethod
    async def start_offsets(self, assigned: set[TP]) -> Mapping[TP, int]:
        """Where to start reading each assigned partition; called at every assignment."""

    @abstractmethod
    async def on_fetch(self, tp: TP, fetch: Fetch) -> None:
        """Take in one fetch. Must not raise for what is in it."""

    @abstractmethod
    async def on_tick(self) -> None:
        """Called every tick_ms, or sooner after `tick_soon`; raising ends the part."""

    async def on_stop(self) -> None:  # noqa: B027  most parts need none
        """Last words before leaving the group."""

    def is_behind(self) -> bool:
        """Whether there is work waiting: a part that is behind and makes no progress is ended by
        the watchdog.
        """
        return False

    async def prepare(self) -> None:  # noqa: B027  most parts need none
        """What has to be there before the group is joined."""

    def _app(self) -> faust.App:
        s = self.settings
        session_s = s.session_timeout_ms / 1000
        app = faust.App(
            self._group(),
            broker=[f"kafka://{one}" for one in addresses.brokers(s.kafka)],
            topic_disable_leader=True,
            topic_allow_declare=False,
            table_standby_replicas=0,
            web_enabled=False,
            stream_wait_empty=False,
            stream_buffer_maxsize=16,
            consumer_max_fetch_size=s.fetch_bytes,
            consumer_auto_offset_reset="none",
            consumer_metadata_max_age_ms=METADATA_MS,
            broker_session_timeout=session_s,
            broker_heartbeat_interval=session_s / 4,
            broker_rebalance_timeout=max(session_s, 10.0),
            broker_request_timeout=START_S_MAX,
            broker_max_poll_interval=86_400.0,
            producer_max_request_size=MESSAGE_BYTES_MAX,
            producer_linger=0.005,
            producer_max_batch_size=1 << 20,  # all pulses of a tick in one batch: one round trip
            producer_acks=-1,
            producer_compression_type=self.compression,
            agent_supervisor=mode.CrashingSupervisor,
            Monitor=Quiet,
            datadir=Path(tempfile.gettempdir()) / "fenghuo-faust",
        )
        app.transport = BatchTransport.of(app, self.start_offsets, self.fetch_wait_ms)
        for name in self.topics:
            schema = _AsIs(value_type=bytes, value_serializer="raw")
            self._attach(app, app.topic(name, schema=schema, acks=False))
        return app

    def _attach(self, app: faust.App, topic: Any) -> None:
        """One agent a topic; no exception may leave it: Faust would count the item as done."""

        async def take(stream: Any) -> None:
            async for event in stream.events():
                try:
                    await self.on_fetch(event.message.tp, event.value)
                except Exception as error:
                    _dying(self.name, error)

        app.agent(topic, name=f"{self.name}-{topic.get_topic_name()}", concurrency=1)(take)

    def _group(self) -> str:
        """The consumer group: its members share the partitions."""
        return kafka.group(self.name, self.settings.lane)

    def _end(self, tp: TP) -> int:
        """Where what may be read of a partition ends, as far as fetches have told: nobody is behind
        for an open transaction. 0 for one that was not read yet, or belongs to another worker.
        """
        state = self._state(tp)
        return (state and reading.before_open(state.highwater, state.lso)) or 0

    def _held_back(self, tp: TP) -> int:
        """Messages of a partition that nobody may read yet: a transaction before them is open."""
        state = self._state(tp)
        return max(((state and state.highwater) or 0) - self._end(tp), 0)

    def _state(self, tp: TP) -> Any:
        consumer = self.app.consumer._thread._consumer
        assigned = consumer and consumer._subscription.subscription
        return assigned and assigned.assignment and assigned.assignment.state_value(tp)

    def _named(self, topic: str) -> str:
        """What an internal topic is called in this part's lane."""
        return topics.of(topic, self.settings.lane)

    async def send(
        self,
        topic: str,
        key: str,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Awaitable[Any]:
        """Hand one record to the producer; await the answer to have it acknowledged."""
        return await self.app.producer.send(
            topic, key.encode(), value, 0, None, headers=list(headers) or None
        )

    async def run(self) -> int:
        """Live until SIGTERM or SIGINT; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        preparing = asyncio.ensure_future(self._start())
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if preparing.done():
            preparing.result()
            ticking = asyncio.ensure_future(self._tick_for_ever())
            await asyncio.wait({ticking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if ticking.done():
                ticking.result()
            ticking.cancel()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await asyncio.wait_for(self._leave(), STOP_S_MAX)
        sys.stdout.flush()
        return 0

    async def _start(self) -> None:
        self._offering = asyncio.ensure_future(self._offer_metrics())
        await self.prepare()
        await self.clock.start()
        self.progress_ms = self.now_ms()
        await self.app.start()
        print(f"fenghuo {self.name}: ready", flush=True)

    async def _offer_metrics(self) -> None:
        """/metrics from the beginning; where its port is taken the part works without, and says
        so.
        """
        s = self.settings
        said = ""
        while why := metrics.serve(s.http_host, s.metrics_port, s.lane):
            if why != said:
                print(f"fenghuo {self.name}: works without /metrics: {why}", flush=True)
            said = why
            await asyncio.sleep(METRICS_RETRY_S)
        if said:
            print(f"fenghuo {self.name}: /metrics on port {s.metrics_port} now", flush=True)

    async def _leave(self) -> None:
        await self.on_stop()
        await self.app.stop()

    async def _tick_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        tick_s = self.settings.tick_ms / 1000 * self.ticks_apart
        due_s = loop.time()
        while True:
            due_s = max(due_s + tick_s, loop.time() + tick_s / 5)
            due_s = await self._due(due_s, tick_s)
            if self.app.should_stop:
                die(f"{self.name}: faust stopped: {getattr(self.app, '_crash_reason', None)!r}")
            with metrics.TICK.labels(self.name).time():
                try:
                    await self.on_tick()
                except Exception as error:
                    _dying(self.name, error)
            self._watch(self.now_ms())

    async def _due(self, due_s: float, tick_s: float) -> float:
        """Wait for the next tick; the loop's time then."""
        loop = asyncio.get_running_loop()
        soonest_s = loop.time() + tick_s * SOONEST
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), due_s - loop.time())
            due_s = min(due_s, max(soonest_s, loop.time() + tick_s * COMPANY))
        await asyncio.sleep(due_s - loop.time())
        self._news.clear()
        return due_s

    def _watch(self, now: int) -> None:
        """The watchdog: no progress with work waiting ends the part."""
        if not self.is_behind():
            self.progress_ms = now
        elif now - self.progress_ms > self.settings.watchdog_ms:
            die(f"{self.name}: no progress for {self.settings.watchdog_ms} ms with work waiting")


def _dying(part: str, error: Exception) -> None:
    logging.getLogger("fenghuo").error("part %s", part, exc_info=error)
    die(f"{part}: {error!r}")


class _AsIs(faust.Schema):
    """Hands the Fetch through untouched: decoding is the core's, a fetch at a time."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[Any]]:
        """What Faust calls for each stream item."""

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, None, message)

        return decode


def main(part: Callable[[], Part]) -> int:
    """Run a part in a loop of its own."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    import uvloop

    # events live for one fetch: looking for cycles among them cost a third of the decoding
    gc.set_threshold(GC_OBJECTS, 20, 50)

    async def live() -> int:
        try:
            return await part().run()
        except reading.KafkaDown as error:
            print(f"fenghuo: {error}", file=sys.stderr)
            return 1

    code = uvloop.run(live())
    sys.stderr.flush()
    os._exit(code)  # Faust's threads may linger; everything that counts is in the broker
