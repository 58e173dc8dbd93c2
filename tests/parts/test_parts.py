"""The parts keep their promises: they start, work, come back on the same port, leave nothing."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from clickhouse_driver import Client
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

from tests.parts import leftovers
from tests.parts.clickhouse import ClickHouse, clickhouse
from tests.parts.kafka import Kafka, kafka
from tests.parts.process import PartError, Process, answers_tcp, free_port
from tests.parts.tansu import Tansu, tansu

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MESSAGES = 100


def test_process_is_stopped_with_its_children(tmp_path: Path) -> None:
    part = Process("sh", ["sh", "-c", "sleep 60 & sleep 60"], tmp_path / "log")
    part.start()
    assert part.alive()

    part.kill()

    assert not part.alive()
    assert not [line for line in leftovers.find().values() if "sleep 60" in line]


def test_process_that_ends_early_shows_its_log(tmp_path: Path) -> None:
    part = Process("sh", ["sh", "-c", "echo no such disk; exit 3"], tmp_path / "log")
    part.start()

    with pytest.raises(PartError, match=r"ended with 3 while starting\n.*\nno such disk"):
        part.wait_ready(lambda: False, 5)


def test_process_that_is_never_ready_is_killed(tmp_path: Path) -> None:
    part = Process("sleep", ["sleep", "60"], tmp_path / "log")
    part.start()

    with pytest.raises(PartError, match=r"sleep: expected ready within 0\.2 s"):
        part.wait_ready(lambda: False, 0.2)
    assert not part.alive()


def test_ports_are_free_and_never_given_twice() -> None:
    ports = [free_port() for _ in range(50)]

    assert len(set(ports)) == 50
    assert not any(answers_tcp(port) for port in ports)


def test_a_detached_process_is_found_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "GRACE_S", 0.0)
    before = leftovers.find()
    detach = "import subprocess; subprocess.Popen(['sleep', '61'], start_new_session=True)"
    subprocess.run([sys.executable, "-c", detach], check=True)

    found = {pid: line for pid, line in leftovers.find().items() if pid not in before}
    try:
        assert list(found.values()) == ["sleep 61"]
        if not before:  # never end a part that another test of this session still uses
            assert [line.split(" ", 1)[1] for line in leftovers.end()] == ["sleep 61"]
    finally:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.real
def test_kafka_keeps_its_log_over_a_kill(need: Callable[[str], None]) -> None:
    need("kafka")
    with kafka() as part:
        _fill(part)
        part.kill()
        assert not answers_tcp(part.port)

        part.start()
        assert _count(part) == MESSAGES
        part.stop()
        assert not part.process.alive()


@pytest.mark.real
def test_tansu_comes_back_empty(need: Callable[[str], None]) -> None:
    need("tansu")
    with tansu() as part:
        _fill(part)
        assert _count(part) == MESSAGES

        part.kill()
        part.start()
        part.stop()
        assert not part.process.alive()


@pytest.mark.real
def test_clickhouse_keeps_its_rows_over_a_kill_and_a_stop(need: Callable[[str], None]) -> None:
    need("clickhouse")
    with clickhouse() as part:
        _ask(part, "create table t (k UInt32, v UInt64) engine = ReplacingMergeTree(v) order by k")
        _ask(part, "insert into t values", [(1, 1), (1, 2), (2, 1)])
        for end in (part.kill, part.stop):
            end()
            assert not answers_tcp(part.port)
            part.start()
            assert _ask(part, "select k, v from t final order by k") == [(1, 2), (2, 1)]


@pytest.mark.real
def test_session_parts_answer(kafka: Kafka, tansu: Tansu, clickhouse: ClickHouse) -> None:
    assert answers_tcp(kafka.port)
    assert answers_tcp(tansu.port)
    assert _ask(clickhouse, "select 1") == [(1,)]


@pytest.mark.browser
def test_chromium_draws_a_page(chromium: "Browser") -> None:
    page = chromium.new_page()
    page.set_content("<h1>烽火</h1>")

    assert page.inner_text("h1") == "烽火"
    page.close()


def _fill(part: Kafka | Tansu) -> None:
    admin = KafkaAdminClient(bootstrap_servers=part.bootstrap)
    admin.create_topics([NewTopic("t", 2, 1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=part.bootstrap, acks="all")
    for number in range(MESSAGES):
        producer.send("t", str(number).encode(), partition=number % 2)
    producer.flush(10)
    producer.close()


def _count(part: Kafka | Tansu) -> int:
    consumer = KafkaConsumer(
        "t",
        bootstrap_servers=part.bootstrap,
        auto_offset_reset="earliest",
        group_id=None,
        consumer_timeout_ms=5000,
    )
    seen = 0
    while seen < MESSAGES and next(consumer, None) is not None:
        seen += 1
    consumer.close()
    return seen


def _ask(part: ClickHouse, query: str, rows: list[tuple[int, ...]] | None = None) -> object:
    client = Client.from_url(part.url)
    try:
        return client.execute(query, rows)
    finally:
        client.disconnect()
