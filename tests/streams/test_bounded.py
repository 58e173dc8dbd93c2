"""Whoever asks a worker's /metrics, or does not, takes nothing from the counting."""

import contextlib
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import HTTPServer

import pytest

from fenghuo.schemas.lane import REAL
from fenghuo.streams import bounded, metrics, notices

SERVERS: dict[str, Callable[[], HTTPServer]] = {
    "metrics": lambda: metrics.server("127.0.0.1", 0, REAL),
    "notices": lambda: notices.server(0, lambda _: None),
}


@pytest.fixture(params=SERVERS)
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with SERVERS[request.param]() as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        yield listening.server_address[1]
        listening.shutdown()
        thread.join()


def ended(link: socket.socket) -> bool:
    """Whether the other side ends it, within some seconds."""
    link.settimeout(8)
    with contextlib.suppress(ConnectionError):
        while link.recv(65_536):
            pass
    return True


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nX: "])
def test_a_request_that_does_not_end_is_not_waited_for(
    port: int, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "CONNECTION_S_MAX", 0.4)
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.sendall(sent)
        assert ended(link)


def test_a_flood_takes_few_threads_and_the_newest_is_answered(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "CONNECTIONS_MAX", 8)
    before = threading.active_count()
    with contextlib.ExitStack() as flood:
        links = [
            flood.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(200)
        ]
        assert all(map(ended, links[:100]))
        until_s = time.monotonic() + 8
        while threading.active_count() > before + 9 and time.monotonic() < until_s:
            time.sleep(0.02)
        assert threading.active_count() <= before + 9
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.sendall(b"PUT /metrics HTTP/1.0\r\n\r\n")
            assert link.recv(5) == b"HTTP/"


def test_metrics_are_told_with_their_lane() -> None:
    with metrics.server("127.0.0.1", 0, REAL) as listening:
        threading.Thread(target=listening.handle_request).start()
        address = f"http://127.0.0.1:{listening.server_address[1]}/metrics"
        with urllib.request.urlopen(address, timeout=8) as answer:
            told = answer.read().decode()
    assert 'process_open_fds{lane="real"}' in told
