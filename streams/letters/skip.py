"""`fenghuo dlq skip`: pass over, on record, the one record at which a partition has stopped."""

import asyncio
import sys
import time

import aiokafka

from fenghuo.schemas.log import reading
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import skips, topics
from fenghuo.schemas.wire.skips import Skip
from fenghuo.streams.transport import kafka
from fenghuo.streams.watch import heads

DONE, REFUSED, CANNOT_TELL = 0, 1, 2


def main(settings: Settings, topic: str, partition: int, offset: int, *, reason: str) -> int:
    """Write the skip, if that is where the partition stands; the exit code."""
    try:
        refusal = asyncio.run(_skip(settings, (topic, partition), offset, reason))
    except reading.KafkaDown as error:
        print(f"dlq: {error}", file=sys.stderr)
        return CANNOT_TELL
    if refusal:
        print(f"dlq: {refusal}", file=sys.stderr)
        return REFUSED
    print(f"{topic}/{partition} goes on behind {offset}; that record counts as one refused event")
    return DONE


async def _skip(settings: Settings, place: tuple[str, int], offset: int, reason: str) -> str | None:
    """Why nothing is skipped; None: it is."""
    name = f"{place[0]}/{place[1]}"
    await kafka.prepare(settings)
    found = await heads.newest(settings.kafka, settings.lane, exactly=True)
    mine = [head for head in found.values() if (head.source.topic, head.source.partition) == place]
    if not mine:
        return f"no worker has said anything of {name}"
    head = max(mine, key=lambda head: head.sent_ms)
    if head.stopped is None:
        return f"{name} is not stopped: it is read up to {head.next_offset}"
    if head.next_offset != offset:
        return f"{name} is stopped at {head.next_offset}, not at {offset}: {head.stopped}"
    skip = Skip(head.source, offset, reason or head.stopped, time.time_ns() // 1_000_000)
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=settings.kafka)
    await producer.start()
    try:
        topic = topics.of(topics.SKIPS, settings.lane)
        await producer.send_and_wait(topic, skips.encode(skip), key=skip.key.encode())
    finally:
        await producer.stop()
    return None
