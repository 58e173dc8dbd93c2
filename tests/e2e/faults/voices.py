"""Somebody who looks at the page's data all the time, and what must never be seen there: one number
with two contents.
"""

import asyncio
import threading
import time
from typing import Any, Self

import msgspec

from fenghuo.schemas.log import reading
from fenghuo.schemas.wire import topics
from fenghuo.schemas.wire.warning import Transition
from tests.e2e.river import River

EVERY_S = 0.05
Numbered = dict[tuple[str, str, int], dict[str, Any]]


class Watcher:
    """How old boards became, how long none came, and what was told."""

    def __init__(self, river: River) -> None:
        self.oldest_ms = 0
        self.boards = 0
        self.silences: list[tuple[float, float]] = []
        """(from, to) of each time between two boards, in seconds of the monotonic clock."""
        self.told: Numbered = {}
        self.twice: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._river = river
        self._seen: object = None
        self._seen_s = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._stop.wait(EVERY_S):
            view = self._river.get("api/v1/status")
            self.oldest_ms = max(self.oldest_ms, view["board_age_ms"])
            seen = (view["seq"], view["board_ms"])
            if seen != self._seen:
                now_s = time.monotonic()
                self.silences.append((self._seen_s, now_s))
                self._seen, self._seen_s = seen, now_s
                self.boards += 1
            for one in view["recent"]:
                key = (one["rule"], one["scope"], one["seq"])
                if self.told.setdefault(key, one) != one:
                    self.twice.append((self.told[key], one))


def check_one_voice(river: River, watcher: Watcher) -> None:
    """Nobody saw two contents under one number, neither on the page nor on the topic, and what the
    page showed is what was told.
    """
    assert watcher.twice == []
    told: dict[tuple[str, str, int], Transition] = {}
    for record in asyncio.run(reading.read_all(river.env["FENGHUO_KAFKA"], topics.TRANSITIONS)):
        one = msgspec.json.decode(record.value or b"", type=Transition)
        assert told.setdefault((one.rule, one.scope, one.seq), one) == one
    assert watcher.told
    for key, shown in watcher.told.items():
        same = (told[key].from_level, told[key].to_level, told[key].at_ms)
        assert (shown["from_level"], shown["to_level"], shown["at_ms"]) == same


def deaths(river: River) -> list[str]:
    """Parts that ended by themselves, with their reason."""
    return [
        f"{path.stem}: {line}"
        for path in sorted(river.folder.glob("*.log"))
        for line in path.read_text(errors="replace").splitlines()
        if "this part ends" in line
    ]
