"""Two lives of a small shop: alone, and beside a load run in the shadow lane. What they were sent,
and what the real lane said in the end.
"""

import asyncio
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from kafka import KafkaProducer

from fenghuo.schemas.log import reading
from fenghuo.schemas.records.marks import Mark, header
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store.socket import socket_path
from fenghuo.schemas.wire import pulse, topics
from fenghuo.schemas.wire.topics import KINDS, TOPIC_OF
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams.transport import kafka
from tests.e2e.river import River
from tests.parts.kafka import kafka as kafka_part
from tests.parts.process import Process
from tests.paths import ROOT

SHOP = ROOT / "deploy/campaigns/double11.toml"
PARTITIONS = 4
SPAN_MS = 20_000
REGIONS = ("east", "south", "north", "central", "west")
FRESH_S, FRESH_TIMES = 75, 250
"""The stream's end is judged for longer than any hold of the campaign. Data that nobody adds to for
15 s is no data: refused records keep it fresh until then, as many in each life, however long its
judge took to begin.
"""
SILENT = ("orders_silent", "traffic_silent")
BESIDE = 3
"""Marked records sent for each real one."""
CLOCKED = {"value", "reason", "since_ms", "opened_ms", "age_ms", "silence_ms", "lag_events", "seq"}
CLOCKED |= {"loaded_ms", "server_ms", "board_ms", "board_age_ms", "at_ms", "threshold", "recent"}
CLOCKED |= {"incident", "first_out", "projected"}
"""What of a view goes by the wall clock, or by the number of ticks."""

