"""One producer of a load run: an open loop that keeps the plan's times and owns up to each miss.

The plan's times were fixed before the run. A message is handed to the client when it is due, never
sooner; what is still waiting MISS_MS after that is not sent any more but counted as missed: to send
it would stretch the plan silently. Every latency counts from the planned time (no coordinated
omission). kafka-python carries the plan of a demo; this one is confluent-kafka (librdkafka), whose
work for a message is a tenth of that.
"""

import gc
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from fenghuo.loadtest.plan.plan import BatchIterator, Message
from fenghuo.loadtest.send.ledger import Ledger
from fenghuo.loadtest.verdict.result import Produced, Progress
from fenghuo.schemas.records.marks import RUN_HEADER, SHADOW_HEADER
from fenghuo.schemas.wire.topics import MESSAGE_BYTES_MAX

MISS_MS: Final = 1_000
DELIVERY_S: Final = 30
STOP_S: Final = 2.0
TELL_S: Final = 0.2
NAP_S: Final = 0.02
LINGER_MS: Final = {"json": 50, "frame": 5}
"""How long the client waits for company: brokers pay by the batch, and a frame is one by itself."""
QUEUE_MESSAGES_MAX: Final = 200_000
QUEUE_KIB_MAX: Final = 128 * 1024

Tell = Callable[[Progress], bool]
"""Takes the progress a few times a second; True: stop."""


class Source(Protocol):
    """A plan that can be laid out by the process that sends it."""

    @property
    def form(self) -> str:
        """json or frame."""

    def messages(self, start_ms: int) -> BatchIterator:
        """Messages by their due times, in short batches."""

    def due_by(self, at_ms: int) -> int:
        """About how many events are due by then."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one producer is to do."""

    source: Source
    bootstrap: str
    partitions: dict[str, int]
    """Of each topic."""
    run: str
    producer: int
    shadow: bool
    skew: float = 0.0
    """Share of the records that partition 0 gets beyond its own."""


class Sender:
    """A job at work: laid out and connected when made, sent by `run`."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._client = Producer(_config(job))
        self._header = SHADOW_HEADER if job.shadow else RUN_HEADER
        self._mark = f"{job.run}.{job.producer}."
        self._lanes = {topic: _Turns(count, job.skew) for topic, count in job.partitions.items()}
        self._open: dict[int, int] = {}
        """Events of the records that were handed over and not answered, by number."""
        self._told_s = 0.0

    def run(self, start_ms: int, tell: Tell) -> Produced:
        """Send the plan from start_ms on; what came of it."""
        gc.collect()
        gc.freeze()
        gc.disable()  # nothing here makes cycles, and its pauses would be late sends
        self._zero_s = time.monotonic() + start_ms / 1000 - time.time()
        self._ledger = ledger = Ledger(self._job.run, self._job.producer, start_ms)
        self._tell = tell
        self._stopped = False
        batches = self._job.source.messages(start_ms)
        ahead: deque[list[Message]] = deque()
        while not self._stopped:
            if not ahead:
                if (batch := next(batches, None)) is None:
                    break
                ahead.append(batch)
            batch = ahead.popleft()
            ledger.plan(batch)
            for message in batch:
                if self._is_due(message, batches, ahead):
                    self._send(message)
        self._settle()
        step_ms = round((time.time() - start_ms / 1000 - self._now_s()) * 1000)
        return ledger.closed(clock_step_ms=step_ms, stopped=self._stopped)

    def _now_s(self) -> float:
        return time.monotonic() - self._zero_s

    def _is_due(
        self, message: Message, batches: BatchIterator, ahead: deque[list[Message]]
    ) -> bool:
        """Wait until it is; False once told to stop."""
        while not self._stopped:
            wait_s = message.due_ms / 1000 - self._now_s()
            if wait_s <= 0:
                return True
            self._idle(wait_s, batches, ahead)
        return False

    def _idle(self, wait_s: float, batches: BatchIterator, ahead: deque[list[Message]]) -> None:
        """Time until something is due: answers, progress, and the next tick laid out early."""
        self._client.poll(0)
        if not ahead and (batch := next(batches, None)) is not None:
            ahead.append(batch)
            return
        self._hear()
        if wait_s < 0.002:  # the client knows whole milliseconds only, and would not wait at all
            time.sleep(wait_s)
        else:
            self._client.poll(min(wait_s, NAP_S))

    def _send(self, message: Message) -> None:
        ledger = self._ledger
        topic, payload, events = message.topic, message.payload, message.events
        number = ledger.next_number
        headers = [(self._header, f"{self._mark}{number}".encode())]
        partition = self._lanes[topic].next()
        while True:
            late_us = int((self._now_s() - message.due_ms / 1000) * 1e6)
            if late_us > MISS_MS * 1000 or self._stopped:
                ledger.miss(message)
                self._hear()
                return
            try:
                self._client.produce(
                    topic,
                    payload,
                    partition=partition,
                    headers=headers,
                    on_delivery=partial(self._done, number, message),
                )
                break
            except BufferError:
                ledger.queue_full += 1
                self._client.poll(0.005)
                self._hear()
            except KafkaException as error:  # refused before it was queued: it is in no log
                ledger.refuse(message, error.args[0].name())
                return
        self._open[number] = events
        ledger.send(message, late_us)
        if not number & 63:
            self._client.poll(0)
            self._hear()

    def _done(
        self, number: int, message: Message, error: KafkaError | None, record: Delivered
    ) -> None:
        del self._open[number]
        if error is not None:
            self._ledger.fail(message, number, error.name())
            return
        after_us = int((self._now_s() - message.due_ms / 1000) * 1e6)
        self._ledger.acknowledge(message, record.partition() or 0, record.offset() or 0, after_us)

    def _hear(self) -> None:
        """Tell the progress when it is time; be told to stop."""
        now_s = self._now_s()
        if now_s - self._told_s < TELL_S:
            return
        self._told_s = now_s
        due = self._job.source.due_by(int(now_s * 1000))
        self._stopped = self._tell(self._ledger.progress(due)) or self._stopped

    def _settle(self) -> None:
        """Waits for answers: as long as delivery may take, or briefly once told to stop."""
        end_s = self._now_s() + DELIVERY_S
        while self._open and self._now_s() < end_s:
            if self._stopped:
                end_s = min(end_s, self._now_s() + STOP_S)
                self._client.flush(end_s - self._now_s())
                break
            self._client.flush(0.1)
            self._hear()
        if self._open:
            self._client.purge()
            self._client.flush(1)
        self._ledger.give_up(self._open)


class _Turns:
    """Partitions in turn; with skew, every so often partition 0 again."""

    def __init__(self, count: int, skew: float) -> None:
        self._count, self._skew = count, skew
        self._at, self._owed = -1, 0.0

    def next(self) -> int:
        """The partition of the next record."""
        self._owed += self._skew
        if self._owed >= 1:
            self._owed -= 1
            return 0
        self._at = (self._at + 1) % self._count
        return self._at


def _config(job: Job) -> dict[str, Any]:
    return {
        "bootstrap.servers": job.bootstrap,
        "client.id": f"fenghuo-load-{job.run}-{job.producer}",
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": LINGER_MS[job.source.form],
        "batch.size": 1 << 20,
        "batch.num.messages": 10_000,
        "message.max.bytes": MESSAGE_BYTES_MAX,
        "queue.buffering.max.messages": QUEUE_MESSAGES_MAX,
        "queue.buffering.max.kbytes": QUEUE_KIB_MAX,
        "delivery.timeout.ms": DELIVERY_S * 1000,
        "allow.auto.create.topics": False,
        "log_level": 0,
    }
