"""Apache Kafka 4.1: one KRaft node on loopback, with its data in a folder that outlives a kill."""

import base64
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts.process import Process, answers_kafka, free_port
from tests.paths import ROOT

LIBS = ROOT / ".parts/kafka/libs"
READY_S_MAX = 90
HEAP = "512m"

CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
num.partitions=4
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
message.max.bytes=8388608
# Old event times must not make segments expire in the middle of a test.
log.retention.ms=-1
log.retention.bytes=-1
group.initial.rebalance.delay.ms=0
# A killed node must be believed dead, and come back, within seconds.
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
# One node: every internal topic has one replica; few partitions keep the start short.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
"""


def missing() -> str | None:
    """Why this part cannot run here, or None."""
    if not shutil.which("java"):
        return "no java on the path"
    if not any(LIBS.glob("kafka_2.13-*.jar")):
        return "no jars in .parts/kafka/libs (make parts fetches them)"
    return None


class Kafka:
    """`kill`, `start` again, `stop`: same folder, same port."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.folder = folder
        self._config = folder / "server.properties"
        self._config.write_text(
            CONFIG.format(port=self.port, controller=free_port(), data=folder / "data")
        )
        self.process = Process(
            "kafka",
            [*_java(f"-Xms{HEAP}", f"-Xmx{HEAP}"), "kafka.Kafka", self._config],
            folder / "kafka.log",
        )

    def start(self) -> None:
        if not (self.folder / "data/meta.properties").exists():
            self._format()
        self.process.start()
        self.process.wait_ready(lambda: answers_kafka(self.port), READY_S_MAX)

    def stop(self) -> None:
        self.process.stop(20)

    def kill(self) -> None:
        self.process.kill()

    def _format(self) -> None:
        cluster_id = base64.urlsafe_b64encode(b"f" + os.urandom(15)).decode().rstrip("=")
        tool = Process(
            "kafka format",
            [*_java(), "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", self._config],
            self.folder / "format.log",
        )
        tool.start()
        tool.wait_ended(READY_S_MAX)


@contextmanager
def kafka() -> Iterator[Kafka]:
    with tempfile.TemporaryDirectory(prefix="fenghuo-kafka-") as folder:
        part = Kafka(Path(folder))
        try:
            part.start()
            yield part
        finally:
            part.kill()


def _java(*options: str) -> list[str]:
    # Serial collector and one compiler tier: the start matters more than the throughput here.
    return [
        "java",
        *(options or ("-Xmx128m", "-XX:TieredStopAtLevel=1")),
        "-XX:+UseSerialGC",
        "-Xshare:auto",
        "-Djava.awt.headless=true",
        "-cp",
        f"{LIBS}/*",
    ]
