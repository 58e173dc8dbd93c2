"""`fenghuo up`: what it refuses before it starts, what a stop leaves behind, and what it finds on a
folder that was used before.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from tests.e2e.river import REPLAYS
from tests.laws.judge.duty import TEXT
from tests.parts.process import Process, _living, free_port

pytestmark = [
    pytest.mark.real,
    # kafka-python leaves refused sockets to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
Need = Callable[[str], None]
COMMAND = (sys.executable, "-m", "fenghuo.deploy", "up", "--campaign", str(REPLAYS))
PATIENCE_S = 120


def up(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`fenghuo up` to its end."""
    env = os.environ | {f"FENGHUO_{name.upper()}": value for name, value in settings.items()}
    command = [*COMMAND, *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


@contextmanager
def listening() -> Iterator[int]:
    with closing(socket.create_server(("127.0.0.1", free_port()))) as taken:
        yield taken.getsockname()[1]


@contextmanager
def tree(folder: Path, *words: str) -> Iterator[Process]:
    """`fenghuo up` while something is done with it."""
    running = Process("up", [*COMMAND, *words], folder / "up.out")
    running.start()
    try:
        yield running
    finally:
        running.stop(20)


def wait_for(true: Callable[[], object], running: Process) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert running.alive(), running.tail()
        assert time.monotonic() < end, running.tail()
        time.sleep(0.1)


def said(running: Process, words: str, times: int = 1) -> bool:
    return running.log.exists() and running.log.read_text().count(words) >= times


@pytest.mark.parametrize("above", [0, 4], ids=["its own", "the shadow lane's"])
def test_a_taken_port_is_refused_in_one_line_before_anything_starts(
    above: int, tmp_path: Path
) -> None:
    with listening() as port:
        done = up("--shadow", "--port", str(port - above), "--data", str(tmp_path / "data"))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"fenghuo up: port {port} of 127.0.0.1 is taken, perhaps by another fenghuo; "
        "--port chooses another one\n"
    )
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("words", "settings", "told"),
    [
        (["--port", "70000"], {}, "expected a port from 1 to 65535, got 70000"),
        (["--shadow", "--port", "65534"], {}, "expected a port from 1 to 65535, got 65538"),
        ([], {"http_host": "192.0.2.1"}, "expected an address of this machine"),
        ([], {"http_host": "no such"}, "expected an address of this machine"),
        (["--data", "/proc/none"], {}, "--data: expected a folder to write to, got /proc/none"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    words: list[str], settings: dict[str, str], told: str
) -> None:
    done = up(*words, **({"http_port": str(free_port())} | settings))

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_api_on_a_taken_port_says_so_in_one_line() -> None:
    with listening() as port:
        done = subprocess.run(
            [*COMMAND[:3], "run", "api"],
            env=os.environ | {"FENGHUO_HTTP_PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert done.returncode == 2
    assert done.stderr.startswith(f"fenghuo run api: port {port} of 127.0.0.1 is taken")
    assert done.stderr.count("\n") == 1


def test_a_folder_that_another_one_uses_is_refused(need: Need, tmp_path: Path) -> None:
    need("tansu")
    data = ("--data", str(tmp_path / "data"))
    with tree(tmp_path, *data, "--port", str(free_port())) as first:
        wait_for(lambda: said(first, "data in"), first)
        done = up(*data, "--port", str(free_port()))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"fenghuo up: --data: {tmp_path}/data is in use by another fenghuo; stop that one\n"
    )


def test_the_logs_of_a_failed_start_are_kept_and_named(tmp_path: Path) -> None:
    """Parts that may open no more than 12 files cannot start."""
    env = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*COMMAND, "--port", str(free_port())],
        env=env,
        capture_output=True,
        text=True,
        timeout=100,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12)),
    )

    kept = [path for path in tmp_path.glob("fenghuo-*") if path.is_dir()]
    assert done.returncode == 1, done.stdout + done.stderr
    assert "while starting" in done.stdout
    assert done.stdout.endswith(f"what each part wrote is kept in {kept[0]}/*.log\n")
    assert (kept[0] / "gather.log").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_stop_while_starting_leaves_nothing_behind(
    number: signal.Signals, need: Need, tmp_path: Path
) -> None:
    need("tansu")
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, and what it starts, ignores it
    try:
        stop_while_starting(number, tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)


