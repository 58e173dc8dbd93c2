"""Seeded schedules of what befalls a river of two gathers, two judges and two archives on Apache
Kafka and ClickHouse while events come: join, leave, kill -9, sleep and wake, wrong clocks, a broker
and a store that are away. In the end the books close, sums agree with the log to the fen, and
nobody saw a change of level with two contents.

`python -m tests.e2e.faults.schedules --seeds 0-49` lives through each and prints a table.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka.structs import TopicPartition

from fenghuo.schemas.log import reading
from tests.e2e import failing
from tests.e2e.failing import Shop
from tests.e2e.faults.voices import Watcher, check_one_voice, deaths
from tests.e2e.river import River
from tests.parts.clickhouse import clickhouse
from tests.parts.kafka import kafka

KINDS = ("gather", "judge", "archive")
REGIONS = [f"r{i}" for i in range(6)]
PARTITIONS = 2
SPAN_S = 40.0
SKEW_S_MAX = 5
SETTLE_S = 8.0
"""After a broker was away: until its clients are all back."""
RULES = """
[flapping]
changes = 20
within_s = 10
"""


@dataclass(frozen=True)
class Act:
    """At a moment something befalls a part ("judge-2", "broker", "store") for a while."""

    at_s: float
    what: str
    whom: str
    for_s: float


@dataclass(frozen=True)
class Schedule:
    """What a seed means. skew_s: how wrong each worker's clock is."""

    seed: int
    skew_s: dict[str, int]
    acts: tuple[Act, ...]


def names() -> list[str]:
    return [name for kind in KINDS for name in (kind, f"{kind}-2")]


def drawn(seed: int) -> Schedule:
    """The schedule of a seed. Of each kind one worker at a time is away, the other one is there."""
    dice = random.Random(seed)
    skew_s = {name: dice.randint(-SKEW_S_MAX, SKEW_S_MAX) for name in names()}
    if dice.random() < 0.5:
        skew_s = dict.fromkeys(skew_s, 0)
    acts: list[Act] = []
    for kind in KINDS:
        at_s = dice.uniform(0, 6)
        while at_s < SPAN_S - 4:
            what = dice.choice(["leave", "kill", "sleep", "sleep"])
            for_s = round(dice.uniform(0.1, 12), 1)
            whom = dice.choice([kind, f"{kind}-2"])
            acts.append(Act(round(at_s, 1), what, whom, for_s))
            at_s += for_s + dice.uniform(1, 10)
    for whom, chance, longest_s in (("broker", 0.4, 5), ("store", 0.5, 15)):
        if dice.random() < chance:
            at_s, for_s = dice.uniform(4, SPAN_S - 20), dice.uniform(0.5, longest_s)
            what = dice.choice(["leave", "kill", "sleep"])
            acts.append(Act(round(at_s, 1), what, whom, round(for_s, 1)))
    return Schedule(seed, skew_s, tuple(sorted(acts, key=lambda act: act.at_s)))


@dataclass
class Outcome:
    """What came of it."""

    seed: int
    events: int = 0
    fen: int = 0
    differ_fen: int = 0
    changes: int = 0
    silence_s: float = 0.0
    ended: list[str] = field(default_factory=list)
    """Parts that ended by themselves: no error of the sums, and yet to be looked at."""
    wrong: str = ""


