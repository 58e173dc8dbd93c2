"""Finds processes that the tests started and did not end, by parent and by an inherited mark."""

import contextlib
import os
import signal
import time
from pathlib import Path

# Without the prefix of the settings: a part refuses variables it does not know.
MARK = "PYTEST_FENGHUO_SESSION"
GRACE_S = 3.0
# Python's own helper of multiprocessing lives as long as its parent, by design.
HARMLESS = ("multiprocessing.resource_tracker",)


def find() -> dict[int, str]:
    """pid -> command line of every living process that belongs to this session."""
    me = os.getpid()
    everyone = {int(p.name): p for p in Path("/proc").iterdir() if p.name.isdigit()}
    parents = {pid: _parent(folder) for pid, folder in everyone.items()}
    mark = f"{MARK}={os.environ.get(MARK)}".encode()
    found = {}
    for pid, folder in everyone.items():
        if pid == me or not (_descends(pid, me, parents) or mark in _read(folder / "environ")):
            continue
        command = _read(folder / "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
        if command and not any(word in command for word in HARMLESS):  # a zombie has no command
            found[pid] = command
    return found


def end() -> list[str]:
    """Waits a little for what is about to end by itself, kills the rest and names it."""
    deadline = time.monotonic() + GRACE_S
    while (left := find()) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [f"{pid} {command[:200]}" for pid, command in left.items()]


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid > 1:
        pid = parents[pid]
        if pid == ancestor:
            return True
    return False


def _parent(folder: Path) -> int:
    # The fields after the command, which itself may hold spaces and brackets: state, parent, …
    fields = _read(folder / "stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
