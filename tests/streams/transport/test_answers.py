"""Answers of a broker come whole, however the socket cuts them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fenghuo.streams.transport import socket
from fenghuo.streams.transport.socket import FIRST_BYTES, Answers


def on_wire(parts: Sequence[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def connection() -> Answers:
    loop = asyncio.get_running_loop()
    return Answers(loop.create_future(), asyncio.StreamReader(loop=loop), loop=loop)


def receive(made: Answers, data: bytes, most: int) -> None:
    """What a socket does that has these bytes and gives at most so many at once."""
    while data:
        room = made.get_buffer(-1)
        assert len(room) > 0
        count = min(len(room), len(data), most)
        room[:count] = data[:count]
        data = data[count:]
        made.buffer_updated(count)


SIZES = st.lists(st.one_of(st.integers(0, 9), st.integers(FIRST_BYTES - 9, FIRST_BYTES * 3)))


@given(SIZES, st.integers(1, FIRST_BYTES * 2), st.booleans())
@example([0, FIRST_BYTES * 4, 3, 0], 1_000, True)
def test_answers_come_whole_and_in_order(sizes: list[int], most: int, buffered: bool) -> None:
    meant = [bytes([i % 251]) * size for i, size in enumerate(sizes[:6])]
    most = max(most, sum(sizes[:6]) // 1_000)

    async def run() -> list[bytes]:
        made, data = connection(), on_wire(meant)
        if buffered:
            receive(made, data, most)
        else:
            for at in range(0, len(data), most):
                made.data_received(data[at : at + most])
        return [await made.next() for _ in meant]

    assert asyncio.run(run()) == meant


def test_who_waits_gets_the_answer_that_comes_and_then_the_end() -> None:
    async def run() -> None:
        made = connection()
        waiting = asyncio.ensure_future(made.next())
        await asyncio.sleep(0)
        receive(made, on_wire([b"one"]) + b"\x00\x00", 3)
        assert await waiting == b"one"
        waiting = asyncio.ensure_future(made.next())
        await asyncio.sleep(0)
        made.connection_lost(None)
        with pytest.raises(EOFError):
            await waiting

    asyncio.run(run())


@pytest.mark.parametrize("size", [-1, socket.ANSWER_BYTES_MAX + 1])
def test_a_size_that_no_answer_has_ends_the_connection(size: int) -> None:
    async def run() -> Any:
        receive(connection(), size.to_bytes(4, "big", signed=True), 4)

    with pytest.raises(ConnectionError, match="expected an answer of a broker"):
        asyncio.run(run())
