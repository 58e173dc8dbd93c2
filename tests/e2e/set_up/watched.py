"""A river that a real Prometheus watches by the rules that are shipped."""

import json
import signal
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from fenghuo.alerts.prometheus.files import PROMETHEUS_PATH, RULES_PATH, files
from fenghuo.alerts.prometheus.health_rules import health_alerts
from fenghuo.schemas.campaign.campaign import Campaign
from tests.alerts.prometheus.promtool import tool
from tests.e2e.river import PARTS, River
from tests.parts.process import Process, free_port

NAMES = frozenset(str(alert["alert"]) for alert in health_alerts(""))
FIRES_S_MAX = 120
"""How long a cause may take to be told; its holds and bounds are within that."""


class Watched(River):
    """Each part offers /metrics on a port of its own."""

    def __init__(
        self, kafka: str, store: str, folder: Path, campaign: Path, **more: object
    ) -> None:
        super().__init__(kafka, store, folder, campaign, **more)
        self.ports = {name: free_port() for name in PARTS} | {"api": self.port}

    def start(self, name: str) -> None:
        self.env = {**self.env, "FENGHUO_METRICS_PORT": str(self.ports[name])}
        super().start(name)


class Prometheus:
    """The real one, with the generated rules and other targets."""

    def __init__(self, folder: Path, campaign: Campaign, ports: Mapping[str, int]) -> None:
        self._folder = folder
        self._campaign = campaign
        folder.mkdir()
        self.aim(ports)
        self.port = free_port()
        self.process = Process(
            "prometheus",
            [
                tool("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=warn",
            ],
            folder / "prometheus.log",
        )

    def __enter__(self) -> Self:
        self.process.start()
        self.process.wait_ready(self._answers, 60)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()

    def aim(self, ports: Mapping[str, int]) -> None:
        """Write its configuration for these targets."""
        targets = tuple((part, f"127.0.0.1:{port}") for part, port in ports.items())
        made = files(self._campaign, targets=targets)
        for path in (RULES_PATH, PROMETHEUS_PATH):
            (self._folder / Path(path).name).write_text(made[path], encoding="utf-8")

    def lose_its_targets(self) -> None:
        """A configuration without the job, taken over."""
        self.aim({})
        self.process._signal(signal.SIGHUP)

    def firing(self) -> set[str]:
        """Which alerts of our own fire now."""
        alerts = self._get("alerts")["alerts"]
        fire = {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}
        return fire & NAMES

    def ask(self, query: str) -> list[float]:
        """The values of an instant query."""
        found = self._get(f"query?query={urllib.parse.quote(query)}")["result"]
        return [float(one["value"][1]) for one in found]

    def await_firing(self, name: str) -> bool:
        """Whether it is seen to fire."""
        return wait(lambda: name in self.firing())

    def await_calm(self) -> bool:
        """Whether all but the watchdog become silent."""
        return wait(lambda: self.firing() == {"Watchdog"})

    def _answers(self) -> bool:
        try:
            return self.ask("vector(1)") == [1]
        except OSError:
            return False

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=30) as a:
            return json.loads(a.read())["data"]


def wait(what: Callable[[], bool]) -> bool:
    """Whether it becomes true while there is patience."""
    deadline = time.monotonic() + FIRES_S_MAX
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.5)
    return False
