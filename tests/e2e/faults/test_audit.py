"""The audit of what happens to a log in a long life: its beginning deleted, records deleted before
they were read, a record passed over by hand, a topic made anew. On Kafka and a ClickHouse server.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from fenghuo.schemas.store.port import connect
from tests.contract.store.poisoned import POISON
from tests.e2e.faults.test_transactions import is_ready, order
from tests.e2e.river import River
from tests.parts import clickhouse as clickhouse_part
from tests.parts import kafka as kafka_part
from tests.parts.process import Process
from tests.paths import ROOT

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

DOUBLE11 = ROOT / "deploy" / "campaigns" / "double11.toml"
EACH = 30
SETTLED_S_MAX = 120
SAFE_S = 6
"""Positions are sent every five seconds."""


class Story:
    """A river with a gather that breaks on one record, a partition of orders for each chapter."""

    def __init__(self, river: River, bootstrap: str) -> None:
        self.river = river
        self._broker = {"bootstrap.servers": bootstrap, "log_level": 0}
        self.admin = AdminClient(self._broker)
        self._number = 0
        self.connect()

    def connect(self) -> None:
        """A producer of its own: one that was there keeps in mind that a topic was deleted."""
        self.producer = Producer({**self._broker, "linger.ms": 1})

    def send(self, partition: int, many: int = EACH, topic: str = "orders") -> None:
        for _ in range(many):
            self._number += 1
            self.put(order(self._number), partition, topic)

    def put(self, value: bytes, partition: int, topic: str = "orders") -> None:
        self.producer.produce(topic, value, partition=partition)
        assert self.producer.flush(30) == 0

    def delete(self, partition: int, below: int) -> None:
        (deleted,) = self.admin.delete_records(
            [TopicPartition("orders", partition, below)]
        ).values()
        deleted.result(30)

    def without_gather(self, do: Callable[[], None]) -> None:
        self.river.parts["gather"].kill()
        do()
        self.river.parts["gather"].start()

    def book(self, partition: int, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The books of a partition of orders as soon as they are closed and as told."""
        deadline = time.monotonic() + SETTLED_S_MAX
        while True:
            code, found = self.river.audit()
            books = {(book["topic"], book["partition"]): book for book in found["partitions"]}
            if code == 0 and until(books["orders", partition]):
                return books["orders", partition]
            assert time.monotonic() < deadline, (code, found, self.river.logs())
            time.sleep(1)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    if reason := kafka_part.missing() or clickhouse_part.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("audit")
    with kafka_part.kafka() as broker, clickhouse_part.clickhouse() as store:
        begun_ms = time.time_ns() // 10**9 * 1_000  # tallies know the fen of the campaign only
        river = River(
            *(broker.bootstrap, store.url, folder, DOUBLE11),
            partitions=4,
            rehearsal_start_ms=begun_ms,
        )
        command = [sys.executable, "-m", "tests.contract.store.poisoned", "run", "gather"]
        river.parts["gather"] = Process("gather", command, folder / "gather.log", river.env)
        try:
            for name in ("archive", "gather"):
                river.start(name)
                river.parts[name].wait_ready(partial(is_ready, river, name), 90)
            yield Story(river, broker.bootstrap)
        finally:
            river.stop()


def test_a_log_that_lost_its_beginning_is_counted_again_from_a_head_behind_it(
    story: Story,
) -> None:
    story.send(0)
    story.put(b"no event", 0)
    story.book(0, lambda book: book["log"] == EACH + 1)
    story.delete(0, 5)
    story.send(0)
    book = story.book(0, lambda book: book["log"] == 2 * EACH + 1)

    assert (book["begins"], book["missing"]) == (5, 0)
    assert 5 <= book["counted_from"] <= EACH + 1
    assert (book["accepted"] + book["late"], book["refused"]) == (2 * EACH, 1)
    assert book["fen"]["log"] == 2 * EACH


def test_records_deleted_unread_are_in_no_book_and_are_said(story: Story) -> None:
    story.send(1)
    story.book(1, lambda book: book["log"] == EACH)
    time.sleep(SAFE_S)

    def gone() -> None:
        story.send(1)
        story.delete(1, EACH + 10)

    story.without_gather(gone)
    book = story.book(1, lambda book: book["log"] == 2 * EACH - 10)

    assert (book["begins"], book["missing"]) == (EACH + 10, 10)
    assert book["fen"]["log"] == 2 * EACH - 10


def test_a_log_cut_behind_what_was_published_closes_its_books(story: Story) -> None:
    """Its open seconds were given up, so earlier heads say nothing of the rest."""
    story.send(1)
    before = story.book(1, lambda book: book["log"] == 3 * EACH - 10)["log"]
    story.without_gather(partial(story.delete, 1, 3 * EACH))
    story.send(1)
    book = story.book(1, lambda book: book["log"] == before + EACH)

    assert (book["begins"], book["missing"]) == (3 * EACH, 10)
    assert book["counted_from"] >= 3 * EACH


def test_a_record_passed_over_by_hand_is_one_refused_event_in_both_books(story: Story) -> None:
    story.send(2)
    story.put(POISON, 2)
    story.send(2)
    deadline = time.monotonic() + SETTLED_S_MAX
    while True:
        code, said = story.river.run("dlq", "skip", "orders", "2", str(EACH), "--reason", "a test")
        if code == 0 or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert code == 0, said
    book = story.book(2, lambda book: book["log"] == 2 * EACH + 1)

    assert (book["accepted"] + book["late"], book["refused"]) == (2 * EACH, 1)
    assert (book["begins"], book["counted_from"]) == (0, 0)


def test_a_topic_made_anew_is_audited_alone(story: Story) -> None:
    def anew() -> None:
        (gone,) = story.admin.delete_topics(["orders"]).values()
        gone.result(30)
        new = NewTopic("orders", 4, 1, config={"message.timestamp.type": "LogAppendTime"})
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            (made,) = story.admin.create_topics([new]).values()
            if made.exception(30) is None:
                break
            time.sleep(0.2)
        story.connect()
        story.send(0, 7)

    time.sleep(SAFE_S)
    story.without_gather(anew)
    book = story.book(0, lambda book: book["log"] == 7)

    assert (book["accepted"] + book["late"], book["begins"]) == (7, 0)


def test_what_the_store_has_too_much_is_found_before_the_log_s_beginning(story: Story) -> None:
    story.send(3)
    story.book(3, lambda book: book["log"] == EACH)
    story.delete(3, EACH)
    story.book(3, lambda book: book["begins"] == EACH)
    store = connect(story.river.env["FENGHUO_STORE"])
    log = store.query(
        "SELECT log FROM pulses_order WHERE `partition` = 3 AND cut = '' ORDER BY second_ms"
    )[-1]["log"]
    names = "`log`, `topic`, `partition`, `offset`, idx, second_ms, cut, k1, k2, events"
    doubled = f"'{log}', 'orders', 3, 1, 0, 1760000000000, '', '', '', 1"
    store.execute(f"INSERT INTO late_order ({names}) SELECT {doubled}")
    store.close()
    code, found = story.river.audit()

    assert code == 1
    (difference,) = found["differences"]
    assert (difference["what"], difference["offsets"]) == ("on record", [0, EACH - 1])
    assert difference["found"]["late"] == difference["expected"]["late"] + 1
