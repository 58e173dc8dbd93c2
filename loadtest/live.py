"""The live view of a run in the terminal: what is offered, and how far each hop has come.

`Panel` is pure: samples in, lines out. `Live` shows them: a table that redraws on a terminal, one
line every few seconds elsewhere, nothing at all with --json.
"""

import sys
from collections import deque
from typing import Final, Self

from rich.console import Console
from rich.live import Live as Screen
from rich.table import Table

from fenghuo.loadtest.report import number
from fenghuo.loadtest.result import Sample

WINDOW: Final = 10
"""Samples that a rate is told over."""
SPARK: Final = "▁▂▃▄▅▆▇█"
SPARKS_MAX: Final = 60
PLAIN_EVERY: Final = 10
ROWS: Final = (
    ("planned", "offered"),
    ("sent", "sent"),
    ("acknowledged", "acknowledged"),
    ("gathered", "gathered"),
    ("archived", "archived"),
    ("shown", "shown"),
)


class Panel:
    """The newest samples, and what a person wants to see of them."""

    def __init__(self, title: str, seconds: int) -> None:
        self._title = title
        self._seconds = seconds
        self._recent: deque[Sample] = deque(maxlen=WINDOW + 1)
        self._rates: deque[float] = deque(maxlen=SPARKS_MAX)

    def add(self, sample: Sample) -> None:
        """The newest look."""
        self._recent.append(sample)
        self._rates.append(self.rate("sent") or 0.0)

    def rate(self, name: str) -> float | None:
        """Events a second of one hop over the last samples."""
        if len(self._recent) < 2:
            return None
        first, last = self._recent[0], self._recent[-1]
        then, now = getattr(first, name), getattr(last, name)
        span_ms = last.at_ms - first.at_ms
        return None if None in (then, now) or not span_ms else (now - then) * 1000 / span_ms

    def line(self) -> str:
        """One line, for a log."""
        if not self._recent:
            return f"{self._title}: waiting"
        now = self._recent[-1]
        parts = [f"{label} {number(getattr(now, name))}" for name, label in ROWS]
        rest = (
            f"missed {number(now.missed)}, lag {number(now.lag)}, fresh {number(now.fresh_ms)} ms"
        )
        return f"{now.at_ms / 1000:6.1f} s  {', '.join(parts)}, {rest}"

    def table(self) -> Table:
        """The same for a screen that redraws."""
        grid = Table(title=self._title, title_justify="left", expand=False)
        for name in ("hop", "events", "a second"):
            grid.add_column(name, justify="left" if name == "hop" else "right")
        now = self._recent[-1] if self._recent else None
        for name, label in ROWS:
            value = getattr(now, name) if now else None
            grid.add_row(label, number(value), number(self.rate(name)))
        grid.add_section()
        if now:
            grid.add_row("missed", number(now.missed), "")
            grid.add_row("lag", number(now.lag), "")
            grid.add_row("freshness", f"{number(now.fresh_ms)} ms", "")
            busy = "–" if now.busy is None else f"{now.busy:.0%} of the cores"
            grid.add_row("machine", busy, "")
            grid.add_row("time", f"{max(0, now.at_ms) / 1000:.0f} of {self._seconds} s", "")
        grid.caption = spark(list(self._rates))
        return grid


def spark(values: list[float]) -> str:
    """Values as a row of bars, the highest one full."""
    most = max(values, default=0.0)
    if most <= 0:
        return ""
    return "".join(SPARK[min(7, int(value / most * 7.999))] for value in values)


class Live:
    """Shows a panel while a run lasts."""

    def __init__(self, title: str, seconds: int, *, quiet: bool) -> None:
        self._panel = Panel(title, seconds)
        self._quiet = quiet
        self._console = Console(stderr=True)
        is_drawn = self._console.is_terminal and not quiet
        self._screen = (
            Screen(self._panel.table(), console=self._console, refresh_per_second=4)
            if is_drawn
            else None
        )
        self._count = 0

    def __enter__(self) -> Self:
        if self._screen:
            self._screen.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        if self._screen:
            self._screen.__exit__(None, None, None)

    def show(self, sample: Sample) -> None:
        """The newest look."""
        self._panel.add(sample)
        self._count += 1
        if self._screen:
            self._screen.update(self._panel.table())
        elif not self._quiet and self._count % PLAIN_EVERY == 1:
            print(self._panel.line(), file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line beside the view."""
        if not self._quiet:
            self._console.print(text, style="dim")
