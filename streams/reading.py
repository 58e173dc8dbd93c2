"""Reading a stretch of a partition beside Faust, as gather reads it: fetch by fetch, with all that
nobody can read, and nothing that was taken back.
"""

import asyncio
from collections.abc import AsyncGenerator

from aiokafka.structs import TopicPartition

from fenghuo.streams import kafka
from fenghuo.streams.fetch import Fetch
from fenghuo.streams.transport import drain

POLL_S = 1.0


async def fetches(
    bootstrap: str, topic: str, partition: int, *, first: int, end: int
) -> AsyncGenerator[Fetch, None]:
    """The partition from offset `first` up to `end`, which it must have reached."""
    tp = TopicPartition(topic, partition)
    async with kafka.reader(bootstrap) as consumer:
        consumer.assign([tp])
        consumer.seek(tp, first)
        fetcher, at = consumer._fetcher, first
        while at < end:
            fetch = drain(fetcher, {tp}).get(tp)
            if fetch is not None:
                at = fetch.next_offset
                yield fetch.until(end)
                continue
            waiter = fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=POLL_S)
            if not done:
                waiter.cancel()
