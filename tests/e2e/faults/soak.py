"""`python -m tests.e2e.faults.soak MINUTES`: the whole river on Apache Kafka and ClickHouse under a
moderate load, its memory, descriptors, threads and bytes on each topic minute by minute.

It judges by what grows after the first ten minutes. Depends on the machine and on time, so it is no
test.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import Producer

from fenghuo.loadtest.plan import people
from fenghuo.loadtest.plan.plan import Message
from fenghuo.loadtest.plan.storm import Storm
from fenghuo.schemas.campaign import campaign
from tests.e2e.river import River
from tests.parts.clickhouse import clickhouse
from tests.parts.kafka import Kafka, kafka
from tests.paths import ROOT

CAMPAIGN = ROOT / "deploy/campaigns/double11.toml"
JSON_PER_S, ROWS_PER_S = 3_000, 500_000
WARM_MINUTES = 10
PARTITIONS = 4


class Load(threading.Thread):
    """One sender at a constant rate; what it could not send in time it sends late."""

    def __init__(self, bootstrap: str, form: str, rate: int, seconds: int) -> None:
        super().__init__(daemon=True)
        scene = people.Scene(campaign.load(CAMPAIGN).labels, seed=1)
        self._storm = Storm(scene, rate, seconds, form, partitions=PARTITIONS)
        self.form, self.behind_ms = form, 0
        """The most that a message was late for its plan since this was last taken."""
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "linger.ms": 20, "compression.type": "lz4"}
        )

    def run(self) -> None:
        start_ms, begun = time.time_ns() // 1_000_000, time.monotonic()
        for batch in self._storm.messages(start_ms):
            for i, message in enumerate(batch):
                wait_s = message.due_ms / 1000 - (time.monotonic() - begun)
                if wait_s > 0.02:
                    self._producer.poll(0)
                    time.sleep(wait_s)
                self.behind_ms = max(self.behind_ms, int(-wait_s * 1000))
                self._send(message, i % PARTITIONS)
        self._producer.flush(60)

    def _send(self, message: Message, partition: int) -> None:
        while True:
            try:
                self._producer.produce(message.topic, message.payload, partition=partition)
            except BufferError:  # the broker is slower than the plan
                self._producer.poll(0.1)
            else:
                return


def sample(river: River, broker: Kafka) -> Iterator[tuple[str, int]]:
    """What everything takes now: (name, amount)."""
    for name, part in river.parts.items():
        process = Path(f"/proc/{part.pid}")
        status = dict(
            line.split(":\t", 1) for line in (process / "status").read_text().splitlines()
        )
        yield f"{name} MiB", int(status["VmRSS"].split()[0]) // 1024
        yield f"{name} fds", len(list((process / "fd").iterdir()))
        yield f"{name} threads", int(status["Threads"])
    for folder in sorted((broker.folder / "data").glob("*-[0-9]*")):
        topic = folder.name.rpartition("-")[0]
        if topic not in ("orders", "traffic", "complaints") and not topic.startswith("__"):
            size = sum(file.stat().st_size for file in folder.iterdir() if file.suffix == ".log")
            yield f"topic {topic} KiB", size // 1024


def main(minutes: int) -> int:
    """The exit code: 0 when the books close."""
    with (
        tempfile.TemporaryDirectory(prefix="fenghuo-soak-") as folder,
        kafka() as broker,
        clickhouse() as store,
        River(
            broker.bootstrap,
            store.url,
            Path(folder),
            CAMPAIGN,
            partitions=PARTITIONS,
            rehearsal_start_ms=time.time_ns() // 1_000_000,  # inside the campaign: users count
        ) as river,
    ):
        pids = {name: part.pid for name, part in river.parts.items()}
        loads = [
            Load(broker.bootstrap, form, rate, minutes * 60)
            for form, rate in (("json", JSON_PER_S), ("frame", ROWS_PER_S))
        ]
        for load in loads:
            load.start()
        history: list[dict[str, int]] = []
        for minute in range(1, minutes + 1):
            time.sleep(60)
            history.append(dict(sample(river, broker)))
            for load in loads:
                history[-1][f"{load.form} behind ms"], load.behind_ms = load.behind_ms, 0
            print(minute, history[-1], flush=True)
        for load in loads:
            load.join(120)
        living = {name: part.pid for name, part in river.parts.items() if part.alive()}
        code, _ = river.audit()
    print(f"{'':24} {'start':>10} {'warm':>10} {'half':>10} {'end':>10}")
    warm = min(WARM_MINUTES, len(history)) - 1
    for name in history[-1]:
        places = (0, warm, (warm + len(history)) // 2, -1)
        print(f"{name:24}", *(f"{history[at].get(name, 0):10}" for at in places))
    print("nobody died" if living == pids else f"died: {pids} -> {living}", f"audit {code}")
    return code or int(living != pids)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
