"""Names of strangers are refused where they can ask: everywhere, with one line and its cure."""

import asyncio
import socket
from typing import Any

import httpx
import pytest

from fenghuo.schemas.settings import Settings
from tests.api.boards import FakeSource
from tests.api.server import make_app

EVERY = ("/", "/healthz", "/metrics", "/api/v1/status", "/api/v1/totals", "/api/v1/stream")


def asked(host: str, path: str = "/healthz", **settings: Any) -> httpx.Response:
    """The answer to one who asks under a name."""

    async def ask() -> httpx.Response:
        app = make_app(FakeSource(), **settings)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get(path, headers={"Host": host})

    return asyncio.run(ask())


@pytest.mark.parametrize("path", EVERY)
def test_a_name_of_a_stranger_is_refused_beyond_loopback(path: str) -> None:
    answer = asked("evil.example:8600", path, http_host="0.0.0.0")
    assert answer.status_code == 421
    error = answer.json()["error"]
    assert error["code"] == "foreign_host"
    assert "'evil.example:8600'" in error["message"]
    assert "FENGHUO_HOSTS" in error["cure"]


@pytest.mark.parametrize("host", ["127.0.0.1:8600", "10.0.0.7", "[::1]", "localhost", "api:8600"])
def test_addresses_and_plain_names_are_answered_beyond_loopback(host: str) -> None:
    assert asked(host, http_host="0.0.0.0").status_code == 200


def test_a_machine_is_asked_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Wall7.corp.example")
    assert asked("wall7.corp.example:8600", http_host="0.0.0.0").status_code == 200
    assert asked("wall8.corp.example", http_host="wall8.corp.example").status_code == 200


def test_a_proxy_in_front_has_a_name_of_its_own() -> None:
    """On loopback any, as it passes it on; beyond it, the one that is told."""
    assert asked("wall.example.com").status_code == 200
    assert asked("wall.example.com", http_host="0.0.0.0").status_code == 421
    told: dict[str, Any] = {"http_host": "0.0.0.0", "hosts": "wall.example.com"}
    assert asked("wall.example.com", **told).status_code == 200
    assert asked("evil.example", **told).status_code == 421
    assert asked("evil.example", http_host=Settings().http_host, hosts="a.cn").status_code == 421
