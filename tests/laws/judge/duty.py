"""The judge run by hand in tests: a small campaign, a topic of pulses, and judges that read it."""

from collections.abc import Mapping, Sequence
from functools import cache

import msgspec

from fenghuo.schemas.campaign.campaign import Campaign, parse
from fenghuo.schemas.wire import status
from fenghuo.schemas.wire.pulse import Head, Rows
from fenghuo.schemas.wire.status import Board
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams.judge.judge import Judge
from tests.strategies import START_MS

LADDER = """
levels.blue = { enter = 2, leave = 1.5 }
levels.cyan = { enter = 4, leave = 3 }
levels.yellow = { enter = 6, leave = 5 }
levels.orange = { enter = 8, leave = 7 }
levels.red = { enter = 10, leave = 9 }
"""
FALLING = """
levels.blue = { enter = 0.9, leave = 0.95 }
levels.cyan = { enter = 0.8, leave = 0.85 }
levels.yellow = { enter = 0.7, leave = 0.75 }
levels.orange = { enter = 0.6, leave = 0.65 }
levels.red = { enter = 0.5, leave = 0.55 }
"""
FAILING = "order.failed / (order.paid + order.failed) over 10s"
COMPLAINING = "complaint.complaints / order.events over 20s"
_RULES = (
    # id, unit, direction, scopes, fewest samples, metric
    ("ordering", "per_s", "rising", "all", 1, "order.events over 5s"),
    ("paying", "per_s", "rising", "all", 1, "order.paid over 60s"),
    ("failing", "percent", "rising", "all", 5, FAILING),
    ("complaining", "ratio", "rising", "all", 1, COMPLAINING),
    ("dropping", "ratio", "falling", "all", 1, "order.events over 10s vs last 40s"),
    ("slow", "ms", "rising", "all", 1, "p90 of traffic.latency_ms over 10s"),
    ("full", "ratio", "rising", "total", 1, "traffic.requests over 5s of capacity.old"),
    ("pacing", "ratio", "falling", "all", 1, "order.paid_amount_fen of target"),
    ("stale", "s", "rising", "kind", 0, "age of order"),
    ("silent", "s", "rising", "kind", 0, "silence of traffic"),
)
UNUSUAL = """
[[rules]]
id = "unusual"
title = { zh = "异常", en = "Unusual" }
unit = "per_s"
scopes = ["total", "region"]
metric = "order.events over 1s"
adaptive.season = "none"
hold_up_s = 1
hold_down_s = 3
"""
_SCOPES = {"all": '["total", "region"]', "total": '["total"]', "kind": '["kind"]'}


def _text(rule: tuple[str, str, str, str, int, str]) -> str:
    name, unit, direction, scopes, samples, metric = rule
    return f"""
[[rules]]
id = "{name}"
title = {{ zh = "{name}", en = "{name}" }}
unit = "{unit}"
direction = "{direction}"
scopes = {_SCOPES[scopes]}
metric = "{metric}"
min_samples = {samples}
hold_up_s = {{ blue = 2, cyan = 1.5, yellow = 1, orange = 0.5 }}
hold_down_s = 3
{LADDER if direction == "rising" else FALLING}"""


TEXT = f"""
[campaign]
name = "day"
title = {{ zh = "日", en = "Day" }}
start = "2026-11-11T00:00:00+08:00"
end = "2026-11-12T00:00:00+08:00"

[labels]
region = ["east", "west"]
category = ["books", "food"]
channel = ["app", "web"]
payment = ["card", "wallet"]
system = ["cart", "pay"]
type = ["delivery", "quality"]
action = ["buy", "view"]
promotion = ["gift"]

[cuts]
order = [["promotion"]]

[targets]
gmv_fen = 1_000_000
region_share = {{ east = 0.75, west = 0.25 }}

[capacity]
old = {{ requests_per_s = 10, title = {{ zh = "旧", en = "Old" }} }}

[pace]
curve = [[0, 0.0], [60, 0.5], [1440, 1.0]]
{"".join(map(_text, _RULES))}
"""


@cache
def campaign() -> Campaign:
    """A campaign with a rule of each metric kind, in the total and in two regions."""
    made = parse(TEXT, "day.toml")
    assert made.start_ms == START_MS
    return made


@cache
def learning() -> Campaign:
    """The same with a rule that learns what is usual."""
    return parse(TEXT + UNUSUAL, "day.toml")


Pulses = Sequence[tuple[Head, Rows]]


class Duty:
    """One judge over a topic of pulses, as part_judge composes it; its board travels as bytes, and
    so does what it learnt. left: what one before has learnt; {} for a campaign that learns.
    """

    def __init__(
        self, topic: Pulses, board: bytes | None = None, left: Mapping[str, bytes] | None = None
    ) -> None:
        last = None if board is None else status.decode(board)
        self.topic = topic
        self.left = dict(left or {})
        self.judge = Judge(campaign() if left is None else learning(), last, self.left)
        self.next = 0 if last is None else last.rewind_offset

    def tick(self, now_ms: int, end: int) -> tuple[Board, Sequence[Transition]]:
        """Read the topic up to `end`, then grade."""
        self.read(end)
        found = self.judge.grade(now_ms, self.next)
        self.left |= self.judge.usual.take()
        return found

    def read(self, end: int) -> None:
        """What a judge that stands by does."""
        for offset in range(self.next, end):
            self.judge.see(*self.topic[offset], offset)
        self.next = max(self.next, end)


def plain(board: Board) -> object:
    """A board as values that compare with a readable difference."""
    return msgspec.to_builtins(board)
