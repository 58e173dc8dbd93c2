"""Backlogs for a bench: millions of events in the log within seconds, from templates drawn once.

A template is a message or frame of the generator whose time is a placeholder of 13 digits, so each
copy only gets a time of its own. Ids repeat with the templates: nothing that is measured looks at
them.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

from fenghuo.loadtest.plan import frames
from fenghuo.loadtest.plan.faults import Faults
from fenghuo.loadtest.plan.people import KINDS, MIX, Kind, Scene, crowd
from fenghuo.loadtest.plan.storm import TICK_MS
from fenghuo.schemas.wire.topics import TOPIC_OF
from tests.bench.parts import PartError
from tests.bench.report import number
from tests.bench.servers import PARTITIONS

JSON_TEMPLATES: Final = 20_000
FRAME_TEMPLATES: Final = {"order": 8, "traffic": 20, "complaint": 1}
"""Frames of each kind in a cycle: near the mix of single messages (30, 68, 2)."""
FRAME_ROWS: Final = frames.FRAME_ROWS_MAX
QUEUED_MAX: Final = 300_000
QUEUED_BYTES_MAX: Final = 256 << 20
PIECE: Final = 10_000
PIECE_BYTES: Final = 32 << 20
LOG_LEVEL: Final = 2
"""Without the client's own stories: of every closed queue, of brokers that were stopped."""
MARK_MS: Final = 1_000_000_000_000
"""The placeholder: a time of 13 digits that occurs nowhere else."""


Template = TypeVar("Template", bound=tuple[Any, ...])


class Written(NamedTuple):
    """What a backlog holds: messages, events of each kind, bytes, and how long writing took."""

    messages: int
    events: Mapping[str, int]
    size: int
    seconds: float

    @property
    def total(self) -> int:
        """All events."""
        return sum(self.events.values())

    def says(self) -> str:
        """In words, for a note."""
        each = self.size / max(self.messages, 1)
        return f"{number(self.messages)} messages of {number(each)} bytes"


Labels = Mapping[str, Sequence[str]]
Record = tuple[str, bytes, int]
"""Topic, payload, events."""


