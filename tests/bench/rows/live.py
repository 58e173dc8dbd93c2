"""Rows about the page on the embedded pair: cold start, freshness, crossings, viewers."""

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from kafka import KafkaProducer

from fenghuo.loadtest.watch.watch import Viewer, delays_ms, quantile
from fenghuo.schemas.level import Level
from fenghuo.schemas.wire.topics import TOPIC_OF
from tests.bench.parts import (
    FENGHUO,
    Bench,
    PartError,
    Process,
    Skip,
    free_port,
    get,
    pid_cpu_s,
    pid_rss_mib,
    tempfolder,
)
from tests.bench.report import Figure
from tests.bench.rows.gather import labels

LIVE_RATE_PER_S: Final = 2_000
CROWD_RATE_PER_S: Final = 200
"""The load beside the viewers: enough that every field of a view has a value."""
CROSSING_S: Final = 3.0
LATE_MS: Final = 250
CORE_SHARE_MAX: Final = 0.95
CROWDS: Final = (250, 500, 1_000, 2_000, 3_000, 4_000)
FILES_LEFT: Final = 200
TRIES: Final = 2
READY_S_MAX: Final = 180
"""A first start compiles; beside others that takes more than a minute."""


def cold_start(bench: Bench) -> list[Figure]:
    """`fenghuo up` from nothing until the page is ready."""
    ready, cpu, rss = [], [], 0
    for _ in range(bench.rounds):
        with up(bench) as (tree, _, seconds):
            ready.append(seconds)
            cpu.append(tree.cpu_s())
            rss = max(rss, tree.rss_mib())
    note = "embedded broker and store; CPU and memory of the whole tree"
    return [Figure("until ready", "s", tuple(ready), (), tuple(cpu), rss, note)]


def live(bench: Bench) -> list[Figure]:
    """Freshness at a moderate rate of single messages, and how soon a crossing shows."""
    seconds = bench.size(20, 10)
    crossings = bench.size(8, 3)
    quantiles: dict[str, list[float]] = {"p50": [], "p99": [], "p99.9": []}
    cpu = []
    with up(bench) as (tree, url, _):
        kafka = json.loads(get(url + "healthz"))["kafka"]
        settle_s = bench.size(15, 8)
        lasts = int(settle_s + bench.rounds * seconds + crossings * (CROSSING_S + 1) + 10)
        load = [*FENGHUO, "load", "--real", "--no-watch", "--rate", str(LIVE_RATE_PER_S)]
        load += ["--seconds", str(lasts)]
        with (
            Process("load", load, bench.folder, {"FENGHUO_KAFKA": kafka}) as sender,
            Viewer(url) as viewer,
        ):
            time.sleep(settle_s)  # windows fill, compiled parts load
            for _ in range(bench.rounds):
                cpu_s = tree.cpu_s()
                seen = len(viewer.views)
                time.sleep(seconds)
                cpu.append(tree.cpu_s() - cpu_s)
                fresh = delays_ms(list(viewer.views)[seen:], "order")
                for name, found in quantiles.items():
                    found.append(known(quantile(fresh, float(name[1:]) / 100)))
            sender.check()
            waits = _cross(kafka, viewer, crossings)
        rss = tree.rss_mib()
    note = (
        f"{LIVE_RATE_PER_S} single JSON messages/s on the embedded pair, {seconds} s a round; "
        "CPU and memory of the whole tree, broker and store included"
    )
    first, *rest = quantiles.items()
    return [
        Figure(f"event to page, {first[0]}", "ms", tuple(first[1]), (), tuple(cpu), rss, note),
        *(Figure(f"event to page, {name}", "ms", tuple(found)) for name, found in rest),
        Figure(
            "threshold crossed to level on the stream",
            "ms",
            tuple(map(float, waits)),
            note=f"{len(waits)} of {crossings} crossings seen, each is a round",
        ),
    ]


