"""A child process that is always stopped: own process group, log file, readiness, log tail."""

import atexit
import contextlib
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

GROUP_S = 3.0
LOG_TAIL_LINES = 30
# Below the kernel's ephemeral range: a client that retries a dead port in that range may connect
# to itself, and then the server cannot have its port back.
PORT_MIN, PORT_MAX = 20_000, 32_000

_started: set["Process"] = set()
_given_ports: set[int] = set()


class PartError(RuntimeError):
    """A part did not start, stop or answer; the text ends with the tail of its log."""


class Process:
    """Starts one command; `stop` is gentle then firm, `kill` is -9, both take the whole group."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, env: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        self.log = log
        self.env = env or {}
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise PartError(f"{self.name}: expected a running process, it was not started")
        return self._child.pid

    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        if self.alive():
            raise PartError(f"{self.name}: expected a stopped process, pid {self.pid} is running")
        # The kernel ends the child when this thread's process dies, even by -9.
        wrapper = [found, "--pdeathsig", "KILL"] if (found := shutil.which("setpriv")) else []
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [*wrapper, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.env},
                start_new_session=True,
            )
        _started.add(self)

    def wait_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.alive():
                code = self._child.returncode if self._child else None
                raise PartError(f"{self.name}: ended with {code} while starting\n{self.tail()}")
            if ready():
                return
            time.sleep(0.05)
        self.kill()
        raise PartError(f"{self.name}: expected ready within {seconds} s\n{self.tail()}")

    def wait_ended(self, seconds: float) -> None:
        """For a command that does one thing and ends: anything but exit code 0 is an error."""
        try:
            code = self._child.wait(seconds) if self._child else None
        except subprocess.TimeoutExpired:
            code = None
        self.kill()
        if code != 0:
            raise PartError(f"{self.name}: expected exit code 0, it was {code}\n{self.tail()}")

    def stop(self, seconds: float = 10.0) -> int | None:
        """SIGTERM, and SIGKILL when it takes longer than `seconds`; the exit code."""
        if self._child is None:
            return None
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(seconds)
        return self.kill()

    def kill(self) -> int | None:
        """SIGKILL to the whole group, also when its leader ended by itself; the exit code."""
        if self._child is None:
            return None
        self._signal(signal.SIGKILL)
        code = self._child.wait(10)
        self._wait_group()
        _started.discard(self)
        return code

    def tail(self, lines: int = LOG_TAIL_LINES) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        last = "\n".join(text.splitlines()[-lines:])
        return f"--- last {lines} lines of {self.log.name} ---\n{last}"

    def _wait_group(self) -> None:
        """Until the others of a killed group are gone too: they die a moment after the signal."""
        deadline = time.monotonic() + GROUP_S
        while _living(self.pid) and time.monotonic() < deadline:
            time.sleep(0.001)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def _living(group: int) -> bool:
    """Whether a process group has members; the dead that nobody has waited for do not count."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(of) == group and state not in "ZX":
                return True
    return False


def free_port() -> int:
    """A loopback port that nobody listens on, and that this session has not given out before."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(PORT_MIN, PORT_MAX)
        if port not in _given_ports and _can_bind(port):
            _given_ports.add(port)
            return port
    raise PartError(f"expected a free port in {PORT_MIN}..{PORT_MAX}, all are taken")


def answers_tcp(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def answers_kafka(port: int) -> bool:
    """True when a broker answers ApiVersions: an open port alone comes seconds before that."""
    header = struct.pack(">hhih", 18, 0, 7, -1)
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as wire:
        wire.settimeout(1)
        wire.sendall(struct.pack(">i", len(header)) + header)
        return len(wire.recv(8)) > 0
    return False


def _can_bind(port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        return True
    return False


@atexit.register
def _kill_what_is_left() -> None:
    for process in list(_started):
        process.kill()
