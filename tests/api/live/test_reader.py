"""The reader on real brokers: from the backlog on, past bad bytes and a broker that dies."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from fenghuo.api import app
from fenghuo.api.live import follower
from fenghuo.api.live.follower import Reader
from fenghuo.api.view.latest import Latest
from fenghuo.schemas.wire import status
from fenghuo.schemas.wire.status import Board
from fenghuo.schemas.wire.topics import STATUS
from fenghuo.schemas.wire.warning import Transition
from tests.api.boards import board
from tests.parts import kafka as kafka_part
from tests.parts import tansu as tansu_part

LIMIT_S = 30


async def make_topic(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(STATUS, 1, 1)])
    finally:
        await admin.close()


async def send(bootstrap: str, *values: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(STATUS, value)
    finally:
        await producer.stop()


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not check():
            await asyncio.sleep(0.05)


def made(second: float) -> Board:
    return board(second, now_ms=app.now_ms() + round(second * 1000))


async def follow(bootstrap: str, restart: Callable[[], None]) -> None:
    told: list[tuple[Transition, ...]] = []
    reader = Reader(bootstrap, Latest(0), app.now_ms)
    task = asyncio.create_task(reader.run(told.append))
    # The topic is not there yet: it waits for it.
    await asyncio.sleep(0.3)
    await make_topic(bootstrap)
    backlog = [status.encode(made(second)) for second in range(20)]
    await send(bootstrap, *backlog, b"no board", b"", status.encode(made(30)))
    await until(lambda: reader.latest.board is not None and reader.latest.board.seq == 121)
    assert reader.undecodable == 2
    assert 0 < reader.latest.version <= 21
    assert sum(map(len, told)) == len(made(30).recent)

    await asyncio.to_thread(restart)
    with contextlib.suppress(Exception):
        await make_topic(bootstrap)
    await send(bootstrap, status.encode(made(40)))
    await until(lambda: reader.latest.board is not None and reader.latest.board.seq == 161)

    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


@pytest.mark.real
@pytest.mark.parametrize("part", ["tansu", "kafka"])
def test_the_reader_follows_and_survives(
    part: str, need: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    need(part)
    monkeypatch.setattr(follower, "QUIET_S", 3.0)
    with tansu_part.tansu() if part == "tansu" else kafka_part.kafka() as broker:

        def restart() -> None:
            broker.kill()
            broker.start()

        asyncio.run(follow(broker.bootstrap, restart))


def test_a_start_reads_the_newest_boards_only() -> None:
    seeks: list[int] = []

    class Consumer:
        async def topics(self) -> set[str]:
            return {STATUS}

        def assign(self, partitions: list[object]) -> None:
            assert len(partitions) == 1

        async def beginning_offsets(self, partitions: list[object]) -> dict[object, int]:
            return dict.fromkeys(partitions, 100)

        async def end_offsets(self, partitions: list[object]) -> dict[object, int]:
            return dict.fromkeys(partitions, 5000)

        def seek(self, _: object, offset: int) -> None:
            seeks.append(offset)

    reader = Reader("nowhere:1", Latest(0), app.now_ms)
    asyncio.run(reader._follow._seek(Consumer()))

    assert seeks == [5000 - follower.BACKLOG_BOARDS]
