"""Watching the live stream from outside: how old events are when a viewer first sees them counted.

The stream says up to which event time its numbers count (`as_of_ms`). An event of time t has been
shown when the first view with as_of_ms >= t arrives; its delay is that moment less t. So every
millisecond of event time gives one sample, and no view needs to name single events.
"""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any, Self


class Viewer:
    """One viewer of /api/v1/stream, in a thread of its own."""

    def __init__(self, url: str) -> None:
        self.views: list[tuple[int, dict[str, Any]]] = []
        """(wall clock ms of arrival, view)."""
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def _follow(self) -> None:
        with urllib.request.urlopen(f"{self._url}api/v1/stream?gz=0", timeout=30) as stream:
            for line in stream:
                if self._stop.is_set():
                    return
                if line.startswith(b"data:"):
                    arrived_ms = time.time_ns() // 1_000_000
                    data = json.loads(line[5:])
                    self.views.append((arrived_ms, data.get("view", data)))

    def levels(self, rule: str, scope: str) -> Iterator[tuple[int, int | None]]:
        """(arrival ms, level) of one series, view by view."""
        for arrived_ms, view in list(self.views):
            for verdict in view.get("verdicts", ()):
                if (verdict["rule"], verdict["scope"]) == (rule, scope):
                    yield arrived_ms, verdict["level"]


def delays_ms(views: list[tuple[int, dict[str, Any]]], kind: str) -> list[int]:
    """The delay of every millisecond of event time that the views made visible, in ms."""
    found: list[int] = []
    shown_ms: int | None = None
    for arrived_ms, view in views:
        as_of_ms = next((k["as_of_ms"] for k in view.get("kinds", ()) if k["kind"] == kind), None)
        if as_of_ms is None:
            continue
        if shown_ms is not None and as_of_ms > shown_ms:
            found.extend(arrived_ms - at for at in range(shown_ms + 1, as_of_ms + 1))
        shown_ms = as_of_ms if shown_ms is None else max(shown_ms, as_of_ms)
    return found


def quantile(samples: list[int], q: float) -> int | None:
    """The nearest-rank quantile; None of nothing."""
    if not samples:
        return None
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
