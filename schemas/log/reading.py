"""The log's port: partitions of Kafka read without a group, by our own reader of records.

Streams, api and tools read the log through this, and nothing else does. Only what is committed is
read; what a fetch unpacks to is bounded, and what nobody can read is passed over and said.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiokafka
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from fenghuo.schemas.log.client_fetches import drain
from fenghuo.schemas.log.foreign import FOREIGN
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.wire.letters import Headers
from fenghuo.schemas.wire.topics import MESSAGE_BYTES_MAX

READ_COMMITTED = "read_committed"
POLL_S = 0.5
QUIET_S = 30.0
"""Nothing came for this long, though the log goes on."""
LOOK_S, LOOKS_MAX = 0.02, 250
"""How often it is looked whether fetches have told where partitions end."""


class KafkaDown(RuntimeError):
    """The broker could not be reached, or refused: says which and what to look at."""


class Progress:
    """How much this process has read beside its group: who waits for that sees that it goes on."""

    records = 0


PROGRESS = Progress()


class Record:
    """One record of a topic of ours, read where it lies; who keeps it keeps its whole fetch."""

    __slots__ = ("_at", "_fetch", "offset", "timestamp", "value")

    def __init__(self, fetch: Fetch, at: int) -> None:
        self._fetch, self._at = fetch, at
        self.offset = int(fetch.offsets[at])
        self.timestamp = int(fetch.record_ms[at])
        self.value = fetch.values[at]

    @property
    def key(self) -> bytes | None:
        """Its key."""
        return self._fetch.key_of(self._at)

    @property
    def headers(self) -> Headers:
        """The first of its headers."""
        return self._fetch.headers_of(self._at)


def records_of(topic: str, fetch: Fetch) -> Iterator[Record]:
    """The records of a fetch of a topic of ours; what nobody can read is passed over and said."""
    for lost in fetch.unreadable:
        FOREIGN.pass_over(topic, lost.first, lost.detail)
    for at in range(len(fetch.offsets)):
        yield Record(fetch, at)


@asynccontextmanager
async def reader(bootstrap: str, **options: Any) -> AsyncIterator[aiokafka.AIOKafkaConsumer]:
    """A started consumer for assigned partitions, closed at the end. Raises KafkaDown."""
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        max_partition_fetch_bytes=MESSAGE_BYTES_MAX,
        enable_auto_commit=False,
        auto_offset_reset="none",  # where nothing is left to read has to be decided, not guessed
        isolation_level=READ_COMMITTED,  # what was taken back is no event
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


async def next_fetch(
    consumer: aiokafka.AIOKafkaConsumer, tp: TopicPartition, wait_s: float = POLL_S
) -> Fetch | None:
    """What comes next of an assigned partition; None when nothing came in time. Raises what the
    broker answered instead.
    """
    fetcher = consumer._fetcher
    if not (found := drain(fetcher, {tp})):
        waiter = fetcher._create_fetch_waiter()
        done, _ = await asyncio.wait([waiter], timeout=wait_s)
        if not done:
            waiter.cancel()
        found = drain(fetcher, {tp})
    return found.get(tp)


async def fetches(
    bootstrap: str, topic: str, partition: int = 0, *, first: int, end: int
) -> AsyncGenerator[Fetch, None]:
    """A partition from offset `first` up to `end`, which it must have reached: fetch by fetch, with
    all that nobody can read. Records that are deleted meanwhile are passed over. Raises KafkaDown
    when the log ends before.
    """
    tp, at = TopicPartition(topic, partition), first
    now_s = asyncio.get_running_loop().time
    async with reader(bootstrap) as consumer:
        consumer.assign([tp])
        consumer.seek(tp, first)
        heard_s = now_s()
        while at < end:
            try:
                fetch = await next_fetch(consumer, tp)
            except OffsetOutOfRangeError:
                before, at = at, (await consumer.beginning_offsets([tp]))[tp]
                if at <= before:
                    raise _short(bootstrap, tp, before, end) from None
                consumer.seek(tp, at)
                continue
            if fetch is not None:
                PROGRESS.records += max(len(fetch.offsets), 1)
                at = fetch.next_offset
                yield fetch.until(end)
                heard_s = now_s()
            elif now_s() - heard_s > QUIET_S:
                raise _short(bootstrap, tp, at, end)


def _short(bootstrap: str, tp: TopicPartition, at: int, end: int) -> KafkaDown:
    return KafkaDown(
        f"{tp.topic}/{tp.partition} at {bootstrap}: expected records from offset {at} to {end}, "
        "got none: is the broker there, was the topic cut or made anew?"
    )


async def records(
    bootstrap: str,
    topic: str,
    last: int | None = None,
    *,
    first: int | None = None,
    end: int | None = None,
) -> AsyncGenerator[Record, None]:
    """The records that a topic of ours (of one partition) holds now, or only those among its `last`
    offsets, from `first` on, or before `end`. No more than a fetch is held.
    """
    if first is None or end is None:
        begin, stop = (await bounds(bootstrap, [(topic, 0)]))[topic, 0]
        first, end = begin if first is None else first, stop if end is None else end
    if last is not None:
        first = max(first, end - last)
    found = fetches(bootstrap, topic, first=first, end=end)
    async with contextlib.aclosing(found):
        async for fetch in found:
            for record in records_of(topic, fetch):
                yield record


async def read_all(bootstrap: str, topic: str, last: int | None = None) -> list[Record]:
    """The same, held all at once: for what is short."""
    return [record async for record in records(bootstrap, topic, last)]


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
    last batch. What these fetches bring is not looked at.
    """
    first = await consumer.beginning_offsets(wanted)
    end = await consumer.end_offsets(wanted)
    filled = [tp for tp in wanted if end[tp] > first[tp]]
    consumer.assign(filled)
    for tp in filled:
        consumer.seek(tp, end[tp] - 1)
    for _ in range(LOOKS_MAX):
        if all(readable_end(consumer, tp) is not None for tp in filled):
            break
        await asyncio.sleep(LOOK_S)
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


async def offset_at(bootstrap: str, topic: str, at_ms: int, bounds: tuple[int, int]) -> int:
    """The first offset of a topic of one partition whose record is not older than at_ms; its first
    one where the broker does not tell. bounds: its first and end offsets.
    """
    first, end = bounds
    if first == end:
        return first
    tp = TopicPartition(topic, 0)
    async with reader(bootstrap) as consumer:
        found = (await consumer.offsets_for_times({tp: max(at_ms, 0)})).get(tp)
    return first if found is None else max(first, min(found.offset, end))
