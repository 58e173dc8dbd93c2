"""Connections of a hostile client: each owes something within a time, and none of them takes
descriptors or the live stream from others.
"""

import contextlib
import http.client
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from fenghuo.api.door import connection, limits
from fenghuo.api.door.door import BODY_BYTES_MAX, HEADER_BYTES_MAX, URL_BYTES_MAX
from fenghuo.api.history.stores import Stores
from tests.api.boards import FakeSource
from tests.api.history.test_asking import Held
from tests.api.live.test_feed import viewer
from tests.api.server import Running, running, wait_for

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
BEGUN = HEALTH[:30]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's patience, not the house's."""
    for name in ("REQUEST_S", "ANSWER_S", "CLOSE_S"):
        monkeypatch.setattr(connection, name, 0.4)


@contextlib.contextmanager
def opened(run: Running, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", run.port), 10, (source, 0)) as link:
        yield link


def told(link: socket.socket) -> bytes:
    """All that comes until the other side ends the connection; a reset is an error."""
    found = b""
    while data := link.recv(65_536):
        found += data
    return found


def code(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]["code"]


def test_who_says_nothing_is_let_go() -> None:
    with running(FakeSource()) as run, opened(run) as link:
        assert told(link) == b""
        wait_for(lambda: run.connections == 0)


def test_a_byte_now_and_then_is_no_request() -> None:
    with running(FakeSource()) as run, opened(run) as link:
        began_s = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in BEGUN * 10:
                link.send(bytes([byte]))
                time.sleep(0.02)
                if time.monotonic() - began_s > 5:
                    pytest.fail("a client that sends its header byte by byte is waited for")
        wait_for(lambda: run.connections == 0)


def test_half_a_request_is_told_what_lacks() -> None:
    with running(FakeSource()) as run, opened(run) as link:
        link.sendall(BEGUN)
        assert code(told(link)) == (408, "slow_request")


def test_half_a_second_request_is_told_what_lacks() -> None:
    with running(FakeSource()) as run, opened(run) as link:
        link.sendall(HEALTH)
        assert link.recv(65_536).startswith(b"HTTP/1.1 200")
        link.sendall(BEGUN)
        assert code(told(link)) == (408, "slow_request")


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    head = b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    with running(FakeSource()) as run, opened(run) as link:
        link.sendall(head)
        told(link)
        wait_for(lambda: run.connections == 0)


def test_a_connection_that_is_kept_is_kept_for_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fenghuo.api.app.IDLE_S", 1)
    with running(FakeSource()) as run, opened(run) as link:
        for _ in range(2):
            link.sendall(HEALTH)
            assert link.recv(65_536).startswith(b"HTTP/1.1 200")
        assert told(link) == b""


def test_the_stream_knows_none_of_these_times() -> None:
    with running(FakeSource()) as run:
        run.push(60)
        with viewer(run) as seen:
            began_s = time.monotonic()
            while time.monotonic() - began_s < 4 * connection.REQUEST_S:
                seen.event()


def test_a_flood_of_silent_connections_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WAITING_MAX", 20)
    monkeypatch.setattr(connection, "REQUEST_S", 60.0)
    with running(FakeSource()) as run, contextlib.ExitStack() as flood:
        run.push(60)
        with viewer(run) as seen:
            seen.event()
            for _ in range(300):
                flood.enter_context(opened(run))
            with opened(run) as link:
                link.sendall(HEALTH)
                assert link.recv(65_536).startswith(b"HTTP/1.1 200")
            assert seen.event()[0] == "view"
            wait_for(lambda: run.connections <= 21)
        with opened(run) as link:
            link.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b'fenghuo_connections_ended_total{lane="real",why="crowded_out"} 28' in (
                told(link)
            )


PIECES = 1_000


async def _large(_: Request) -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(PIECES):
            yield b"x" * 65_536

    return StreamingResponse(pieces())


def test_an_answer_that_nobody_takes_is_given_up() -> None:
    with running(FakeSource()) as run, opened(run) as link:
        run.app.router.routes.insert(0, Route("/large", endpoint=_large))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: run.connections == 1)
        with contextlib.suppress(OSError):
            for _ in range(500):  # not nothing: a little of it, now and then
                if not link.recv(64) or run.connections == 0:
                    break
                time.sleep(0.01)
        wait_for(lambda: run.connections == 0)


def test_a_viewer_that_is_cut_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in its buffer would keep the connection for as long as it takes a byte at times."""
    monkeypatch.setattr("fenghuo.api.live.feed.GAP_S", 0.0)
    with running(FakeSource()) as run:
        run.feed._send_s = 0.5
        run.push(0)
        with opened(run) as asleep, viewer(run) as awake:
            asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            asleep.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_for(lambda: run.feed.viewers == 2)
            seen, end_s = 0, time.monotonic() + 15
            while run.feed.slow_cut == 0 and time.monotonic() < end_s:
                run.push(seen / 4 + 0.25)
                seen = awake.event()[1]["seq"]
            wait_for(lambda: run.connections == 1)


