"""The batch transport hands over what is in the log, on both brokers."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aiokafka
import msgspec
import pytest
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from confluent_kafka import Consumer, Producer, TopicPartition

from fenghuo.schemas.settings import environment
from tests.contract.conftest import SESSION_MS, Broker
from tests.contract.log.probe import Assigned, Line, Options, Seen, digest
from tests.parts.kafka import Kafka
from tests.parts.process import Process

pytestmark = pytest.mark.real

READ_S_MAX = 60
GUESTS = {"tansu": 1, "kafka": 5}
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
END = 500 * len(CODECS)
LARGE = bytes(range(256)) * (5 * 4096)  # 5 MiB
_names = iter(range(1_000_000))


class Run:
    """A probe in a process of its own."""

    def __init__(self, broker: Broker, folder: Path, options: Options, **settings: object) -> None:
        self._log = folder / f"probe-{next(_names)}.log"
        made = broker.settings(**settings)
        command = [sys.executable, "-m", "tests.contract.log.probe"]
        command.append(msgspec.json.encode(options).decode())
        self.process = Process("probe", command, self._log, environment(made))

    def lines(self) -> list[Line]:
        """What it told so far; the last line may be unfinished."""
        told = self._log.read_bytes().split(b"\n")[:-1] if self._log.exists() else []
        decoder = msgspec.json.Decoder(Line)
        return [decoder.decode(line) for line in told if line.startswith(b"{")]

    def seen(self, tp: str) -> list[Seen]:
        return [line for line in self.lines() if isinstance(line, Seen) and line.tp == tp]

    def assigned(self) -> list[Assigned]:
        return [line for line in self.lines() if isinstance(line, Assigned) and line.offsets]


@pytest.fixture
def start(broker: Broker, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(options: Options, **settings: object) -> Run:
        run = Run(broker, tmp_path, options, **settings)
        runs.append(run)
        run.process.start()
        return run

    yield begin
    for run in runs:
        run.process.kill()


def write_offsets(folder: Path, offsets: dict[tuple[str, int], int]) -> str:
    folder.mkdir()
    for (topic, partition), offset in offsets.items():
        (folder / f"{topic}-{partition}").write_text(str(offset))
    return str(folder)


def wait(run: Run, until: Callable[[], bool]) -> None:
    run.process.wait_ready(until, READ_S_MAX)


def reached(runs: list[Run], tp: str, end: int) -> bool:
    return any(seen.stop >= end for run in runs for seen in run.seen(tp))


def has_rounds(run: Run, count: int) -> bool:
    return len(run.assigned()) >= count


def fill(broker: Broker, topic: str) -> None:
    """Two partitions: 0 of all shapes, 1 of few and large batches."""
    producer = broker.producer(linger_ms=0)
    headers = [("a", b"1"), ("a", b"2"), ("empty", b""), ("火", "烽火".encode())]
    shapes: list[tuple[bytes | None, list[tuple[str, bytes]]]] = [
        (b"first", []),
        (b"", []),
        (None, []),
        (b"with headers", headers),
        (LARGE, []),
        (b"\x00\xff" * 3, [("only", b"x")]),
        (b"last", []),
    ]
    try:
        for value, head in shapes:
            sent = producer.send(topic, value, b"k", head, partition=0, timestamp_ms=1_000)
            sent.get(30)
    finally:
        producer.close(10)
    for codec in CODECS:
        packer = Producer(
            {
                "bootstrap.servers": broker.bootstrap,
                "compression.type": codec,
                "linger.ms": 200,
                "acks": "all",
                "log_level": 0,
            }
        )
        for i in range(500):
            packer.produce(topic, f"{codec} {i}".encode(), partition=1)
        assert packer.flush(30) == 0


def truth(broker: Broker, topic: str, partition: int, first: int, count: int) -> list[Any]:
    """The records as another client reads them."""
    options = {"bootstrap.servers": broker.bootstrap, "group.id": "truth", "log_level": 0}
    reader = Consumer({**options, "fetch.message.max.bytes": 8 << 20})
    try:
        reader.assign([TopicPartition(topic, partition, first)])
        return reader.consume(count, 20)
    finally:
        reader.close()


def rows(seen: list[Seen]) -> list[tuple[Any, ...]]:
    """Offset, value, time and headers of every record; fetches must follow on each other."""
    found = []
    for before, fetch in zip([None, *seen], seen, strict=False):
        assert before is None or fetch.start == before.stop, "a gap between fetches"
        assert all(fetch.start <= offset < fetch.stop for offset in fetch.offsets)
        for at, offset in enumerate(fetch.offsets):
            headers = fetch.headers.get(str(at), [])
            found.append((offset, fetch.values[at], fetch.record_ms[at], headers))
    return found


def test_every_record_is_handed_over(
    broker: Broker, start: Callable[..., Run], tmp_path: Path
) -> None:
    topic = "shapes"
    broker.make_topics({topic: 2})
    fill(broker, topic)
    middle = 237  # of the first batch
    folder = write_offsets(tmp_path / "offsets", {(topic, 0): 0, (topic, 1): middle})
    run = start(Options(f"probe-{topic}", [topic], folder))

    wait(run, lambda: reached([run], f"{topic}/0", 7) and reached([run], f"{topic}/1", END))
    broker.send(topic, 1, [b"while reading"])
    wait(run, lambda: reached([run], f"{topic}/1", END + 1))

    assert run.process.stop() == 0
    assert run.assigned() == [Assigned({f"{topic}/0": 0, f"{topic}/1": middle})]
    for partition, first, end in ((0, 0, 7), (1, middle, END + 1)):
        seen = run.seen(f"{topic}/{partition}")
        assert (seen[0].start, seen[-1].stop) == (first, end)
        expected = [
            (
                record.offset(),
                digest(record.value()),
                record.timestamp()[1],
                [(key, value.hex()) for key, value in record.headers() or ()],
            )
            for record in truth(broker, topic, partition, first, end - first)
        ]
        assert rows(seen) == expected
        assert [row[0] for row in expected] == list(range(first, end))


def test_two_members_share_and_take_over(
    broker: Broker, start: Callable[..., Run], tmp_path: Path
) -> None:
    topic = "shared"
    broker.make_topics({topic: 4})
    names = [f"{topic}/{partition}" for partition in range(4)]
    folder = write_offsets(tmp_path / "offsets", {(topic, partition): 0 for partition in range(4)})
    options = Options("probe-shared", [topic], folder)
    sent = 0

    def send(count: int) -> None:
        nonlocal sent
        for partition in range(4):
            values = [f"{partition} {sent + i}".encode() for i in range(count)]
            broker.send(topic, partition, values)
        sent += count

    send(50)
    one = start(options)
    wait(one, lambda: all(reached([one], tp, sent) for tp in names))
    other = start(options)
    wait(other, lambda: bool(other.assigned()))
    send(50)
    both = [one, other]
    wait(other, lambda: all(reached(both, tp, sent) for tp in names))
    shares = [set(run.assigned()[-1].offsets) for run in both]
    assert sorted(map(len, shares)) == [2, 2]
    assert shares[0] | shares[1] == set(names)

    one.process.kill()
    send(50)
    wait(other, lambda: all(reached([other], tp, sent) for tp in names))

    assert other.process.stop() == 0
    for run in both:
        check_starts(run)
    for tp in names:
        offsets = {offset for run in both for seen in run.seen(tp) for offset in seen.offsets}
        assert offsets == set(range(sent))


def test_members_that_come_and_go_end_nobody(
    broker: Broker, start: Callable[..., Run], tmp_path: Path
) -> None:
    """A read that waits while the group changes finds partitions without a position, or nothing."""
    topic = "coming"
    broker.make_topics({topic: 4})
    names = [f"{topic}/{partition}" for partition in range(4)]
    folder = write_offsets(tmp_path / "offsets", {(topic, partition): 0 for partition in range(4)})
    run = start(Options(f"probe-{topic}", [topic], folder))
    wait(run, lambda: bool(run.assigned()))
    for _ in range(GUESTS[broker.make]):
        rounds = len(run.assigned())
        asyncio.run(visit(broker, f"fenghuo-probe-{topic}", topic))
        wait(run, partial(has_rounds, run, rounds + 2))
    broker.send(topic, 3, [b"after all"])
    wait(run, lambda: reached([run], names[3], 1))

    assert run.process.stop() == 0
    check_starts(run)


async def visit(broker: Broker, group: str, topic: str) -> None:
    """Another member joins the group, gets its share, and leaves."""
    guest = aiokafka.AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap,
        group_id=group,
        partition_assignment_strategy=(RoundRobinPartitionAssignor,),
        session_timeout_ms=SESSION_MS[broker.make],
        enable_auto_commit=False,
    )
    await guest.start()
    try:
        async with asyncio.timeout(30):
            while not guest.assignment():
                await asyncio.sleep(0.02)
    finally:
        await guest.stop()


def check_starts(run: Run) -> None:
    """A partition starts where start_offsets said, at each assignment, and has no gap."""
    due: dict[str, int] = {}
    for line in run.lines():
        if isinstance(line, Assigned):
            due = dict(line.offsets)
        else:
            assert line.start == due[line.tp]
            due[line.tp] = line.stop


def test_no_start_offsets_ends_the_process(
    broker: Broker, start: Callable[..., Run], tmp_path: Path
) -> None:
    topic = "nowhere"
    broker.make_topics({topic: 1})
    run = start(Options("probe-nowhere", [topic], str(tmp_path), fails=True))
    assert exit_code(run) == 70
    assert "cannot tell where to start reading" in run.process.tail()
    assert "the store of the offsets is away" in run.process.tail()


def test_a_closed_group_ends_the_process(
    broker: Broker, start: Callable[..., Run], tmp_path: Path
) -> None:
    """What the group's coordinator cannot cure is raised by the next read, not swallowed."""
    topic = "closed"
    broker.make_topics({topic: 1})
    broker.send(topic, 0, [b"1"])
    folder = write_offsets(tmp_path / "offsets", {(topic, 0): 0})
    options = Options(f"probe-{topic}", [topic], folder, expelled=True)
    run = start(options, tick_ms=100)

    assert exit_code(run) == 70
    assert "GroupAuthorizationFailedError" in run.process.tail()


def test_marks_of_transactions_leave_no_gap(
    kafka: Kafka, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A marker takes an offset and is no record: fetches must still follow on each other."""
    broker, topic = Broker("kafka", kafka), "transactions"
    broker.make_topics({topic: 1})
    producer = broker.producer(transactional_id=topic)
    producer.init_transactions()
    folder = write_offsets(tmp_path / "offsets", {(topic, 0): 0})
    run = Run(broker, tmp_path, Options(f"probe-{topic}", [topic], folder))
    request.addfinalizer(run.process.kill)
    run.process.start()
    for number in range(4):
        producer.begin_transaction()
        last = producer.send(topic, str(number).encode(), partition=0)
        producer.commit_transaction()
        wait(run, partial(reached, [run], f"{topic}/0", last.get(30).offset + 1))
    producer.close(10)

    assert run.process.stop() == 0
    offsets = [row[0] for row in rows(run.seen(f"{topic}/0"))]
    assert offsets == [0, 2, 4, 6]


def exit_code(run: Run) -> int | None:
    """The code of a probe that is to end by itself."""
    deadline = time.monotonic() + READ_S_MAX / 3
    while run.process.alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    return run.process.kill()
