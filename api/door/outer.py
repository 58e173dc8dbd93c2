"""Outer: what is around every answer: who is let in, HEAD, security headers, the count. Pure ASGI,
so that streams stream.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fenghuo.api.door import door
from fenghuo.api.errors import ApiError
from fenghuo.api.metrics import Metrics
from fenghuo.schemas.hosts import Hosts

CONTENT_SECURITY = (
    b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    b" form-action 'none'; frame-ancestors 'none'"
)
SECURITY = (
    (b"content-security-policy", CONTENT_SECURITY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


class Outer:
    """The app within its guard."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        *,
        hosts: Hosts | None,
        answers_max: int,
        endless: str,
    ) -> None:
        """hosts: None lets any name in. endless: the path whose answers do not count as such."""
        self._app = app
        self._metrics = metrics
        self._hosts = hosts
        self._answers_max = answers_max
        self._endless = endless
        self._answers = 0
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # HEAD is GET whose body stays here; the server keeps its own scope, which says HEAD.
        is_head = scope["method"] == "HEAD"
        inner = {**scope, "method": "GET"} if is_head else scope

        async def guarded(message: Message) -> None:
            if message["type"] != "http.response.start":
                if not is_head:
                    await send(message)
                return
            message["headers"] = [*message.get("headers", ()), *SECURITY]
            # the stream is a plain route, which does not say which one it is
            plain = inner["path"] if "endpoint" in inner else "unmatched"
            route = getattr(inner.get("route"), "path", plain)
            self._metrics.requests.labels(route, str(message["status"])).inc()
            await send(message)
            if is_head:  # a stream ends here too: whoever reads no more is gone
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        if error := self._refusal(inner):
            await error.response()(inner, receive, guarded)
        elif inner["path"] == self._endless:
            await self._app(inner, receive, guarded)
        else:
            self._answers += 1
            try:
                await self._its_turn()
                await self._app(inner, receive, guarded)
            finally:
                self._answers -= 1

    async def _its_turn(self) -> None:
        """One answer begins in a round of the event loop. A board takes half a dozen rounds from
        the broker to the viewers: with as many answers in each as there are askers it came late.
        """
        async with self._turn:
            await asyncio.sleep(0)

    def _refusal(self, scope: Scope) -> ApiError | None:
        url_bytes = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
        if error := door.refusal(url_bytes, scope["headers"], self._hosts):
            return error
        is_full = scope["path"] != self._endless and self._answers >= self._answers_max
        return door.busy(self._answers_max) if is_full else None
