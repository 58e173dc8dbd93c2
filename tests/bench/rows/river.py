"""Rows about what comes behind gather: the whole river end to end, the judge, the stores."""

import json
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from fenghuo.loadtest.watch.watch import Viewer
from fenghuo.schemas.kinds.measures import KINDS
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.port import connect
from fenghuo.schemas.store.socket import socket_path
from fenghuo.schemas.wire import topics
from tests.bench.feed.backlog import end_offsets, flush, frame_backlog, producer
from tests.bench.feed.pulses import block, frames_of, series_of
from tests.bench.parts import Bench, PartError, Process, free_port, get, part, tempfolder
from tests.bench.report import Figure, number
from tests.bench.rows.gather import SPAN_MS, TANSU_SHARE, labels
from tests.bench.servers import Broker, broker, clickhouse

RIVER: Final = (("api",), ("judge",), ("archive",), ("gather",))
"""What `fenghuo run` is given for the end-to-end row, in this order."""
SHOWN_S_MAX: Final = 180.0
JUDGED_S: Final = 240
"""Seconds of event time in the pulses that the judge reads."""
BOARDS_S: Final = 4.0
BLOCK_SECONDS: Final = 150
"""Seconds of all series in one block of the store rows."""


def end_to_end(bench: Bench) -> list[Figure]:
    """A backlog of frames through gather, judge, archive and api, until a viewer sees all of it."""
    shown, stored, cpu, rss = [], [], [], 0
    for _ in range(bench.rounds):
        with broker(bench) as server, tempfolder(bench, "river") as folder:
            share = TANSU_SHARE if server.name == "Tansu" else 1
            rows = bench.size(96_000_000, 24_000_000) // share
            written = frame_backlog(server.address, labels(), rows, SPAN_MS)
            port = free_port()
            env = server.env(STORE=f"chdb:{folder / 'store'}", HTTP_PORT=port)
            with ExitStack() as stack:
                before, gather = RIVER[:-1], RIVER[-1]
                parts = [stack.enter_context(part(*w, bench=bench, env=env)) for w in before]
                url = f"http://127.0.0.1:{port}/"
                parts[0].until(partial(_answers, url + "readyz"), 60, "readiness")
                viewer = stack.enter_context(Viewer(url))
                parts.append(stack.enter_context(part(*gather, bench=bench, env=env)))
                span_s, count = _shown(viewer, parts, written.total)
                shown.append(count / span_s)
                stored.append(_stored(url, parts, written.total, span_s))
                cpu.append(sum(each.cpu_s() for each in parts) / written.total * 1e6)
                rss = max(rss, sum(each.rss_mib() for each in parts))
    note = f"{written.says()}, {server.name}, chdb; CPU and memory of all parts, starts included"
    return [
        Figure("shown to a viewer", "rows/s", tuple(shown), tuple(cpu), (), rss, note),
        Figure("in the store too", "rows/s", tuple(stored)),
    ]


def judge(bench: Bench) -> list[Figure]:
    """The judge alone against a full topic `pulses`, then grading it four times a second."""
    cells, cpu, boards, rss = [], [], [], 0
    seconds = bench.size(JUDGED_S, 60)
    for _ in range(bench.rounds):
        with broker(bench) as server:
            rows = _publish(server, seconds)
            with part("judge", bench=bench, env=server.env()) as worker:
                ready_s = worker.until(partial(worker.said, "judge: ready"), 60, "ready")
                cpu_s = worker.cpu_s()
                read_s = worker.until(partial(_has_board, server), 120, "board")
                spent_s = worker.cpu_s() - cpu_s
                cells.append(rows / (read_s - ready_s))
                cpu.append(spent_s / rows * 1e6)
                count, cpu_s = _boards(server), worker.cpu_s()
                time.sleep(BOARDS_S)
                count = _boards(server) - count
                boards.append((worker.cpu_s() - cpu_s) / max(count, 1) * 1000)
                rss = max(rss, worker.rss_mib())
    note = (
        f"{number(rows)} rows of {sum(len(series_of(k)) for k in KINDS)} series, 4 partitions a "
        f"kind, each second published 4 times; from ready to the first board; {server.name}"
    )
    return [
        Figure("pulses read", "cells/s", tuple(cells), tuple(cpu), (), rss, note),
        Figure("one board", "ms of CPU", tuple(boards)),
    ]


def chdb(bench: Bench) -> list[Figure]:
    """Inserts through the store's port into ClickHouse in process."""
    with tempfolder(bench, "chdb") as folder, _owner(bench, folder) as (url, owner):
        return _inserts(bench, url, owner, "chdb, the owner process and its client")


