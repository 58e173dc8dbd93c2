"""Ledger: the books of one producer while it sends; and the books of all, added up."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from fenghuo.loadtest.plan.plan import Message
from fenghuo.loadtest.verdict.result import (
    Acknowledged,
    Numbers,
    Produced,
    Progress,
    Second,
    Totals,
)
from fenghuo.schemas.wire.topics import KIND_OF

LATE_MS: Final = 100
"""A message that is handed over this long after it was due was sent late."""
US_MAX: Final = 3_600_000_000
REASONS_MAX: Final = 20
HELD_MAX: Final = 65_536
RANGES_MAX: Final = 10_000


class Latencies:
    """Microseconds into an HdrHistogram, many at once: one by one they would cost more than the
    sending.
    """

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, US_MAX, 3)

    def add(self, us: NDArray[np.int64]) -> None:
        """More of them."""
        us = np.clip(us, 1, US_MAX - 1)
        # no finer than the histogram itself: three digits
        low = np.maximum(np.frexp(us.astype(np.float64))[1] - 12, 0)
        values, counts = np.unique(us >> low << low, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self._histogram.record_value(value, count)

    def encoded(self) -> str:
        """HdrHistogram's own base64 form."""
        text: bytes = self._histogram.encode()
        return text.decode()


class Ledger:
    """The books of one producer. What happens to a message is only noted when it happens, and
    entered for thousands at once.
    """

    def __init__(self, run: str, producer: int, start_ms: int) -> None:
        self.next_number = 0
        self.queue_full = 0
        self._run, self._producer, self._start_ms = run, producer, start_ms
        self._planned = self._sent = self._missed = self._failed = self._acked = Totals()
        self._late, self._late_us_max = 0, 0
        self._handed, self._answered = Latencies(), Latencies()
        self._seconds: dict[int, Counter[str]] = {}
        self._places: dict[tuple[str, int], Acknowledged] = {}
        self._planted: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._unsure: list[int] = []
        self._new_sent: list[tuple[Message, int]] = []
        self._new_acked: list[tuple[Message, int, int, int]] = []
        self._cpu_s = time.process_time()

    def plan(self, batch: Sequence[Message]) -> None:
        """These are due next."""
        if batch:
            self._planned = self._planned.plus(self._count("planned", batch))

    def send(self, message: Message, late_us: int) -> None:
        """The client took it, so long after it was due."""
        self.next_number += 1
        self._new_sent.append((message, late_us))
        if len(self._new_sent) >= HELD_MAX:
            self._enter()

    def acknowledge(self, message: Message, partition: int, offset: int, after_us: int) -> None:
        """It is in the log."""
        self._new_acked.append((message, partition, offset, after_us))

    def miss(self, message: Message) -> None:
        """Too late to be sent honestly."""
        self._missed = self._missed.plus(self._count("missed", [message]))

    def refuse(self, message: Message, reason: str) -> None:
        """The client did not take it: it is in no log, and missed."""
        self._note(reason)
        self.miss(message)

    def fail(self, message: Message, number: int, reason: str) -> None:
        """Not acknowledged: it may be in the log or not."""
        self._failed = self._failed.plus(_totals([message]))
        self._unsure.append(number)
        self._note(reason)

    def _note(self, reason: str) -> None:
        if reason in self._failures or len(self._failures) < REASONS_MAX:
            self._failures[reason] += 1

    def _enter(self) -> None:
        """What was noted since the last time."""
        if self._new_sent:
            messages, late_us = zip(*self._new_sent, strict=True)
            self._new_sent.clear()
            self._sent = self._sent.plus(self._count("sent", messages))
            us = np.array(late_us, np.int64)
            self._handed.add(us)
            self._late += int((us > LATE_MS * 1000).sum())
            self._late_us_max = max(self._late_us_max, int(us.max()))
        if self._new_acked:
            messages, partitions, offsets, after_us = zip(*self._new_acked, strict=True)
            self._new_acked.clear()
            self._acked = self._acked.plus(self._count("acknowledged", messages))
            self._answered.add(np.array(after_us, np.int64))
            self._enter_places(messages, partitions, offsets)
            for planted in (m.planted for m in messages if m.planted):
                self._planted.update(dict(planted))

    def _enter_places(
        self, messages: Sequence[Message], partitions: Sequence[int], offsets: Sequence[int]
    ) -> None:
        by_place: dict[tuple[str, int], list[tuple[Message, int]]] = {}
        for message, partition, offset in zip(messages, partitions, offsets, strict=True):
            by_place.setdefault((message.topic, partition), []).append((message, offset))
        for place, found in by_place.items():
            those, at = zip(*found, strict=True)
            now = Acknowledged(*place, _totals(those), min(at), max(at) + 1)
            old = self._places.get(place)
            self._places[place] = now if old is None else _joined(old, now)

    def _count(self, name: str, messages: Sequence[Message]) -> Totals:
        """The totals of some messages, entered by the second in which they were due."""
        by_second: Iterable[tuple[int, Iterable[Message]]]
        first_s, last_s = messages[0].due_ms // 1000, messages[-1].due_ms // 1000
        if first_s == last_s:
            by_second = [(first_s, messages)]
        else:
            by_second = groupby(messages, lambda message: message.due_ms // 1000)
        for at_s, those in by_second:
            sums = self._seconds.setdefault(at_s, Counter())
            sums[name] += sum(message.events for message in those)
        return _totals(messages)

    def give_up(self, open_: Mapping[int, int]) -> None:
        """Records without an answer: number -> events."""
        self._failed = self._failed.plus(Totals(len(open_), sum(open_.values())))
        self._unsure += open_
        if open_:
            self._failures["no answer before the end"] += len(open_)

    def progress(self, due: int) -> Progress:
        """How far it is, in events."""
        self._enter()
        handled = self._sent.events + self._missed.events
        return Progress(
            self._producer,
            max(due, handled),
            self._sent.events,
            self._acked.events,
            self._missed.events,
            self._failed.events,
        )

    def closed(self, *, clock_step_ms: int, stopped: bool) -> Produced:
        """The books at the end."""
        self._enter()
        by_kind: dict[str, Totals] = {}
        for place in self._places.values():
            kind = KIND_OF[place.topic]
            by_kind[kind] = by_kind.get(kind, Totals()).plus(place.totals)
        numbers = Numbers(self._producer, self.next_number, ranges(self._unsure))
        return Produced(
            run=self._run,
            producers=1,
            planned=self._planned,
            sent=self._sent,
            acknowledged=self._acked,
            missed=self._missed,
            failed=self._failed,
            failures=dict(self._failures),
            late_sends=self._late,
            late_ms_max=self._late_us_max // 1000,
            queue_full=self.queue_full,
            handed=self._handed.encoded(),
            acked=self._answered.encoded(),
            seconds=tuple(Second(at, **sums) for at, sums in sorted(self._seconds.items())),
            partitions=tuple(place for _, place in sorted(self._places.items())),
            numbers=(numbers,),
            planted=dict(self._planted),
            by_kind=by_kind,
            start_ms=self._start_ms,
            ended_ms=time.time_ns() // 1_000_000,
            clock_step_ms=clock_step_ms,
            cpu_s=round(time.process_time() - self._cpu_s, 3),
            stopped=stopped,
        )


def added(books: Sequence[Produced]) -> Produced:
    """The books of several producers of one run as one; there is at least one."""
    seconds: dict[int, Counter[str]] = {}
    for second in (second for one in books for second in one.seconds):
        sums = seconds.setdefault(second.at_s, Counter())
        for name in ("planned", "sent", "acknowledged", "missed"):
            sums[name] += getattr(second, name)
    places: dict[tuple[str, int], Acknowledged] = {}
    for found in (place for one in books for place in one.partitions):
        key = (found.topic, found.partition)
        places[key] = _joined(places[key], found) if key in places else found
    by_kind: dict[str, Totals] = {}
    for kind, kinds in ((k, t) for one in books for k, t in one.by_kind.items()):
        by_kind[kind] = by_kind.get(kind, Totals()).plus(kinds)
    return Produced(
        run=books[0].run,
        producers=sum(one.producers for one in books),
        planned=_sum(one.planned for one in books),
        sent=_sum(one.sent for one in books),
        acknowledged=_sum(one.acknowledged for one in books),
        missed=_sum(one.missed for one in books),
        failed=_sum(one.failed for one in books),
        failures=dict(sum((Counter(one.failures) for one in books), Counter())),
        late_sends=sum(one.late_sends for one in books),
        late_ms_max=max(one.late_ms_max for one in books),
        queue_full=sum(one.queue_full for one in books),
        handed=merged([one.handed for one in books]),
        acked=merged([one.acked for one in books]),
        seconds=tuple(Second(at_s, **seconds[at_s]) for at_s in sorted(seconds)),
        partitions=tuple(places[key] for key in sorted(places)),
        numbers=tuple(numbers for one in books for numbers in one.numbers),
        planted=dict(sum((Counter(one.planted) for one in books), Counter())),
        by_kind=by_kind,
        start_ms=min(one.start_ms for one in books),
        ended_ms=max(one.ended_ms for one in books),
        clock_step_ms=max((one.clock_step_ms for one in books), key=abs),
        cpu_s=round(sum(one.cpu_s for one in books), 3),
        stopped=any(one.stopped for one in books),
    )


def merged(encoded: Iterable[str]) -> str:
    """One histogram of several."""
    whole = HdrHistogram(1, US_MAX, 3)
    for text in encoded:
        whole.add(HdrHistogram.decode(text.encode()))
    found: bytes = whole.encode()
    return found.decode()


def ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Numbers as inclusive ranges, in rising order; after RANGES_MAX of them one range holds the
    rest.
    """
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and (number == found[-1][1] + 1 or len(found) >= RANGES_MAX):
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)


def _joined(one: Acknowledged, other: Acknowledged) -> Acknowledged:
    """Two parts of what one partition acknowledged."""
    return Acknowledged(
        one.topic,
        one.partition,
        one.totals.plus(other.totals),
        min(one.first_offset, other.first_offset),
        max(one.end_offset, other.end_offset),
    )


def _totals(messages: Sequence[Message]) -> Totals:
    _, _, _, events, paid, fen, _ = zip(*messages, strict=True)
    return Totals(len(messages), sum(events), sum(paid), sum(fen))


def _sum(parts: Iterable[Totals]) -> Totals:
    total = Totals()
    for part in parts:
        total = total.plus(part)
    return total
