"""Watching the live stream from outside: how old events are when a viewer first sees them counted.

The stream says up to which event time its numbers count (`as_of_ms`). An event of time t has been
shown when the first view with as_of_ms >= t arrives; its delay is that moment less t. So every
millisecond of event time gives one sample, and no view needs to name single events.
"""

import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

import numpy as np

from fenghuo.loadtest.send.ledger import Latencies

View = dict[str, Any]
AGAIN_S: Final = 0.5
SILENT_S: Final = 10.0
"""A stream speaks at least once a second: after this long it is dead, and asked for again."""
VIEWS_MAX: Final = 10_000
TIMES_AT_ONCE: Final = 100_000


class Viewer:
    """One viewer of /api/v1/stream, in a thread of its own; comes back when it is cut off. `see`
    gets the wall clock (ms) at which a view arrived, and the view; without it the newest VIEWS_MAX
    are kept.
    """

    def __init__(self, url: str, see: Callable[[int, View], None] | None = None) -> None:
        self.views: list[tuple[int, View]] = []
        """(wall clock ms of arrival, view)."""
        self.why = "nothing came"
        """Why nothing is seen; empty while views come."""
        self._url = url.rstrip("/") + "/api/v1/stream?gz=0"
        self._see = see or self._keep
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def levels(self, rule: str, scope: str) -> Iterator[tuple[int, int | None]]:
        """(arrival ms, level) of one series, view by view."""
        for arrived_ms, view in list(self.views):
            for verdict in view.get("verdicts", ()):
                if (verdict["rule"], verdict["scope"]) == (rule, scope):
                    yield arrived_ms, verdict["level"]

    def _keep(self, arrived_ms: int, view: View) -> None:
        self.views.append((arrived_ms, view))
        del self.views[:-VIEWS_MAX]

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
                self.why = self.why if self._stop.is_set() else "the stream ended"
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.why = str(error) or type(error).__name__
            self._stop.wait(AGAIN_S)

    def _read(self) -> None:
        with urllib.request.urlopen(self._url, timeout=SILENT_S) as stream:
            for line in stream:
                if self._stop.is_set():
                    return
                if line.startswith(b"data:"):
                    arrived_ms = time.time_ns() // 1_000_000
                    data = json.loads(line[5:])
                    self.why = ""
                    self._see(arrived_ms, data.get("view", data))


class Freshness:
    """Delays of the event times of a run, from start_ms to end_ms, as views make them visible.
    Pure.
    """

    def __init__(self, kind: str, start_ms: int, end_ms: int) -> None:
        self._kind = kind
        self._shown_ms = start_ms - 1
        self._end_ms = end_ms
        self._latencies = Latencies()

    def see(self, arrived_ms: int, view: View) -> None:
        """One view."""
        now_ms = as_of_ms(view, self._kind)
        last_ms = min(now_ms if now_ms is not None else 0, self._end_ms - 1)
        while self._shown_ms < last_ms:
            until_ms = min(last_ms, self._shown_ms + TIMES_AT_ONCE)
            times = np.arange(self._shown_ms + 1, until_ms + 1, dtype=np.int64)
            self._latencies.add((arrived_ms - times) * 1000)
            self._shown_ms = until_ms

    def encoded(self) -> str:
        """HdrHistogram's own base64 form, in microseconds."""
        return self._latencies.encoded()


def as_of_ms(view: View, kind: str) -> int | None:
    """Up to which event time the numbers of a kind count."""
    found: int | None = next(
        (k["as_of_ms"] for k in view.get("kinds", ()) if k["kind"] == kind), None
    )
    return found


def delays_ms(views: list[tuple[int, View]], kind: str) -> list[int]:
    """The delay of every millisecond of event time that the views made visible, in ms."""
    found: list[int] = []
    shown_ms: int | None = None
    for arrived_ms, view in views:
        now_ms = as_of_ms(view, kind)
        if now_ms is None:
            continue
        if shown_ms is not None and now_ms > shown_ms:
            found.extend(arrived_ms - at for at in range(shown_ms + 1, now_ms + 1))
        shown_ms = now_ms if shown_ms is None else max(shown_ms, now_ms)
    return found


def quantile(samples: list[int], q: float) -> int | None:
    """The nearest-rank quantile; None of nothing."""
    if not samples:
        return None
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