def test_one_address_does_not_keep_the_stream_from_others() -> None:
    with running(FakeSource(), viewers_max=16) as run, contextlib.ExitStack() as many:
        run.push(60)
        links = [many.enter_context(opened(run)) for _ in range(17)]
        for link in links:
            link.sendall(b"GET /api/v1/stream?gz=0 HTTP/1.1\r\nHost: x\r\n\r\n")
        heads = [link.recv(12) for link in links]
        assert sorted(heads) == [b"HTTP/1.1 200"] * 16 + [b"HTTP/1.1 503"]
        other = many.enter_context(opened(run, "127.0.0.2"))
        other.sendall(b"GET /api/v1/stream?gz=0 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert other.recv(12) == b"HTTP/1.1 200"
        wait_for(lambda: run.feed.displaced == 1)
        assert run.feed.viewers == 16


def test_more_questions_than_places_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANSWERS_MAX", 2)
    monkeypatch.setattr(connection, "ANSWER_S", 60.0)
    held = Held()
    asking = b"GET /api/v1/totals?kind=order&from_ms=%d HTTP/1.1\r\nHost: x\r\n\r\n"
    with (
        running(FakeSource(), stores=Stores(lambda: held, "held")) as run,
        contextlib.ExitStack() as many,
    ):
        run.push(60)
        for number in range(2):
            many.enter_context(opened(run)).sendall(asking % number)
        wait_for(lambda: held.asked == 2)
        with opened(run) as link, viewer(run) as seen:
            link.sendall(HEALTH)
            answer = link.recv(65_536)
            assert code(answer) == (503, "busy")
            assert b"\r\nretry-after: " in answer.lower()
            assert seen.event()[0] == "snapshot"
        held.go.set()


def _asking(method: str, target: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


MB = 1_000_000
SIZES = {
    "address": (_asking("GET", "/" + "a" * MB), 414),
    "address, just above": (_asking("GET", "/" + "a" * URL_BYTES_MAX), 414),
    "question": (_asking("GET", "/api/v1/totals?kind=" + "a" * MB), 414),
    "address of the stream": (_asking("GET", "/api/v1/stream?gz=" + "a" * MB), 414),
    "header": (_asking("GET", "/healthz", "X: " + "a" * MB), 431),
    "header, just above": (_asking("GET", "/healthz", "X: " + "a" * HEADER_BYTES_MAX), 431),
    "many headers": (_asking("GET", "/healthz", *(f"X{n}: a" for n in range(9_999))), 431),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00" * 40, 400),
    "no HTTP": (b"EHLO wall\r\n\r\n", 400),
} | {
    f"body, {method} {path}": (_asking(method, path, f"Content-Length: {100 * MB}"), 413)
    for method in ("GET", "POST")
    for path in ("/healthz", "/api/v1/totals?kind=order", "/api/v1/stream")
}
SIZES["body, of one who closes then"] = (
    _asking("POST", "/healthz", "Connection: close", f"Content-Length: {100 * MB}"),
    413,
)
SIZES["body in chunks"] = (
    _asking("POST", "/healthz", "Transfer-Encoding: chunked") + b"fffff\r\n" * 9,
    413,
)


@pytest.mark.parametrize("name", SIZES)
def test_what_is_too_large_is_refused_with_its_limit(name: str) -> None:
    """The answer comes whole: closing on unread bytes would reset the connection before it."""
    request, status = SIZES[name]
    with running(FakeSource()) as run:
        with opened(run) as link:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                link.sendall(request)
                for _ in range(100 if name.startswith("body, ") else 0):
                    link.sendall(b"x" * MB)
            answer = b""
            while answer.count(b"}}") == 0:
                data = link.recv(65_536)
                assert data, answer
                answer += data
        found, _ = code(answer)
        assert found == status
        wait_for(lambda: run.connections == 0)


@pytest.mark.parametrize("connection_header", ["close", "keep-alive"])
def test_a_client_that_sends_all_before_it_reads_is_told_too(
    connection_header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSE_S", 10.0)
    with running(FakeSource()) as run:
        link = http.client.HTTPConnection("127.0.0.1", run.port, timeout=10)
        for path in ("/healthz", "/" + "a" * 2 * URL_BYTES_MAX):
            link.request("POST", path, b"x" * 20 * MB, {"Connection": connection_header})
            answer = link.getresponse()
            assert answer.status == (413 if path == "/healthz" else 414)
            assert json.loads(answer.read())["error"]["cure"]
            link.close()


@pytest.mark.parametrize("size", [0, 1, BODY_BYTES_MAX])
def test_a_small_body_is_passed_over(size: int) -> None:
    asking = _asking("GET", "/healthz", f"Content-Length: {size}") + b"x" * size
    with running(FakeSource()) as run, opened(run) as link:
        for _ in range(2):
            link.sendall(asking)
            assert link.recv(65_536).startswith(b"HTTP/1.1 200")
