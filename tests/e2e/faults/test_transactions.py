"""Committed means committed: what a transaction took back, or has not settled yet, is no event for
the river, its audit and the load tester alike; through restarts.
"""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from fenghuo.loadtest.books.logbook import Log
from tests.e2e.load.shadow_run import stored
from tests.e2e.river import River
from tests.parts.kafka import Kafka, kafka

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(500)]

WATCHDOG_MS = 3_000
SETTLED_S_MAX = 90
FETCH_BYTES = 8_192


def order(number: int) -> bytes:
    """A paid order of one fen."""
    event = {
        "kind": "order",
        "event_id": f"e{number}",
        "ts": time.time_ns() // 1_000_000,
        "region": "east",
        "order_id": f"o{number}",
        "user_id": f"u{number}",
        "category": "food",
        "channel": "app",
        "amount_fen": 1,
        "status": "paid",
        "payment": "alipay",
    }
    return json.dumps(event).encode()


class Sender:
    """A producer of orders to one partition, in transactions when it has a name for them."""

    _number = 0

    def __init__(self, broker: Kafka, name: str = "", codec: str = "none") -> None:
        options: dict[str, Any] = {
            "bootstrap.servers": broker.bootstrap,
            "compression.type": codec,
            "linger.ms": 1,
            "batch.num.messages": 20,
            "log_level": 0,
        }
        if name:
            options |= {"transactional.id": name, "transaction.timeout.ms": 600_000}
        self.producer = Producer(options)
        if name:
            self.producer.init_transactions(30)

    def send(self, count: int) -> None:
        """So many orders, all acknowledged."""
        for _ in range(count):
            Sender._number += 1
            self.producer.produce("orders", order(Sender._number), partition=0)
        assert self.producer.flush(30) == 0


def settled(river: River, expected: int) -> dict[str, Any]:
    """The books of the log as soon as they hold so many events; they must be closed."""
    deadline = time.monotonic() + SETTLED_S_MAX
    while True:
        code, books = river.audit()
        found = sum(book["log"] for book in books["partitions"])
        if (code == 0 and found == expected) or time.monotonic() > deadline:
            assert (code, found) == (0, expected), (books, river.logs())
            return books
        time.sleep(0.5)


def in_log(broker: Kafka) -> int:
    """Orders that the load tester finds."""
    with Log(broker.bootstrap) as log:
        end = log.ends(["orders"])
    with Log(broker.bootstrap) as log:
        return sum(len(records) for records in log.batches({}, end))


def prepared(river: River) -> None:
    """The topics, made by whoever comes first."""
    for name in ("archive", "gather"):
        river.start(name)
        river.parts[name].wait_ready(partial(is_ready, river, name), 90)


def is_ready(river: River, name: str) -> bool:
    """Whether the part says so."""
    return ": ready" in river.parts[name].log.read_text()


def test_only_what_is_committed_counts(tmp_path: Path) -> None:
    with kafka() as broker, stored(tmp_path / "store") as store:
        river = River(
            broker.bootstrap,
            store,
            tmp_path,
            partitions=1,
            fetch_bytes=FETCH_BYTES,
            watchdog_ms=WATCHDOG_MS,
        )
        try:
            prepared(river)
            story(broker, river)
        finally:
            river.stop()


def story(broker: Kafka, river: River) -> None:
    one, other = Sender(broker, "one", "lz4"), Sender(broker, "other", "zstd")
    one.producer.begin_transaction()
    other.producer.begin_transaction()
    one.send(5)
    other.send(500)  # many fetches long, between those of another
    one.send(5)
    one.producer.commit_transaction(30)
    other.send(500)
    other.producer.abort_transaction(30)
    other.producer.begin_transaction()
    other.send(5)
    other.producer.commit_transaction(30)
    settled(river, 15)
    assert in_log(broker) == 15

    held = Sender(broker, "held", "snappy")
    held.producer.begin_transaction()
    held.send(7)
    Sender(broker).send(1)  # committed, and yet behind what is open
    time.sleep(WATCHDOG_MS / 1000 * 2.5)
    assert river.parts["gather"].alive()
    assert river.parts["gather"].log.read_text().count(": ready") == 1, river.logs()
    settled(river, 15)
    assert in_log(broker) == 15

    river.kill("gather")
    settled(river, 15)
    held.producer.commit_transaction(30)
    books = settled(river, 23)
    assert in_log(broker) == 23
    assert sum(book["fen"]["log"] for book in books["partitions"]) == 23