Sums = Counter[tuple[str, int, str, str]]
"""(kind, second, region, measure) -> sum."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Producer:
    """Sends events, plain or marked, and keeps the books of what it sent."""

    def __init__(self, bootstrap: str) -> None:
        self.sums: dict[bool, Sums] = {False: Counter(), True: Counter()}
        self.refused = Counter[bool]()
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)
        self._marked = 0

    def send(self, event: dict[str, Any] | bytes, partition: int, *, shadow: bool) -> None:
        """One event; bytes are none and will be refused."""
        headers = []
        if shadow:
            headers = [header(Mark("night-run", 0, self._marked, shadow=True))]
            self._marked += 1
        topic = "orders" if isinstance(event, bytes) else TOPIC_OF[event["kind"]]
        value = event if isinstance(event, bytes) else json.dumps(event).encode()
        self._producer.send(topic, value, b"k", headers, partition=partition)
        if isinstance(event, bytes) or "refused" in event:
            self.refused[shadow] += 1
            return
        place = (event["kind"], event["ts"] // 1000 * 1000, event["region"])
        for name, amount in measured(event).items():
            self.sums[shadow][(*place, name)] += amount

    def flush(self) -> None:
        self._producer.flush(60)

    def close(self) -> None:
        self._producer.close(10)


def measured(event: dict[str, Any]) -> dict[str, int]:
    match event["kind"]:
        case "order":
            paid = event["status"] == "paid"
            amount, failed = event["amount_fen"] * paid, event["status"] == "failed"
            return {"events": 1, "paid": paid, "paid_amount_fen": amount, "failed": failed}
        case "traffic":
            weight = event["count"]
            errors = weight * (event["status"] >= 500)
            return {"events": 1, "requests": weight, "errors": errors}
        case _:
            return {"events": 1, "complaints": 1}


def order(i: int, ts: int, **fields: Any) -> dict[str, Any]:
    region = REGIONS[i % 5]
    status = "failed" if region == "south" else "paid"
    named = {"kind": "order", "event_id": f"e{i}", "ts": ts, "region": region, "order_id": f"o{i}"}
    bought = {"user_id": f"u{i}", "category": "food", "channel": "app", "payment": "alipay"}
    return named | bought | {"amount_fen": 100 + i, "status": status} | fields


def visit(i: int, ts: int, **fields: Any) -> dict[str, Any]:
    fails = i % 5 == 4
    named = {"kind": "traffic", "event_id": f"v{i}", "ts": ts, "region": REGIONS[i // 5 % 5]}
    asked = {"system": "payment" if fails else "search", "channel": "web", "action": "view"}
    went = {"status": 503 if fails else 200, "latency_ms": 9_000 if fails else 20, "user_id": i}
    return named | asked | went | {"count": 10} | fields


def complaint(i: int, ts: int, **fields: Any) -> dict[str, Any]:
    named = {"kind": "complaint", "event_id": f"c{i}", "ts": ts, "region": REGIONS[i % 5]}
    told = {"category": "food", "channel": "app", "type": "quality", "severity": 3, "text": "slow"}
    return named | told | fields


def real_stream(start_ms: int) -> Iterator[dict[str, Any] | bytes]:
    """Fixed events of fixed times: on time, late, of the future, and none at all."""
    for i in range(3_000):
        ts = start_ms + i * SPAN_MS // 3_000
        yield order(i, ts)
        if i % 3 == 0:
            yield visit(i // 3, ts)
        if i % 100 == 0:
            yield complaint(i, ts)
            yield b'{"kind": "order"'
    for i in range(4):
        yield order(i, start_ms - 60_000)
        yield order(i, start_ms + 10 * 3_600_000, refused=True)


def shadow_event(i: int, ts: int) -> dict[str, Any] | bytes:
    """A run that would turn every sum and every level over, were it counted among the real ones."""
    match i % 20:
        case 0:
            return b"[1, 2"
        case 1:
            return complaint(i, ts, region="east")
        case 2 | 3 | 4:
            return visit(i, ts, region="west", status=500, latency_ms=60_000, count=1_000)
        case _:
            return order(
                i, ts, region="east", status="failed" if i % 2 else "paid", amount_fen=10**7
            )


class Life:
    """A broker and a store of its own; the real lane's parts, and the shadow lane's if asked."""

    def __init__(self, folder: Path, start_ms: int, *, shadow: bool, stack: ExitStack) -> None:
        self.broker = stack.enter_context(kafka_part()).bootstrap
        store = stack.enter_context(stored(folder / "store"))
        lanes = ("real", "shadow") if shadow else ("real",)
        for lane in lanes:
            (folder / lane).mkdir()
        self.lanes = {
            lane: River(
                *(self.broker, store, folder / lane, SHOP),
                lane=lane,
                rehearsal_start_ms=start_ms - 1_000,
            )
            for lane in lanes
        }
        for river in self.lanes.values():
            stack.callback(river.stop)
        self.producer = Producer(self.broker)
        stack.callback(self.producer.close)
        self.start_ms = start_ms
        self._sent = 0
        self._quiet = threading.Event()

    @property
    def real(self) -> River:
        return self.lanes["real"]

    def run(self) -> dict[str, bytes]:
        """The stream is counted, then judged; what the real lane said in the end."""
        asyncio.run(kafka.prepare(Settings(kafka=self.broker, partitions=PARTITIONS)))
        for name in ("gather", "archive", "api"):
            self.real.start(name)
        if "shadow" in self.lanes:
            self.lanes["shadow"].__enter__()
        time.sleep(2)
        self.send_all()
        self.producer.flush()
        beside = threading.Thread(target=self._go_on)
        beside.start()
        try:
            self.wait(lambda: self.counted() == self.sent_events())
            self.judge()
            self.wait(self.is_silent)
            view = self.real.get("api/v1/status")
        finally:
            self._quiet.set()
            beside.join()
        self.producer.flush()
        return self.said(view)

    def judge(self) -> None:
        """The judge begins when all of it is counted: its first board is already the last one."""
        done = threading.Event()
        fresh = threading.Thread(target=self._stay_fresh, args=(done,))
        fresh.start()
        try:
            self.real.start("judge")
            self.real.wait_ready()
            time.sleep(FRESH_S)
        finally:
            done.set()
            fresh.join()

    def _stay_fresh(self, done: threading.Event) -> None:
        """A refused record on every partition, each second; in the end the rest of them."""
        for _ in range(FRESH_TIMES):
            for partition in range(PARTITIONS):
                self.producer.send(b'{"kind": "order"', partition, shadow=False)
            done.wait(1)

    def send_all(self) -> None:
        """The real stream, and marked records between its events."""
        for i, event in enumerate(real_stream(self.start_ms)):
            self.send_one(i, event)
            if "shadow" in self.lanes:
                self.run_beside(BESIDE, self.start_ms - 600_000 + i)

    def send_one(self, i: int, event: dict[str, Any] | bytes) -> None:
        """An event of the real stream."""
        self.producer.send(event, i % PARTITIONS, shadow=False)

    def run_beside(self, count: int, ts: int) -> None:
        """The next marked records of the load run."""
        for _ in range(count):
            self._sent += 1
            event = shadow_event(self._sent, ts)
            self.producer.send(event, self._sent % PARTITIONS, shadow=True)

    def _go_on(self) -> None:
        """While the real stream is silent the load run is not."""
        while "shadow" in self.lanes and not self._quiet.wait(0.05):
            self.run_beside(20, now_ms())

    def sent_events(self) -> int:
        sums = self.producer.sums[False]
        events = sum(amount for (*_, name), amount in sums.items() if name == "events")
        return events + self.producer.refused[False]

    def counted(self) -> int:
        """Events of the real lane that gather has counted."""
        heads: dict[str, pulse.Head] = {}
        for record in asyncio.run(reading.read_all(self.broker, topics.PULSES)):
            head, _ = pulse.decode(record.value or b"")
            heads[str(head.source)] = head
        return sum(head.tally.events for head in heads.values())

    def is_silent(self) -> bool:
        """Whether the last level that the real lane's silence leads to is reached; on the way no
        event is shown but its own.
        """
        view = self.real.get("api/v1/status")
        kinds = view["kinds"]
        shown = sum(kind[fate] for kind in kinds for fate in ("accepted", "late", "refused"))
        assert shown <= self.sent_events(), kinds
        levels = {one["rule"]: one["level"] for one in view["verdicts"] if one["rule"] in SILENT}
        return shown == self.sent_events() and levels == dict.fromkeys(SILENT, 5)

    def wait(self, check: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not check():
            logs = [river.logs() for river in self.lanes.values()]
            assert time.monotonic() < deadline, "\n".join(logs)
            time.sleep(0.5)

    def said(self, view: dict[str, Any]) -> dict[str, bytes]:
        """Everything that has to be the same, as bytes."""
        code, books = self.real.run("audit", "--json", "--wait", "60")
        assert code == 0, books + self.real.logs()
        found = {"audit": books.encode(), "levels": settled(view)}
        found["changes"] = changes(self.broker, topics.TRANSITIONS)
        for kind in KINDS:
            for by in ("", "second", "second,region"):
                path = f"api/v1/totals?kind={kind}&by={by}"
                found[path] = self.real.read(path)
        return found


@contextmanager
def stored(folder: Path) -> Iterator[str]:
    """A ClickHouse in process that is ended with the block."""
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "fenghuo.schemas.store.owner", str(folder)]
    owner = Process("store", command, folder.parent / "store.log")
    owner.start()
    try:
        owner.wait_ready(socket_path(folder).exists, 30)
        yield f"chdb:{folder}"
    finally:
        owner.kill()
        socket_path(folder).unlink(missing_ok=True)


def settled(view: dict[str, Any]) -> bytes:
    """A view without what goes by the wall clock; levels of every rule and scope stay."""

    def plain(node: Any) -> Any:
        if isinstance(node, dict):
            windowed = node.get("unit", "s") != "s"
            return {
                name: plain(value)
                for name, value in node.items()
                if name not in CLOCKED or (windowed and name in ("value", "threshold", "reason"))
            }
        return [plain(item) for item in node] if isinstance(node, list) else node

    return json.dumps(plain(view), sort_keys=True).encode()


def changes(bootstrap: str, topic: str) -> bytes:
    """Every change of level but those of the wall clock's rules, in order, without its moment."""
    clocked = (*SILENT, "data_age", "traffic_age")
    found = {}
    for record in asyncio.run(reading.read_all(bootstrap, topic)):
        one = msgspec.json.decode(record.value or b"", type=Transition)
        if one.rule not in clocked:
            found[one.rule, one.scope, one.seq] = msgspec.structs.replace(one, at_ms=0)
    return msgspec.json.encode([found[key] for key in sorted(found)])
