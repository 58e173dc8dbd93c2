"""A crowd that asks at once leaves the event loop its rounds, in which boards reach the viewers."""

import asyncio
import contextlib
from collections import Counter

import httpx
import pytest
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fenghuo.api.door import limits
from tests.api.boards import FakeSource
from tests.api.server import make_app

CROWD = 60


def test_of_a_crowd_one_answer_begins_in_a_round_of_the_loop() -> None:
    begun: Counter[int] = Counter()
    rounds = 0

    class Noted:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            begun[rounds] += 1
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    async def count() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async def ask() -> None:
        app = make_app(FakeSource())
        app.router.routes.insert(0, Route("/noted", Noted()))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            await client.get("/noted")  # what is made at the first request is made
            begun.clear()
            counting = asyncio.ensure_future(count())
            answers = await asyncio.gather(*(client.get("/noted") for _ in range(CROWD)))
            counting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await counting
        assert {answer.status_code for answer in answers} == {204}

    asyncio.run(ask())
    assert begun.total() == CROWD
    assert max(begun.values()) == 1


def test_who_waits_for_the_turn_counts_as_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANSWERS_MAX", 20)

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(make_app(FakeSource()))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            answers = await asyncio.gather(*(client.get("/healthz") for _ in range(CROWD)))
            again = await client.get("/healthz")
        return [*(answer.status_code for answer in answers), again.status_code]

    *first, again = asyncio.run(ask())
    assert again == 200
    assert Counter(first) == {200: 20, 503: CROWD - 20}
