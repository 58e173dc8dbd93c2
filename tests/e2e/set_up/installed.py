"""What deploy/README.md installs, from a wheel and run by a user who owns nothing: the life that
test_installed.py looks at. Run in a network namespace of its own, for it takes the ports that the
units, Prometheus and Alertmanager really have: `python -m tests.e2e.set_up.installed FOLDER`.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kafka import KafkaProducer

from tests.e2e.set_up.test_up import today
from tests.parts.clickhouse import ClickHouse, User
from tests.parts.kafka import Kafka
from tests.parts.process import Process
from tests.paths import ROOT

LAYERS = ("schemas", "alerts", "streams", "api", "loadtest", "deploy")
NOBODY = 65_534
PATIENCE_S = 240
CALM = 5
"""So many looks in a row at which all is well."""


class Machine:
    """The paths of the runbook below a folder, and its commands with these paths."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "python"
        self.opt = folder / "opt/fenghuo"
        self.etc = folder / "etc/fenghuo"
        unit = (ROOT / "deploy/systemd/fenghuo@.service").read_text()
        self.unit = self.here(unit.replace("%S", "/var/lib").replace("%C", "/var/cache"))

    def here(self, text: str) -> str:
        """The text with the paths that the runbook names moved below the folder."""
        return re.sub(r"(?<![\w/.])/(opt|etc|var)/", rf"{self.folder}/\1/", text)

    def install(self) -> None:
        """The runbook's lines by hand: a wheel, settings, a campaign of one's own."""
        source = self.folder / "source"
        for name in LAYERS:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        pip += ["--no-build-isolation", "--no-index", "--disable-pip-version-check"]
        run([*pip, "--target", str(self.opt / "lib"), str(source)])
        self._give_python()
        self.etc.mkdir(parents=True)
        for file in (ROOT / "deploy/systemd").glob("*.env"):
            (self.etc / file.name).write_text(self.here(file.read_text()))
        for name in ("lib", "cache"):
            made = self.folder / "var" / name / "fenghuo"
            made.mkdir(parents=True)
            os.chown(made, NOBODY, NOBODY)
        own = Path(today(self.folder)).read_text()
        head, *rules = own.split("[[rules]]")
        (self.etc / "campaign.toml").write_text(
            head.split("[targets]")[0]
            + "".join(f"[[rules]]{rule}" for rule in rules if 'id = "failing"' in rule)
        )

    def _give_python(self) -> None:
        """This Python where everybody may run it, with the packages of this environment."""
        self.python.mkdir()
        run(["mount", "--bind", sys.base_prefix, str(self.python)])
        name = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = next(path for path in sys.path if path.endswith("site-packages"))
        command = self.opt / "bin/fenghuo"
        command.parent.mkdir(parents=True)
        command.write_text(
            f"#!/bin/sh\nexport PYTHONPATH={self.opt}/lib:{packages}\n"
            f"export LD_LIBRARY_PATH={self.python}/lib\n"
            f'exec {self.python}/bin/{name} -m fenghuo.deploy "$@"\n'
        )
        command.chmod(0o755)

    def part(self, name: str) -> Process:
        """A part as its unit starts it, by a user without a home."""
        (start,) = re.findall(r"^ExecStart=(.*)$", self.unit, re.MULTILINE)
        command = [word.replace("%i", name) for word in start.split()]
        env: dict[str, str] = {}
        for optional, path in re.findall(r"^EnvironmentFile=(-?)(\S+)$", self.unit, re.MULTILINE):
            file = Path(path.replace("%i", name))
            if file.exists() or not optional:
                lines = file.read_text().splitlines()
                env |= dict(line.split("=", 1) for line in lines if line[:1] not in ("", "#"))
        env |= dict(re.findall(r"^Environment=(\w+)=(.*)$", self.unit, re.MULTILINE))
        (folder,) = re.findall(r"^WorkingDirectory=(.*)$", self.unit, re.MULTILINE)
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        clean = ["env", "-i", "PATH=/usr/bin:/bin", "HOME=/nonexistent", "LANG=C.UTF-8"]
        words = [*user, "env", f"--chdir={folder}", *clean]
        words += [f"{key}={value}" for key, value in env.items()] + command
        return Process(name, words, self.folder / f"{name}.log")

    def of_runbook(self, tool: str, binary: str) -> Process:
        """A command line of the runbook."""
        text = (ROOT / "deploy/README.md").read_text()
        (line,) = re.findall(rf"^{tool} --config.file=.*$", text, re.MULTILINE)
        words = shlex.split(self.here(line))[1:]
        return Process(tool, [binary, *words], self.folder / f"{tool}.log")


