"""A reverse proxy that puts a server below a path, as nginx does with `location /ops/wall/`."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

SWEEPS = 10


@contextlib.contextmanager
def below(path: str, target: str) -> Iterator[str]:
    """The address of a proxy that takes `path` away and passes the rest on; all else is 404."""
    place = urlsplit(target)
    ready, ports = threading.Event(), list[int]()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await _pass_on(reader, writer, path, (place.hostname or "", place.port or 80))
        await _closed(writer)

    async def serve() -> None:
        server = await asyncio.start_server(one, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await asyncio.get_running_loop().run_in_executor(None, over.wait)
        server.close()
        # a connection that was just taken begins its task later than this
        for _ in range(SWEEPS):
            ours = asyncio.all_tasks() - {asyncio.current_task()}
            for task in ours:
                task.cancel()
            await asyncio.gather(*ours, return_exceptions=True)
            await asyncio.sleep(0.02)

    over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(5), "the proxy did not start"
        yield f"http://127.0.0.1:{ports[0]}{path}"
    finally:
        over.set()
        thread.join(30)


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    path: str,
    target: tuple[str, int],
) -> None:
    """One request of a connection, closed after its answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, address, rest = head.split(b" ", 2)
    if not address.startswith(path.encode()):
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        return
    far_reader, far_writer = await asyncio.open_connection(*target)
    try:
        rest = rest.replace(b"\r\nConnection: keep-alive", b"")
        request = b" ".join((method, b"/" + address[len(path) :], rest))
        far_writer.write(request[:-2] + b"Connection: close\r\n\r\n")
        while data := await far_reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        await _closed(far_writer)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()
