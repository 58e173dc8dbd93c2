"""Events of a small festival with what they must add up to, poison among them, and what is late."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from kafka import KafkaProducer
from numpy.typing import NDArray

from fenghuo.loadtest.plan.faults import Faults
from fenghuo.loadtest.plan.frames import Tick, frame
from fenghuo.loadtest.plan.people import Crowd, Profiles
from fenghuo.schemas.wire.topics import KIND_OF, KINDS, TOPIC_OF
from tests.contract.store.blocks import FIELDS

PARTITIONS = 4
REGIONS = ("east", "south", "north", "central", "west")
Counts = Counter[tuple[str, str, str]]
"""(kind, region, measure) -> sum."""


class Ledger:
    """Sends, and keeps the books of what it sent."""

    def __init__(self, producer: KafkaProducer, seed: int) -> None:
        self.counts: Counts = Counter()
        self.late = 0
        self.refused: Counter[tuple[str, str, bytes]] = Counter()
        """(topic, reason, bytes) -> how often."""
        self._producer = producer
        self._random = random.Random(seed)
        self._number = 0

    def send(self, topic: str, value: bytes | None, partition: int) -> None:
        self._producer.send(topic, value, b"k", partition=partition)

    def flush(self) -> None:
        self._producer.flush(30)

    def wave(self, count: int, now_ms: int) -> None:
        """Events of the last second before now, in the order of their time."""
        for i in range(count):
            kind = KINDS[0] if i % 2 else self._random.choice(KINDS)
            event = self.event(kind, now_ms - 900 + i * 900 // count)
            partition = self._random.randrange(PARTITIONS)
            self.send(TOPIC_OF[kind], json.dumps(event).encode(), partition)
            self.count(event)
        self.flush()

    def event(self, kind: str, ts_ms: int) -> dict[str, Any]:
        draw = self._random
        self._number += 1
        event = {"kind": kind, "event_id": f"e{self._number}", "ts": ts_ms, **FIELDS[kind]}
        event["region"] = draw.choice(REGIONS)
        if kind == "order":
            status = draw.choice(["paid", "paid", "failed", "created"])
            event |= {"amount_fen": draw.randrange(1, 10**9), "status": status}
            event |= {"new_user": draw.random() < 0.3, "order_id": f"o{self._number}"}
        elif kind == "traffic":
            event |= {"status": draw.choice([200, 200, 500]), "count": draw.randrange(1, 99)}
        return event

    def count(self, event: dict[str, Any]) -> None:
        kind, region = event["kind"], event["region"]
        found = {"events": 1}
        if kind == "order":
            paid, status = event["status"] == "paid", event["status"]
            found |= {"paid": int(paid), "paid_amount_fen": event["amount_fen"] * paid}
            found |= {"failed": int(status == "failed"), "new_users": int(event["new_user"])}
            found |= {"new_paid": int(paid and event["new_user"])}
        elif kind == "traffic":
            weight = event["count"]
            found |= {"requests": weight, "errors": weight * (event["status"] >= 500)}
        else:
            found |= {"complaints": 1}
        for name, amount in found.items():
            self.counts[kind, region, name] += amount

    def frame(self, rows: int, now_ms: int) -> None:
        """One Arrow frame of requests."""
        code = np.arange(rows, dtype=np.uint16) % 2
        profiles: dict[str, NDArray[Any]] = {
            "region": np.array(["east", "west"]),
            "system": np.array(["search", "payment"]),
            "channel": np.array(["app", "web"]),
            "action": np.array(["view", "pay"]),
            "status": np.array([200, 503], np.int16),
        }
        values: dict[str, NDArray[Any]] = {
            "latency_ms": np.arange(rows, dtype=np.uint16),
            "user_id": np.ones(rows, np.uint32),
        }
        dt = np.arange(rows, dtype=np.uint16) % 500
        visits = Crowd("traffic", code, Profiles(profiles), values)
        chance = np.random.default_rng(0)
        tick = Tick(visits, np.sort(dt), 0, now_ms - 600, Faults(), chance, "scene")
        self.send(TOPIC_OF["traffic"], frame(tick, slice(0, rows)), 2)
        for at in code.tolist():
            status = int(profiles["status"][at])
            region = str(profiles["region"][at])
            self.count({"kind": "traffic", "region": region, "status": status, "count": 1})
        self.flush()

    def behind(self, now_ms: int) -> None:
        """One late event of each kind: its second was closed long ago."""
        for kind in KINDS:
            event = self.event(kind, now_ms - 60_000)
            self.send(TOPIC_OF[kind], json.dumps(event).encode(), 1)
            self.count(event)
            self.late += 1
        self.flush()

    def poison(self, now_ms: int) -> None:
        """Bad events on every topic, one of them beside good ones in the same message."""
        for topic, kind in KIND_OF.items():
            for reason, value in self._bad(kind, now_ms):
                self.send(topic, value, 3)
                self.refused[topic, reason, value or b""] += 1
            good = [self.event(kind, now_ms) for _ in range(2)]
            texts = [json.dumps(event) for event in good]
            self.send(topic, f'[{texts[0]},{{"kind":0}},{texts[1]}]'.encode(), 3)
            self.refused[topic, "schema", b'{"kind":0}'] += 1
            for event in good:
                self.count(event)
        self.flush()

    def _bad(self, kind: str, now_ms: int) -> Iterator[tuple[str, bytes | None]]:
        yield "empty", b""
        yield "empty", None
        yield "not_json", b"not json"
        yield "not_json", b'{"kind": "\xff\xfe"}'
        yield "not_json", b'{"amount_fen": NaN}'
        yield "not_an_event", b"42"
        yield "too_deep", b'{"a":' * 600 + b"1" + b"}" * 600
        yield "frame", b"\xff\xff\xff\xff broken"
        for ts_ms, reason in ((0, "time_past"), (now_ms + 3_600_000, "time_future")):
            yield reason, json.dumps(self.event(kind, ts_ms)).encode()
        for name, value in (("region", 1), ("ts", 2**63), ("kind", "nothing"), ("event_id", "")):
            yield "schema", json.dumps({**self.event(kind, now_ms), name: value}).encode()
