"""Batch transport: Faust's aiokafka transport that hands an agent whole fetches, one stream item a
partition.

Faust costs some 200 µs a message, whatever its settings; it has one seam where a fetch of many
records is a list per partition. Here that list becomes one item (a Fetch), so agents, rebalancing
and supervision stay Faust's own while its cost is paid once a fetch. The bytes of a fetch are read
by our own reader (see client_fetches). This rests on private names, exactly pinned (faust-streaming
0.15.3, aiokafka 0.14.0) and held by tests/contract/log/test_private_names.py.

Offsets are ours: topics do not ack, and on assignment every partition is sought to where
`start_offsets` says.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import aiokafka.errors
import numpy as np
from aiokafka import conn
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from fenghuo.schemas.log import reading
from fenghuo.schemas.log.client_fetches import drain
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.streams.transport.socket import Answers, read_all

LOG = logging.getLogger("fenghuo.transport")
StartOffsets = Callable[[set[TP]], Awaitable[Mapping[TP, int]]]
FETCH_WAIT_MS = 100
"""How long the broker may hold a fetch back. Faust's own 1500 ms is fatal on Tansu, which answers
after half of it even when records come at once (measured: 388 ms at 1500, 25 ms at 100); Apache
Kafka answers at once anyway.
"""
FEW_BYTES = 256 * 1024
FETCH_GAP_S = 0.05
"""Pause after a fetch of few bytes, so that the next one brings more: a fetch costs the same for
one as for a thousand, and on Tansu it costs the more the longer the log is.
"""
REQUEST_MS = 30_000
"""How long the client waits for an answer."""
SEEK_S_MAX = 15.0
"""How long nothing may be read while it is found out where to start."""
START_S_MAX = 600.0
"""How long that may take in all: Faust gives up silently after its request time-out, which is set
to this, and then reads nothing for ever.
"""

conn.AIOKafkaProtocol = Answers  # looked up by name for each connection, as is the next one
conn.AIOKafkaConnection._read = staticmethod(read_all)


def die(reason: str) -> None:
    """End the process at once, to be started again by whoever supervises it; what was not published
    is read again.
    """
    print(f"fenghuo: {reason}: this part ends to be started again", file=sys.stderr, flush=True)
    os._exit(70)


class BatchThread(driver.AIOKafkaConsumerThread):
    """The client's thread; reads fetches as they lie in the client's buffers."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = cast("BatchConsumer", self.consumer).fetch_wait_ms
        # Faust's own setting is also its deadline for finding where to start, see START_S_MAX
        consumer._request_timeout_ms = consumer._client._request_timeout_ms = REQUEST_MS
        consumer._isolation_level = reading.READ_COMMITTED
        return consumer

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Mapping[TP, Any]:
        try:
            return await self._fetched(consumer, active_partitions, timeout)
        except aiokafka.errors.OffsetOutOfRangeError as error:
            return await self._behind_gap(consumer, error.args[0])

    async def _behind_gap(self, consumer: Any, places: Mapping[Any, int]) -> Mapping[TP, Fetch]:
        """Records were deleted before they were read: go on at the first one that is there. The
        part hears of it by a Fetch without records that begins behind the gap.
        """
        found: dict[TP, Fetch] = {}
        firsts = await consumer.beginning_offsets(list(places))
        for tp, offset in places.items():
            first = firsts[tp]
            if first <= offset:
                die(f"{tp}: expected offset {offset}, the log is shorter: cut, or made anew")
            consumer.seek(tp, first)
            none = np.empty(0, np.int64)
            found[TP(*tp)] = Fetch(none, (), none, first, first)
        return found

    async def hold(self, tp: TP) -> None:
        """Fetch no more of this partition."""
        self._ensure_consumer().pause(TopicPartition(*tp))

    async def go_on(self, tp: TP, offset: int) -> None:
        """Fetch it again, from there."""
        consumer = self._ensure_consumer()
        await self._seek_wait(consumer, {tp: offset})
        consumer.resume(TopicPartition(*tp))

    async def _fetched(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None,
    ) -> Mapping[TP, Any]:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise aiokafka.errors.ConsumerStoppedError()
        with fetcher._subscriptions.fetch_context():
            if fetcher._subscriptions.reassignment_in_progress:
                await fetcher._subscriptions.wait_for_assignment()
            if fetches := self._drain(fetcher, active_partitions):
                return fetches
            waiter = fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=timeout)
            if done:
                waiter.result()  # raises what the coordinator of the group cannot cure
            else:
                waiter.cancel()
            return self._drain(fetcher, active_partitions)

    def _drain(self, fetcher: Any, partitions: set[TP]) -> dict[TP, Fetch]:
        """Nothing while a rebalance runs: the seek that ends it clears what lies there."""
        found = drain(fetcher, partitions) if self.consumer.flow_active else {}
        return {TP(*tp): fetch for tp, fetch in found.items()}


