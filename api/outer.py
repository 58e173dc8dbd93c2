"""Outer: what is around every answer: HEAD, security headers, the count. Pure ASGI, so that streams
stream.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fenghuo.api.metrics import Metrics

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

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

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

        await self._app(inner, receive, guarded)
