"""What a campaign day brings: bursts of orders, visits and complaints over 24 hours, and between
them those of a load run in the shadow lane, drawn from a seed.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

from fenghuo.schemas.wire.topics import TOPIC_OF
from tests.strategies import (
    BROKEN,
    LABELS,
    START_MS,
    STATUSES,
    Event,
    Message,
    Record,
    framed,
    single,
    text_of,
    together,
)

DAY_MS = 86_400_000
PARTITIONS = 4
BURSTS = 34
"""Stretches of the day in which something happens; between them nobody speaks for minutes."""
SHADOW_SHARE = 0.3
SHADOW_BEHIND_MS = 3_600_000
"""The load run lives in another hour, so that whatever leaks out of its lane is late or makes late.
"""
Place = tuple[str, int]
"""(topic, partition)."""


def moments(random: Random) -> Iterator[int]:
    """The ticks of a day: bursts of steps from 250 ms to 2 s; the first begins at midnight."""
    starts = sorted([0, *random.sample(range(60_000, DAY_MS - 60_000, 1_000), BURSTS - 1)])
    now = 0
    for start in starts:
        now = max(now, start)
        for _ in range(random.randint(6, 18)):
            yield START_MS + now
            now += random.choice((250, 250, 500, 1_000, 2_000))


class Feed:
    """The producers: every log of the day, and what was meant by each message in it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.logs: dict[Place, list[Record]] = {
            (topic, partition): [] for topic in TOPIC_OF.values() for partition in range(PARTITIONS)
        }
        self.events = 0
        self._offset = {place: random.choice((0, 7)) for place in self.logs}
        self._poison: list[tuple[Place, tuple[int, int], bool]] = []

    def produce(self, now_ms: int) -> None:
        """Append what arrives at this moment: some partitions get nothing, some a lot."""
        for kind, topic in TOPIC_OF.items():
            for partition in range(PARTITIONS):
                if self.random.random() < 0.45:
                    for _ in range(self.random.choice((1, 1, 2, 8))):
                        self._send((topic, partition), kind, now_ms)
        if self._poison and self.random.random() < 0.05:
            self._replay(now_ms)

    def _send(self, place: Place, kind: str, now_ms: int) -> None:
        shadow = self.random.random() < SHADOW_SHARE
        of_ms = now_ms - SHADOW_BEHIND_MS if shadow else now_ms
        self._append(place, now_ms, self._message(kind, of_ms), shadow=shadow)

    def _append(
        self,
        place: Place,
        now_ms: int,
        message: Message,
        *,
        shadow: bool,
        replay: tuple[int, int] | None = None,
    ) -> None:
        offset = self._offset[place]
        self._offset[place] += self.random.choice((1, 1, 1, 1, 3))
        self.logs[place].append(Record(offset, now_ms, message, replay, shadow))
        self.events += len(message.outcomes)
        for idx, outcome in enumerate(message.outcomes):
            if isinstance(outcome, str) and self.random.random() < 0.1:
                self._poison.append((place, (offset, idx), shadow))

    def _replay(self, now_ms: int) -> None:
        """Somebody mends a dead letter and sends it again, at times twice."""
        place, letter, shadow = self.random.choice(self._poison)
        kind = next(kind for kind, topic in TOPIC_OF.items() if topic == place[0])
        for _ in range(self.random.choice((1, 2))):
            message = single(self._event(kind, now_ms))
            self._append(place, now_ms, message, shadow=shadow, replay=letter)

    def _message(self, kind: str, now_ms: int) -> Message:
        draw = self.random.random()
        if draw < 0.03:
            value, outcomes = self.random.choice(BROKEN)
            return Message(value, outcomes)
        if draw < 0.75:
            return single(self._event(kind, now_ms), self.random.choice(("compact", "pretty")))
        events = [self._event(kind, now_ms) for _ in range(self.random.choice((2, 5, 20)))]
        if draw < 0.9:
            return framed(kind, [(event, None) for event in events])
        parts: list[tuple[bytes, Event | str]] = [(text_of(event), event) for event in events]
        parts.insert(self.random.randint(1, len(parts)), (b"{}", "schema"))
        return together(parts, self.random.choice(("ndjson", "array")))

    def _event(self, kind: str, now_ms: int) -> Event:
        pick = self.random.choice
        head = {"kind": kind, "event_id": str(self.events), "ts": self._ts(now_ms)}
        head["region"] = self._label("region")
        labels = {name: self._label(name) for name in _NAMES[kind]}
        return {**head, **labels, **_BODY[kind](self.random, pick)}

    def _label(self, dimension: str) -> str:
        return "Mars" if self.random.random() < 0.02 else self.random.choice(LABELS[dimension])

    def _ts(self, now_ms: int) -> int:
        draw = self.random.random()
        if draw < 0.9:
            return now_ms - self.random.randint(0, 1_500)
        if draw < 0.97:
            return now_ms - self.random.randint(0, 30_000)
        return now_ms + self.random.choice((-(10**12), -86_400_000, 3_000, 9_999, 60_000, 10**11))


_NAMES = {
    "order": ("category", "channel", "payment"),
    "traffic": ("system", "channel", "action"),
    "complaint": ("category", "channel", "type"),
}


def _order(random: Random, pick: Any) -> Event:
    return {
        "order_id": "o",
        "user_id": "u",
        "amount_fen": random.randint(0, 99_999),
        "status": pick(STATUSES),
        "promotion": pick((None, "gift")),
        "new_user": pick((None, True, False)),
        "repeat": pick((True, False)),
    }


def _visit(random: Random, pick: Any) -> Event:
    return {
        "user_id": 1,
        "status": pick((200, 200, 404, 503)),
        "latency_ms": random.randint(0, 3_000),
        "count": pick((1, 1, 50)),
    }


def _complaint(random: Random, pick: Any) -> Event:
    return {"severity": random.randint(1, 5), "text": pick(("slow", "]\n,\n["))}


_BODY = {"order": _order, "traffic": _visit, "complaint": _complaint}
