"""Sketches of users on Apache Kafka stay few bytes, however often their worker is killed."""

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest

from fenghuo.schemas.log import reading
from fenghuo.schemas.settings import environment
from fenghuo.schemas.wire import topics, visitors
from fenghuo.streams.gather import left
from fenghuo.streams.transport import kafka
from tests.contract.conftest import Broker
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.parts import kafka as kafka_part
from tests.parts.process import Process

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(400)]
LIVES = 3
TOLD = 2
"""Times that a life tells of news."""
MANY, FEW = 20_000, 100
SEEN_S_MAX = 90


def test_a_worker_killed_again_and_again_tells_of_all_users_in_few_bytes(tmp_path: Path) -> None:
    if reason := kafka_part.missing():
        pytest.skip(reason)
    with kafka_part.kafka() as running:
        broker = Broker("kafka", running)
        begun_ms = time.time_ns() // 1_000_000
        settings = broker.settings(partitions=1, rehearsal_start_ms=begun_ms - 60_000)
        asyncio.run(kafka.prepare(settings))
        command = [sys.executable, "-m", "fenghuo.deploy", "run", "gather"]
        gather = Process("gather", command, tmp_path / "gather.log", environment(settings))
        sent = 0

        def send(many: int) -> None:
            nonlocal sent
            ts = time.time_ns() // 1_000_000
            sent += many
            numbers = range(sent - many, sent)
            events = (
                {**SAMPLES["order"], "ts": ts, "event_id": f"e{n}", "user_id": f"u{n}"}
                for n in numbers
            )
            broker.send("orders", 0, [json.dumps(event).encode() for event in events])

        def told() -> list[tuple[str, int, int]]:
            """Key, size and offset read to of all sketches ever sent."""
            records = asyncio.run(reading.read_all(broker.bootstrap, topics.USERS))
            return [
                ((r.key or b"").decode(), len(r.value), visitors.decode(r.value).offset)
                for r in records
                if r.value
            ]

        def wait_told() -> None:
            deadline = time.monotonic() + SEEN_S_MAX
            while max((offset for *_, offset in told()), default=0) < sent:
                assert time.monotonic() < deadline, gather.tail()
                time.sleep(0.5)

        try:
            gather.start()
            send(MANY)
            wait_told()
            before = len(told())
            for _ in range(LIVES):
                gather.kill()
                gather.start()
                for _ in range(TOLD):
                    send(FEW)
                    wait_told()
        finally:
            gather.kill()
        whole = [size for key, size, _ in told() if not key.endswith(left.NEWS)]
        news = [size for key, size, _ in told() if key.endswith(left.NEWS)]
        records = asyncio.run(reading.read_all(broker.bootstrap, topics.USERS))
        newest = {r.key: r.value for r in records}
        parts = [visitors.decode(value) for value in newest.values() if value]
        (found,) = [e for e in visitors.estimates(parts) if (e.measure, e.region) == ("active", "")]

        assert len(whole) <= before + LIVES
        assert news
        assert max(news) < whole[-1] / 4
        assert found.users == pytest.approx(sent, rel=4 * visitors.RELATIVE_ERROR)
