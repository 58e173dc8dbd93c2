"""Both brokers, both stores and both pairs of them, by name; and a log to write into."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from kafka import KafkaProducer

from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store.socket import socket_path
from tests.parts.kafka import Kafka
from tests.parts.process import Process
from tests.parts.tansu import Tansu

# Tansu holds a group's first join for half the session; Apache Kafka takes no less than this.
SESSION_MS = {"tansu": 3_000, "kafka": 6_000}


class Broker(NamedTuple):
    """A running broker of one make."""

    make: str
    part: Kafka | Tansu

    @property
    def bootstrap(self) -> str:
        return self.part.bootstrap

    def settings(self, **changes: object) -> Settings:
        """Settings for parts on this broker."""
        chosen = {"kafka": self.bootstrap, "session_timeout_ms": SESSION_MS[self.make], **changes}
        return msgspec.structs.replace(Settings(), **chosen)

    def make_topics(self, partitions: Mapping[str, int]) -> None:
        """New topics that take large messages."""
        from aiokafka.admin import NewTopic

        from fenghuo.streams.transport import kafka

        async def make() -> None:
            client = await kafka.admin(self.bootstrap)
            try:
                limit = {"max.message.bytes": "8388608"}
                new = [NewTopic(name, n, 1, topic_configs=limit) for name, n in partitions.items()]
                answer = await client.create_topics(new)
                assert [code for _, code, *_ in answer.topic_errors if code] == []
                await kafka.known(client, partitions)
            finally:
                await client.close()

        asyncio.run(make())

    def producer(self, **options: object) -> KafkaProducer:
        """A producer whose sends raise in `flush` or `get`, never silently."""
        return KafkaProducer(
            bootstrap_servers=self.bootstrap,
            acks="all",
            max_request_size=8 << 20,
            **options,
        )

    def send(self, topic: str, partition: int, values: Sequence[bytes | None]) -> list[int]:
        """The offsets these values got."""
        producer = self.producer(linger_ms=20)
        try:
            sent = [producer.send(topic, value, partition=partition) for value in values]
            producer.flush(30)
            return [future.get(30).offset for future in sent]
        finally:
            producer.close(10)


@pytest.fixture(params=["tansu", "kafka"])
def broker(request: pytest.FixtureRequest) -> Broker:
    return Broker(request.param, request.getfixturevalue(request.param))


@pytest.fixture(scope="session")
def chdb() -> Iterator[str]:
    """An owner of a folder that this session started, and ends."""
    with tempfile.TemporaryDirectory(prefix="fenghuo-chdb-") as folder:
        command = [sys.executable, "-m", "fenghuo.schemas.store.owner", folder]
        owner = Process("chdb", command, Path(folder) / "owner.log")
        try:
            owner.start()
            owner.wait_ready(socket_path(Path(folder)).exists, 30)
            yield f"chdb:{folder}"
        finally:
            owner.kill()
            socket_path(Path(folder)).unlink(missing_ok=True)


@pytest.fixture(params=["chdb", "clickhouse"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Both stores; what is in them is not yours alone."""
    found = request.getfixturevalue(request.param)
    return found if request.param == "chdb" else str(found.url)