def json_backlog(address: str, labels: Labels, messages: int, span_ms: int) -> Written:
    """Single JSON messages of the generator's mix whose times span the last span_ms."""
    made = json_templates(labels)
    start_ms = _now_ms() - span_ms

    def records() -> Iterator[Record]:
        for i in range(messages):
            topic, head, tail = made[i % JSON_TEMPLATES]
            yield topic, b"%s%d%s" % (head, start_ms + i * span_ms // messages, tail), 1

    return _write(address, records())


def frame_backlog(address: str, labels: Labels, rows: int, span_ms: int) -> Written:
    """Frames of FRAME_ROWS rows whose times span the last span_ms; rows are rounded up."""
    made = frame_templates(labels)
    count = -(-rows // FRAME_ROWS)
    start_ms = _now_ms() - span_ms - TICK_MS
    mark = b"%d" % MARK_MS

    def records() -> Iterator[Record]:
        for i in range(count):
            topic, frame = made[i % len(made)]
            base_ms = start_ms + i * span_ms // count
            yield topic, frame.replace(mark, b"%d" % base_ms), FRAME_ROWS

    return _write(address, records())


def end_offsets(address: str, names: Iterable[str]) -> dict[str, int]:
    """How many records each topic ever had, all partitions together."""
    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": "bench-ends", "log_level": LOG_LEVEL}
    )
    try:
        known = consumer.list_topics(timeout=10).topics
        return {
            name: sum(
                consumer.get_watermark_offsets(TopicPartition(name, partition), 10)[1]
                for partition in known[name].partitions
            )
            for name in names
        }
    finally:
        consumer.close()


def producer(address: str) -> Producer:
    """A producer for bulk: large batches, the leader's word is enough."""
    return Producer(
        {
            "bootstrap.servers": address,
            "log_level": LOG_LEVEL,
            "acks": 1,
            "linger.ms": 50,
            "batch.size": 1 << 20,
            "batch.num.messages": 100_000,
            "message.max.bytes": 8 << 20,
            "queue.buffering.max.messages": 2 * QUEUED_MAX,
            "queue.buffering.max.kbytes": 1 << 20,
        }
    )


def flush(sender: Producer, limit: int = 0) -> None:
    """Wait until no more than `limit` records are unsent; raises PartError after a minute."""
    deadline = time.monotonic() + 60
    while len(sender) > limit:
        sender.poll(0.02)
        if time.monotonic() > deadline:
            raise PartError(f"the broker took no records for a minute, {len(sender)} are left")


def _write(address: str, records: Iterator[Record]) -> Written:
    sender, began_s = producer(address), time.monotonic()
    events: dict[str, int] = dict.fromkeys(KINDS, 0)
    kind_of = {TOPIC_OF[kind]: kind for kind in KINDS}
    pieces: dict[tuple[str, int], list[dict[str, bytes]]] = {}
    messages = size = waiting = 0
    for topic, payload, count in records:
        pieces.setdefault((topic, messages % PARTITIONS), []).append({"value": payload})
        messages += 1
        size += len(payload)
        waiting += len(payload)
        events[kind_of[topic]] += count
        if messages % PIECE == 0 or waiting > PIECE_BYTES:
            _send(sender, pieces)
            flush(sender, min(QUEUED_MAX, QUEUED_BYTES_MAX * messages // size))
            waiting = 0
    _send(sender, pieces)
    flush(sender)
    found = sum(end_offsets(address, kind_of).values())
    if found != messages:
        raise PartError(f"expected {messages} records in the log, found {found}")
    return Written(messages, events, size, time.monotonic() - began_s)


def _send(sender: Producer, pieces: dict[tuple[str, int], list[dict[str, bytes]]]) -> None:
    for (topic, partition), piece in pieces.items():
        if sender.produce_batch(topic, piece, partition=partition) != len(piece):
            raise PartError(f"the producer took only a part of {len(piece)} records")
    pieces.clear()


def json_templates(labels: Labels) -> list[tuple[str, bytes, bytes]]:
    """(topic, bytes before the time, bytes after it), kinds well mixed."""
    made = []
    for kind, weight in zip(KINDS, MIX, strict=True):
        rows = round(JSON_TEMPLATES * weight / sum(MIX))
        for message in frames.json_messages(_tick(labels, kind, rows, 1)):
            head, mark, tail = message.payload.partition(b'"ts":')
            made.append((message.topic, head + mark, tail[len(str(MARK_MS)) :]))
    return _mixed(made)


def frame_templates(labels: Labels) -> list[tuple[str, bytes]]:
    made = []
    for kind in KINDS:
        for seed in range(FRAME_TEMPLATES[kind]):
            tick = _tick(labels, kind, FRAME_ROWS, seed)
            tick.dt_ms[:] = np.arange(FRAME_ROWS) * TICK_MS // FRAME_ROWS
            frame = frames.frame(tick, slice(0, FRAME_ROWS))
            if frame.count(b"%d" % MARK_MS) != 1:
                raise PartError("expected the placeholder once in a frame")
            made.append((TOPIC_OF[kind], frame))
    return _mixed(made)


def _tick(labels: Labels, kind: Kind, rows: int, seed: int) -> frames.Tick:
    """So many rows of one kind, all at the placeholder's time."""
    drawn = crowd(Scene(labels, seed), kind, rows)
    chance = np.random.default_rng(seed)
    dt_ms = np.zeros(rows, np.uint16)
    return frames.Tick(drawn, dt_ms, 0, MARK_MS, Faults(), chance, f"bench-{kind[0]}")


def _mixed(made: list[Template]) -> list[Template]:
    order = np.random.Generator(np.random.PCG64(1)).permutation(len(made))
    return [made[i] for i in order]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