class Shop:
    """Orders, requests and complaints, a few a second."""

    def __init__(self) -> None:
        self._producer = KafkaProducer(bootstrap_servers="127.0.0.1:9092")
        self._sent = 0

    def sell(self, *, failing: bool = False) -> None:
        for _ in range(10):
            self._sent += 1
            status = "failed" if failing and self._sent % 2 else "paid"
            self._send("orders", order_id=f"o{self._sent}", kind="order", status=status)
            self._send("traffic", kind="traffic", system="cart", count=5)
        self._send("complaints", kind="complaint", type="delivery")
        self._producer.flush()

    def _send(self, topic: str, **fields: object) -> None:
        shared = {"event_id": f"{topic}-{self._sent}", "ts": time.time_ns() // 1_000_000}
        event = shared | _FIELDS[topic] | fields
        self._producer.send(topic, json.dumps(event).encode())


_FIELDS: dict[str, dict[str, object]] = {
    "orders": {
        "region": "east",
        "user_id": "u1",
        "category": "books",
        "channel": "app",
        "amount_fen": 100,
        "payment": "card",
    },
    "traffic": {
        "region": "east",
        "channel": "app",
        "action": "view",
        "status": 200,
        "latency_ms": 20,
        "user_id": "u1",
    },
    "complaints": {
        "region": "east",
        "channel": "app",
        "category": "books",
        "severity": 1,
        "text": "late",
    },
}


def main(folder: Path) -> dict[str, Any]:
    """Install, run, look; what was seen."""
    run(["ip", "link", "set", "lo", "up"])
    machine = Machine(folder)
    machine.install()
    with ExitStack() as stack:
        serve(stack, folder)
        parts = {name: machine.part(name) for name in ("archive", "judge", "gather", "api")}
        parts["notices"] = machine.part("notices")
        for part in parts.values():
            stack.enter_context(running(part))
        out = machine.etc / "generated"
        asked = ["--campaign", str(machine.etc / "campaign.toml"), "--out", str(out)]
        run([str(machine.opt / "bin/fenghuo"), "generate", *asked], cwd=folder)
        for tool, binary in (("prometheus", "prometheus"), ("alertmanager", alertmanager())):
            parts[tool] = stack.enter_context(running(machine.of_runbook(tool, binary)))
        return look(parts)


def look(parts: dict[str, Process]) -> dict[str, Any]:
    """All well, then an incident, until the receiver has it."""
    shop = Shop()
    calm = 0

    def well() -> bool:
        nonlocal calm
        shop.sell()
        calm = calm + 1 if targets() == ALL_UP and firing() == {"Watchdog"} else 0
        return calm == CALM

    def told() -> bool:
        shop.sell(failing=True)
        return "firing red Failing" in parts["notices"].log.read_text()

    wait_for(well, parts)
    seen = {"targets": targets(), "firing": sorted(firing()), "explained": explained()}
    wait_for(told, parts)
    lines = parts["notices"].log.read_text().splitlines()
    users = {name: os.stat(f"/proc/{_deepest(part.pid)}").st_uid for name, part in parts.items()}
    return seen | {
        "notice": next(line for line in lines if "firing red Failing" in line),
        "users": {name: users[name] for name in ("archive", "judge", "gather", "api", "notices")},
    }


ALL_UP = dict.fromkeys(("api", "archive", "gather", "judge"), "up")


def targets() -> dict[str, str]:
    found = ask("http://127.0.0.1:9090/api/v1/targets")
    return {t["labels"]["part"]: t["health"] for t in found["activeTargets"]} if found else {}


def firing() -> set[str]:
    found = ask("http://127.0.0.1:9090/api/v1/alerts")
    alerts = found["alerts"] if found else []
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def explained() -> bool:
    """Whether the link of an alert that fires opens at its own words."""
    alerts = ask("http://127.0.0.1:9090/api/v1/alerts")["alerts"]
    alert = next(one for one in alerts if one["labels"]["alertname"] == "Watchdog")
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    with urllib.request.urlopen(page, timeout=5) as answer:
        return f'id="{anchor}"' in answer.read().decode()


def ask(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def serve(stack: ExitStack, folder: Path) -> None:
    """Kafka and ClickHouse where the settings of the units look for them."""
    (folder / "kafka").mkdir()
    (folder / "clickhouse").mkdir()
    kafka = Kafka(folder / "kafka", 9092)
    store = ClickHouse(folder / "clickhouse", {"fenghuo": User("change-me", {})}, 9000)
    stack.callback(kafka.kill)
    stack.callback(store.kill)
    kafka.start()
    store.start()
    address = f"http://127.0.0.1:{store.http_port}/"
    urllib.request.urlopen(address, b"CREATE DATABASE fenghuo", timeout=10).close()


@contextmanager
def running(part: Process) -> Iterator[Process]:
    part.start()
    try:
        yield part
    finally:
        part.stop()


def wait_for(true: Callable[[], bool], parts: dict[str, Process]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        dead = [part.tail() for part in parts.values() if not part.alive()]
        if dead or time.monotonic() > end:
            logs = dead or [part.tail(8) for part in parts.values()]
            raise SystemExit(f"{targets()} {firing()}\n" + "\n".join(logs))
        time.sleep(1)


def alertmanager() -> str:
    """The binary: Debian calls it by another name."""
    return shutil.which("alertmanager") or shutil.which("prometheus-alertmanager") or ""


def run(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)}: {done.stdout}{done.stderr}")


def _deepest(pid: int) -> int:
    """The process that a wrapper became or started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return _deepest(int(children[0])) if children else pid


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
