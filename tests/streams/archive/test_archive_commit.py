"""A commit that a rebalance was quicker than: whoever has the partitions now reads on from the last
one that was taken, and this archive goes on, or stands by.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiokafka
import pytest
from aiokafka.errors import CommitFailedError
from faust.types import TP

from fenghuo.schemas.settings import Settings
from fenghuo.streams.archive.worker import ArchivePart

MINE, OTHERS = TP("pulses", 0), TP("pulses", 1)


async def call(function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """What Faust hands to its thread runs here."""
    return await function(*args)


@asynccontextmanager
async def archive(*assigned: TP) -> AsyncIterator[tuple[ArchivePart, list[BaseException]]]:
    """An archive that read all up to 5, when 1 was committed, and now has these partitions of a
    client that is in no group; and for what Faust would end it.
    """
    crashes: list[BaseException] = []

    async def crash(reason: BaseException) -> None:
        crashes.append(reason)

    part = ArchivePart(Settings())
    thread = part.app.consumer._thread
    thread.call_thread, thread.crash = call, crash
    thread._consumer = aiokafka.AIOKafkaConsumer(group_id="archive")
    subscription = thread._consumer._subscription
    subscription.subscribe({MINE.topic})
    subscription.assign_from_subscribed({aiokafka.TopicPartition(*tp) for tp in assigned})
    part._next, part._committed = {MINE: 5, OTHERS: 5}, {MINE: 1, OTHERS: 1}
    yield part, crashes
    thread._consumer._coordinator = None
    await thread._consumer.stop()
    thread.thread_loop.close()


@pytest.mark.parametrize("assigned", [(), (OTHERS,)])
def test_a_commit_of_partitions_that_are_anothers_by_now_ends_nothing(
    assigned: tuple[TP, ...],
) -> None:
    async def run() -> None:
        async with archive(*assigned) as (part, crashes):
            await part._commit({MINE: 5})
            assert crashes == []
            assert part._committed[MINE] == 1, "nobody took it"

    asyncio.run(run())


def test_a_commit_that_the_group_refuses_ends_nothing_and_is_tried_again() -> None:
    tried: list[dict[Any, int]] = []

    async def refuse(_: Any, offsets: dict[Any, Any]) -> None:
        tried.append({TP(*tp): at.offset for tp, at in offsets.items()})
        if len(tried) == 1:
            raise CommitFailedError("the group has already rebalanced")

    async def run() -> None:
        async with archive(MINE) as (part, crashes):
            thread = part.app.consumer._thread
            thread._consumer._coordinator = SimpleNamespace(commit_offsets=refuse)
            for _ in range(3):
                await part._commit({MINE: 5})
            assert crashes == []
            assert tried == [{MINE: 5}] * 2
            assert part._committed[MINE] == 5

    asyncio.run(run())


def test_who_has_no_partitions_any_more_is_behind_with_none_and_commits_none() -> None:
    async def run() -> None:
        async with archive() as (part, _):
            assert await part.start_offsets(set()) == {}
            assert (part._next, part._committed) == ({}, {})
            assert not part.is_behind()

    asyncio.run(run())
