"""Many viewers of /api/v1/stream from one process, run as `python -m tests.bench.viewers
URL VIEWERS SECONDS`; prints one JSON object.

They ask for gzip, as browsers do. A view comes in a chunk of its own that can be unpacked alone,
and all viewers get the same bytes: so each is unpacked once, and what is late about a view is the
time from the api's clock in it (`server_ms`) to its arrival at each viewer.
"""

import asyncio
import json
import resource
import sys
import time
import zlib
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from fenghuo.loadtest.watch.watch import quantile

OPEN_AT_ONCE: Final = 50
OPEN_PAUSE_S: Final = 0.05
GZIP_HEAD: Final = b"\x1f\x8b"
KNOWN_MAX: Final = 10_000
"""Views remembered, some kilobytes each; more than a run has."""
SETTLE_S: Final = 2.0


class Crowd:
    """What all viewers together saw since `begin`."""

    def __init__(self) -> None:
        self.delays_ms: list[int] = []
        self.connected = 0
        self.lost = 0
        self.bytes = 0
        self._since_ms: int | None = None
        self._server_ms: dict[bytes, int | None] = {}

    def begin(self) -> None:
        """Count from now on."""
        self._since_ms = _now_ms()

    def views(self) -> int:
        """Different views that came since `begin`."""
        since_ms = self._since_ms or 0
        return sum(1 for at in self._server_ms.values() if at is not None and at >= since_ms)

    def take(self, chunk: bytes) -> None:
        """One chunk of one viewer."""
        if self._since_ms is None:
            return
        self.bytes += len(chunk)
        if chunk not in self._server_ms and len(self._server_ms) < KNOWN_MAX:
            self._server_ms[chunk] = made_ms(chunk)
        at_ms = self._server_ms.get(chunk)
        if at_ms is not None and at_ms >= self._since_ms:
            self.delays_ms.append(_now_ms() - at_ms)


class Reader(asyncio.Protocol):
    """One viewer: asks for the stream, cuts what comes into its chunks."""

    def __init__(self, crowd: Crowd, request: bytes) -> None:
        self._crowd = crowd
        self._request = request
        self._buffer = bytearray()
        self._in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._in_body:
            head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not end:
                return
            self._in_body = True
            self._crowd.connected += b" 200 " in head.split(b"\r\n")[0]
            self._buffer = bytearray(rest)
        found, used = chunks(bytes(self._buffer))
        del self._buffer[:used]
        for chunk in found:
            self._crowd.take(chunk)

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.lost += 1


def chunks(data: bytes) -> tuple[list[bytes], int]:
    """The whole chunks at the beginning of a chunked HTTP body, and how many bytes they take."""
    found, at = [], 0
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end], 16)
        if len(data) < end + 2 + size + 2:
            break
        found.append(data[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return found, at


def made_ms(chunk: bytes) -> int | None:
    """The server's clock in a view that came as a piece of a gzip stream; None of other pieces."""
    if chunk.startswith(GZIP_HEAD):
        return None
    try:
        text = zlib.decompressobj(wbits=-15).decompress(chunk)
    except zlib.error:
        return None
    for line in text.splitlines():
        if line.startswith(b"event: ") and line != b"event: view":
            return None  # a snapshot is for one who came late, not a tick
        if line.startswith(b"data: "):
            view = json.loads(line[6:])
            return int(view["server_ms"])
    return None


async def watch(url: str, viewers: int, seconds: float) -> Mapping[str, object]:
    """Open the viewers bit by bit, let them settle, then count for some seconds."""
    place, crowd = urlsplit(url), Crowd()
    request = (
        f"GET /api/v1/stream HTTP/1.1\r\nHost: {place.netloc}\r\n"
        "Accept-Encoding: gzip\r\nAccept: text/event-stream\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    links: list[asyncio.Transport] = []
    for number in range(viewers):
        link, _ = await loop.create_connection(
            lambda: Reader(crowd, request), place.hostname or "127.0.0.1", place.port or 80
        )
        links.append(link)
        if number % OPEN_AT_ONCE == OPEN_AT_ONCE - 1:
            await asyncio.sleep(OPEN_PAUSE_S)
    await asyncio.sleep(SETTLE_S)
    crowd.begin()
    print("counting", flush=True)
    cpu_s = _cpu_s()
    await asyncio.sleep(seconds)
    delays = crowd.delays_ms
    answer = {
        "connected": crowd.connected - crowd.lost,
        "views": crowd.views(),
        "arrivals": len(delays),
        "p50_ms": quantile(delays, 0.5),
        "p99_ms": quantile(delays, 0.99),
        "bytes": crowd.bytes,
        "reader_cores": round((_cpu_s() - cpu_s) / seconds, 3),
    }
    for link in links:
        link.close()
    return answer


def main() -> None:
    """Arguments in, one JSON object out."""
    url, viewers, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    print(json.dumps(asyncio.run(watch(url, viewers, seconds))), flush=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
