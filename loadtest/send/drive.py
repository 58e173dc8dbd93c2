"""The sender: an open loop that keeps the plan's times and counts every message.

The producer is idempotent, waits for all replicas and retries for DELIVERY_S while the broker is
away, so a broker restart in mid-run neither loses nor duplicates. What could not be sent in time is
sent at once and counted as late: a plan is never silently stretched.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from fenghuo.loadtest.plan.plan import Batches, Message
from fenghuo.schemas.wire.topics import MESSAGE_BYTES_MAX

DELIVERY_S: Final = 600
CONNECT_S: Final = 10
STOP_S: Final = 2.0
LATE_MS: Final = 100
"""A message that leaves this long after its due time is late."""
LINGER_MS: Final = 50
"""How long messages wait for company. Brokers pay by the batch, Tansu for every batch it ever took.
"""
IN_FLIGHT_MESSAGES_MAX: Final = 50_000
IN_FLIGHT_BYTES_MAX: Final = 64 * 1024 * 1024
NAP_S: Final = 0.002
PROGRESS_S: Final = 0.1
REASONS_MAX: Final = 20
HEARD_S: Final = 0.25

Progress = Callable[[int, int], None]
"""Called with messages planned and acknowledged."""


class DriveError(RuntimeError):
    """Nothing was sent: the broker cannot be reached, or its topics do not fit."""


@dataclass
class TopicCount:
    """What one topic acknowledged."""

    messages: int = 0
    events: int = 0
    first_offset: dict[int, int] = field(default_factory=dict)
    end_offset: dict[int, int] = field(default_factory=dict)


@dataclass
class Summary:
    """The books of a run; counts of messages unless they say events."""

    planned: int = 0
    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    events: int = 0
    seconds: float = 0.0
    late_sends: int = 0
    late_ms_max: int = 0
    stopped: bool = False
    paid: int = 0
    paid_amount_fen: int = 0
    by_topic: dict[str, TopicCount] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def complete(self) -> bool:
        """Everything planned was acknowledged."""
        return self.planned == self.acknowledged and not self.failed and not self.stopped

    def as_json(self) -> dict[str, Any]:
        """The summary as it is printed."""
        return {
            "planned": self.planned,
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "failed": self.failed,
            "events": self.events,
            "seconds": round(self.seconds, 3),
            "rate_per_s": round(self.events / self.seconds, 1) if self.seconds else 0.0,
            "late_sends": self.late_sends,
            "late_ms_max": self.late_ms_max,
            "stopped": self.stopped,
            "failures": dict(self.failures),
            "by_topic": {
                topic: {
                    "messages": count.messages,
                    "events": count.events,
                    "first_offset": {str(p): o for p, o in sorted(count.first_offset.items())},
                    "end_offset": {str(p): o for p, o in sorted(count.end_offset.items())},
                }
                for topic, count in sorted(self.by_topic.items())
            },
            "sum": {"paid_amount_fen": self.paid_amount_fen, "paid": self.paid},
        }


class Sender:
    """One producer with its books: the caller's thread counts sends, the producer's answers."""

    def __init__(self, bootstrap: str, topics: dict[str, int]) -> None:
        """Connects, and checks that each topic has the expected number of partitions."""
        self.summary = Summary()
        self._partitions = topics
        self._turn = dict.fromkeys(topics, 0)
        self._bytes_sent = self._bytes_done = self._done = 0
        try:
            self._producer = KafkaProducer(
                bootstrap_servers=bootstrap.split(","),
                enable_idempotence=True,
                acks="all",
                linger_ms=LINGER_MS,
                batch_size=256 * 1024,
                max_request_size=MESSAGE_BYTES_MAX,
                delivery_timeout_ms=DELIVERY_S * 1000,
                request_timeout_ms=10_000,
                max_block_ms=CONNECT_S * 1000,
                reconnect_backoff_max_ms=1_000,
                bootstrap_timeout_ms=CONNECT_S * 1000,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        except KafkaError as error:
            raise DriveError(f"{bootstrap}: expected a Kafka broker, got {error}") from error
        try:
            for topic, partitions in topics.items():
                self._check(topic, partitions)
        except DriveError:
            self._close()
            raise

    def run(
        self,
        batches: Batches,
        *,
        planned: int | None,
        start_ms: int | None,
        stop: threading.Event,
        progress: Progress = lambda _planned, _acknowledged: None,
    ) -> Summary:
        """Sends all batches and waits for the answers. `planned` None counts what the plan yields.

        `start_ms` is the epoch time that due times count from; None: as fast as acknowledged.
        """
        summary, began, shown = self.summary, time.monotonic(), 0.0
        zero = None if start_ms is None else began + start_ms / 1000 - time.time()
        began = zero or began
        summary.planned = planned or 0
        for batch in batches:
            if planned is None:
                summary.planned += len(batch)
            for message in batch:
                if zero is not None:
                    self._wait(zero + message.due_ms / 1000, stop)
                self._send(message, stop)
                if stop.is_set():
                    break
            if time.monotonic() - shown > PROGRESS_S:
                shown = time.monotonic()
                progress(summary.planned, summary.acknowledged)
            if stop.is_set():
                break
        self._settle(stop, progress)
        summary.seconds = max(time.monotonic() - began, 0.0)
        return summary

    def _check(self, topic: str, partitions: int) -> None:
        try:
            found = self._producer.partitions_for(topic) or set()
        except KafkaError as error:
            raise DriveError(
                f"topic {topic}: expected {partitions} partitions, got {error!r}"
            ) from error
        if len(found) != partitions:
            raise DriveError(
                f"topic {topic}: expected {partitions} partitions, found {len(found)}; "
                "start fenghuo first, or set FENGHUO_PARTITIONS to what the broker has"
            )

    def _wait(self, due_s: float, stop: threading.Event) -> None:
        """Until the due time, or until told to stop; counts what is late."""
        ahead = due_s - time.monotonic()
        if ahead > 0:
            stop.wait(ahead)
        elif -ahead * 1000 > LATE_MS:
            self.summary.late_sends += 1
            self.summary.late_ms_max = max(self.summary.late_ms_max, int(-ahead * 1000))

    def _send(self, message: Message, stop: threading.Event) -> None:
        """Hands one message to the producer as soon as there is room; partitions take turns."""
        summary, topic = self.summary, message.topic
        while not stop.is_set() and (
            summary.sent - self._done >= IN_FLIGHT_MESSAGES_MAX
            or self._bytes_sent - self._bytes_done >= IN_FLIGHT_BYTES_MAX
        ):
            time.sleep(NAP_S)
        if stop.is_set():
            return
        partition = self._turn[topic] % self._partitions[topic]
        self._turn[topic] += 1
        try:
            future = self._producer.send(topic, message.payload, partition=partition)
        except KafkaError as error:  # refused before it was queued: it can not be in the log
            summary.failed += 1
            self._note(error)
            return
        summary.sent += 1
        self._bytes_sent += len(message.payload)
        future.add_callback(self._acknowledged, message)
        future.add_errback(self._failed, message)

    def _acknowledged(self, message: Message, metadata: Any) -> None:
        summary = self.summary
        summary.acknowledged += 1
        summary.events += message.events
        summary.paid += message.paid
        summary.paid_amount_fen += message.paid_amount_fen
        count = summary.by_topic.get(message.topic)
        if count is None:
            count = summary.by_topic[message.topic] = TopicCount()
        count.messages += 1
        count.events += message.events
        partition, offset = metadata.partition, metadata.offset
        if offset < count.first_offset.get(partition, offset + 1):
            count.first_offset[partition] = offset
        if offset >= count.end_offset.get(partition, 0):
            count.end_offset[partition] = offset + 1
        self._bytes_done += len(message.payload)
        self._done += 1

    def _failed(self, message: Message, error: Exception) -> None:
        self.summary.failed += 1
        self._note(error)
        self._bytes_done += len(message.payload)
        self._done += 1

    def _note(self, error: Exception) -> None:
        name = type(error).__name__
        if name in self.summary.failures or len(self.summary.failures) < REASONS_MAX:
            self.summary.failures[name] += 1

    def _settle(self, stop: threading.Event, progress: Progress) -> None:
        """Waits for the answers: as long as delivery may take, or briefly once told to stop."""
        summary = self.summary
        end = time.monotonic() + DELIVERY_S
        while self._done < summary.sent and time.monotonic() < end:
            if stop.is_set():
                end = min(end, time.monotonic() + STOP_S) if not summary.stopped else end
                summary.stopped = True
            with suppress(KafkaTimeoutError):  # the loop decides how long it is worth waiting
                self._producer.flush(timeout=HEARD_S)
            progress(summary.planned, summary.acknowledged)
        summary.stopped = summary.stopped or stop.is_set()
        self._close()
        unanswered = summary.sent - self._done
        if unanswered:
            summary.failed += unanswered
            summary.failures["not acknowledged before the end"] += unanswered

    def _close(self) -> None:
        """Ends the producer's thread, also when the broker is away and its answers never come."""
        try:
            self._producer.close(timeout=1)
        except KafkaTimeoutError:  # its flush gave up, and so did close, leaving the thread alive
            thread = self._producer._sender
            thread.force_close()
            thread.join(1)
            with suppress(KafkaTimeoutError):
                self._producer.close(timeout=0)
