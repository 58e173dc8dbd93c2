"""Whatever lies on a topic of ours, and however it is read: what can be read is, what cannot is
passed over and counted, and memory is bounded. On both brokers.
"""

import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import batch_bytes as made
from tests.contract.conftest import Broker
from tests.contract.log.own_topic import WAYS
from tests.parts.kafka import kafka
from tests.raw_produce import produce

pytestmark = pytest.mark.real

MIB = 1 << 20
BOMB_MIB = 1_024
"""What a few megabytes unpack to. Read as the client does it took twice as much: 2 107 MiB."""
PEAK_KIB_MAX = 900 << 10
PACKED = (made.GZIP, made.SNAPPY, made.ZSTD)
LAST = b"the last one"


def bomb() -> bytes:
    """A batch of one record of a gigabyte, which the broker takes."""
    head = b"\0" + made.number(0) * 2 + made.number(-1) + made.number(BOMB_MIB * MIB)
    size = made.number(len(head) + BOMB_MIB * MIB + 1)
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    pieces = [packer.compress(size + head)]
    pieces += [packer.compress(bytes(MIB)) for _ in range(BOMB_MIB)]
    pieces += [packer.compress(b"\0"), packer.flush()]
    return made.batch([], attributes=made.GZIP, last=0, count=1, body=b"".join(pieces))


def one(value: bytes | None, codec: int = 0) -> bytes:
    return made.batch(made.records([value]), attributes=codec)


def read(way: str, broker: Any, topic: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.contract.log.own_topic", way, broker.bootstrap, topic]
    done = subprocess.run([*command, LAST.decode()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def hostile() -> bytes:
    return bomb()


def test_a_batch_that_unpacks_to_gigabytes_is_passed_over_within_a_bound(
    broker: Broker, hostile: bytes
) -> None:
    topic = "own-bomb"
    broker.make_topics({topic: 1})
    for batch in (one(b"one"), hostile, *(one(b"packed", codec) for codec in PACKED), one(LAST)):
        produce(broker.bootstrap, topic, batch)

    for way in WAYS:
        found = read(way, broker, topic)
        assert (found["offsets"], found["passed"]) == ([0, 2, 3, 4, 5], 1), way
        assert found["peak_kib"] < PEAK_KIB_MAX, way


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[tuple[Any, str]]:
    """A broker whose disk has changed a bit of the second of three batches of a topic."""
    with kafka() as part:
        broker, topic = Broker("kafka", part), "own-damaged"
        broker.make_topics({topic: 1})
        for batch in (one(b"one"), one(b"a value to be changed"), one(LAST)):
            produce(broker.bootstrap, topic, batch)
        part.stop()
        (segment,) = (part.folder / "data" / f"{topic}-0").glob("*.log")
        data = segment.read_bytes()
        segment.write_bytes(data.replace(b"to be changed", b"that was spoilt"[:13]))
        part.start()
        yield broker, topic


def test_a_batch_that_the_disk_has_damaged_stops_nobody(damaged: tuple[Any, str]) -> None:
    for way in WAYS:
        found = read(way, *damaged)
        assert (found["offsets"], found["passed"]) == ([0, 2], 1), way
