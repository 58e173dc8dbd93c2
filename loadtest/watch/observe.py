"""The outside observer of a run: what was sent, counted, stored and shown, twice a second."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

import msgspec
import pyarrow as pa
from confluent_kafka import Consumer, KafkaException, TopicPartition

from fenghuo.loadtest.books.books import Books, Fate, Source
from fenghuo.loadtest.verdict.result import Produced, Progress, Sample, Watched
from fenghuo.loadtest.watch.watch import Freshness, View, Viewer, as_of_ms
from fenghuo.schemas.lane import Lane
from fenghuo.schemas.wire import topics

EVERY_S: Final = 0.5
STORE_EVERY_S: Final = 2.0
SAMPLES_MAX: Final = 20_000

Show = Callable[[Sample], None]


class Observer:
    """Looks at a lane from the start of a run until it is closed. `before`: the books then."""

    def __init__(
        self, source: Source | None, before: Books | None, bootstrap: str, *, lane: Lane
    ) -> None:
        self._source = source
        self._before = before
        self._freshness: Freshness | None = None
        self._view: View | None = None
        self._stored: int | None = None
        self._progress: Mapping[int, Progress] = {}
        self._samples: list[Sample] = []
        self._start_ms = 0
        self._kind = ""
        self._cpu = _cpu()
        self._stop = threading.Event()
        self._viewer = Viewer(source.url, self._see) if source else None
        self._pulses = _Pulses(bootstrap, topics.of(topics.PULSES, lane)) if source else None
        self._threads = [threading.Thread(target=self._ask_store, daemon=True)]
        if self._pulses:
            self._threads.append(threading.Thread(target=self._pulses.follow, daemon=True))
        self._next_s = 0.0

    def __enter__(self) -> Self:
        if self._viewer:
            self._viewer.__enter__()
            for thread in self._threads:
                thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._viewer:
            self._viewer.__exit__()
            if self._pulses:
                self._pulses.stop.set()
            for thread in self._threads:
                thread.join(5)

    def begin(self, start_ms: int, end_ms: int, kind: str) -> None:
        """The run starts at start_ms; its event times end at end_ms; freshness is told of the kind
        of most events.
        """
        self._start_ms = start_ms
        self._freshness = Freshness(kind, start_ms, end_ms)
        self._kind = kind
        if self._pulses:
            self._pulses.begin()

    def look(self, progress: Mapping[int, Progress], show: Show) -> None:
        """Called often; takes a sample when it is time."""
        self._progress = dict(progress)
        now_s = time.monotonic()
        if now_s >= self._next_s and len(self._samples) < SAMPLES_MAX:
            self._next_s = now_s + EVERY_S
            self._samples.append(self._sample())
            show(self._samples[-1])

    def sent(self, produced: Produced) -> None:
        """The producers have ended: these are their books."""
        sums = (produced.planned, produced.sent, produced.acknowledged, produced.missed)
        events = (totals.events for totals in (*sums, produced.failed))
        self._progress = {0: Progress(0, *events)}

    def again(self, show: Show) -> None:
        """The same after the producers have ended."""
        self.look(self._progress, show)

    def shown(self) -> int | None:
        """Events of the run that the newest view counts; None when there is no view."""
        before = self._before.shown if self._before else None
        if self._view is None or before is None:
            return None
        return _events(self._view) - sum(fate.events for fate in before.values())

    def watched(self, settled_ms: int | None) -> Watched:
        """Everything that was seen."""
        fresh = (self._freshness or Freshness("", 0, 0)).encoded()
        why = "not watched" if self._viewer is None else self._viewer.why
        return Watched(tuple(self._samples), fresh, settled_ms, why)

    def _see(self, arrived_ms: int, view: View) -> None:
        self._view = view
        if self._freshness:
            self._freshness.see(arrived_ms, view)

    def _sample(self) -> Sample:
        now_ms = time.time_ns() // 1_000_000
        sums = [0] * 4
        for one in self._progress.values():
            for i, name in enumerate(("planned", "sent", "acknowledged", "missed")):
                sums[i] += getattr(one, name)
        planned, sent, acknowledged, missed = sums
        fresh_ms = None
        if self._view:
            as_of = as_of_ms(self._view, self._kind)
            fresh_ms = now_ms - as_of if as_of and as_of >= self._start_ms else None
        gathered = self._pulses.grown() if self._pulses else None
        cpu, self._cpu = self._cpu, _cpu()
        return Sample(
            at_ms=now_ms - self._start_ms,
            planned=planned,
            sent=sent,
            acknowledged=acknowledged,
            missed=missed,
            gathered=gathered,
            archived=self._stored,
            shown=self.shown(),
            lag=None if gathered is None else max(0, acknowledged - gathered),
            fresh_ms=fresh_ms,
            busy=_busy(cpu, self._cpu),
        )

    def _ask_store(self) -> None:
        """How much of the run is in the store: a look costs too much for every sample."""
        assert self._source is not None
        source = self._source.again()
        before = self._before.stored if self._before else None
        while before is not None and not self._stop.wait(STORE_EVERY_S):
            stored = source.look_stored()
            if stored is not None:
                self._stored = stored - sum(totals.events for totals in before.values())
        source.close()


class _Pulses:
    """How many events gather has counted, as its pulses say: each tells the running total of its
    source partition.
    """

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.stop = threading.Event()
        self._topic = topic
        self._totals: dict[str, int] = {}
        self._first: dict[str, int] = {}
        self._head = msgspec.json.Decoder(_Head)
        self._began = False
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "fenghuo-load-observer",
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
                "fetch.wait.max.ms": 100,
                "log_level": 0,
            }
        )

    def begin(self) -> None:
        """Count from here."""
        self._first = dict(self._totals)
        self._began = True

    def grown(self) -> int | None:
        """Events counted since the beginning; None while nobody has said anything."""
        if not self._totals:
            return None
        return sum(total - self._first.get(key, total) for key, total in self._totals.items())

    def follow(self) -> None:
        """Read on until told to stop."""
        try:
            end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, 0), timeout=5)[1]
            self._consumer.assign([TopicPartition(self._topic, 0, max(0, end - 200))])
            while not self.stop.is_set():
                for record in self._consumer.consume(100, 0.2):
                    if record.error() is None:
                        self._read(record.value() or b"")
        except KafkaException:
            return
        finally:
            self._consumer.close()

    def _read(self, data: bytes) -> None:
        try:
            with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
                head = self._head.decode((reader.schema.metadata or {})[b"head"])
        except (pa.ArrowException, OSError, KeyError, msgspec.MsgspecError):
            return  # no pulse: the judge passes over it too
        key = f"{head.source.log} {head.source.topic} {head.source.partition}"
        tally = head.tally
        total = tally.accepted + tally.late + tally.refused
        if self._began:
            self._first.setdefault(key, 0)  # a partition that was empty before
        self._totals[key] = max(total, self._totals.get(key, 0))


class _Source(msgspec.Struct):
    log: str
    topic: str
    partition: int


class _Tally(msgspec.Struct):
    accepted: int
    late: int
    refused: int


class _Head(msgspec.Struct):
    source: _Source
    tally: _Tally


def _events(view: View) -> int:
    return sum(
        Fate(kind["accepted"], kind["late"], kind["refused"]).events for kind in view["kinds"]
    )


def _cpu() -> tuple[int, int]:
    """(busy, all) of the machine since it started, in ticks."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
    except OSError:
        return 0, 0
    ticks = [int(part) for part in first.split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def _busy(before: tuple[int, int], after: tuple[int, int]) -> float | None:
    whole = after[1] - before[1]
    return round((after[0] - before[0]) / whole, 3) if whole else None
