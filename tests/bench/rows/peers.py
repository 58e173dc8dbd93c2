"""Rows of the peers: other engines over a topic of their own, by their own script, same run.

The peers' folder is not ours: it is only read. All that its script makes goes to a temporary
folder, of which packages and jars are kept for the next run and the broker's data are not.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench.parts import Bench, PartError, Process, Skip, free_port
from tests.bench.report import Figure
from tests.paths import ROOT

DEFAULT: Final = ("hand-orjson", "java-hand", "kstreams", "flink")
BUILD_S_MAX: Final = 420.0
RUN_S_MAX: Final = 90.0
"""Most seconds of one peer for one round, its start included."""
WHOLE: Final = "whole"
"""A file that says that packages and the broker's jars came to their end."""
DIFFERS: Final = (
    "not our events: ten flat fields in 195 bytes, parsed but not validated, one group by of "
    "3 600 groups, no exact position, no late or refused events; gather cannot read them and reads "
    "its own of some 204 bytes, validates every field, keeps every cut and closes its books"
)


def default_folder() -> Path:
    """The sibling folder of the checkout; run.sh in it starts the peers."""
    return ROOT.parent / "shared" / "peers"


def peer(bench: Bench, name: str, folder: Path) -> list[Figure]:
    """One peer: rounds of its own, with fewer events than its authors take."""
    script = folder / "run.sh"
    if not script.is_file():
        raise Skip(f"no {script.name} in {folder}: --peers names the folder")
    if not shutil.which("java") or not shutil.which("mvn"):
        raise Skip("the peers' broker needs java and maven")
    events = bench.messages or bench.size(2_000_000, 500_000)
    home = _home()
    data = bench.folder / "peers-data"
    env = _env(home, data, events) | {"REPEAT": str(bench.rounds)}
    _whole(home)
    results = home / "results.jsonl"
    results.unlink(missing_ok=True)
    began_s = time.monotonic()
    limit_s = BUILD_S_MAX + RUN_S_MAX * bench.rounds
    try:
        with Process(f"peer-{name}", ["bash", str(script), name], bench.folder, env) as run:
            while run.code() is None:
                if time.monotonic() - began_s > limit_s:
                    raise PartError(f"{name}: not done within {limit_s:.0f} s: {run.tail()}")
                time.sleep(0.2)
            if run.code():
                raise PartError(f"{name}: run.sh ended with {run.code()}: {run.tail()}")
    finally:
        _stop_broker(folder, env)
        shutil.rmtree(data, ignore_errors=True)
    (home / WHOLE).touch()
    return figures(results.read_text().splitlines(), name, _expected(home))


def figures(lines: Sequence[str], name: str, checksum: str | None) -> list[Figure]:
    """What a peer's lines of results.jsonl say; raises PartError when a run failed or is wrong."""
    rows = [row for row in map(json.loads, lines) if row["name"] == name]
    bad = [row for row in rows if row["exit"] or "rate" not in row]
    wrong = [row for row in rows if checksum and row.get("checksum", checksum) != checksum]
    if not rows or bad or wrong:
        what = "counted wrongly" if wrong and not bad else "failed"
        raise PartError(f"{name}: {len(bad or wrong)} of {len(rows)} runs {what}")
    return [
        Figure(
            "read",
            "messages/s",
            tuple(row["rate"] for row in rows),
            tuple(row["cpu"] / row["events"] * 1e6 for row in rows),
            (),
            round(max(row["rss_mb"] for row in rows) * 1e6 / (1 << 20)),
            f"{rows[0]['events']} messages, CPU with its start; {DIFFERS}",
        )
    ]


def _home() -> Path:
    """Packages and jars of the peers, kept between runs: building them takes minutes."""
    home = Path(tempfile.gettempdir()) / f"fenghuo-bench-peers-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    return home


def _whole(home: Path) -> None:
    """What was being fetched when a run was stopped looks finished to run.sh: fetch it again."""
    if not (home / WHOLE).exists():
        for name in ("venv", "broker-libs"):
            shutil.rmtree(home / name, ignore_errors=True)


def _env(home: Path, data: Path, events: int) -> dict[str, str]:
    port = free_port(2)
    return {
        "PEERS_TMP": str(home),
        "PEERS_VENV": str(home / "venv"),
        "PEERS_DATA": str(data),
        "PEERS_PORT": str(port),
        "BOOTSTRAP": f"127.0.0.1:{port}",
        "TOPIC": "bench",
        "EVENTS": str(events),
        "QUIET_WAIT": "0",
        "TIMEOUT": str(int(RUN_S_MAX)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _stop_broker(folder: Path, env: dict[str, str]) -> None:
    """By the peers' own script, and if that fails by the id that it wrote down."""
    place = Path(env["PEERS_TMP"]) / "broker.pid"
    before = _pid(place)
    subprocess.run(
        ["bash", str(folder / "broker.sh"), "stop"],
        env={**os.environ, **env},
        check=False,
        capture_output=True,
        timeout=60,
    )
    if before is not None and _is_kafka(before):
        os.kill(before, signal.SIGKILL)
    place.unlink(missing_ok=True)


def _pid(place: Path) -> int | None:
    try:
        return int(place.read_text())
    except (OSError, ValueError):
        return None


def _is_kafka(pid: int) -> bool:
    try:
        return b"kafka.Kafka" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _expected(home: Path) -> str | None:
    try:
        found: dict[str, Any] = json.loads((home / "expected-bench.json").read_text())
    except (OSError, ValueError):
        return None
    return str(found["checksum"])
