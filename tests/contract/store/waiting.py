"""An archive on a broker, over a store that a test takes away: what it is given, what it tells."""

import contextlib
import re
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from kafka import KafkaProducer

from fenghuo.schemas.kinds.measures import KINDS
from fenghuo.schemas.settings import Settings, environment
from fenghuo.schemas.store.port import Store, StoreError
from fenghuo.schemas.store.tables import PULSE_TABLE
from fenghuo.schemas.wire import topics
from tests.bench.feed.pulses import PARTITIONS, frames_of
from tests.contract.conftest import Broker
from tests.parts.process import Process, free_port

PATIENCE_S = 60.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def until(what: Callable[[], bool], told: Callable[[], str]) -> None:
    """Wait for it; how long that takes fails nothing before patience is at its end."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)


class Archive:
    """One archive worker, and what was sent to it."""

    def __init__(self, broker: Broker, store: str, folder: Path, **settings: object) -> None:
        self.port = free_port()
        self.settings: Settings = broker.settings(store=store, metrics_port=self.port, **settings)
        command = [sys.executable, "-m", "fenghuo.deploy", "run", "archive"]
        self.process = Process(
            "archive", command, folder / "archive.log", environment(self.settings)
        )
        self.seconds: set[int] = set()
        """What was sent, in each of the partitions of the frames."""
        self._broker = broker

    def start(self) -> None:
        begun = self.said(": ready")
        self.process.start()
        self.process.wait_ready(lambda: self.said(": ready") > begun, 90)

    def said(self, text: str) -> int:
        """How often it said this."""
        log = self.process.log
        return log.read_text().count(text) if log.exists() else 0

    def send(self, seconds: int = 2) -> None:
        """Pulses of the last seconds; gather sends such."""
        producer: KafkaProducer = self._broker.producer()
        now = now_ms()
        self.seconds |= set(range(now // 1000 - seconds, now // 1000))
        try:
            for key, frame, _ in frames_of(seconds, now):
                producer.send(topics.PULSES, frame, key, partition=0)
            producer.flush(30)
        finally:
            producer.close(5)

    def metric(self, name: str) -> float | None:
        """A figure of its /metrics as it is now; None where there is none."""
        address = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            text = answer.read().decode()
        found = re.search(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else None

    def delay_s(self) -> float:
        found = self.metric("fenghuo_archive_delay_seconds")
        assert found is not None
        return found

    def is_stored(self, store: Store) -> bool:
        """Whether all pulses that were sent are in the store; while it is away, not yet."""
        wanted = {(part, second * 1000) for part in range(PARTITIONS) for second in self.seconds}
        for kind in KINDS:
            sql = f"SELECT DISTINCT partition, second_ms FROM {PULSE_TABLE[kind]}"
            with contextlib.suppress(StoreError):
                rows = store.query(sql)
                if {(row["partition"], row["second_ms"]) for row in rows} == wanted:
                    continue
            return False
        return True
