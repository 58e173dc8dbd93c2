"""The stream on a real server: snapshot first, latest wins, nobody is kept who left or sleeps."""

import contextlib
import http.client
import json
import os
import signal
import socket
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from fenghuo.api.live import feed
from tests.api.boards import FakeSource
from tests.api.server import Running, running, story, wait_for

Event = tuple[str, dict[str, Any]]


class Viewer:
    """A reader of the stream over a plain socket."""

    def __init__(self, port: int, query: str = "", gzip: bool = False) -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        encoding = "gzip" if gzip else "identity"
        self._link.request("GET", f"/api/v1/stream{query}", headers={"Accept-Encoding": encoding})
        self.answer = self._link.getresponse()
        packed = self.answer.headers["content-encoding"] == "gzip"
        self._unzip = zlib.decompressobj(wbits=31) if packed else None
        self._text = b""

    def block(self) -> str:
        """The next piece up to an empty line."""
        while b"\n\n" not in self._text:
            data = self.answer.read1(65536)
            assert data, "the stream ended"
            self._text += self._unzip.decompress(data) if self._unzip else data
        head, self._text = self._text.split(b"\n\n", 1)
        return head.decode()

    def event(self) -> Event:
        """The next event: name and data; its id is checked."""
        while (block := self.block()).startswith(":"):
            pass
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        data = json.loads(fields["data"])
        assert fields["id"] == str(data["seq"])
        return fields["event"], data

    def close(self) -> None:
        self.answer.close()
        self._link.close()


@contextlib.contextmanager
def viewer(run: Running, query: str = "", gzip: bool = False) -> Iterator[Viewer]:
    made = Viewer(run.port, query, gzip)
    try:
        yield made
    finally:
        made.close()


def test_a_comment_at_once_then_the_snapshot_then_views() -> None:
    with running(FakeSource()) as run:
        run.push(60)
        with viewer(run) as seen:
            assert seen.block() == ": fenghuo"
            name, first = seen.event()
            run.push(60.25)
            after, second = seen.event()
            while second["seq"] == first["seq"]:  # a heartbeat came between
                after, second = seen.event()

    assert (name, after) == ("snapshot", "view")
    assert len(first["verdicts"]) == len(second["verdicts"])
    assert "past" in first
    assert "past" not in second
    assert second["seq"] == first["seq"] + 1
    assert first["page"] == second["page"]


def test_views_go_on_without_boards_and_the_age_grows() -> None:
    with running(FakeSource()) as run:
        run.push(60)
        with viewer(run) as seen:
            started = time.monotonic()
            ages = [seen.event()[1]["board_age_ms"] for _ in range(4)]

    assert time.monotonic() - started < 3.5
    assert ages == sorted(ages)
    assert ages[-1] - ages[0] >= 1_000


def test_a_new_board_is_sent_at_once() -> None:
    with running(FakeSource()) as run:
        run.push(60)
        with viewer(run) as seen:
            seen.event()
            waits = []
            for quarter in range(1, 6):
                time.sleep(0.1)
                started = time.monotonic()
                run.push(60 + quarter / 4)
                while seen.event()[1]["seq"] < 241 + quarter:
                    pass
                waits.append(time.monotonic() - started)

    assert sorted(waits)[2] < 0.3


def test_before_the_first_board_there_are_comments_only() -> None:
    with running(FakeSource()) as run, viewer(run) as seen:
        assert [seen.block() for _ in range(2)] == [": fenghuo"] * 2
        run.push(60)
        assert seen.event()[0] == "snapshot"


def test_gzip_is_one_stream_that_a_late_comer_can_read() -> None:
    with running(FakeSource()) as run:
        run.push(60)
        with viewer(run, gzip=True) as early:
            assert early.answer.headers["content-encoding"] == "gzip"
            early.event()
            for quarter in range(1, 4):
                run.push(60 + quarter / 4)
                early.event()
            with viewer(run, gzip=True) as late:
                name, data = late.event()
                run.push(62)
                assert late.event()[1]["seq"] == early.event()[1]["seq"] == 249
        with viewer(run, "?gz=0", gzip=True) as plain:
            assert plain.answer.headers["content-encoding"] is None
            assert plain.event()[0] == "snapshot"

    assert (name, data["seq"]) == ("snapshot", 244)


def test_who_leaves_is_forgotten() -> None:
    with running(FakeSource()) as run:
        run.push(60)
        seen = [Viewer(run.port) for _ in range(20)]
        for one in seen:
            one.event()
        assert run.feed.viewers == 20
        for one in seen:
            one.close()
        wait_for(lambda: run.feed.viewers == 0)


def test_one_viewer_too_many_is_told_to_come_back() -> None:
    with running(FakeSource(), viewers_max=1) as run, viewer(run), viewer(run) as second:
        answer = second.answer
        body = json.loads(answer.read())

        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert body["error"]["code"] == "too_many_viewers"


@pytest.mark.parametrize("query", ["?gz=2", "?speed=1", "?gz"])
def test_parameters_are_checked(query: str) -> None:
    with running(FakeSource()) as run, viewer(run, query) as seen:
        assert seen.answer.status == 400
        assert set(json.loads(seen.answer.read())["error"]) == {"code", "message", "cure"}


def test_a_stalled_reader_costs_no_memory_and_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "GAP_S", 0.0)
    with running(FakeSource()) as run:
        run.feed._send_s = 1.0  # the test's patience, not the house's
        run.push(0)
        with socket.create_connection(("127.0.0.1", run.port)) as asleep, viewer(run) as awake:
            asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            asleep.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_for(lambda: run.feed.viewers == 2)
            seen = 0
            end = time.monotonic() + 15
            while run.feed.slow_cut == 0 and time.monotonic() < end:
                run.push(seen / 4 + 0.25)
                seen = awake.event()[1]["seq"]
            assert run.feed.slow_cut == 1
            wait_for(lambda: run.feed.viewers == 1)
            # Latest wins: the one who reads has the newest, whatever the sleeper missed.
            run.push(9000)
            wait_for(lambda: awake.event()[1]["seq"] == 36001)


def test_the_server_stops_within_two_seconds_with_viewers_attached() -> None:
    with story() as played:
        port = int(played.address.rpartition(":")[2])
        seen = [Viewer(port) for _ in range(5)]
        for one in seen:
            one.event()
        started = time.monotonic()
        os.kill(played.process.pid, signal.SIGTERM)
        code = played.process.wait(5)
        took_s = time.monotonic() - started
        for one in seen:
            one.close()

    assert took_s < 2
    # The bare server dies by the signal it was sent; `serve` turns that into a plain 0.
    assert code in (0, -signal.SIGTERM)


def test_head_of_the_stream_ends_at_once_and_is_no_viewer() -> None:
    with running(FakeSource()) as run:
        run.push(60)
        link = http.client.HTTPConnection("127.0.0.1", run.port, timeout=5)
        for _ in range(2):  # the connection goes on behind it
            link.request("HEAD", "/api/v1/stream")
            answer = link.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
            assert answer.headers["content-type"].startswith("text/event-stream")
            wait_for(lambda: run.feed.viewers == 0)
        link.request("GET", "/healthz")
        assert json.loads(link.getresponse().read())["ok"] is True
        link.close()
