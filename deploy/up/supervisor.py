"""Children: processes that live and die with this one, are started again when they die, and stopped
in order.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

STOP_S_MAX = 4.0
RESTART_S = (0.3, 1.0, 3.0, 10.0)
"""Pause before a part that died is started again; the last one repeats. A quiet minute starts over.
"""


class Child:
    """One process of the tree: how to start it, and whether it may be started again."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        *,
        ends: bool = False,
    ) -> None:
        """folder: where its log goes. ends: it does one thing and is done with exit code 0."""
        self.name = name
        self.ends = ends
        self.started_s = 0.0
        self.deaths = 0
        self._command = list(command)
        self._env = dict(env)
        self.log = folder / f"{name}.log"
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
                # Ctrl-C and a terminal that closes reach this process alone: it stops all in order
                process_group=0,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  it makes one system call
            )

    @property
    def pid(self) -> int | None:
        """The process there is now; None before the first start."""
        return None if self.process is None else self.process.pid

    @property
    def is_done(self) -> bool:
        """Whether it did the one thing it was started for."""
        return self.ends and self.code() == 0

    def end_group(self) -> None:
        """SIGKILL to what it left behind when it ended."""
        if self.process is not None and self.code() is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def code(self) -> int | None:
        """Its exit code once it has ended."""
        return None if self.process is None else self.process.poll()

    def tail(self, lines: int = 8) -> str:
        """The end of what it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def watch(children: list[Child], stop: threading.Event, say: Callable[[str], None]) -> int:
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
            if child.is_done:
                continue
            if child.name not in due:
                lived_s = time.monotonic() - child.started_s
                child.deaths = 0 if lived_s > 60 else child.deaths + 1
                pause = RESTART_S[min(child.deaths, len(RESTART_S) - 1)]
                due[child.name] = time.monotonic() + pause
                say(f"{child.name} ended with {child.code()}, starts again in {pause:g} s")
                child.end_group()
            elif time.monotonic() >= due[child.name]:
                del due[child.name]
                child.start()
    return 0


def stop_all(children: Sequence[Child]) -> None:
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
    for child in children:
        child.end_group()


def on_stop() -> threading.Event:
    """An event that SIGINT, SIGTERM and the end of the terminal set; nohup keeps its meaning."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    return stop


def _die_with_parent() -> None:
    """Linux: SIGKILL for this process when its parent ends (PR_SET_PDEATHSIG = 1)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
