"""Rows about gather: backlogs of JSON and frames, by one worker and by two; memory on a long one;
catching up after a pause.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from fenghuo.schemas.campaign import campaign
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire.topics import TOPIC_OF
from tests.bench.feed.backlog import Labels, Written, end_offsets, frame_backlog, json_backlog
from tests.bench.parts import FENGHUO, Bench, PartError, Process, free_port, get, part, sums
from tests.bench.report import Figure
from tests.bench.report import number as number_of
from tests.bench.servers import Broker, broker

SPAN_MS: Final = 10_000
"""Event time that a backlog of the rate rows spans."""
TANSU_SHARE: Final = 5
"""On the embedded broker backlogs are smaller by this: each fetch costs it all earlier batches."""
READ_S_MAX: Final = 180.0
ACCEPTED_SHARE_MIN: Final = 0.999
SHARED_OUT: Final = (
    "several workers: the first reads alone until the others join, and the pause in which the "
    "partitions are shared out is in the rate"
)
CATCH_UP_PER_S: Final = 10_000
LONG_S: Final = 600
"""Event time that the long backlog spans: ten minutes."""


def labels() -> Labels:
    """The labels of the campaign that the settings name."""
    return campaign.load(Path(Settings().campaign)).labels


def json_messages(bench: Bench) -> list[Figure]:
    """Single JSON messages: one worker, and `run gather --processes 2`."""
    return _rates(bench, _json, (1, 2), "messages")


def frame_rows(bench: Bench) -> list[Figure]:
    """Rows of Arrow frames, one worker."""
    return _rates(bench, _frames, (1,), "rows")


def long_backlog(bench: Bench) -> list[Figure]:
    """Ten minutes of backlog at a stated rate: the most that gather ever has resident."""
    rate = bench.size(5_000, 1_000)
    with broker(bench) as server:
        written = json_backlog(server.address, labels(), rate * LONG_S, LONG_S * 1000)
        with _worker(bench, server, 1, 0) as (worker, port):
            run = _read(worker, port, 1, written.total)
    note = f"{written.says()} over {LONG_S} s of event time ({rate} a second), {server.name}"
    figure = Figure("read", "messages/s", (run.per_s,), (run.cpu_us_each,), (), run.rss_mib, note)
    return [Figure("memory", "MiB", (run.rss_mib,)), figure]


def catch_up(bench: Bench) -> list[Figure]:
    """Gather is away for a minute of live load, comes back: how long until nothing waits."""
    away_s = bench.size(60, 10)
    lasted, left_behind, ratio, rss = [], [], [], 0
    for number in range(1 if bench.quick else min(bench.rounds, 2)):
        with broker(bench) as server:
            found = _catch_up(bench, server, away_s, number)
        lasted.append(found.seconds)
        left_behind.append(found.backlog)
        ratio.append(found.per_s / CATCH_UP_PER_S)
        rss = max(rss, found.rss_mib)
    note = (
        f"away for {away_s} s at {CATCH_UP_PER_S} single JSON messages/s, {server.name}; "
        "counted from the start of the process, the load goes on meanwhile"
    )
    return [
        Figure("until nothing waits", "s", tuple(lasted), rss_mib_max=rss, note=note),
        Figure("backlog", "messages", tuple(left_behind)),
        Figure("read while catching up", "times the live rate", tuple(ratio)),
    ]


class Look(NamedTuple):
    """What was seen of the workers at one moment."""

    at_s: float
    counts: tuple[float, ...]
    cpu_s: float

    @property
    def read(self) -> float:
        """Events read so far by all."""
        return sum(self.counts)

    @property
    def whole(self) -> bool:
        """Whether every worker answered."""
        return min(self.counts) >= 0


class _Run(NamedTuple):
    per_s: float
    cpu_us_each: float
    rss_mib: int


class _CaughtUp(NamedTuple):
    seconds: float
    backlog: int
    per_s: float
    rss_mib: int


Fill = Callable[[Bench, Broker], Written]


def _json(bench: Bench, server: Broker) -> Written:
    messages = (bench.messages or bench.size(4_000_000, 1_000_000)) // _share(server)
    return json_backlog(server.address, labels(), messages, SPAN_MS)


def _frames(bench: Bench, server: Broker) -> Written:
    rows = bench.size(96_000_000, 24_000_000) // _share(server)
    return frame_backlog(server.address, labels(), rows, SPAN_MS)


def _share(server: Broker) -> int:
    return TANSU_SHARE if server.name == "Tansu" else 1


def _rates(bench: Bench, fill: Fill, counts: Sequence[int], unit: str) -> list[Figure]:
    """One backlog, read from its beginning in every round, by so many workers."""
    figures = []
    with broker(bench) as server:
        written = fill(bench, server)
        bench.say(f"   {server.name}: {written.says()}, written in {written.seconds:.0f} s")
        note = f"{written.says()}, {number_of(written.total)} events, {server.name}"
        for workers in counts:
            runs = []
            for number in range(bench.rounds):
                with _worker(bench, server, workers, workers * 100 + number) as (worker, port):
                    runs.append(_read(worker, port, workers, written.total))
            figure = Figure(
                "one worker" if workers == 1 else f"{workers} workers",
                f"{unit}/s",
                tuple(run.per_s for run in runs),
                tuple(run.cpu_us_each for run in runs),
                (),
                max(run.rss_mib for run in runs),
                note if workers == 1 else f"{note}; {SHARED_OUT}",
            )
            figures.append(figure)
    return figures


@contextmanager
def _worker(
    bench: Bench, server: Broker, workers: int, number: int
) -> Iterator[tuple[Process, int]]:
    """Gather that reads everything: another start of the rehearsal makes it count the log anew."""
    port = free_port(workers)
    env = server.env(METRICS_PORT=port, REHEARSAL_START_MS=1_000_000_000_000 + number)
    more = ("--processes", str(workers)) if workers > 1 else ()
    with part("gather", *more, bench=bench, env=env) as worker:
        yield worker, port


def _read(worker: Process, port: int, workers: int, events: int) -> _Run:
    """Rate and CPU of the steady part of a backlog."""
    looks: list[Look] = []
    deadline = time.monotonic() + READ_S_MAX
    while not looks or looks[-1].read < events:
        worker.check()
        if time.monotonic() > deadline:
            raise PartError(f"gather read {looks[-1].read} of {events} in {READ_S_MAX:.0f} s")
        time.sleep(0.1)
        looks.append(Look(time.monotonic(), _gathered(port, workers), worker.cpu_s()))
    _check_accepted(port, workers, events)
    first, last = steady(looks, events)
    done = last.read - first.read
    cpu_us_each = (last.cpu_s - first.cpu_s) / done * 1e6
    return _Run(done / (last.at_s - first.at_s), cpu_us_each, worker.rss_mib())


def steady(looks: Sequence[Look], events: int) -> tuple[Look, Look]:
    """The first and the last look between a tenth and nine tenths of the events at which all
    workers answer: neither start nor end counts.
    """
    inner = [look for look in looks if events * 0.1 <= look.read <= events * 0.9 and look.whole]
    if len(inner) < 2 or inner[-1].read <= inner[0].read:
        raise PartError(f"{events} events are too few here: {len(looks)} looks, none between")
    return inner[0], inner[-1]


def _check_accepted(port: int, workers: int, events: int) -> None:
    """Refusing is quicker than counting: a rate of refusals would be no rate."""
    pages = [get(f"http://127.0.0.1:{port + i}/metrics") for i in range(workers)]
    counted = [line for page in pages for line in page.splitlines() if 'fate="accepted"' in line]
    accepted = sum(sums("\n".join(counted)).values())
    if accepted < events * ACCEPTED_SHARE_MIN:
        raise PartError(f"expected {events} accepted events, gather says {accepted:.0f}")


def _gathered(port: int, workers: int) -> tuple[float, ...]:
    """What each worker has read; -1 while it does not answer."""
    pages = [sums(get(f"http://127.0.0.1:{port + i}/metrics")) for i in range(workers)]
    return tuple(page.get("fenghuo_gathered_events_total", 0.0 if page else -1.0) for page in pages)


def _catch_up(bench: Bench, server: Broker, away_s: int, number: int) -> _CaughtUp:
    seconds = 8 + away_s + 40
    load = [*FENGHUO, "load", "--real", "--no-watch", "--rate", str(CATCH_UP_PER_S)]
    load += ["--seconds", str(seconds)]
    with Process("load", load, bench.folder, server.env()) as sender:
        with _worker(bench, server, 1, number) as (worker, port):
            worker.until(lambda: _gathered(port, 1)[0] > CATCH_UP_PER_S * 3, 60, "event counted")
            before = _gathered(port, 1)[0]
        sender.check()
        time.sleep(away_s)
        at_start = sum(end_offsets(server.address, TOPIC_OF.values()).values())
        began_s = time.monotonic()
        with _worker(bench, server, 1, number) as (worker, port):
            done_s = worker.until(
                lambda: _waits(port, at_start - before) < CATCH_UP_PER_S / 4, 60, "end of its lag"
            )
            read, rss = _gathered(port, 1)[0], worker.rss_mib()
    lasted = done_s - began_s
    return _CaughtUp(lasted, int(at_start - before), read / lasted, rss)


def _waits(port: int, backlog: float) -> float:
    """Messages that wait; endless until the backlog is read: before that the worker has not told of
    every partition.
    """
    page = sums(get(f"http://127.0.0.1:{port}/metrics"))
    read = page.get("fenghuo_gathered_events_total", 0.0)
    return (
        page.get("fenghuo_worker_lag_messages", float("inf")) if read >= backlog else float("inf")
    )
