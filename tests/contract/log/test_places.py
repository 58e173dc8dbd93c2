"""Where a gather worker begins and what stops it, on Apache Kafka: foreign positions, deleted
records, a record that breaks it, new partitions, a topic made anew; each in a partition of its own.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from fenghuo.schemas.log import reading
from fenghuo.schemas.log.foreign import FOREIGN
from fenghuo.schemas.settings import environment
from fenghuo.schemas.wire import pulse, topics
from fenghuo.schemas.wire.pulse import Head
from fenghuo.streams.gather import places
from fenghuo.streams.transport import kafka
from tests.contract.conftest import Broker
from tests.contract.store.poisoned import POISON
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.parts import kafka as kafka_part
from tests.parts.process import Process

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(400)]
READ_S_MAX = 60
NEW_PARTITION_S_MAX = 15
EACH = 40


class Story:
    """A broker and one gather worker on it."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker = broker
        settings = broker.settings(partitions=4)
        asyncio.run(kafka.prepare(settings))
        command = [sys.executable, "-m", "tests.contract.store.poisoned", "run", "gather"]
        self.gather = Process("gather", command, folder / "gather.log", environment(settings))
        self.admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        self.number = 0

    def send(self, topic: str, partition: int, many: int = EACH) -> None:
        kind = topics.KIND_OF[topic]
        texts = []
        for _ in range(many):
            self.number += 1
            now_ms = time.time_ns() // 1_000_000
            event = {**SAMPLES[kind], "event_id": f"e{self.number}", "ts": now_ms}
            texts.append(json.dumps(event).encode())
        self.broker.send(topic, partition, list(texts))

    def heads(self) -> dict[tuple[str, int], Head]:
        """The newest head of each partition."""
        newest: dict[tuple[str, int], Head] = {}
        for record in asyncio.run(reading.read_all(self.broker.bootstrap, topics.PULSES)):
            frame = FOREIGN.read(topics.PULSES, record.offset, pulse.decode, record.value or b"")
            if frame is not None:
                newest[frame[0].source.topic, frame[0].source.partition] = frame[0]
        return newest

    def wait(self, place: tuple[str, int], until: Callable[[Head], bool]) -> Head:
        deadline = time.monotonic() + READ_S_MAX
        head = None
        while time.monotonic() < deadline:
            head = self.heads().get(place)
            if head is not None and until(head):
                return head
            time.sleep(0.3)
        raise AssertionError(f"{place}: {head}\n{self.gather.tail()}")

    def read_to(self, place: tuple[str, int], offset: int) -> Head:
        return self.wait(place, lambda head: head.next_offset >= offset)

    def positions(self) -> dict[tuple[str, int], int]:
        topic = topics.POSITIONS
        found = asyncio.run(places.read(reading.records(self.broker.bootstrap, topic), topic))
        return {part: known[0].offset for part, known in found.items()}

    def wait_position(self, place: tuple[str, int]) -> int:
        """Until the worker has left a position in this partition."""
        deadline = time.monotonic() + READ_S_MAX
        while place not in self.positions() and time.monotonic() < deadline:
            time.sleep(0.3)
        return self.positions()[place]

    def delete(self, place: tuple[str, int], below: int) -> None:
        (deleted,) = self.admin.delete_records([TopicPartition(*place, below)]).values()
        deleted.result(30)

    def kill(self, meanwhile: Callable[[], None]) -> None:
        self.gather.kill()
        meanwhile()
        self.gather.start()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    if reason := kafka_part.missing():
        pytest.skip(reason)
    with kafka_part.kafka() as running:
        told = Story(Broker("kafka", running), tmp_path_factory.mktemp("places"))
        told.gather.start()
        try:
            yield told
        finally:
            told.gather.kill()


def test_a_foreign_position_is_passed_over_and_the_count_goes_on(story: Story) -> None:
    place = ("orders", 0)
    story.send(*place)
    story.read_to(place, EACH)
    story.wait_position(place)

    def foreign() -> None:
        producer = story.broker.producer()
        keys = (b"orders/0", b"\xff", None)
        for key in keys:
            for value in (b'{"id": 7}', None, b"\xff", b"[]"):
                for topic in (topics.POSITIONS, topics.USERS, topics.PULSES, topics.SKIPS):
                    if key is not None or (topic == topics.PULSES and value):
                        producer.send(topic, value, key, partition=0)
        producer.flush(30)
        producer.close(5)

    story.kill(foreign)
    story.send(*place)
    head = story.read_to(place, 2 * EACH)

    assert head.tally.accepted == 2 * EACH
    assert head.epoch == 0
    assert "is passed over" in story.gather.log.read_text()


