"""The live view of a run: on a terminal a table that redraws, elsewhere a line a second, nothing at
all when it is to be quiet. What is shown is made in `panel`.
"""

import sys
from collections.abc import Sequence
from typing import Final, Self

from rich.console import Console
from rich.live import Live as Screen

from fenghuo.loadtest.report.panel import Panel
from fenghuo.loadtest.verdict.result import Sample

LINE_EVERY_MS: Final = 1_000


class Live:
    """Shows a panel while a run lasts."""

    def __init__(
        self,
        title: str,
        seconds: int,
        *,
        quiet: bool,
        curve: Sequence[float] = (),
        console: Console | None = None,
    ) -> None:
        self._panel = Panel(title, seconds, curve)
        self._quiet = quiet
        self._console = console or Console(stderr=True)
        is_drawn = self._console.is_terminal and not quiet
        self._screen = (
            Screen(self._panel.table(), console=self._console, refresh_per_second=4)
            if is_drawn
            else None
        )
        self._told_ms: int | None = None

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
        if self._screen:
            self._screen.update(self._panel.table())
        elif not self._quiet and (
            self._told_ms is None or abs(sample.at_ms - self._told_ms) >= LINE_EVERY_MS
        ):
            self._told_ms = sample.at_ms
            print(self._panel.line(), file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line beside the view."""
        if not self._quiet:
            self._console.print(text, style="dim")
