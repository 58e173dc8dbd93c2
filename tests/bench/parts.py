"""The processes of a bench run: always stopped, their CPU and memory read from /proc.

Each is a group of its own, dies with this process, and is gone after its `with` block however that
ends.
"""

import atexit
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

FENGHUO: Final = (sys.executable, "-m", "fenghuo.deploy")
STOP_S_MAX: Final = 10.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_living: set["Process"] = set()


class Skip(Exception):
    """A row that cannot run here: the text says why, and the cure when it is known."""


class PartError(RuntimeError):
    """A process did not do what it was started for; ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What every row is given: how often, how long, where, and whom to tell. messages: of a backlog
    of single JSON messages, for gather and peers alike; 0: what each row takes by itself.
    """

    rounds: int
    quick: bool
    folder: Path
    say: Callable[[str], None]
    messages: int = 0

    def size(self, full: int, quick: int) -> int:
        """A size of the full run, or of the quick one."""
        return quick if self.quick else full


class Process:
    """One command in a group of its own, with a log."""

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}-{secrets.token_hex(3)}.log"
        mortal = [found, "--pdeathsig", "KILL"] if (found := shutil.which("setpriv")) else []
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [*mortal, *command],
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._child.pid
        _living.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """SIGTERM to the leader, who stops its own; SIGKILL to the group for whoever is left."""
        if self not in _living:
            return
        with contextlib.suppress(ProcessLookupError):
            self._child.terminate()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(STOP_S_MAX)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._child.wait(5)
            _living.discard(self)

    def code(self) -> int | None:
        """Its exit code once it has ended."""
        return self._child.poll()

    def check(self) -> None:
        """Raises PartError when it has ended."""
        if self.code() is not None:
            raise PartError(f"{self.name} ended with {self.code()}: {self.tail()}")

    def tail(self) -> str:
        """The end of what it wrote."""
        return " / ".join(self.log.read_text(errors="replace").splitlines()[-6:])[-800:]

    def said(self, words: str) -> bool:
        """Whether its log has these words."""
        return words in self.log.read_text(errors="replace")

    def until(self, done: Callable[[], bool], seconds: float, what: str) -> float:
        """Wait for something that this process does; the monotonic seconds at which it was so."""
        deadline = time.monotonic() + seconds
        while not done():
            self.check()
            if time.monotonic() > deadline:
                raise PartError(f"{self.name}: no {what} within {seconds:.0f} s: {self.tail()}")
            time.sleep(0.05)
        return time.monotonic()

    def cpu_s(self) -> float:
        """CPU seconds of it and all below it that live."""
        return sum(_cpu_s(pid) for pid in _tree(self.pid))

    def rss_mib(self) -> int:
        """The most it and each one below it ever had resident, added up."""
        return sum(_peak_kib(pid) for pid in _tree(self.pid)) >> 10

    def child(self, words: str) -> int:
        """The process below it whose command line has these words."""
        for pid in _tree(self.pid):
            line = _read(f"/proc/{pid}/cmdline").replace("\0", " ")
            if words in line and pid != self.pid:
                return pid
        raise PartError(f"{self.name}: nothing below it runs {words!r}")


def part(name: str, *more: str, bench: Bench, env: Mapping[str, str]) -> Process:
    """`fenghuo run NAME`."""
    return Process(f"{name}", [*FENGHUO, "run", name, *more], bench.folder, env)


@contextmanager
def tempfolder(bench: Bench, name: str) -> Iterator[Path]:
    """A folder of the run that is gone afterwards: backlogs are large."""
    folder = bench.folder / f"{name}-{secrets.token_hex(3)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port(count: int = 1) -> int:
    """The first of some free loopback ports in a row, below those of outgoing connections."""
    for _ in range(500):
        port = 20_000 + secrets.randbelow(12_000 - count)
        if all(_is_free(port + i) for i in range(count)):
            return port
    raise PartError("no free port between 20000 and 32000")


def answers(port: int) -> bool:
    """Whether somebody listens."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def get(url: str, timeout_s: float = 10) -> str:
    """The body of an address; "" while nobody answers or the answer is an error."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            text: str = answer.read().decode()
            return text
    except (urllib.error.URLError, OSError):
        return ""


def sums(text: str) -> dict[str, float]:
    """Of a page of metrics: each name with the sum over its labels."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            name = name.partition("{")[0]
            found[name] = found.get(name, 0.0) + float(value)
    return found


def busy_cores(seconds: float) -> float:
    """How many cores the whole machine uses for some seconds."""
    began_s, busy_s = time.monotonic(), _busy_s()
    time.sleep(seconds)
    return max(0.0, (_busy_s() - busy_s) / (time.monotonic() - began_s))


def pid_cpu_s(pid: int) -> float:
    """CPU seconds of one process."""
    return _cpu_s(pid)


def pid_rss_mib(pid: int) -> int:
    """The most one process ever had resident."""
    return _peak_kib(pid) >> 10


def _tree(root: int) -> list[int]:
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                todo += map(int, _read(f"/proc/{pid}/task/{task}/children").split())
    return found


def _cpu_s(pid: int) -> float:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S if len(fields) > 12 else 0.0


def _busy_s() -> float:
    """CPU seconds of the machine that were not idle, stolen ones included."""
    ticks = list(map(int, _read("/proc/stat").partition("\n")[0].split()[1:9]))
    user, nice, system, _, _, irq, softirq, steal = ticks
    return (user + nice + system + irq + softirq + steal) / _TICKS_PER_S


def _peak_kib(pid: int) -> int:
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


@atexit.register
def _end_all() -> None:
    for process in list(_living):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
