"""The whole part as it is started for real: settings from the environment, stopped by a signal."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fenghuo.schemas.settings import Settings, environment
from tests.api.boards import FILE
from tests.api.server import wait_for
from tests.parts.process import free_port
from tests.paths import ROOT

SERVE = (
    "import os; from fenghuo.api.app import serve; from fenghuo.schemas.settings import read;"
    "serve(read(os.environ))"
)


@contextlib.contextmanager
def serving(
    folder: Path, *, first: str = "", **given: Any
) -> Iterator[tuple[Settings, subprocess.Popen[bytes]]]:
    """The part as a process, without broker and store; its log is `folder/log`."""
    settings = Settings(
        kafka=f"127.0.0.1:{free_port()}",
        store=f"clickhouse://user:secret@127.0.0.1:{free_port()}/db",
        campaign=str(FILE),
        http_port=free_port(),
        **given,
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", first + SERVE],
            cwd=ROOT,
            env={**os.environ, **environment(settings)},
            stderr=log,
        )
        try:
            wait_for(lambda: health(settings), 15)
            yield settings, process
        finally:
            process.kill()
            process.wait()


def health(settings: Settings) -> dict[str, object] | None:
    try:
        address = f"http://127.0.0.1:{settings.http_port}"
        with urllib.request.urlopen(f"{address}/healthz", timeout=1) as answer:
            found: dict[str, object] = json.load(answer)
            return found
    except OSError:
        return None


def test_it_starts_without_a_broker_and_stops_cleanly(tmp_path: Path) -> None:
    start_ms = 1_794_398_400_000
    with serving(tmp_path, rehearsal_start_ms=start_ms) as (settings, process):
        found = health(settings)
        assert found is not None
        assert found["kafka"] == settings.kafka
        assert "secret" not in str(found["store"])
        address = f"http://127.0.0.1:{settings.http_port}"
        with urllib.request.urlopen(f"{address}/api/v1/campaign", timeout=1) as answer:
            assert json.load(answer)["start_ms"] == start_ms
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said
    assert "secret" not in said


FILES = 300
LIMITED = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}));"


def test_a_flood_of_connections_does_not_take_the_last_descriptor(tmp_path: Path) -> None:
    """Under a small limit, which it tells, an api answers and streams beside a thousand of them."""
    with serving(tmp_path, first=LIMITED) as (settings, process), contextlib.ExitStack() as flood:
        place = ("127.0.0.1", settings.http_port)
        viewer = flood.enter_context(socket.create_connection(place, 5))
        viewer.sendall(b"GET /api/v1/stream?gz=0 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert viewer.recv(12) == b"HTTP/1.1 200"
        for _ in range(1_000):
            flood.enter_context(socket.create_connection(place, 5))
        wait_for(lambda: health(settings))
        assert len(os.listdir(f"/proc/{process.pid}/fd")) < FILES
        viewer.setblocking(False)
        while viewer.recv(65_536):  # what has come by now
            if not select.select([viewer], [], [], 0)[0]:
                break
        assert select.select([viewer], [], [], 5)[0], "the stream stands"
    said = (tmp_path / "log").read_text()
    assert said.count(f"{FILES} open files are allowed: at most 154 viewers") == 1
    assert "Traceback" not in said
