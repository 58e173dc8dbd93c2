"""A shop whose payments fail as told: a small campaign, and a sender that never rests."""

import datetime
import json
import threading
import time
from typing import Any, Self

import msgspec
from kafka import KafkaProducer

from fenghuo.schemas.log import reading
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import status, topics
from fenghuo.schemas.wire.status import Board, Verdict
from fenghuo.schemas.wire.warning import Transition

EVERY_S = 0.1
ORDERS = 10
"""Of each region in each message."""
HEAD = """\
[campaign]
name = "failing"
title = {{ zh = "支付", en = "Payments" }}
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
"""
RULE = """
[[rules]]
id = "{id}"
title = {{ zh = "支付失败率", en = "Payment failures" }}
unit = "percent"
direction = "rising"
scopes = ["region"]
min_samples = 5
hold_up_s = {up}
hold_down_s = {down}
levels.blue = {{ enter = 10, leave = 5 }}
levels.cyan = {{ enter = 20, leave = 15 }}
levels.yellow = {{ enter = 30, leave = 25 }}
levels.orange = {{ enter = 80, leave = 75 }}
levels.red = {{ enter = {red}, leave = {leave} }}
metric = "order.failed / (order.paid + order.failed) over {window}s"
"""


def campaign(regions: list[str], *rules: str) -> str:
    """The campaign file of a test that runs today; of several days, so that a file written later is
    of the same.
    """
    today = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = datetime.timedelta(days=2)
    head = HEAD.format(
        start=(today - day).isoformat(),
        end=(today + day).isoformat(),
        regions=", ".join(f'"{region}"' for region in regions),
    )
    return head + "".join(rules)


def rule(
    name: str,
    *,
    up: str = "0",
    down: str = "0",
    red: tuple[float, float] = (90, 85),
    window: int = 3,
) -> str:
    """A rule on the failure rate of each region: holds in seconds, red with its two bounds."""
    return RULE.format(id=name, up=up, down=down, red=red[0], leave=red[1], window=window)


class Shop:
    """Orders of every region, all the time but while it rests; `percent` of a region's payments
    fail. ahead_ms: how far its host's clock is ahead; events and records carry that time. first: of
    its partitions.
    """

    def __init__(
        self,
        bootstrap: str,
        regions: list[str],
        partitions: int = 1,
        *,
        first: int = 0,
        ahead_ms: int = 0,
    ) -> None:
        self.percent = dict.fromkeys(regions, 0)
        self.rests = False
        self._partitions, self._first = partitions, first
        self._ahead_ms = ahead_ms
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._sent = self._messages = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._producer.close(10)

    def _send(self) -> None:
        while not self._stop.wait(EVERY_S):
            if self.rests:
                continue
            ts = time.time_ns() // 1_000_000 + self._ahead_ms
            lines = [
                json.dumps(self._order(region, i * 100 < percent * ORDERS, ts))
                for region, percent in self.percent.items()
                for i in range(ORDERS)
            ]
            self._messages += 1
            at = self._first + self._messages % self._partitions
            value = "\n".join(lines).encode()
            self._producer.send("orders", value, partition=at, timestamp_ms=ts)

    def _order(self, region: str, fails: bool, ts: int) -> dict[str, Any]:
        self._sent += 1
        named = {"kind": "order", "event_id": f"e{self._sent}", "ts": ts, "region": region}
        bought = {"category": "food", "channel": "app", "payment": "card", "amount_fen": self._sent}
        by = {"order_id": f"o{self._sent}", "user_id": f"u{self._sent % 99}"}
        return named | bought | by | {"status": "failed" if fails else "paid"}


async def told(bootstrap: str) -> tuple[list[Transition], list[Board]]:
    """Every transition and every board there is, in the order of their topics."""
    moved = await reading.read_all(bootstrap, topics.of(topics.TRANSITIONS, Settings().lane))
    boards = await reading.read_all(bootstrap, topics.of(topics.STATUS, Settings().lane))
    return (
        [msgspec.json.decode(record.value or b"", type=Transition) for record in moved],
        [status.decode(record.value or b"") for record in boards],
    )


def of(board: Board, rule: str, region: str) -> Verdict:
    """What a board says of a rule in a region."""
    (found,) = (v for v in board.verdicts if (v.rule, v.scope) == (rule, f"region={region}"))
    return found


def unrepeated(moved: list[Transition]) -> dict[tuple[str, str], list[Transition]]:
    """Transitions by rule and scope, each once. One that is told again is the same, number and all;
    the chain has no gap, and each begins where the last one ended.
    """
    chains: dict[tuple[str, str], list[Transition]] = {}
    for one in moved:
        chain = chains.setdefault((one.rule, one.scope), [])
        if one.seq <= len(chain):
            assert one == chain[one.seq - 1], "told again, but not as before"
            continue
        assert one.seq == len(chain) + 1, "a change is lost"
        assert one.from_level == (chain[-1].to_level if chain else None)
        assert one.from_level != one.to_level
        chain.append(one)
    return chains
