"""`python -m tests.e2e.load.shadow_peak RATE SECONDS`: a small shop alone, then beside a shadow run
of so many rows a second, on real parts; says whether the real lane said the same, byte for byte.

Depends on the machine's speed, so it is no test: `test_shadow.py` is, at a small rate.
"""

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.e2e.load.shadow_run import Life, now_ms, real_stream

EVENTS = 4_068
"""So many records are in the real stream."""


class Stormy(Life):
    """The real stream goes on for as long as `fenghuo load` does, beside it."""

    rate = 0
    seconds = 0
    told = ""

    def send_all(self) -> None:
        shadow = self.lanes["shadow"]
        words = ["--rate", str(self.rate), "--seconds", str(self.seconds), "--format", "frame"]
        words += ["--api", f"http://127.0.0.1:{shadow.port}/"]
        storm = shadow.begin("load", *words)
        for i, event in enumerate(real_stream(self.start_ms)):
            self.send_one(i, event)
            time.sleep(self.seconds / EVENTS)
        try:
            out, err = storm.communicate(timeout=600)
        except subprocess.TimeoutExpired:
            storm.kill()
            raise
        self.told = f"{err}{out}exit code {storm.returncode}"

    def run_beside(self, count: int, ts: int) -> None:
        """No other marked records than the load run's own."""


def main(rate: int, seconds: int) -> int:
    """The exit code: 0 when both lives said the same."""
    start_ms = now_ms() // 1000 * 1000 - 3_600_000
    with tempfile.TemporaryDirectory() as folder:
        said = []
        for shadow in (False, True):
            home = Path(folder) / ("beside" if shadow else "alone")
            home.mkdir()
            with ExitStack() as stack:
                made = Stormy if shadow else Life
                life = made(home, start_ms, shadow=shadow, stack=stack)
                if isinstance(life, Stormy):
                    life.rate, life.seconds = rate, seconds
                said.append(life.run())
                if isinstance(life, Stormy):
                    print(life.told)
    alone, beside = said
    for name, expected in alone.items():
        same = beside[name] == expected
        print(f"{'the same' if same else 'DIFFERENT'}: {name}, {len(expected)} bytes")
    return int(alone != beside)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