def test_records_deleted_below_a_position_are_a_named_gap_and_the_count_goes_on(
    story: Story,
) -> None:
    place = ("orders", 1)
    story.send(*place)
    story.read_to(place, EACH)
    story.wait_position(place)

    def deleted() -> None:
        story.send(*place)
        story.delete(place, EACH + 10)

    story.kill(deleted)
    head = story.read_to(place, 2 * EACH)

    assert head.gaps.newest == ((EACH, EACH + 10),)
    assert head.tally.events == 2 * EACH - 10


def test_records_deleted_before_a_slow_worker_reads_them_are_a_gap_and_it_lives_on(
    story: Story,
) -> None:
    place = ("orders", 2)
    story.send(*place)
    story.read_to(place, EACH)
    pid = story.gather.pid
    os.kill(pid, signal.SIGSTOP)
    story.send(*place)
    story.delete(place, EACH + 30)
    os.kill(pid, signal.SIGCONT)
    story.send(*place, many=5)
    head = story.read_to(place, 2 * EACH + 5)

    missing = head.gaps.missing
    assert head.tally.events == 2 * EACH + 5 - missing
    assert missing <= 30
    assert story.gather.pid == pid
    assert story.gather.alive(), story.gather.tail()


def test_a_record_that_breaks_the_counting_stops_its_partition_alone_until_it_is_skipped(
    story: Story,
) -> None:
    place = ("orders", 3)
    story.send(*place)
    story.broker.send(*place, [POISON])
    story.send(*place)
    head = story.wait(place, lambda head: head.stopped is not None)
    before = story.read_to(("orders", 0), 1).next_offset

    assert (head.next_offset, head.tally.accepted) == (EACH, EACH)
    assert "a bug of ours" in (head.stopped or "")
    assert head.idle, "nobody waits for it"
    story.send("orders", 0)
    story.read_to(("orders", 0), before + EACH)
    story.kill(lambda: None)  # where it stops is no accident of one life
    story.wait(place, lambda head: head.stopped is not None and head.sent_ms > now_ms() - 2_000)
    skip = [sys.executable, "-m", "fenghuo.deploy", "dlq", "skip", "orders", "3", str(EACH)]
    command = Process("skip", [*skip, "--reason", "a test"], story.gather.log.parent / "skip.log")
    command.env = story.gather.env
    command.start()
    command.wait_ended(30)
    head = story.wait(place, lambda head: head.next_offset == 2 * EACH + 1)

    assert head.stopped is None
    assert (head.tally.accepted, head.tally.refused) == (2 * EACH, 1)
    story.kill(lambda: None)
    story.send(*place, many=1)
    head = story.read_to(place, 2 * EACH + 2)
    assert (head.tally.accepted, head.tally.refused) == (2 * EACH + 1, 1)


def test_new_partitions_of_a_topic_are_read_soon(story: Story) -> None:
    story.read_to(("complaints", 0), 0)
    (made,) = story.admin.create_partitions([NewPartitions("complaints", 6)]).values()
    made.result(30)
    story.send("complaints", 5)
    begun = time.monotonic()
    story.read_to(("complaints", 5), EACH)

    assert time.monotonic() - begun < NEW_PARTITION_S_MAX


def test_a_topic_made_anew_is_a_log_of_its_own_even_where_it_has_grown_past(story: Story) -> None:
    place = ("traffic", 0)
    story.send(*place)
    before = story.read_to(place, EACH)
    story.wait_position(place)

    def anew() -> None:
        (gone,) = story.admin.delete_topics(["traffic"]).values()
        gone.result(30)
        new = NewTopic("traffic", 4, 1, config={"message.timestamp.type": "LogAppendTime"})
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            (made,) = story.admin.create_topics([new]).values()
            if made.exception(30) is None:
                break
            time.sleep(0.2)
        story.send(*place, many=EACH + 20)

    story.kill(anew)
    head = story.wait(place, lambda head: head.source != before.source and head.next_offset > EACH)

    assert head.source.log.startswith(before.source.log + "/")
    assert head.tally.accepted == EACH + 20


def now_ms() -> int:
    return time.time_ns() // 1_000_000
