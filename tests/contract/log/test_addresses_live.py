"""A list of brokers as people write it, the first of them dead: every client of ours takes it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fenghuo.schemas.settings import read
from tests.parts.kafka import Kafka
from tests.parts.kafka import kafka as kafka_part
from tests.parts.process import Process, free_port

pytestmark = [pytest.mark.real, pytest.mark.slow]

FENGHUO = (sys.executable, "-m", "fenghuo.deploy")


@pytest.fixture(scope="module")
def own() -> Iterator[Callable[[], Kafka]]:
    """A broker of this module's own: the topics of the lane have fixed names."""
    made: list[Kafka] = []

    def start() -> Kafka:
        if not made:
            made.append(context.__enter__())
        return made[0]

    context = kafka_part()
    yield start
    if made:
        context.__exit__(None, None, None)


def written(broker: Kafka) -> str:
    """Scheme, spaces, a dead server first, a comma at the end."""
    return f"127.0.0.1:{free_port()}, PLAINTEXT://{broker.bootstrap},"


def fenghuo(*words: str, kafka: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "FENGHUO_KAFKA": kafka, "FENGHUO_STORE": "chdb:unused"}
    return subprocess.run(
        [*FENGHUO, *words], env=env, capture_output=True, text=True, timeout=120, check=False
    )


def test_commands_take_a_list_with_a_dead_first_server_a_scheme_and_a_comma(
    own: Callable[[], Kafka], need: Callable[[str], None]
) -> None:
    need("kafka")
    kafka = written(own())
    found = fenghuo("dlq", "list", kafka=kafka)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("0 letters")
    sent = fenghuo(
        *("load", "--real", "--rate", "40", "--seconds", "2", "--no-watch", "--settle", "1"),
        kafka=kafka,
    )
    assert "Traceback" not in sent.stderr + sent.stdout
    assert "acknowledged" in sent.stdout, sent.stderr


@pytest.mark.parametrize("part", ["gather", "judge", "archive"])
def test_a_part_takes_such_a_list(
    own: Callable[[], Kafka], need: Callable[[str], None], tmp_path: Path, part: str
) -> None:
    need("kafka")
    env = {"FENGHUO_KAFKA": written(own()), "FENGHUO_STORE": f"chdb:{tmp_path}/store"}
    assert read(env).kafka.endswith(own().bootstrap)
    process = Process(part, [*FENGHUO, "run", part], tmp_path / "log", env)
    try:
        process.start()
        process.wait_ready(lambda: f"{part}: ready" in process.log.read_text(), 90)
    finally:
        process.stop()
    assert "Traceback" not in process.tail(1000)


def test_brokers_that_are_all_away_are_named_at_once_in_one_line(tmp_path: Path) -> None:
    servers = f"127.0.0.1:{free_port()},127.0.0.1:{free_port()}"
    env = {"FENGHUO_KAFKA": servers, "FENGHUO_STORE": f"chdb:{tmp_path}/store"}
    process = Process("judge", [*FENGHUO, "run", "judge"], tmp_path / "log", env)
    try:
        process.start()
        process.wait_ready(lambda: servers in process.log.read_text(), 60)
        time.sleep(1)  # tries go on, and nothing more is said
        told = process.log.read_text().splitlines()
    finally:
        process.kill()
    assert told == [f"fenghuo: waits for a broker at {servers}, 60 s at most"]
