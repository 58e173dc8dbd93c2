"""The whole river as its users run it: every part a process, on a broker and a store of one's
choice.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from tests.parts import next_release
from tests.parts.host_clock import HostClock
from tests.parts.process import Process, free_port
from tests.paths import ROOT

PARTS = ("gather", "judge", "archive", "api")
NO_ENV: Mapping[str, str] = MappingProxyType({})
READY_S_MAX = 60
REPLAYS = ROOT / "deploy" / "campaigns" / "replays.toml"


class River:
    """Gather, judge, archive and api of a lane on a broker and a store; more gather workers on
    demand.
    """

    def __init__(
        self,
        kafka: str,
        store: str,
        folder: Path,
        campaign: Path = REPLAYS,
        **settings: object,
    ) -> None:
        self.port = free_port()
        self.folder = folder
        self.env = {
            "FENGHUO_KAFKA": kafka,
            "FENGHUO_STORE": store,
            "FENGHUO_CAMPAIGN": str(campaign),
            "FENGHUO_HTTP_PORT": str(self.port),
            **{f"FENGHUO_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.parts: dict[str, Process] = {}
        self.clocks: dict[str, HostClock] = {}
        self.of_next_release: set[str] = set()
        """Names of parts that are to be of it."""

    def host(self, name: str, ahead_s: int = 0) -> HostClock:
        """The clock of the host that a part will be started on."""
        self.clocks[name] = HostClock(self.folder / f"{name}.clock", ahead_s)
        return self.clocks[name]

    def __enter__(self) -> Self:
        for name in PARTS:
            self.start(name)
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop every part."""
        for part in self.parts.values():
            part.stop()

    def start(self, name: str) -> None:
        """Start a part; `gather-2` is a second gather worker."""
        kind, clock = name.partition("-")[0], self.clocks.get(name)
        if name not in self.parts:
            words = ("fenghuo.deploy", "run", kind)
            command = clock.command(*words) if clock else [sys.executable, "-m", *words]
            env = self.env | (next_release.ENV if name in self.of_next_release else {})
            self.parts[name] = Process(name, command, self.folder / f"{name}.log", env)
        self.parts[name].start()

    def kill(self, name: str) -> None:
        """kill -9, and start again as a supervisor would."""
        self.parts[name].kill()
        self.parts[name].start()

    def wait_ready(self) -> None:
        """Until the api answers /readyz."""
        deadline = time.monotonic() + READY_S_MAX
        while True:
            try:
                self.get("readyz")
                return
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > deadline:
                    raise AssertionError(f"not ready: {error}: {self.logs()}") from error
                time.sleep(0.2)

    def get(self, path: str) -> Any:
        """What the api answers."""
        return json.loads(self.read(path))

    def read(self, path: str) -> bytes:
        """The same as the bytes that came."""
        url = f"http://127.0.0.1:{self.port}/{path}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            body: bytes = answer.read()
            return body

    def begin(self, *command: str, env: Mapping[str, str] = NO_ENV) -> subprocess.Popen[str]:
        """Begin a `fenghuo` command."""
        return subprocess.Popen(
            [sys.executable, "-m", "fenghuo.deploy", *command],
            env={**os.environ, **self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, env: Mapping[str, str] = NO_ENV) -> tuple[int, str]:
        """Run a `fenghuo` command to its end: exit code and what it printed."""
        running = self.begin(*command, env=env)
        out, err = running.communicate(timeout=600)
        return running.returncode, out if running.returncode == 0 or out.strip() else err

    def audit(self, env: Mapping[str, str] = NO_ENV) -> tuple[int, dict[str, Any]]:
        """The books."""
        code, out = self.run("audit", "--json", "--wait", "90", env=env)
        return code, json.loads(out)

    def logs(self) -> str:
        """Who has ended, and the ends of all logs, for a failure's message."""
        ended = [name for name, part in self.parts.items() if not part.alive()]
        return f"ended: {', '.join(ended) or 'none'}\n" + "\n".join(
            f"== {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-12:])
            for path in sorted(self.folder.glob("*.log"))
        )


def replay(river: River, files: Sequence[Path], mapping: str) -> dict[str, Any]:
    """Replay files at full speed to the end."""
    code, out = river.run("replay", mapping, *map(str, files), "--json")
    assert code == 0, out
    found: dict[str, Any] = json.loads(out)
    return found