class Life:
    """One river that lives through a schedule."""

    def __init__(self, schedule: Schedule, folder: Path, stack: ExitStack) -> None:
        self.schedule = schedule
        self.broker = stack.enter_context(kafka())
        self.store = stack.enter_context(clickhouse())
        file = folder / "failing.toml"
        rules = (RULES, failing.rule("quick", window=1))
        file.write_text(failing.campaign(REGIONS, *rules), encoding="utf-8")
        self.river = River(
            self.broker.bootstrap, self.store.url, folder, file, partitions=PARTITIONS
        )
        stack.callback(self.river.stop)
        self.dark: list[tuple[float, float]] = []
        """When the broker was away."""

    def live(self) -> Outcome:
        """From the start of all parts to the closed books."""
        river, outcome = self.river, Outcome(self.schedule.seed)
        for name in (*names(), "api"):
            self.start(name)
        river.wait_ready()
        shop = Shop(self.broker.bootstrap, REGIONS, PARTITIONS)
        with shop:
            self.await_board()
            with Watcher(river) as watcher:
                self.befall(shop)
                self.mend()
                self.await_board()
        for name, part in river.parts.items():
            if not part.alive():
                self.start(name)
        code, books = river.audit()
        truth = asyncio.run(log_sums(self.broker.bootstrap))
        rows = river.get("api/v1/totals?kind=order")["rows"]
        told: Counter[str] = Counter()
        for row in rows:
            told.update({name: row[name] for name in ("events", "paid", "paid_amount_fen")})
        outcome.events, outcome.fen = truth["events"], truth["paid_amount_fen"]
        outcome.differ_fen = told["paid_amount_fen"] - truth["paid_amount_fen"]
        outcome.changes = len(watcher.told)
        outcome.silence_s = round(max(self.silences(watcher), default=0.0), 1)
        if code != 0:
            outcome.wrong = f"the books do not close: {json.dumps(books)[:600]}"
        if any(told[name] != truth[name] for name in truth):
            outcome.wrong += f" told {dict(told)}, the log has {dict(truth)}"
        try:
            check_one_voice(river, watcher)
        except AssertionError as error:
            outcome.wrong += f" two voices: {error}"
        outcome.ended = deaths(river)
        return outcome

    def befall(self, shop: Shop) -> None:
        """Every act at its time, and its end; levels move all the while."""
        todo: list[tuple[float, Act, bool]] = []
        for act in self.schedule.acts:
            todo += [(act.at_s, act, True), (act.at_s + act.for_s, act, False)]
        begin_s, turns = time.monotonic(), 0
        for at_s, act, begins in sorted(todo, key=lambda one: one[0]):
            while (left_s := begin_s + at_s - time.monotonic()) > 0:
                region = REGIONS[turns % len(REGIONS)]
                shop.percent[region], turns = 100 - shop.percent[region], turns + 1
                time.sleep(min(left_s, 0.4))
            (self.begin if begins else self.end)(act)

    def begin(self, act: Act) -> None:
        part = self.part(act.whom)
        if act.whom == "broker":
            self.dark.append((time.monotonic(), float("inf")))
        match act.what:
            case "leave":
                part.stop()
            case "kill":
                part.kill()
            case _:
                part._signal(signal.SIGSTOP)

    def end(self, act: Act) -> None:
        if act.what == "sleep":
            self.part(act.whom)._signal(signal.SIGCONT)
        elif not self.part(act.whom).alive():
            self.start(act.whom)
        if act.whom == "broker":
            self.dark[-1] = (self.dark[-1][0], time.monotonic() + SETTLE_S)

    def mend(self) -> None:
        """Whoever ended by himself is started again, as a supervisor would."""
        for name, part in self.river.parts.items():
            if not part.alive():
                self.start(name)

    def part(self, name: str) -> Any:
        if name in ("broker", "store"):
            return (self.broker if name == "broker" else self.store).process
        return self.river.parts[name]

    def start(self, name: str) -> None:
        if name in ("broker", "store"):
            (self.broker if name == "broker" else self.store).start()
            return
        if skew_s := self.schedule.skew_s.get(name, 0):
            self.river.host(name, skew_s)
        self.river.start(name)

    def await_board(self) -> None:
        """Until a new board is shown."""
        deadline = time.monotonic() + 90
        seen = None
        while True:
            view = self.river.get("api/v1/status")
            if seen is not None and view["seq"] not in (None, seen):
                return
            seen = view["seq"]
            assert time.monotonic() < deadline, self.river.logs()
            time.sleep(0.2)

    def silences(self, watcher: Watcher) -> Iterator[float]:
        """How long no board came, but while the broker was away."""
        for begin_s, end_s in watcher.silences:
            if not any(begin_s < to and end_s > since for since, to in self.dark):
                yield end_s - begin_s


async def log_sums(bootstrap: str) -> Counter[str]:
    """What the log says of orders, by other arithmetic."""
    sums = Counter({"events": 0, "paid": 0, "paid_amount_fen": 0})
    async with reading.reader(bootstrap) as consumer:
        parts = [TopicPartition("orders", partition) for partition in range(PARTITIONS)]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        for part in parts:
            consumer.seek(part, 0)
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    for line in record.value.splitlines():
                        order = json.loads(line)
                        paid = order["status"] == "paid"
                        sums["events"] += 1
                        sums["paid"] += paid
                        sums["paid_amount_fen"] += paid * order["amount_fen"]
    return sums


def lived(seed: int) -> Outcome:
    """Live through the schedule of a seed."""
    with tempfile.TemporaryDirectory(prefix="fenghuo-schedule-") as folder, ExitStack() as stack:
        return Life(drawn(seed), Path(folder), stack).live()


def main() -> int:
    """Live through a range of seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0-49", help="FIRST-LAST")
    parser.add_argument("--show", action="store_true", help="print the schedules only")
    options = parser.parse_args()
    first, _, last = options.seeds.partition("-")
    print("seed   events          fen  differ  changes  longest silence  deaths", flush=True)
    failed = []
    for seed in range(int(first), int(last or first) + 1):
        if options.show:
            print(drawn(seed))
            continue
        try:
            one = lived(seed)
        except Exception as error:
            one = Outcome(seed, wrong=f"{type(error).__name__}: {error}")
        print(
            f"{seed:4} {one.events:8} {one.fen:12} {one.differ_fen:7} {one.changes:8} "
            f"{one.silence_s:14.1f} s {len(one.ended):7}  {one.wrong} {'; '.join(one.ended)}",
            flush=True,
        )
        failed += [seed] if one.wrong else []
    print(f"failed: {failed or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
