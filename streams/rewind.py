"""Reading topic `pulses` again from an earlier moment: for windows that became longer."""

from collections.abc import AsyncIterator

from aiokafka.structs import ConsumerRecord, TopicPartition

from fenghuo.streams import kafka


async def offset_at(bootstrap: str, topic: str, at_ms: int, bounds: tuple[int, int]) -> int:
    """The first offset of a topic of one partition whose record is not older than at_ms; its first
    one where the broker does not tell. bounds: its first and end offsets.
    """
    first, end = bounds
    if first == end:
        return first
    tp = TopicPartition(topic, 0)
    async with kafka.reader(bootstrap) as consumer:
        found = (await consumer.offsets_for_times({tp: max(at_ms, 0)})).get(tp)
    return first if found is None else max(first, min(found.offset, end))


async def records(
    bootstrap: str, topic: str, first: int, end: int
) -> AsyncIterator[ConsumerRecord]:
    """The records [first, end) of a topic of one partition."""
    tp = TopicPartition(topic, 0)
    async with kafka.reader(bootstrap) as consumer:
        consumer.assign([tp])
        consumer.seek(tp, first)
        while await consumer.position(tp) < end:
            for found in (await consumer.getmany(timeout_ms=500)).values():
                kafka.PROGRESS.records += len(found)
                for record in found:
                    if record.offset < end:
                        yield record
