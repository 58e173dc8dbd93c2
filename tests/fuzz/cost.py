"""What one hostile record costs: `python -m tests.fuzz.cost --seed 1 --records 3000`.

Each record goes alone through the decoder and gather, in this process; the dearest of each family
are printed with their CPU, their letters and the bytes of these.
"""

import argparse
import time
from dataclasses import dataclass
from itertools import islice

import numpy as np

from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.wire import letters
from fenghuo.schemas.wire.letters import Letter
from fenghuo.streams.gather.gather import Gather
from tests.fuzz.hostile import Draw, drawn
from tests.laws.river import TERMS, beginning, codec_of, source_of
from tests.strategies import START_MS


@dataclass(frozen=True)
class Cost:
    """What became of one record, and what it took."""

    family: str
    size: int
    cpu_ms: float
    letters: int
    letter_bytes: int
    events: int


class Meter:
    """One gather that is given one record after another."""

    def __init__(self) -> None:
        source = source_of("order")
        self._gather = Gather(source, codec_of("order"), TERMS, beginning("order"))
        self._offset = 0

    def measure(self, family: str, value: bytes | None) -> Cost:
        """Give it this record."""
        fetch = Fetch(
            np.array([self._offset], np.int64),
            [value],
            np.array([START_MS], np.int64),
            self._offset,
            self._offset + 1,
        )
        before, begun = self._gather.tally.events, time.process_time()
        self._gather.add(fetch)
        taken = self._gather.take()
        cpu_ms = (time.process_time() - begun) * 1000
        self._offset += 1
        size = sum(bytes_of(letter) for letter in taken.letters)
        events = taken.tally.events - before
        return Cost(family, len(value or b""), cpu_ms, len(taken.letters), size, events)


def bytes_of(letter: Letter) -> int:
    """What a letter takes on its topic."""
    value, headers = letters.to_record(letter)
    return len(value or b"") + sum(len(name) + len(data or b"") for name, data in headers)


def costs(seed: int, records: int) -> list[Cost]:
    """What each of so many records took."""
    meter, draw = Meter(), Draw(seed, lambda: START_MS)
    return [meter.measure(of, value) for of, value, _ in islice(drawn(draw, seed), records)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--records", type=int, default=3_000)
    given = options.parse_args()
    found = costs(given.seed, given.records)
    print(f"{'family':16} {'bytes':>9} {'cpu ms':>8} {'letters':>8} {'bytes':>10} {'events':>8}")
    for family in sorted({cost.family for cost in found}):
        worst = max((cost for cost in found if cost.family == family), key=lambda cost: cost.cpu_ms)
        print(
            f"{family:16} {worst.size:9} {worst.cpu_ms:8.1f} {worst.letters:8} "
            f"{worst.letter_bytes:10} {worst.events:8}"
        )
    most = max(found, key=lambda cost: cost.letter_bytes)
    print(f"most letter bytes: {most}")


if __name__ == "__main__":
    main()
