"""`run gather --processes 2`: two workers share the partitions, one dies, nothing is lost."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fenghuo.schemas.log import reading
from fenghuo.schemas.settings import environment
from fenghuo.schemas.wire import pulse, topics
from fenghuo.streams.transport import kafka
from tests.contract.conftest import Broker
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.parts import kafka as kafka_part
from tests.parts.process import Process

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(400)]

EACH = 500
PARTITIONS = 4


def accepted(bootstrap: str) -> dict[int, int]:
    """Accepted orders by partition, as the newest heads of pulses say."""
    newest: dict[int, pulse.Head] = {}
    for record in asyncio.run(reading.read_all(bootstrap, topics.PULSES)):
        head, _ = pulse.decode(record.value or b"")
        before = newest.get(head.source.partition)
        if head.kind == "order" and (before is None or head.next_offset >= before.next_offset):
            newest[head.source.partition] = head
    return {partition: head.tally.accepted for partition, head in sorted(newest.items())}


def workers(pid: int) -> list[int]:
    """The processes that this one started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_two_workers_share_the_partitions_and_one_may_die(tmp_path: Path) -> None:
    reason = kafka_part.missing()
    if reason:
        pytest.skip(reason)
    with kafka_part.kafka() as running:
        broker = Broker("kafka", running)
        settings = broker.settings(partitions=PARTITIONS)
        asyncio.run(kafka.prepare(settings))
        event = SAMPLES["order"]

        def send(first: int) -> None:
            for partition in range(PARTITIONS):
                texts = [
                    json.dumps({**event, "event_id": f"{partition}-{first + i}"}).encode()
                    for i in range(EACH)
                ]
                broker.send("orders", partition, list(texts))

        many = Process(
            "gather",
            [sys.executable, "-m", "fenghuo.deploy", "run", "gather", "--processes", "2"],
            tmp_path / "gather.log",
            environment(settings),
        )
        many.start()
        try:
            send(0)
            whole = dict.fromkeys(range(PARTITIONS), EACH)
            many.wait_ready(lambda: accepted(broker.bootstrap) == whole, 60)
            first = workers(many.pid)
            assert len(first) == 2

            os.kill(first[0], signal.SIGKILL)
            send(EACH)
            whole = dict.fromkeys(range(PARTITIONS), 2 * EACH)
            many.wait_ready(lambda: accepted(broker.bootstrap) == whole, 60)
            many.wait_ready(lambda: len(workers(many.pid)) == 2, 20)
            last = workers(many.pid)
            assert first[1] in last
            assert first[0] not in last
        finally:
            code = many.stop(10)
        assert code == 0
        assert [pid for pid in last if Path(f"/proc/{pid}").exists()] == []


def test_only_gather_runs_many_times() -> None:
    command = [sys.executable, "-m", "fenghuo.deploy", "run", "judge", "--processes", "2"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)

    assert run.returncode == 2
    assert "--processes is for gather alone" in run.stderr