class BatchConsumer(driver.Consumer):
    """A consumer that delivers Fetch items and seeks where the part says."""

    fetch_wait_ms = FETCH_WAIT_MS
    start_offsets: StartOffsets

    def _new_consumer_thread(self) -> BatchThread:
        return BatchThread(self, loop=self.loop, beacon=self.beacon)

    async def hold(self, tp: TP) -> None:
        """Fetch no more of this partition, until `go_on`."""
        await self._thread.call_thread(self._thread.hold, tp)

    async def go_on(self, tp: TP, offset: int) -> None:
        """Fetch this partition again, from there."""
        await self._thread.call_thread(self._thread.go_on, tp, offset)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek every assigned partition; a failure ends the process, for Faust would go on without
        a word.
        """
        assigned = self.assignment()
        try:
            offsets = await _while_it_goes_on(self.start_offsets(assigned))
            if offsets:
                await asyncio.wait_for(self._thread.seek_wait(offsets), SEEK_S_MAX)
        except Exception as error:
            die(f"cannot tell where to start reading {sorted(map(str, assigned))}: {error!r}")
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # a stop, or a rebalance in this one
            die("cannot tell where to start reading: the client cancelled itself")
        return offsets

    async def _drain_messages(self, fetcher: Any) -> None:
        callback, read_offset = self.callback, self._read_offset
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                fetches, _ = await self._wait_next_records(1.0)
                generation = self.app.consumer_generation_id
                for tp, fetch in (fetches or {}).items():
                    if not self.flow_active or generation != self.app.consumer_generation_id:
                        break  # a rebalance: the seek that ends it reads these again
                    message = driver.ConsumerMessage(
                        tp.topic,
                        tp.partition,
                        fetch.next_offset - 1,
                        0.0,
                        0,
                        None,
                        None,
                        fetch,
                        None,
                        None,
                        None,
                        tp,
                        generation_id=generation,
                    )
                    await self.wait_first(callback(message), self.suspend_flow.wait())
                    read_offset[tp] = fetch.next_offset - 1
                few = sum(fetch.size for fetch in (fetches or {}).values()) < FEW_BYTES
                await asyncio.sleep(FETCH_GAP_S if few else 0)
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        finally:
            fetcher.set_shutdown()


async def _while_it_goes_on(finding: Awaitable[Mapping[TP, int]]) -> Mapping[TP, int]:
    """The result, however long it takes, as long as records are read for it."""
    task = asyncio.ensure_future(finding)
    try:
        while True:
            before = reading.PROGRESS.records
            await asyncio.wait({task}, timeout=SEEK_S_MAX)
            if task.done():
                return task.result()
            if reading.PROGRESS.records == before:
                raise TimeoutError(f"nothing was read for {SEEK_S_MAX:.0f} s")
    finally:
        task.cancel()


class BatchTransport(driver.Transport):
    """The transport to set on an app: `app.transport = BatchTransport.of(app, start_offsets)`."""

    Consumer = BatchConsumer

    @classmethod
    def of(
        cls, app: Any, start_offsets: StartOffsets, fetch_wait_ms: int = FETCH_WAIT_MS
    ) -> "BatchTransport":
        """A transport whose consumer starts where it is told."""
        own = {"start_offsets": staticmethod(start_offsets), "fetch_wait_ms": fetch_wait_ms}
        consumer = type("PartConsumer", (BatchConsumer,), own)
        made = type("PartTransport", (cls,), {"Consumer": consumer})
        return cast(BatchTransport, made(app.conf.broker_consumer, app))
