"""Gather, judge and archive as processes on real parts: sums, dead letters, kills, clean stops.

One story for each pair of broker and store, told by the fixture; the tests look at its end.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec
import pytest

from fenghuo.schemas.kinds.measures import MEASURES
from fenghuo.schemas.log import reading
from fenghuo.schemas.settings import environment
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.port import Store, connect
from fenghuo.schemas.store.socket import socket_path
from fenghuo.schemas.wire import letters, topics
from fenghuo.schemas.wire.warning import Transition
from tests.contract.conftest import Broker
from tests.contract.load.scene import Counts, Ledger
from tests.parts import clickhouse as clickhouse_part
from tests.parts import kafka as kafka_part
from tests.parts import tansu as tansu_part
from tests.parts.process import Process

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(500)]

PARTS = ("gather", "judge", "archive")
SETTLED_S_MAX = 90
STOP_S_MAX = 5.0
ROWS_OF_FRAME = 500


class Live:
    """The parts of one story, its store, and the books of what was sent."""

    def __init__(self, broker: Broker, store: Store, parts: dict[str, Process]) -> None:
        self.broker = broker
        self.store = store
        self.parts = parts
        producer = broker.producer(linger_ms=5)
        self.close = lambda: producer.close(5)
        self.ledger = Ledger(producer, seed=7)

    def start(self, *names: str) -> None:
        for name in names:
            self.parts[name].start()
        for name in names:
            self.parts[name].wait_ready(partial(self.is_ready, name), 60)

    def is_ready(self, name: str) -> bool:
        return self.parts[name].log.read_text().count(": ready") >= 1

    def kill(self, *names: str) -> None:
        """kill -9, and start again as a supervisor would, without waiting for anything."""
        for name in names:
            assert self.parts[name].alive(), self.parts[name].tail()
            self.parts[name].kill()
            self.parts[name].start()

    def stored(self) -> Counts:
        """What pulses and late rows of the store add up to."""
        found: Counts = Counter()
        for kind, made in (*tables.PULSE_TABLE.items(), *tables.LATE_TABLE.items()):
            names = MEASURES[kind]
            sums = ", ".join(f"sum({name}) AS {name}_sum" for name in names)
            sql = f"SELECT k1, {sums} FROM {made} FINAL WHERE cut = 'region' GROUP BY k1"
            for row in self.store.query(sql):
                for name in names:
                    found[kind, row["k1"], name] += row[f"{name}_sum"]
        return Counter({key: amount for key, amount in found.items() if amount})

    def refused(self) -> int:
        return int(self.store.query("SELECT count() AS n FROM refused FINAL")[0]["n"])

    def settle(self) -> None:
        """Until the store holds what was sent; what differs at the end is told."""
        expected = +self.ledger.counts
        deadline = time.monotonic() + SETTLED_S_MAX
        while time.monotonic() < deadline:
            if self.stored() == expected and self.refused() == self.ledger.refused.total():
                return
            time.sleep(0.3)
        assert self.stored() == expected, self.tails()
        assert self.refused() == self.ledger.refused.total(), self.tails()

    def tails(self) -> str:
        return "\n".join(part.tail() for part in self.parts.values())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module", params=["tansu-chdb", "kafka-clickhouse"])
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    with ExitStack() as stack:
        made, url = pair(request, folder, stack)
        settings = made.settings(store=url, partitions=4, rehearsal_start_ms=now_ms())
        parts = {}
        for name in PARTS:
            command = [sys.executable, "-m", "fenghuo.deploy", "run", name]
            log = folder / f"{name}.log"
            parts[name] = Process(name, command, log, environment(settings))
            stack.callback(parts[name].kill)
        store = connect(url)
        stack.callback(store.close)
        story = Live(made, store, parts)
        stack.callback(story.close)
        tell(story)
        yield story


def pair(request: pytest.FixtureRequest, folder: Path, stack: ExitStack) -> tuple[Broker, str]:
    """A broker and a store of this story's own: topics and tables have fixed names."""
    make, kind = request.param.split("-")
    if make == "tansu":
        need(make, tansu_part.missing())
        broker = Broker(make, stack.enter_context(tansu_part.tansu()))
    else:
        need(make, kafka_part.missing())
        broker = Broker(make, stack.enter_context(kafka_part.kafka()))
    if kind == "clickhouse":
        need(kind, clickhouse_part.missing())
        return broker, stack.enter_context(clickhouse_part.clickhouse()).url
    command = [sys.executable, "-m", "fenghuo.schemas.store.owner", str(folder / "store")]
    owner = Process("store", command, folder / "store.log")
    stack.callback(owner.kill)
    owner.start()
    owner.wait_ready(socket_path(folder / "store").exists, 30)
    stack.callback(socket_path(folder / "store").unlink, missing_ok=True)
    return broker, f"chdb:{folder / 'store'}"


