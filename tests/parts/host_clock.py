"""HostClock: the wall clock of one part's host, `set` while the part runs. Monotonic time goes on.

Run as a module it is the part's side: `python -m tests.parts.host_clock FILE MODULE WORD...` runs
MODULE with a wall clock that is ahead by what FILE holds. No library that fakes time is used:
libfaketime 0.9.10 breaks time.sleep where it leaves the monotonic clock alone.
"""

import mmap
import runpy
import struct
import sys
import time
from pathlib import Path

_AHEAD_S = struct.Struct("<q")


class HostClock:
    """By how much a host's clock is ahead, in a file that the part maps."""

    def __init__(self, file: Path, ahead_s: int = 0) -> None:
        self._file = file
        file.write_bytes(_AHEAD_S.pack(ahead_s))

    def set(self, ahead_s: int) -> None:
        """As `date --set` does, at once."""
        with self._file.open("r+b") as file:
            file.write(_AHEAD_S.pack(ahead_s))

    def command(self, module: str, *words: str) -> list[str]:
        """Runs this module by this clock."""
        return [sys.executable, "-m", "tests.parts.host_clock", str(self._file), module, *words]


def _go_by(file: Path) -> None:
    with file.open("rb") as opened:
        shared = mmap.mmap(opened.fileno(), _AHEAD_S.size, access=mmap.ACCESS_READ)
    real_s, real_ns = time.time, time.time_ns

    def ahead_s() -> int:
        return int(_AHEAD_S.unpack_from(shared)[0])

    time.time = lambda: real_s() + ahead_s()
    time.time_ns = lambda: real_ns() + ahead_s() * 1_000_000_000


if __name__ == "__main__":
    _, name, module, *words = sys.argv
    _go_by(Path(name))  # before anything takes `time` by name
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
