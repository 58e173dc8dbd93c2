"""Feed: one view a tick, encoded and compressed once, sent to every viewer; latest wins.

No viewer has a queue: whoever is slow skips views and costs no memory. Whoever reads nothing for
SEND_S is let go, and when all places are taken no address holds them all. A raw ASGI application,
because one shared piece of bytes is all there is to send.
"""

import asyncio
import contextlib
import logging
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from fenghuo.api.door.connection import END
from fenghuo.api.door.places import Full, Places
from fenghuo.api.errors import ApiError, bad_parameter
from fenghuo.api.view.latest import Latest
from fenghuo.api.view.whole_numbers import encoded

LOG = logging.getLogger(__name__)
HEARTBEAT_S = 0.9
GAP_S = 0.05
"""Shortest time between two views: a burst of boards is one view."""
SEND_S = 15.0
RETRY_AFTER_S = 5
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
HELLO = b": fenghuo\n\n"


class Packed(msgspec.Struct, frozen=True):
    """The same bytes twice: plain, and as a piece of gzip stream that any piece may follow."""

    plain: bytes
    deflated: bytes

    @classmethod
    def of(cls, plain: bytes) -> "Packed":
        packer = zlib.compressobj(level=5, wbits=-15)
        return cls(plain, packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH))


def event(name: str, seq: int, data: bytes) -> bytes:
    """One event of the stream; JSON has no line breaks of its own."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, name.encode(), data)


class Feed:
    """The stream /api/v1/stream. `run` makes the views, each call is one viewer."""

    def __init__(
        self,
        latest: Latest,
        *,
        clock_ms: Callable[[], int],
        page: str,
        viewers_max: int,
        send_s: float = SEND_S,
    ) -> None:
        self.frames_sent = 0
        self.slow_cut = 0
        self.displaced = 0
        self._latest = latest
        self._clock_ms = clock_ms
        self._page = page
        self._places: Places[asyncio.Future[None]] = Places(viewers_max)
        self._send_s = send_s
        self._hello = Packed.of(HELLO)
        self._view = self._hello
        self._number = 0
        self._snapshot: tuple[int, Packed] = (-1, self._hello)
        self._news = asyncio.Event()
        self._wake = asyncio.Event()
        self._closed = False

    @property
    def viewers(self) -> int:
        """How many are on the stream."""
        return len(self._places)

    @property
    def viewers_max(self) -> int:
        """How many may be."""
        return self._places.most

    def wake(self) -> None:
        """A new board has come: send it now, not at the next heartbeat."""
        self._wake.set()

    def close(self) -> None:
        """Say goodbye to every viewer, so that the server can stop at once."""
        self._closed = True
        self._news.set()

    async def run(self) -> None:
        """Make a view whenever a board comes, and at least once a second."""
        while not self._closed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), HEARTBEAT_S)
            self._wake.clear()
            self._publish()
            await asyncio.sleep(GAP_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            packed = self._wants_gzip(scope)
            address, displaced = self._placed(scope)
        except ApiError as error:
            await error.response()(scope, receive, send)
            return
        sender = asyncio.create_task(self._serve(send, packed))
        watcher = asyncio.create_task(_until_gone(receive))
        try:
            ends: set[asyncio.Future[Any]] = {sender, watcher, displaced}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if displaced.done() or (sender.done() and not sender.result()):
                await _end(scope, watcher)
        finally:
            self._places.leave(displaced, address)
            displaced.cancel()
            for task in (sender, watcher):
                task.cancel()
            for end in await asyncio.gather(sender, watcher, return_exceptions=True):
                if isinstance(end, Exception):
                    LOG.error("a viewer's stream failed", exc_info=end)

    def _placed(self, scope: Scope) -> tuple[str, asyncio.Future[None]]:
        """A place for one more: by which address, and what tells that another has it now."""
        address = (scope.get("client") or ("", 0))[0]
        displaced = asyncio.get_running_loop().create_future()
        try:
            if self._closed:
                raise Full
            lost = self._places.take(displaced, address)
        except Full:
            raise self._full() from None
        if lost is not None:
            self.displaced += 1
            if not lost.done():
                lost.set_result(None)
        return address, displaced

    def _publish(self) -> None:
        view = self._latest.view(self._clock_ms())
        if view is not None:
            data = encoded(view | {"page": self._page})
            self._view = Packed.of(event("view", view["seq"], data))
            self._number += 1
        self._news.set()
        self._news = asyncio.Event()

    def _first(self) -> Packed | None:
        """The snapshot of the present view, made once for all who come before the next one."""
        if self._snapshot[0] != self._number:
            whole = self._latest.snapshot(self._clock_ms())
            if whole is None:
                return None
            data = encoded(whole | {"page": self._page})
            self._snapshot = (self._number, Packed.of(event("snapshot", whole["seq"], data)))
        return self._snapshot[1]

    async def _serve(self, send: Send, packed: bool) -> bool:
        """Send until the server stops; False when the viewer took nothing for too long."""

        async def push(piece: Packed) -> None:
            body = piece.deflated if packed else piece.plain
            message = {"type": "http.response.body", "body": body, "more_body": True}
            async with asyncio.timeout(self._send_s):
                await send(message)

        try:
            await send(_start(packed))
            if packed:
                await push(Packed(b"", GZIP_HEADER))
            await push(self._hello)
            while (first := self._first()) is None and not self._closed:
                await self._news.wait()
                await push(self._hello)
            if first is not None:
                await push(first)
            await self._follow(push)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            self.slow_cut += 1
            return False
        except OSError as error:
            LOG.debug("a viewer left: %s", error)
        return True

    async def _follow(self, push: Callable[[Packed], Any]) -> None:
        shown = self._number
        while not self._closed:
            if shown == self._number:
                await self._news.wait()
            if shown == self._number:
                continue
            shown = self._number
            await push(self._view)
            self.frames_sent += 1

    def _wants_gzip(self, scope: Scope) -> bool:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        if unknown := set(query) - {"gz"}:
            name = min(unknown)
            raise bad_parameter(f"{name}: no such parameter", "the stream knows gz=0 only")
        if query.get("gz", "1") not in ("0", "1"):
            raise bad_parameter(f"gz: expected 0 or 1, got {query['gz']!r}", "leave it out")
        return query.get("gz") != "0" and accepts_gzip(Headers(scope=scope))

    def _full(self) -> ApiError:
        return ApiError(
            503,
            "too_many_viewers",
            message=f"expected at most {self._places.most} viewers, all places are taken",
            cure="ask again later, raise FENGHUO_VIEWERS_MAX, or start another api",
            retry_after_s=RETRY_AFTER_S,
        )


def accepts_gzip(headers: Headers) -> bool:
    """Whether Accept-Encoding names gzip, and not with weight 0."""
    for part in ",".join(headers.getlist("accept-encoding")).lower().split(","):
        name, _, weight = part.replace(" ", "").partition(";")
        if name == "gzip":
            return weight.removeprefix("q=") not in ("0", "0.0", "0.00", "0.000")
    return False


def _start(packed: bool) -> dict[str, Any]:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        (b"vary", b"accept-encoding"),
    ]
    if packed:
        headers.append((b"content-encoding", b"gzip"))
    return {"type": "http.response.start", "status": 200, "headers": headers}


async def _until_gone(receive: Receive) -> None:
    """Without this, sending to someone who left does nothing and never ends."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end(scope: Scope, watcher: asyncio.Task[None]) -> None:
    """End the connection of one who reads nothing: what waits for him in its buffer goes too."""
    if end := scope.get("state", {}).get(END):
        end()
        await watcher
