"""`fenghuo load` without a word about lanes: never into real numbers, and nowhere unheard."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from kafka import KafkaProducer

from fenghuo.deploy.cli.load import HEARD_MS
from fenghuo.loadtest.command import Asked
from fenghuo.schemas.log import reading
from fenghuo.schemas.wire.topics import TOPIC_OF
from tests.parts.tansu import tansu as tansu_part

pytestmark = [
    pytest.mark.real,
    # kafka-python leaves refused sockets to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
PARTS = [(topic, 0) for topic in TOPIC_OF.values()]


@pytest.fixture
def broker(need: Callable[[str], None]) -> Iterator[str]:
    need("tansu")
    with tansu_part() as part:
        yield part.bootstrap


def load(broker: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fenghuo.deploy", "load", "--no-watch", "--seconds", "1"]
    env = {**os.environ, "FENGHUO_KAFKA": broker, "FENGHUO_PARTITIONS": "1"}
    return subprocess.run([*command, *words], env=env, capture_output=True, text=True, timeout=100)


def sent(broker: str) -> int:
    ends = asyncio.run(reading.bounds(broker, PARTS))
    return sum(end for _, end in ends.values())


def say(broker: str, ago_ms: int) -> None:
    """A word of a gather of the shadow lane."""
    producer = KafkaProducer(bootstrap_servers=broker)
    at_ms = time.time_ns() // 1_000_000 - ago_ms
    # a topic that the broker makes by itself may have more partitions than ours, which has one
    producer.send("shadow-pulses", b"", partition=0, timestamp_ms=at_ms).get(30)
    producer.close()


def test_a_run_goes_to_the_shadow_lane_and_only_where_it_is_counted(broker: str) -> None:
    unheard = load(broker)
    assert (unheard.returncode, unheard.stdout) == (2, "")
    assert unheard.stderr.startswith("load: nothing was sent: nobody counts marked records at ")
    assert unheard.stderr.count("\n") == 1
    assert "`fenghuo up --shadow`" in unheard.stderr
    assert "--real" in unheard.stderr

    say(broker, ago_ms=HEARD_MS + 60_000)  # a lane of yesterday
    assert load(broker).returncode == 2
    assert sent(broker) == 0

    say(broker, ago_ms=0)
    assert load(broker, "--rate", "50").returncode == 0
    assert sent(broker) > 0


def test_real_events_are_sent_when_they_are_asked_for(broker: str) -> None:
    done = load(broker, "--real", "--rate", "50")

    assert done.returncode == 0, done.stderr
    assert sent(broker) > 0


def test_what_nobody_says_is_the_shadow_lane() -> None:
    assert Asked().shadow