def server(bench: Bench) -> list[Figure]:
    """Inserts through the store's port into a ClickHouse server."""
    with clickhouse(bench) as (url, process):
        return _inserts(bench, url, process, "clickhouse-server, and its client")


def _shown(viewer: Viewer, parts: list[Process], events: int) -> tuple[float, int]:
    """(seconds, events) between the first view with events and the one with all of them."""
    deadline = time.monotonic() + SHOWN_S_MAX
    while time.monotonic() < deadline:
        for each in parts:
            each.check()
        seen = [(at_ms, _counted(view)) for at_ms, view in list(viewer.views)]
        some = [(at_ms, count) for at_ms, count in seen if count]
        if some and some[-1][1] >= events:
            last = next(view for view in some if view[1] >= events)
            if last[0] == some[0][0]:
                raise PartError(f"{events} events are too few here: the first view had all")
            return (last[0] - some[0][0]) / 1000, last[1] - some[0][1]
        time.sleep(0.1)
    raise PartError(f"a viewer saw {seen[-1:]} of {events} events in {SHOWN_S_MAX:.0f} s")


def _counted(view: Mapping[str, Any]) -> int:
    kinds = view.get("kinds", ())
    return sum(kind["accepted"] + kind["late"] + kind["refused"] for kind in kinds)


def _stored(url: str, parts: list[Process], events: int, span_s: float) -> float:
    """Rows a second when the clock stops only when the store has all accepted events, too."""
    seen_s = time.monotonic()
    deadline = seen_s + SHOWN_S_MAX
    while time.monotonic() < deadline:
        for each in parts:
            each.check()
        pages = [get(f"{url}api/v1/totals?kind={kind}", 30) for kind in KINDS]
        found = [json.loads(page) for page in pages if page]
        kept = sum(row["events"] for page in found for row in page["rows"])
        refused = sum(page["refused"] for page in found)
        if len(found) == len(KINDS) and kept + refused >= events:
            return events / (span_s + time.monotonic() - seen_s)
        time.sleep(0.2)
    raise PartError(f"the store has {kept} of {events} events")


def _publish(server: Broker, seconds: int) -> int:
    """Pulses as gather sends them; how many rows."""
    sender, rows = producer(server.address), 0
    for key, frame, count in frames_of(seconds, time.time_ns() // 1_000_000):
        sender.produce(topics.PULSES, frame, key, partition=0)
        flush(sender, 5_000)
        rows += count
    flush(sender)
    return rows


def _answers(address: str) -> bool:
    return bool(get(address))


def _has_board(server: Broker) -> bool:
    return _boards(server) > 0


def _boards(server: Broker) -> int:
    return end_offsets(server.address, [topics.STATUS])[topics.STATUS]


@contextmanager
def _owner(bench: Bench, folder: Path) -> Iterator[tuple[str, Process]]:
    command = [sys.executable, "-m", "fenghuo.schemas.store.owner", str(folder)]
    with Process("store", command, bench.folder) as owner:
        # its socket, not its lock: a client in between would start an owner of its own
        owner.until(socket_path(folder).exists, 30, "socket")
        yield f"chdb:{folder}", owner


def _inserts(bench: Bench, url: str, process: Process, what: str) -> list[Figure]:
    """Each round: blocks of pulse rows of orders and traffic, one insert each."""
    rates, cpu, rows = [], [], 0
    store = connect(url)
    try:
        for statement in tables.ddl():
            store.execute(statement)
        blocks = bench.size(60, 20)
        made = {kind: block(kind, BLOCK_SECONDS, 0) for kind in ("order", "traffic")}
        for _ in range(bench.rounds):
            rows, cpu_s, began_s = 0, process.cpu_s() + _own_cpu_s(), time.monotonic()
            for _ in range(blocks):
                for kind, columns in made.items():
                    columns["second_ms"] = columns["second_ms"] + BLOCK_SECONDS * 1000
                    store.insert(tables.PULSE_TABLE[kind], columns)
                    rows += len(columns["second_ms"])
            rates.append(rows / (time.monotonic() - began_s))
            cpu.append((process.cpu_s() + _own_cpu_s() - cpu_s) / rows * 1e6)
    finally:
        store.close()
    sizes = " and ".join(f"{len(made[kind]['k1'])} ({kind})" for kind in made)
    note = f"{number(rows)} rows a round in blocks of {sizes}, CPU of {what}"
    rss = process.rss_mib()
    return [Figure("inserted", "rows/s", tuple(rates), tuple(cpu), (), rss, note)]


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