def viewers(bench: Bench) -> list[Figure]:
    """How many viewers one api process serves at four views a second."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = [n for n in CROWDS if limit < 0 or n + FILES_LEFT <= limit]
    if not wanted:
        raise Skip(f"only {limit} open files are allowed: raise the limit (ulimit -n)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted[-1] + FILES_LEFT, limit))
    wanted = [n for n in wanted if n in (500, 2_000)] if bench.quick else wanted
    with up(bench) as (tree, url, _):
        kafka, api = json.loads(get(url + "healthz"))["kafka"], tree.child("run api")
        load = [*FENGHUO, "load", "--real", "--no-watch", "--rate", str(CROWD_RATE_PER_S)]
        load += ["--seconds", "600"]
        with Process("load", load, bench.folder, {"FENGHUO_KAFKA": kafka}):
            time.sleep(5)
            alone = _share(api, 4.0)
            carried, ended = _largest(bench, url, api, wanted)
            again = [_crowd(bench, url, api, carried["viewers"]) for _ in range(bench.rounds - 1)]
        rss = pid_rss_mib(api)
    return _viewer_figures([carried, *again], alone, ended, rss)


@contextmanager
def up(bench: Bench) -> Iterator[tuple[Process, str, float]]:
    """`fenghuo up`: its process, its address, and how long it took to be ready."""
    with tempfolder(bench, "up") as folder:
        port = free_port(4)
        url = f"http://127.0.0.1:{port}/"
        began_s = time.monotonic()
        with Process("up", _command(port, folder / "data"), bench.folder) as tree:
            ready_s = tree.until(lambda: bool(get(url + "readyz", 2)), READY_S_MAX, "readiness")
            yield tree, url, ready_s - began_s


def known(value: int | None) -> float:
    """A quantile, which a viewer that saw nothing has none of."""
    if value is None:
        raise PartError("a viewer saw no event at all")
    return float(value)


def _largest(bench: Bench, url: str, api: int, counts: list[int]) -> tuple[dict[str, Any], str]:
    """The largest crowd that is served in time, and what ended the search; a neighbour's noise is
    given a second try.
    """
    carried: dict[str, Any] | None = None
    ended = "no larger crowd was tried"
    for count in counts:
        for _ in range(TRIES):
            found = _crowd(bench, url, api, count)
            why = too_large(found)
            bench.say(f"   {count} viewers: {why or 'in time'}, p99 {found['p99_ms']} ms")
            if not why:
                break
        if why:
            ended = f"at {count} {why}"
            break
        carried = found
    if carried is None:
        raise PartError(f"the smallest crowd was too large: {ended}")
    return carried, ended


def too_large(found: dict[str, Any]) -> str:
    """Why a crowd is not served well, or nothing."""
    if found["connected"] < found["viewers"] or found["p99_ms"] is None:
        return f"only {found['connected']} were served"
    if found["p99_ms"] > LATE_MS:
        return f"p99 was {found['p99_ms']} ms"
    if found["api_cores"] > CORE_SHARE_MAX:
        return f"the api used {found['api_cores']:.2f} of a core"
    return ""


def _viewer_figures(
    runs: list[dict[str, Any]], alone: float, ended: str, rss_mib: int
) -> list[Figure]:
    def of(name: str) -> tuple[float, ...]:
        return tuple(float(run[name]) for run in runs)

    count = runs[0]["viewers"]
    each_us = tuple((cores - alone) / count * 1e6 for cores in of("api_cores"))
    arrivals, views = sum(of("arrivals")), sum(of("views"))
    note = (
        f"largest crowd with p99 of at most {LATE_MS} ms and less than a core; {ended}; the "
        f"readers took {max(of('reader_cores')):.2f} cores beside it, the api alone {alone:.3f}; "
        f"{sum(of('bytes')) / max(arrivals, 1):.0f} bytes a view, gzip; "
        f"{arrivals / max(count * views, 1):.1%} of all views arrived"
    )
    return [
        Figure("viewers", "at 4 views/s", (count,), (), (), rss_mib, note),
        Figure("api with these viewers", "of a core", of("api_cores")),
        Figure("api for one viewer", "CPU µs a second", each_us),
        Figure("a full core would carry", "viewers", tuple((1 - alone) * 1e6 / u for u in each_us)),
        Figure("view late, p50", "ms", of("p50_ms")),
        Figure("view late, p99", "ms", of("p99_ms")),
    ]


def _crowd(bench: Bench, url: str, api: int, count: int) -> dict[str, Any]:
    seconds = bench.size(8, 5)
    command = [sys.executable, "-m", "tests.bench.viewers", url]
    with Process("viewers", [*command, str(count), str(seconds)], bench.folder) as crowd:
        crowd.until(lambda: crowd.said("counting"), 60, "crowd")
        cores = _share(api, seconds - 0.5)
        deadline = time.monotonic() + 30
        while not crowd.said("}"):
            if time.monotonic() > deadline:
                raise PartError(f"viewers: no answer: {crowd.tail()}")
            time.sleep(0.1)
        last = crowd.log.read_text().splitlines()[-1]
        found: dict[str, Any] = json.loads(last)
    return {"viewers": count, "api_cores": round(cores, 3), **found}


def _share(pid: int, seconds: float) -> float:
    """How much of a core a process uses for some seconds."""
    cpu_s, began_s = pid_cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return (pid_cpu_s(pid) - cpu_s) / (time.monotonic() - began_s)


def _cross(bootstrap: str, viewer: Viewer, count: int) -> list[int]:
    """One event that carries a thousand failed requests turns a system red; when does a viewer see
    it?
    """
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    waits = []
    try:
        for system in labels()["system"][:count]:
            sent_ms = time.time_ns() // 1_000_000
            event = {
                "kind": "traffic",
                "event_id": f"bench-{sent_ms}",
                "ts": sent_ms,
                "region": "east",
                "system": system,
                "channel": "app",
                "action": "view",
                "status": 500,
                "latency_ms": 20,
                "user_id": "bench",
                "count": 1_000,
            }
            producer.send(TOPIC_OF["traffic"], json.dumps(event).encode(), partition=0)
            producer.flush()
            time.sleep(CROSSING_S)
            levels = viewer.levels("error_rate", f"system={system}")
            red = [at for at, level in levels if level == Level.RED and at >= sent_ms]
            waits += [min(red) - sent_ms] if red else []
    finally:
        producer.close()
    return waits


def _command(port: int, data: Path) -> list[str]:
    return [*FENGHUO, "up", "--port", str(port), "--data", str(data)]
