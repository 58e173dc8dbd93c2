"""How soon a threshold that is crossed shows on the live stream: `python -m
tests.bench.rows.crossings [CROSSINGS]` on a river of its own; prints one JSON object.

Every region has a trickle of paid orders. A crossing is one message of failed ones that takes the
failure rate of a region from nothing to red; its instant is when that message was due. It shows
when the first view arrives in which the region is red since then. Regions take turns, and each
crosses so seldom that nobody would call it flapping.
"""

import argparse
import datetime
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kafka import KafkaProducer

from fenghuo.loadtest.watch.watch import View, Viewer, quantile
from fenghuo.schemas.level import Level
from fenghuo.schemas.wire.topics import TOPIC_OF
from tests.bench.parts import FENGHUO, Bench, PartError, Process, free_port, get
from tests.bench.report import Figure

CROSSINGS: Final = 120
REGIONS: Final = 64
RULE: Final = "failing"
TRICKLE_S: Final = 0.05
"""A message of paid orders goes out this often, with every region in every second one."""
BURST: Final = 100
APART_MS: Final = 450
"""Between two crossings, on the average."""
WARM_S_MAX: Final = 60.0
SETTLE_S: Final = 5.0
LAST_S: Final = 15.0
"""How long the last crossings are waited for."""
CAMPAIGN: Final = """\
[campaign]
name = "crossings"
title = {{ zh = "越线", en = "Crossings" }}
start = "{start}"
end = "{end}"

[labels]
region = [{regions}]
category = ["food"]
channel = ["app"]
payment = ["card"]
system = ["pay"]
type = ["delivery"]
action = ["buy"]

[[rules]]
id = "failing"
title = {{ zh = "支付失败率", en = "Payment failures" }}
unit = "percent"
direction = "rising"
scopes = ["region"]
min_samples = 5
hold_up_s = 0
hold_down_s = 0
levels.blue = {{ enter = 10, leave = 5 }}
levels.cyan = {{ enter = 20, leave = 15 }}
levels.yellow = {{ enter = 30, leave = 25 }}
levels.orange = {{ enter = 40, leave = 35 }}
levels.red = {{ enter = 50, leave = 45 }}
metric = "order.failed / (order.paid + order.failed) over 3s"
"""