def need(name: str, why: str | None) -> None:
    """As the fixture of that name, which lives no longer than one test."""
    if why and os.environ.get("FENGHUO_REQUIRE_PARTS") == "1":
        pytest.fail(f"{name}: {why}, and FENGHUO_REQUIRE_PARTS=1", pytrace=False)
    if why:
        pytest.skip(f"SKIPPED: {name}: {why}")


def tell(live: Live) -> None:
    """2 000 events, a frame, late ones, poison; every part is killed twice in the middle."""
    ledger = live.ledger
    live.start(*PARTS)
    ledger.wave(500, now_ms())
    live.settle()
    for victims in (("gather",), ("judge", "archive"), ("gather", "archive", "judge")):
        ledger.wave(250, now_ms())
        live.kill(*victims)
        ledger.wave(250, now_ms())
        time.sleep(1.0)
    ledger.frame(ROWS_OF_FRAME, now_ms())
    ledger.behind(now_ms())
    ledger.poison(now_ms())
    live.settle()


def test_tables_hold_what_was_sent(live: Live) -> None:
    counts = live.stored()

    assert counts == +live.ledger.counts
    events = sum(amount for (_, _, name), amount in counts.items() if name == "events")
    assert events == 2_000 + ROWS_OF_FRAME + 2 * 3 + live.ledger.late


def test_every_cut_adds_up_to_the_same(live: Live) -> None:
    for kind, table in tables.PULSE_TABLE.items():
        sql = f"SELECT cut, sum(events) AS n FROM {table} FINAL GROUP BY cut"
        assert len({row["n"] for row in live.store.query(sql)}) == 1, kind
    sql = "SELECT sum(requests) AS n, sumForEach(latency_ms) AS buckets FROM pulses_traffic FINAL"
    (row,) = live.store.query(f"{sql} WHERE cut = ''")
    assert sum(row["buckets"]) == row["n"]


def test_late_events_are_rows_of_their_own(live: Live) -> None:
    for kind, table in tables.LATE_TABLE.items():
        sql = f"SELECT topic, partition, events FROM {table} FINAL WHERE cut = ''"
        assert live.store.query(sql) == [
            {"topic": topics.TOPIC_OF[kind], "partition": 1, "events": 1}
        ]


def test_refused_events_are_in_topic_and_table(live: Live) -> None:
    records = asyncio.run(reading.read_all(live.broker.bootstrap, topics.REFUSED))
    found = {}
    for record in records:
        letter = letters.from_record(record.value, record.headers)
        found[letter.key] = letter  # a part that was killed may have sent a letter twice

    books = Counter((one.source.topic, one.reason, one.data) for one in found.values())
    assert books == live.ledger.refused
    assert {one.source.partition for one in found.values()} == {3}
    rows = live.store.query("SELECT topic, `offset`, idx, reason, detail, bytes FROM refused FINAL")
    assert Counter(
        (row["topic"], row["offset"], row["idx"], row["reason"], row["detail"], row["bytes"])
        for row in rows
    ) == Counter(
        (one.source.topic, one.offset, one.idx, one.reason, one.detail, len(one.data))
        for one in found.values()
    )


def test_transitions_are_stored_as_they_were_told(live: Live) -> None:
    records = asyncio.run(reading.read_all(live.broker.bootstrap, topics.TRANSITIONS))
    told = [msgspec.json.decode(record.value or b"", type=Transition) for record in records]
    found: set[tuple[object, ...]] = set()
    expected = {(one.rule, one.scope, one.seq, one.reason) for one in told}
    deadline = time.monotonic() + 20
    while not expected <= found and time.monotonic() < deadline:
        rows = live.store.query("SELECT rule, scope, seq, reason FROM transitions FINAL")
        found = {(row["rule"], row["scope"], row["seq"], row["reason"]) for row in rows}
        time.sleep(0.2)

    assert expected <= found
    # a third of the payments failed: far above the rule's bound for red
    failing = [one for one in told if (one.rule, one.scope) == ("payment_failure_rate", "total")]
    assert max(one.to_level or 0 for one in failing) == 5


def test_sigterm_ends_each_part_and_a_restart_changes_nothing(live: Live) -> None:
    before = live.stored(), live.refused()
    for name in reversed(PARTS):
        began = time.monotonic()
        code = live.parts[name].stop(STOP_S_MAX + 5)
        took_s = time.monotonic() - began
        assert code == 0, live.parts[name].tail()
        assert took_s < STOP_S_MAX

    for part in live.parts.values():
        part.log.write_text("")
    live.start(*PARTS)
    live.ledger.wave(40, now_ms())
    live.settle()
    assert live.refused() == before[1]
