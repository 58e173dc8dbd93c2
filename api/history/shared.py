"""Shared: what many ask at the same time is worked out once, and what every page asks is kept for a
moment.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable

KEPT_BYTES_MAX = 16_000_000
KEPT_MAX = 64


class Shared:
    """Answers by their question. A question that failed is asked anew by whoever comes next."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._running: dict[Hashable, asyncio.Task[bytes]] = {}
        self._kept: dict[Hashable, tuple[float, bytes]] = {}

    async def get(
        self, key: Hashable, make: Callable[[], Awaitable[bytes]], keep_s: float = 0.0
    ) -> bytes:
        """The answer, at most `keep_s` old. Who goes away while it is made takes it from nobody."""
        until_s, kept = self._kept.get(key, (0.0, b""))
        if self._clock_s() < until_s:
            return kept
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.ensure_future(self._made(key, make, keep_s))
        return await asyncio.shield(task)

    async def _made(
        self, key: Hashable, make: Callable[[], Awaitable[bytes]], keep_s: float
    ) -> bytes:
        try:
            answer = await make()
        finally:
            del self._running[key]
        if keep_s:
            self._keep(key, answer, keep_s)
        return answer

    def _keep(self, key: Hashable, answer: bytes, keep_s: float) -> None:
        now_s = self._clock_s()
        fresh = {old: kept for old, kept in self._kept.items() if now_s < kept[0] and old != key}
        self._kept = fresh | {key: (now_s + keep_s, answer)}
        while len(self._kept) > KEPT_MAX or self._bytes() > KEPT_BYTES_MAX:
            self._kept.pop(next(iter(self._kept)))

    def _bytes(self) -> int:
        return sum(len(answer) for _, answer in self._kept.values())