def campaign(at_ms: int) -> str:
    """The campaign file of a run that begins about now."""
    now = datetime.datetime.fromtimestamp(at_ms // 1000, datetime.UTC)  # on a whole second
    day = datetime.timedelta(days=1)
    regions = ", ".join(f'"{region}"' for region in names())
    start, end = (now - day).isoformat(), (now + day).isoformat()
    return CAMPAIGN.format(start=start, end=end, regions=regions)


def names() -> list[str]:
    """The regions."""
    return [f"r{i:02}" for i in range(REGIONS)]


@dataclass(slots=True)
class Crossing:
    """One region going red: when it was due, and when a viewer saw it (None: not yet)."""

    region: str
    due_ms: int
    seen_ms: int | None = None


@dataclass(slots=True)
class Watch:
    """Finds in views the crossings that were sent."""

    waiting: dict[str, Crossing] = field(default_factory=dict)
    level: dict[str, int | None] = field(default_factory=dict)
    """Of each region, as the newest view has it."""

    def see(self, arrived_ms: int, view: View) -> None:
        """One view."""
        for verdict in view.get("verdicts", ()):
            region = verdict["scope"].partition("=")[2]
            self.level[region] = verdict["level"]
            crossing = self.waiting.get(region)
            is_red = verdict["rule"] == RULE and verdict["level"] == Level.RED
            if crossing and is_red and verdict["since_ms"] >= crossing.due_ms:
                crossing.seen_ms = arrived_ms
                del self.waiting[region]


def planned(count: int, seed: int) -> list[Crossing]:
    """Crossings with their due times, in ms after the start: at random, regions by turns."""
    dice = random.Random(seed)
    at_ms, made = 0, []
    for i in range(count):
        at_ms += dice.randrange(APART_MS // 2, APART_MS * 3 // 2)
        made.append(Crossing(names()[i % REGIONS], at_ms))
    return made


def inject(url: str, bootstrap: str, count: int, seed: int) -> list[Crossing]:
    """Send the crossings, watch the stream; all of them, seen or not. A region that is not green
    when its turn comes cannot cross: PartError.
    """
    watch = Watch()
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks=1)
    try:
        with Viewer(url, watch.see):
            crossings = _drive(producer, watch, planned(count, seed))
            end_s = time.monotonic() + LAST_S
            trickle = _Trickle(producer)
            while watch.waiting and time.monotonic() < end_s:
                trickle.send()
    finally:
        producer.close()
    return crossings


def waits_ms(crossings: Sequence[Crossing]) -> list[int]:
    """From due to seen, of those that were."""
    return [c.seen_ms - c.due_ms for c in crossings if c.seen_ms is not None]


class _Trickle:
    """Paid orders in all regions, a message each TRICKLE_S."""

    def __init__(self, producer: KafkaProducer) -> None:
        self._producer = producer
        self._next_s = time.monotonic()
        self._turn = 0

    def send(self) -> None:
        """The next message, when it is due."""
        time.sleep(max(0.0, self._next_s - time.monotonic()))
        self._next_s += TRICKLE_S
        self._turn += 1
        _send(self._producer, names()[self._turn % 2 :: 2], "paid", now_ms())


def _drive(producer: KafkaProducer, watch: Watch, crossings: Sequence[Crossing]) -> list[Crossing]:
    trickle = _Trickle(producer)
    _warm(watch, trickle)
    start_ms, done = now_ms(), []
    for crossing in crossings:
        crossing.due_ms += start_ms
        while now_ms() + TRICKLE_S * 1000 < crossing.due_ms:
            trickle.send()
        time.sleep(max(0, crossing.due_ms - now_ms()) / 1000)
        if watch.level.get(crossing.region) != Level.GREEN:
            level = watch.level.get(crossing.region)
            raise PartError(f"{crossing.region}: expected green before a crossing, got {level}")
        watch.waiting[crossing.region] = crossing
        _send(producer, [crossing.region] * BURST, "failed", crossing.due_ms)
        done.append(crossing)
    return done


def _warm(watch: Watch, trickle: _Trickle) -> None:
    """Until every region is green, and has been for a while: parts join, compiled code loads."""
    began_s = green_s = time.monotonic()
    while time.monotonic() - green_s < SETTLE_S:
        trickle.send()
        if [watch.level.get(region) for region in names()] != [Level.GREEN] * REGIONS:
            green_s = time.monotonic()
        if green_s - began_s > WARM_S_MAX:
            raise PartError(f"expected {REGIONS} green regions within {WARM_S_MAX:g} s")


def _send(producer: KafkaProducer, regions: Sequence[str], status: str, ts_ms: int) -> None:
    lines = [json.dumps(_order(region, status, ts_ms, i)) for i, region in enumerate(regions)]
    producer.send(TOPIC_OF["order"], "\n".join(lines).encode(), partition=0)
    producer.flush()


def _order(region: str, status: str, ts_ms: int, i: int) -> dict[str, Any]:
    place = {"kind": "order", "event_id": f"{ts_ms}-{status}-{i}", "ts": ts_ms, "region": region}
    bought = {"category": "food", "channel": "app", "payment": "card", "amount_fen": 100}
    return place | bought | {"order_id": f"{ts_ms}-{i}", "user_id": f"u{i}", "status": status}


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


@contextmanager
def _river(folder: Path) -> Iterator[tuple[str, str]]:
    """`fenghuo up` with the campaign of a run: its address, and the broker's."""
    file, port = folder / "crossings.toml", free_port(4)
    file.write_text(campaign(now_ms()), encoding="utf-8")
    url = f"http://127.0.0.1:{port}/"
    command = [*FENGHUO, "up", "--port", str(port), "--data", str(folder / "data")]
    with Process("up", command, folder, {"FENGHUO_CAMPAIGN": str(file)}) as tree:
        tree.until(lambda: bool(get(url + "readyz", 2)), 60, "readiness")
        yield url, json.loads(get(url + "healthz"))["kafka"]


def measured(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Quantiles of a run in ms, how many crossings were sent and seen, the load of the machine."""
    with _river(folder) as (url, bootstrap):
        crossings = inject(url, bootstrap, count, seed)
    waits = waits_ms(crossings)
    found = {f"p{share:g}_ms": quantile(waits, share / 100) for share in (50, 90, 99)}
    load = [round(one, 2) for one in os.getloadavg()]
    seen = {"sent": len(crossings), "seen": len(waits)}
    return seen | found | {"max_ms": max(waits, default=None), "load_average": load}


def crossings(bench: Bench) -> list[Figure]:
    """The same as a row of the bench, each crossing a round."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        found = measured(Path(folder), bench.size(CROSSINGS, 20), seed=1)
    note = f"{found['seen']} of {found['sent']} crossings seen, embedded pair"
    return [
        Figure(f"threshold crossed to level on the stream, {name}", "ms", (float(found[key]),))
        for name, key in (("p50", "p50_ms"), ("p99", "p99_ms"))
    ] + [Figure("the longest", "ms", (float(found["max_ms"]),), note=note)]


def main() -> None:
    """Measure and print; the exit code is 1 when a crossing was not seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crossings", nargs="?", type=int, default=CROSSINGS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fenghuo-crossings-") as folder:
        found = measured(Path(folder), options.crossings, options.seed)
    print(json.dumps(found))
    sys.exit(found["seen"] < found["sent"])


if __name__ == "__main__":
    main()
