"""Hostile records on real Kafka, between good events: `python -m tests.fuzz.run --seconds 1200`.

Every codec, header, size and form is drawn from the seed; some records are in transactions that are
aborted. In the end nobody may have died, every good event must be counted, and the books close.
"""

import argparse
import contextlib
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer

from fenghuo.schemas.wire.topics import MESSAGE_BYTES_MAX
from tests.e2e.river import River
from tests.fuzz.hostile import GOOD_REGION, Draw, drawn, frame, order, text
from tests.parts.clickhouse import clickhouse
from tests.parts.kafka import kafka
from tests.paths import ROOT

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
PARTITIONS = 4
ROUND = 40
"""Hostile records between two looks at whether everybody lives."""
CAMPAIGN = ROOT / "deploy/campaigns/double11.toml"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Sent:
    """What went out."""

    good: int = 0
    fen: int = 0
    hostile: Counter[str] = field(default_factory=Counter)
    too_large: int = 0


class Storm:
    """Sends to topic orders through a producer for each codec, and one with transactions."""

    def __init__(self, bootstrap: str, seed: int) -> None:
        self.sent = Sent()
        self._random = random.Random(seed)
        self._draw = Draw(seed, now_ms)
        self._hostile = drawn(self._draw, seed)
        common = {
            "bootstrap.servers": bootstrap,
            "message.max.bytes": MESSAGE_BYTES_MAX,
            "linger.ms": 20,
            "queue.buffering.max.kbytes": 65_536,
        }
        self._producers = [Producer(common | {"compression.type": codec}) for codec in CODECS]
        of = {"transactional.id": f"storm-{seed}", "compression.type": "lz4"}
        self._transacting = Producer(common | of)
        self._transacting.init_transactions(30)

    def round(self) -> None:
        """Some good events among some hostile records; now and then what is taken back."""
        r = self._random
        for _ in range(ROUND):
            family, value, headers = next(self._hostile)
            if self._produce(value, headers, self._draw.key()):
                self.sent.hostile[family] += 1
            if r.random() < 0.7:
                self._good()
        if r.random() < 0.2:
            self._transaction(commit=r.random() < 0.3)
        for producer in self._producers:
            producer.flush(30)

    def _good(self) -> None:
        r, ts = self._random, now_ms() - self._random.randrange(500)
        rows = r.choice([1, 1, 1, 2, 200])
        amounts = [r.randrange(1, 100_000) for _ in range(rows)]
        if rows > 2:
            value = frame([ts] * rows, amounts, GOOD_REGION, r.choice([None, "lz4", "zstd"]))
        else:
            events = [
                order(self.sent.good + i, ts, GOOD_REGION) | {"amount_fen": amount}
                for i, amount in enumerate(amounts)
            ]
            value = b"\n".join(text(event) for event in events)
        headers = [(name, data) for name, data in self._draw.headers() if name != "fenghuo-replay"]
        if self._produce(value, headers, self._draw.key()):
            self.sent.good += rows
            self.sent.fen += sum(amounts)

    def _produce(self, value: bytes | None, headers: list[Any], key: bytes | None) -> bool:
        producer = self._random.choice(self._producers)
        while True:
            try:
                producer.produce(
                    "orders", value, key, self._random.randrange(PARTITIONS), headers=headers
                )
                producer.poll(0)
                return True
            except BufferError:
                producer.poll(0.1)
            except KafkaException:
                self.sent.too_large += 1  # the client itself refuses it
                return False

    def _transaction(self, *, commit: bool) -> None:
        """Good events of which all count, or none."""
        producer, many = self._transacting, self._random.choice([1, 30])
        producer.begin_transaction()
        for i in range(many):
            event = order(i, now_ms(), GOOD_REGION)
            producer.produce("orders", text(event), None, self._random.randrange(PARTITIONS))
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
            self.sent.good += many
            self.sent.fen += many
        else:
            producer.abort_transaction(30)


@contextlib.contextmanager
def river(folder: Path) -> Iterator[River]:
    """The whole river on Apache Kafka and ClickHouse."""
    with (
        kafka() as broker,
        clickhouse() as store,
        River(broker.bootstrap, store.url, folder, CAMPAIGN, partitions=PARTITIONS) as made,
    ):
        yield made


def storm(made: River, seed: int, seconds: float, *, hostile: int = 0) -> Sent:
    """Send for so long, and at least so many hostile records; fails when a part dies."""
    pids = {name: part.pid for name, part in made.parts.items()}
    sender, begun = Storm(made.env["FENGHUO_KAFKA"], seed), time.monotonic()
    while time.monotonic() - begun < seconds or sender.sent.hostile.total() < hostile:
        sender.round()
        living = {name: part.pid for name, part in made.parts.items() if part.alive()}
        assert living == pids, f"seed {seed}, after {sender.sent}: {made.logs()}"
    return sender.sent


def check(made: River, sent: Sent) -> dict[str, Any]:
    """The books close, and every good event is in them; the books."""
    code, books = made.audit()
    assert code == 0, (books, made.logs())
    rows = made.get("api/v1/totals?kind=order&by=region")["rows"]
    (good,) = (row for row in rows if row["region"] == GOOD_REGION)
    found = (good["events"], good["paid_amount_fen"])
    assert found == (sent.good, sent.fen), (found, sent, made.logs())
    return books


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--seconds", type=float, default=1_200)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="fenghuo-fuzz-") as folder, river(Path(folder)) as made:
        sent = storm(made, given.seed, given.seconds)
        books = check(made, sent)
        rows = [book for book in books["partitions"] if book["topic"] == "orders"]
        print(f"seed {given.seed}: nobody died, books closed")
        print(f"good: {sent.good} events, {sent.fen} fen, all counted")
        print(f"hostile records: {sent.hostile.total()}: {dict(sent.hostile)}")
        print({name: sum(row[name] for row in rows) for name in ("accepted", "late", "refused")})
        for name, part in made.parts.items():
            ticks = Path(f"/proc/{part.pid}/stat").read_text().rpartition(")")[2].split()
            print(f"{name}: {(int(ticks[11]) + int(ticks[12])) / 100:.1f} s of CPU")


if __name__ == "__main__":
    main()
