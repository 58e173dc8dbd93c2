"""Reading the log for a census: where its partitions end, and records from here to there."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as Record

Place = tuple[str, int]
"""Topic and partition."""
CALL_S: Final = 10.0
ENDS_S: Final = 3.0
"""A partition that does not say within this where it ends is written to all the time: then its end
is as far as was read, which is later than when we asked.
"""
QUIET_S: Final = 20.0
"""Nothing came for this long, though the log goes on: it cannot be read to its end."""
SHORT_S: Final = 3.0
"""The broker says for this long that a partition ends, though more was acknowledged: it does."""
LIMIT_S: Final = 3_600.0
RECORDS_AT_ONCE: Final = 1_000
"""More at once are slower: the collector of cycles goes through all of them again and again."""
POLL_S: Final = 0.2


class LogError(RuntimeError):
    """The log cannot be read: says which partition and how far it was read."""


class Log:
    """A reader of assigned partitions, without a group."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "fenghuo-load-census",  # asked for, though no group is joined
                "enable.auto.commit": False,
                "isolation.level": "read_committed",  # as gather reads
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.message.max.bytes": 8 << 20,
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": 64 * 1024,
                "log_level": 0,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def ends(self, topics: Iterable[str]) -> dict[Place, int]:
        """Where each partition ends now. What the broker says when asked may lie inside the last
        batch (Tansu), so the rest is read until the end is met.
        """
        end = self._told_ends(topics)
        self._assign(end)
        open_, deadline = set(end), time.monotonic() + ENDS_S
        while open_ and time.monotonic() < deadline:
            for record in self._consumer.consume(RECORDS_AT_ONCE, POLL_S):
                place = (record.topic() or "", record.partition() or 0)
                failed = record.error()
                if failed is not None and not _is_end(failed):
                    continue
                after = 0 if failed else 1  # the end itself, or a record before it
                end[place] = max(end[place], (record.offset() or 0) + after)
                if failed:
                    open_.discard(place)
        return end

    def batches(
        self, begin: Mapping[Place, int], end: Mapping[Place, int], *, limit_s: float = LIMIT_S
    ) -> Iterator[list[Record]]:
        """Every record from begin to end, partitions mixed, thousands at once. A log that ends
        sooner is read as far as it goes: what was expected is not there. Raises LogError where the
        broker says neither.
        """
        left = {place for place in end if begin.get(place, 0) < end[place]}
        self._assign({place: begin.get(place, 0) for place in left})
        heard_s, deadline = time.monotonic(), time.monotonic() + limit_s
        at_end: set[Place] = set()
        while left:
            found = []
            for record in self._consumer.consume(RECORDS_AT_ONCE, POLL_S):
                place = (record.topic() or "", record.partition() or 0)
                failed, offset = record.error(), record.offset() or 0
                if place not in left or (failed is not None and not _is_end(failed)):
                    continue
                if failed is None and offset < end[place]:
                    found.append(record)
                if (offset if failed else offset + 1) >= end[place]:
                    left.discard(place)
                (at_end.add if failed else at_end.discard)(place)
            if found:
                heard_s = time.monotonic()
                yield found
            quiet_s = time.monotonic() - heard_s
            if left <= at_end and quiet_s > SHORT_S:
                break
            is_late = time.monotonic() > deadline
            if left and (quiet_s > QUIET_S or is_late):
                raise LogError(self._short(min(left), end, is_late=is_late))
        self._consumer.unassign()

    def _told_ends(self, topics: Iterable[str]) -> dict[Place, int]:
        """What the broker says; new topics may have no leader for a moment."""
        wanted, deadline = list(topics), time.monotonic() + CALL_S
        while True:
            try:
                known = self._consumer.list_topics(timeout=CALL_S).topics
                return {
                    (topic, number): self._consumer.get_watermark_offsets(
                        TopicPartition(topic, number), timeout=CALL_S
                    )[1]
                    for topic in wanted
                    for number in (known[topic].partitions if topic in known else ())
                }
            except KafkaException as error:
                if time.monotonic() > deadline:
                    text = f"the broker does not say where the log ends: {error}"
                    raise LogError(text) from error
                time.sleep(POLL_S)

    def _assign(self, begin: Mapping[Place, int]) -> None:
        try:
            self._consumer.assign([TopicPartition(*place, at) for place, at in begin.items()])
        except KafkaException as error:
            raise LogError(f"the log cannot be read: {error}") from error

    def _position(self, place: Place) -> int:
        (found,) = self._consumer.position([TopicPartition(*place)])
        return int(found.offset) if found.offset and found.offset > 0 else 0

    def _short(self, place: Place, end: Mapping[Place, int], *, is_late: bool) -> str:
        topic, number = place
        why = "the time for reading was over" if is_late else f"nothing came for {QUIET_S:.0f} s"
        at = self._position(place)
        return f"{topic}/{number}: expected records up to {end[place]}, {why} after {at}"


def _is_end(error: KafkaError) -> bool:
    """Whether this says where a partition ends now."""
    return bool(error.code() == KafkaError._PARTITION_EOF)