def stop_while_starting(number: signal.Signals, tmp_path: Path) -> None:
    with tree(tmp_path, "--data", str(tmp_path / "data"), "--port", str(free_port())) as running:
        wait_for(lambda: said(running, "starting"), running)
        time.sleep(0.5)
        groups = [int(path.name) for path in Path("/proc").iterdir() if _is_child(path, running)]
        os.kill(running.pid, number)
        end = time.monotonic() + 30
        while (left := running.alive() or any(map(_living, groups))) and time.monotonic() < end:
            time.sleep(0.05)

    assert len(groups) >= 4
    assert not left


def test_a_kept_folder_goes_on_with_its_sums(need: Need, tmp_path: Path) -> None:
    """5 000 fen in the first life and 10 000 in the second: the page says 15 000, as the store."""
    need("tansu")
    port = free_port()
    words = ("--data", str(tmp_path / "data"), "--port", str(port), "--campaign", today(tmp_path))
    with tree(tmp_path, *words) as first:
        wait_for(lambda: said(first, "ready: "), first)
        pay(first, 5, "first")
        wait_for(lambda: page_fen(port) == totals_fen(port) == 5_000, first)
    with tree(tmp_path, *words) as second:
        wait_for(lambda: said(second, "ready: http", times=2), second)
        wait_for(lambda: page_fen(port) == totals_fen(port) == 5_000, second)
        pay(second, 10, "second")
        wait_for(lambda: page_fen(port) == totals_fen(port) == 15_000, second)
        view = get(port, "status")

    orders = next(kind for kind in view["kinds"] if kind["kind"] == "order")
    assert (orders["accepted"], orders["lag_events"], orders["partitions"]) == (15, 0, 1)
    east = next(one for one in view["overview"]["regions"] if one["region"] == "east")
    assert east["gmv_fen"] == 15_000


def today(folder: Path) -> str:
    """A campaign that is on."""
    now = datetime.now(UTC)
    times = {
        "2026-11-11T00:00:00+08:00": now - timedelta(days=1),
        "2026-11-12T00:00:00+08:00": now + timedelta(days=1),
    }
    text = TEXT
    for known, moved in times.items():
        text = text.replace(known, moved.isoformat(timespec="seconds"))
    (folder / "today.toml").write_text(text)
    return str(folder / "today.toml")


def pay(running: Process, count: int, life: str) -> None:
    """Orders of 1 000 fen each."""
    export = next(line for line in running.log.read_text().splitlines()[::-1] if "export" in line)
    bootstrap = export.partition("FENGHUO_KAFKA=")[2].split()[0]
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for i in range(count):
        order = {
            "kind": "order",
            "event_id": f"{life}-{i}",
            "ts": time.time_ns() // 1_000_000,
            "region": "east",
            "order_id": f"{life}-{i}",
            "user_id": f"u{i}",
            "category": "food",
            "channel": "app",
            "amount_fen": 1_000,
            "status": "paid",
            "payment": "alipay",
        }
        producer.send("orders", json.dumps(order).encode())
    producer.flush(30)
    producer.close()


def page_fen(port: int) -> int:
    fen: int = get(port, "status")["overview"]["gmv_fen"] or 0
    return fen


def totals_fen(port: int) -> int:
    rows = get(port, "totals?kind=order")["rows"]
    return sum(row["paid_amount_fen"] for row in rows)


def get(port: int, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _is_child(folder: Path, running: Process) -> bool:
    """Whether a folder of /proc is that of a child."""
    try:
        stat = (folder / "stat").read_text(errors="replace")
    except OSError:
        return False
    return int(stat.rpartition(")")[2].split()[1]) == running.pid
