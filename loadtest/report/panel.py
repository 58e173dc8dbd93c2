"""What a person sees of a run while it lasts, made of samples: a table for a screen that redraws, a
line for a log. Pure.
"""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fenghuo.loadtest.report.lines import number
from fenghuo.loadtest.verdict.result import Sample
from fenghuo.loadtest.watch.watch import quantile

WINDOW: Final = 10
"""Samples that a rate is told over."""
FRESH_MAX: Final = 10_000
"""Samples that freshness is told over."""
SPARK: Final = "▁▂▃▄▅▆▇█"
SPARKS_MAX: Final = 60
ROWS: Final = (
    ("planned", "offered"),
    ("sent", "sent"),
    ("acknowledged", "acknowledged"),
    ("gathered", "gathered"),
    ("archived", "archived"),
    ("shown", "shown"),
)
BUSY: Final = 0.9
"""A machine that is busier than this may hold back the tester itself."""


class Panel:
    """The newest samples, and what is told of them. `curve`: the plan's rate at even steps of its
    time, in any unit; without it the plan is a straight bar.
    """

    def __init__(self, title: str, seconds: int, curve: Sequence[float] = ()) -> None:
        self._title = title
        self._seconds = seconds
        self._curve = thinned(curve, SPARKS_MAX) or [1.0] * (SPARKS_MAX // 2)
        self._recent: deque[Sample] = deque(maxlen=WINDOW + 1)
        self._rates: deque[float] = deque(maxlen=SPARKS_MAX)
        self._fresh: deque[int] = deque(maxlen=FRESH_MAX)

    def add(self, sample: Sample) -> None:
        """The newest look."""
        self._recent.append(sample)
        self._rates.append(max(0.0, self.rate("sent") or 0.0))
        # after the plan's end no event is newer, and all that grows is their age
        if sample.fresh_ms is not None and sample.at_ms <= self._seconds * 1000:
            self._fresh.append(sample.fresh_ms)

    def rate(self, name: str) -> float | None:
        """Events a second of one hop over the last samples; None where it is not known."""
        if len(self._recent) < 2:
            return None
        first, last = self._recent[0], self._recent[-1]
        then, now = getattr(first, name), getattr(last, name)
        span_ms = last.at_ms - first.at_ms
        return None if None in (then, now) or span_ms <= 0 else (now - then) * 1000 / span_ms

    def line(self) -> str:
        """One line, for a log."""
        if not self._recent:
            return f"{self._title}: waiting"
        now = self._recent[-1]
        parts = [f"{label} {number(getattr(now, name))}" for name, label in ROWS]
        rate = f"{number(self.rate('sent'))} sent/s"
        rest = f"missed {number(now.missed)}, lag {number(now.lag)}, fresh {self._freshness()}"
        return f"{now.at_ms / 1000:6.1f} s  {rate}, {', '.join(parts)}, {rest}"

    def table(self) -> RenderableType:
        """The same for a screen."""
        grid = Table(title=self._title, title_justify="left", expand=False)
        for name in ("hop", "events", "a second"):
            grid.add_column(name, justify="left" if name == "hop" else "right")
        now = self._recent[-1] if self._recent else None
        for name, label in ROWS:
            value = getattr(now, name) if now else None
            grid.add_row(label, number(value), number(self.rate(name)))
        grid.add_section()
        if now:
            grid.add_row("missed", _warned(number(now.missed), wrong=now.missed > 0))
            grid.add_row("lag", number(now.lag))
            busy = "–" if now.busy is None else f"{now.busy:.0%} of the cores"
            grid.add_row("machine", _warned(busy, wrong=(now.busy or 0) > BUSY))
        fresh = Text(f"freshness  {self._freshness()}")
        return Group(grid, fresh, self._position(now), Text(f"sent/s     {spark(self._rates)}"))

    def _freshness(self) -> str:
        """Of the newest look, then of all: half of them were better than p50."""
        now = self._recent[-1].fresh_ms if self._recent else None
        fresh = list(self._fresh)
        p50, p99 = (number(quantile(fresh, q)) for q in (0.50, 0.99))
        return f"{number(now)} ms, p50 {p50}, p99 {p99}"

    def _position(self, now: Sample | None) -> Text:
        """Where in the plan the run is: what is done stands out."""
        at_s = max(0, now.at_ms) / 1000 if now else 0.0
        bars = spark(self._curve)
        done = min(len(bars), round(len(bars) * at_s / max(1, self._seconds)))
        text = Text("plan       ")
        text.append(bars[:done], "bold")
        text.append(bars[done:], "dim")
        return text.append(f"  {at_s:.0f} of {self._seconds} s")


def spark(values: Sequence[float] | deque[float]) -> str:
    """Values as a row of bars, the highest one full."""
    most = max(values, default=0.0)
    if most <= 0:
        return ""
    return "".join(SPARK[min(7, int(value / most * 7.999))] for value in values)


def thinned(values: Sequence[float], most: int) -> list[float]:
    """At most so many values: of each stretch the highest, so that no peak is hidden."""
    count = min(len(values), most)
    bounds = [len(values) * i // count for i in range(count + 1)] if count else [0]
    return [max(values[a:b]) for a, b in pairwise(bounds)]


def _warned(text: str, *, wrong: bool) -> Text:
    return Text(text, "bold red" if wrong else "")
