"""The sender against real brokers: nothing lost, nothing doubled, nothing hidden."""

import gc
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic

from fenghuo.loadtest import replay
from fenghuo.loadtest.plan.plan import Message
from fenghuo.loadtest.send import drive
from fenghuo.loadtest.send.drive import DriveError, Sender
from fenghuo.schemas.wire.topics import plan
from tests.loadtest.recordings.test_recording import CSV, TEXT
from tests.parts import kafka as kafka_part
from tests.parts import tansu as tansu_part

# kafka-python leaves the sockets of failed connections to the garbage collector.
pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.usefixtures("_collect"),
]
PARTITIONS = 4
Need = Callable[[str], None]


def create_topics(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    wanted = {name: what for name, what in plan(PARTITIONS).items() if what[0] == PARTITIONS}
    admin.create_topics(
        [NewTopic(name, count, 1, topic_configs=config) for name, (count, config) in wanted.items()]
    )
    admin.close()


@pytest.fixture
def _collect(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    # A kept log record keeps its exception, and that keeps the socket until the session's end.
    with caplog.at_level(logging.CRITICAL + 1, logger="kafka"):
        yield
    gc.collect()


@pytest.fixture(scope="module")
def broker(tansu: tansu_part.Tansu) -> Iterator[str]:
    """A broker of our own (the shared one says whether it can run): we count what is in topics."""
    assert tansu.bootstrap
    with tansu_part.tansu() as part:
        create_topics(part.bootstrap)
        yield part.bootstrap


def content(bootstrap: str, topic: str) -> dict[int, list[bytes]]:
    """All messages of a topic by partition, up to the high-water mark that fetches tell.

    Not up to `end_offsets`: Tansu answers with the last batch's first offset there.
    """
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    found: dict[int, list[bytes]] = {number: [] for number in range(PARTITIONS)}

    def left(partition: TopicPartition) -> bool:
        end = consumer.highwater(partition)
        return end is None or consumer.position(partition) < end

    deadline = time.monotonic() + 30
    while any(left(partition) for partition in partitions):
        assert time.monotonic() < deadline
        for partition, records in consumer.poll(timeout_ms=200).items():
            found[partition.partition] += [record.value for record in records]
    consumer.close()
    return found


def order_messages(count: int, tag: str, due_ms: int = 0) -> list[Message]:
    return [Message(due_ms, "orders", f"{tag}-{i}".encode(), 1, 1, i) for i in range(count)]


def test_a_plan_is_sent_once_in_order_and_counted(broker: str) -> None:
    sender = Sender(broker, {"orders": PARTITIONS})
    before = content(broker, "orders")

    batches = [order_messages(5_000, "first"), order_messages(3, "second")]
    summary = sender.run(batches, planned=5_003, start_ms=None, stop=threading.Event())

    after = content(broker, "orders")
    new = {number: after[number][len(before[number]) :] for number in after}
    texts = [message.payload for batch in batches for message in batch]
    count = summary.by_topic["orders"]
    assert summary.complete
    assert (summary.sent, summary.acknowledged, summary.events) == (5_003, 5_003, 5_003)
    assert summary.paid_amount_fen == sum(m.paid_amount_fen for batch in batches for m in batch)
    for number in range(PARTITIONS):
        assert new[number] == texts[number::PARTITIONS]
        assert count.first_offset[number] == len(before[number])
        assert count.end_offset[number] == len(after[number])


def test_due_times_are_kept_and_late_sends_are_counted(broker: str) -> None:
    sender = Sender(broker, {"orders": PARTITIONS})
    start_ms = time.time_ns() // 1_000_000
    early, late = order_messages(5, "late", -400), order_messages(5, "due", 300)

    summary = sender.run([early + late], planned=10, start_ms=start_ms, stop=threading.Event())

    assert summary.late_sends == 5
    assert 400 <= summary.late_ms_max < 2_000
    assert summary.seconds >= 0.3
    assert summary.complete


def test_a_stop_ends_the_run_with_the_books_so_far(broker: str) -> None:
    sender, stop = Sender(broker, {"orders": PARTITIONS}), threading.Event()

    def batches() -> Iterator[list[Message]]:
        yield order_messages(100, "before")
        stop.set()
        yield order_messages(100, "after")

    summary = sender.run(batches(), planned=200, start_ms=None, stop=stop)

    assert summary.stopped
    assert not summary.complete
    assert (summary.sent, summary.acknowledged, summary.failed) == (100, 100, 0)


def test_a_message_that_is_too_large_fails_and_the_rest_is_sent(broker: str) -> None:
    sender = Sender(broker, {"orders": PARTITIONS})
    large = Message(0, "orders", b"x" * 9_000_000, 1, 0, 0)

    summary = sender.run([[large, *order_messages(5, "small")]], planned=6, start_ms=None,
                         stop=threading.Event())  # fmt: skip

    assert (summary.failed, summary.acknowledged) == (1, 5)
    assert list(summary.failures) == ["MessageSizeTooLargeError"]
    assert not summary.complete


def test_topics_that_do_not_fit_are_named(broker: str) -> None:
    with pytest.raises(DriveError, match="topic orders: expected 7 partitions, found 4"):
        Sender(broker, {"orders": 7})


def test_replay_prints_a_summary(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "visits.toml").write_text(TEXT)
    (tmp_path / "log.csv").write_text(CSV)

    code = replay.replay(
        str(tmp_path / "visits.toml"),
        [tmp_path / "log.csv"],
        bootstrap=broker,
        partitions=PARTITIONS,
        speed="4",
        rebase="now",
        as_json=True,
    )
    summary = json.loads(capsys.readouterr().out)
    assert code == replay.OK
    assert summary["planned"] == summary["acknowledged"] == summary["rows"] == 3
    assert summary["by_topic"]["traffic"]["events"] == 3
    assert summary["skipped"] == {}
    assert 0.5 <= summary["seconds"] < 10


def test_an_unknown_mapping_is_said_and_exits_2(
    broker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay.replay("nothing", [], bootstrap=broker, partitions=PARTITIONS) == 2
    assert "expected a file or one of alibaba-gentd26" in capsys.readouterr().err


def test_no_broker_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "CONNECT_S", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DriveError, match="expected a Kafka broker"):
        Sender(f"127.0.0.1:{port}", {"orders": PARTITIONS})


def test_a_stop_while_the_broker_is_away_ends_within_5_s_and_owns_up(need: Need) -> None:
    need("tansu")
    stop = threading.Event()
    with tansu_part.tansu() as part:
        create_topics(part.bootstrap)
        sender = Sender(part.bootstrap, {"orders": PARTITIONS})

        def batches() -> Iterator[list[Message]]:
            yield order_messages(100, "before")
            time.sleep(0.5)
            part.kill()
            yield order_messages(100, "after")
            stop.set()

        began = time.monotonic()
        summary = sender.run(batches(), planned=200, start_ms=None, stop=stop)

    assert time.monotonic() - began < 6
    assert (summary.sent, summary.acknowledged, summary.failed) == (200, 100, 100)
    assert summary.stopped
    assert not summary.complete


@pytest.mark.slow
def test_a_broker_restart_in_mid_run_neither_loses_nor_doubles(need: Need) -> None:
    need("kafka")
    total = 60_000
    with kafka_part.kafka() as part:
        create_topics(part.bootstrap)
        sender = Sender(part.bootstrap, {"orders": PARTITIONS})

        def batches() -> Iterator[list[Message]]:
            messages = order_messages(total, "m")
            for start in range(0, total, 2_000):
                if start == total // 2:
                    part.kill()  # with messages in flight
                    part.start()
                yield messages[start : start + 2_000]

        summary = sender.run(batches(), planned=total, start_ms=None, stop=threading.Event())
        found = content(part.bootstrap, "orders")

    assert summary.complete, summary
    for number, values in found.items():
        assert values == [f"m-{i}".encode() for i in range(number, total, PARTITIONS)]
