"""Reads a topic of ours in one way, as a process that may be measured: `python -m
tests.contract.log.own_topic WAY BOOTSTRAP TOPIC LAST`; LAST: the value that ends a topic.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from fenghuo.schemas.log import reading
from fenghuo.schemas.log.follow import Follow
from fenghuo.schemas.log.foreign import FOREIGN
from fenghuo.schemas.log.reading import Record

WAIT_S = 60


async def whole(bootstrap: str, topic: str, _: bytes) -> list[int]:
    """As places, skips, letters and boards are read."""
    return [record.offset async for record in reading.records(bootstrap, topic)]


async def newest(bootstrap: str, topic: str, _: bytes) -> list[int]:
    """As the last boards are read."""
    return [record.offset for record in await reading.read_all(bootstrap, topic, last=100)]


async def again(bootstrap: str, topic: str, _: bytes) -> list[int]:
    """As the pulses of longer windows are read."""
    end = (await reading.bounds(bootstrap, [(topic, 0)]))[topic, 0][1]
    found = reading.records(bootstrap, topic, first=0, end=end)
    return [record.offset async for record in found]


async def followed(bootstrap: str, topic: str, last: bytes) -> list[int]:
    """As the api and judges follow boards, sketches and baselines."""
    offsets: list[int] = []
    ended = asyncio.Event()

    def take(records: Iterator[Record]) -> None:
        for record in records:
            offsets.append(record.offset)
            if record.value == last:
                ended.set()

    task = asyncio.create_task(Follow(bootstrap, topic, take).run())
    await asyncio.wait_for(ended.wait(), WAIT_S)
    task.cancel()
    return offsets


def peak_kib() -> int:
    """The most this process has held. Not `ru_maxrss`: that begins with what its parent held."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


WAYS = {"whole": whole, "newest": newest, "again": again, "followed": followed}

if __name__ == "__main__":
    way, bootstrap, topic, last = sys.argv[1:]
    offsets = asyncio.run(asyncio.wait_for(WAYS[way](bootstrap, topic, last.encode()), WAIT_S))
    found = {"offsets": offsets, "passed": FOREIGN.passed[topic], "peak_kib": peak_kib()}
    print(json.dumps(found))
