"""Answers: how the client reads from a broker's socket.

The client's own way copies each byte five times, in pieces of 256 KiB: too dear for millions of
rows a second. Here the socket writes into one buffer that is kept, and each answer is copied out of
it whole. Rests on private names of aiokafka, held by tests/contract/log/test_private_names.py.
"""

import asyncio
from collections import deque
from typing import Any

from aiokafka import conn as client

_SIZE_BYTES = 4
FIRST_BYTES = 64 * 1024
"""Room while the size of the answer is not known; small answers come whole."""
ANSWER_BYTES_MAX = 1 << 30
"""A larger one is none: whoever sends it is no broker."""


class Answers(client.AIOKafkaProtocol, asyncio.BufferedProtocol):
    """One connection's answers, whole: four bytes that say the size, and as many behind them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._buffer = bytearray(FIRST_BYTES)
        self._filled = 0
        self._whole: deque[bytes] = deque()
        self._came = asyncio.Event()
        self._end: BaseException | None = None

    async def next(self) -> bytes:
        """The next answer. Raises what ended the connection."""
        while not self._whole:
            if self._end is not None:
                raise self._end
            self._came.clear()
            await self._came.wait()
        return self._whole.popleft()

    def get_buffer(self, _hint: int) -> memoryview:
        """Where the socket writes next: no further than to the end of a large answer."""
        until = max(_SIZE_BYTES + self._size(), FIRST_BYTES)
        if until > len(self._buffer):
            self._buffer = self._buffer[: self._filled] + bytes(until - self._filled)
        return memoryview(self._buffer)[self._filled : until]

    def buffer_updated(self, count: int) -> None:
        """So many bytes were written."""
        self._filled += count
        begin = 0
        with memoryview(self._buffer) as view:
            while (size := self._size(begin)) >= 0:
                end = begin + _SIZE_BYTES + size
                if end > self._filled:
                    break
                self._whole.append(bytes(view[begin + _SIZE_BYTES : end]))
                begin = end
        if begin:
            self._buffer[: self._filled - begin] = self._buffer[begin : self._filled]
            self._filled -= begin
            self._came.set()

    def data_received(self, data: bytes) -> None:
        """For loops that hand on bytes to whoever has this (uvloop), whatever else it has."""
        at = 0
        while at < len(data):
            room = self.get_buffer(-1)
            count = min(len(room), len(data) - at)
            room[:count] = data[at : at + count]
            at += count
            self.buffer_updated(count)

    def eof_received(self) -> bool | None:
        """The broker has closed its side."""
        self._ended(asyncio.IncompleteReadError(b"", None))
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Neither side is open any more."""
        self._ended(exc or asyncio.IncompleteReadError(b"", None))
        super().connection_lost(exc)

    def _size(self, begin: int = 0) -> int:
        """Bytes of the answer that begins here, -1 when that is not known yet."""
        if self._filled - begin < _SIZE_BYTES:
            return -1
        size = int.from_bytes(self._buffer[begin : begin + _SIZE_BYTES], "big", signed=True)
        if not 0 <= size <= ANSWER_BYTES_MAX:
            raise ConnectionError(f"expected an answer of a broker, got one of {size} bytes")
        return size

    def _ended(self, error: BaseException) -> None:
        self._end = self._end or error
        self._came.set()


async def read_all(connection_of: Any) -> None:
    """What the client does with answers; it holds its connection only while it does something."""
    connection = connection_of()
    if connection is None:
        return
    answers = connection._protocol
    del connection
    while True:
        answer = await answers.next()
        connection = connection_of()
        if connection is None:
            return
        connection._handle_frame(answer)
        del connection
