"""The whole part as it is started for real: settings from the environment, stopped by a signal."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from fenghuo.schemas.settings import Settings, environment
from tests.api.boards import FILE
from tests.api.server import wait_for
from tests.parts.process import free_port

ROOT = Path(__file__).resolve().parents[2]
SERVE = (
    "import os; from fenghuo.api.app import serve; from fenghuo.schemas.settings import read;"
    "serve(read(os.environ))"
)


def test_it_starts_without_a_broker_and_stops_cleanly(tmp_path: Path) -> None:
    settings = Settings(
        kafka=f"127.0.0.1:{free_port()}",
        store=f"clickhouse://user:secret@127.0.0.1:{free_port()}/db",
        campaign=str(FILE),
        http_port=free_port(),
        rehearsal_start_ms=1_794_398_400_000,
    )
    address = f"http://127.0.0.1:{settings.http_port}"
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        cwd=ROOT,
        env={**os.environ, **environment(settings)},
        stderr=log,
    )
    try:

        def health() -> dict[str, object] | None:
            try:
                with urllib.request.urlopen(f"{address}/healthz", timeout=1) as answer:
                    found: dict[str, object] = json.load(answer)
                    return found
            except OSError:
                return None

        wait_for(health, 15)
        found = health()
        assert found is not None
        assert found["kafka"] == settings.kafka
        assert "secret" not in str(found["store"])
        with urllib.request.urlopen(f"{address}/api/v1/campaign", timeout=1) as answer:
            assert json.load(answer)["start_ms"] == settings.rehearsal_start_ms
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert time.monotonic() - started < 2
    finally:
        process.kill()
        process.wait()
        log.close()
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said
    assert "secret" not in said
