"""Runs the app on a real uvicorn: in a thread of the test, or as a process that plays the story."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import IO, Any

import uvicorn
from fastapi import FastAPI
from msgspec.structs import replace

from fenghuo.api import app as api
from fenghuo.api.history.stores import Stores
from fenghuo.api.live.feed import Feed
from fenghuo.api.view.latest import Latest
from fenghuo.schemas.lane import REAL, Lane
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store.faults import Fault
from fenghuo.schemas.store.port import StoreError
from tests.api import boards
from tests.api.boards import FakeSource


class Clock:
    """A wall clock that a test can move."""

    def __init__(self) -> None:
        self.moved_ms = 0

    def __call__(self) -> int:
        return api.now_ms() + self.moved_ms


class NoStore:
    """A store that is away."""

    address = "clickhouse://nowhere:9000/none"

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        raise StoreError(f"{self.address}: connection refused", Fault("away"))

    def execute(self, sql: str) -> None:
        raise NotImplementedError

    def insert(self, table: str, columns: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


def make_app(
    source: FakeSource,
    clock: Clock | None = None,
    *,
    stores: Stores | None = None,
    **settings: Any,
) -> FastAPI:
    """The real app over a fake source and, unless one is given, no store."""
    return api.create_app(
        Settings(**settings),
        campaign=boards.campaign(),
        stores=stores or Stores(NoStore, NoStore.address),
        source=source,
        clock_ms=clock or Clock(),
    )


class Running:
    """A server in a thread."""

    def __init__(self, app: FastAPI, source: FakeSource, port: int, server: uvicorn.Server) -> None:
        self.app = app
        self.server = server
        self.port = port
        self._source = source

    @property
    def feed(self) -> Feed:
        feed: Feed = self.app.state.feed
        return feed

    @property
    def connections(self) -> int:
        """How many are open, by uvicorn's own count."""
        return len(self.server.server_state.connections)

    def push(self, second: float, **changes: Any) -> None:
        """A board of the story, made just now."""
        now_ms = api.now_ms()
        made = boards.board(second, now_ms=now_ms, **changes)
        self._source.push_from_afar(made, now_ms)


@contextlib.contextmanager
def running(
    source: FakeSource, *, stores: Stores | None = None, **settings: Any
) -> Iterator[Running]:
    """The app on a free port, until the block ends."""
    listener = api.listen("127.0.0.1", 0)
    app = make_app(source, stores=stores, **settings)
    server = api.server(app)
    run = Running(app, source, listener.getsockname()[1], server)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    wait_for(lambda: server.started and source.loop is not None)
    try:
        yield run
    finally:
        server.should_exit = True
        thread.join(5)
        assert not thread.is_alive(), "the server did not stop"


def wait_for(check: Any, limit_s: float = 5.0) -> None:
    """Until the check is true; fails after the limit."""
    end = time.monotonic() + limit_s
    while not check():
        assert time.monotonic() < end, f"not true within {limit_s} s"
        time.sleep(0.01)


class Story:
    """A process that serves the story: four boards a second, and commands on its standard input."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self.process = process
        self.address = address

    def tell(self, **command: Any) -> None:
        """`rate=0` stops the boards, `skip_ms=` moves the clock, `second=` jumps, `empty=True`."""
        _pipe(self.process.stdin).write(json.dumps(command) + "\n")
        _pipe(self.process.stdin).flush()


@contextlib.contextmanager
def story(second: float = 60.0, *, lane: Lane = REAL) -> Iterator[Story]:
    """The story in a process of its own, from this second on."""
    command = [sys.executable, "-m", "tests.api.server", str(second), lane]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    try:
        yield Story(process, _pipe(process.stdout).readline().strip())
    finally:
        process.terminate()
        process.wait(5)
        for stream in (process.stdin, process.stdout):
            _pipe(stream).close()


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def _play(second: float, lane: str) -> None:
    clock = Clock()
    source = FakeSource(Latest(clock()))
    listener: socket.socket = api.listen("127.0.0.1", 0)
    # Before its beginning the story has no board at all, until it is told to jump.
    rate = 4 if second > -boards.WARM_S else 0
    state: dict[str, Any] = {"rate": rate, "second": second, "empty": False, "evil": "", "many": 0}
    state |= {"varied": False, "refused": ""}
    for step in range(max(2 - boards.WARM_S, int(second) - 600), int(second)):
        past = boards.board(step, now_ms=clock() - round((second - step) * 1000))
        source.latest.apply(past, clock())

    def push_on() -> None:
        while True:
            time.sleep(0.25)
            if state["rate"] and source.loop is not None:
                state["second"] += 0.25
                made = boards.board(state["second"], now_ms=clock())
                made = boards.varied(made) if state["varied"] else made
                made = boards.without_data(made) if state["empty"] else made
                made = boards.many_regions(made, state["many"]) if state["many"] else made
                made = boards.named(made, state["evil"]) if state["evil"] else made
                note = replace(made.campaign, refused=state["refused"])
                source.push_from_afar(replace(made, campaign=note), clock())

    def listen_on() -> None:
        for line in sys.stdin:
            command = json.loads(line)
            clock.moved_ms += command.pop("skip_ms", 0)
            state.update(command)

    app = make_app(source, clock, lane=lane)
    for work in (push_on, listen_on):
        threading.Thread(target=work, daemon=True).start()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    api.run(app, listener)


if __name__ == "__main__":
    _play(float(sys.argv[1]), sys.argv[2])
