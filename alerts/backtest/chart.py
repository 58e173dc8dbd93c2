"""A judged series as inline SVG: its value, what was expected, levels and labels. Pure.

A series has more samples than a picture has columns: of each column the least and the greatest
value are drawn, and the highest level. The level is told by height as well as by colour.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from math import isnan
from typing import Final, NamedTuple

from fenghuo.alerts.backtest.score import Judged
from fenghuo.alerts.backtest.spans import Span, learning
from fenghuo.schemas.level import WARNINGS, Level

COLUMNS: Final = 480
WIDE: Final = 2
VALUES: Final = 170
LEVELS: Final = 50
GAP: Final = 8
LABELS: Final = 10
HEIGHT: Final = VALUES + GAP + LEVELS + LABELS
STYLE: Final = """
svg.series{display:block;width:100%;height:auto;background:#f6f6f4}
svg.series text{stroke:#fff;stroke-width:3px;paint-order:stroke}
thead th:nth-child(2),tbody th{text-align:left}
"""


class _Column(NamedTuple):
    low: float | None
    high: float | None
    expected: float | None
    level: int
    is_labelled: bool


def drawn(one: Judged) -> str:
    """The picture; nothing to see of an empty series."""
    columns = _columns(one)
    known = [v for column in columns for v in (column.low, column.high) if v is not None]
    if not known:
        return '<p class="none">No values.</p>'
    low, high = min(known), max(known)
    view = f'viewBox="0 0 {COLUMNS * WIDE} {HEIGHT}"'
    told = f"values {low:g} to {high:g}"
    return "".join(
        [
            f'<svg class="series" {view} role="img" aria-label="{told}">',
            _learning(one),
            *_values(columns, low, high),
            *_expected(columns, low, high),
            *_levels(columns),
            *_labels(columns),
            f'<text x="4" y="14">{high:.4g}</text><text x="4" y="{VALUES - 4}">{low:.4g}</text>',
            "</svg>",
        ]
    )


def _learning(one: Judged) -> str:
    """The ground under the time that is not scored."""
    track, times_ms = one.result.track, one.series.times_ms
    share = (times_ms[learning(len(times_ms))] - track.begin_ms) / (track.end_ms - track.begin_ms)
    return f'<rect width="{share * COLUMNS * WIDE:.1f}" height="{HEIGHT}" fill="#e2e2e0"/>'


def _columns(one: Judged) -> list[_Column]:
    series, track = one.series, one.result.track
    step_ms = max((track.end_ms - track.begin_ms) / COLUMNS, 1)
    edges = [round(track.begin_ms + i * step_ms) for i in range(COLUMNS + 1)]
    levels = _highest(track.moves, edges)
    found = []
    for number, (begin_ms, end_ms) in enumerate(pairwise(edges)):
        first, last = bisect_left(series.times_ms, begin_ms), bisect_left(series.times_ms, end_ms)
        values = [value for value in series.values[first:last] if not isnan(value)]
        expected = [value for value in one.result.expected[first:last] if not isnan(value)]
        here = Span(begin_ms, end_ms)
        found.append(
            _Column(
                min(values, default=None),
                max(values, default=None),
                expected[len(expected) // 2] if expected else None,
                levels[number],
                any(window.meets(here) for window in series.windows or ()),
            )
        )
    return found


def _highest(moves: Sequence[tuple[int, int | None]], edges: Sequence[int]) -> list[int]:
    """The highest level between each two edges."""
    found, at, level = [], 0, 0
    for end_ms in edges[1:]:
        top = level
        while at < len(moves) and moves[at][0] < end_ms:
            level = moves[at][1] or 0
            top = max(top, level)
            at += 1
        found.append(top)
    return found


def _y(value: float, low: float, high: float) -> float:
    return round(4 + (VALUES - 8) * (1 - (value - low) / (high - low or 1.0)), 1)


def _values(columns: Sequence[_Column], low: float, high: float) -> Iterator[str]:
    parts, is_open = [], False
    for x, column in enumerate(columns):
        if column.low is None or column.high is None:
            is_open = False
            continue
        top, base = _y(column.high, low, high), _y(column.low, low, high)
        parts.append(f"{'L' if is_open else 'M'}{x * WIDE + 1} {top}L{x * WIDE + 1} {base}")
        is_open = True
    yield f'<path d="{"".join(parts)}" fill="none" stroke="#0060a8" stroke-width="1.4"/>'


def _expected(columns: Sequence[_Column], low: float, high: float) -> Iterator[str]:
    parts, is_open = [], False
    for x, column in enumerate(columns):
        if column.expected is None:
            is_open = False
            continue
        y = _y(min(max(column.expected, low), high), low, high)
        parts.append(f"{'L' if is_open else 'M'}{x * WIDE + 1} {y}")
        is_open = True
    if parts:
        yield f'<path d="{"".join(parts)}" fill="none" stroke="#c04a00" stroke-width="1.6"/>'


def _levels(columns: Sequence[_Column]) -> Iterator[str]:
    base = VALUES + GAP + LEVELS
    yield f'<path d="M0 {base}H{COLUMNS * WIDE}" stroke="#767676"/>'
    for level, begin, wide in _runs([column.level for column in columns]):
        if level:
            tall = LEVELS * level // len(WARNINGS)
            fill = Level(level).look.colour
            yield (
                f'<rect x="{begin * WIDE}" y="{base - tall}" width="{wide * WIDE}" height="{tall}" '
                f'fill="{fill}" stroke="#333" stroke-width="0.4"/>'
            )


def _labels(columns: Sequence[_Column]) -> Iterator[str]:
    for is_labelled, begin, wide in _runs([int(column.is_labelled) for column in columns]):
        if is_labelled:
            yield (
                f'<rect x="{begin * WIDE}" y="{HEIGHT - LABELS + 2}" width="{wide * WIDE}" '
                f'height="{LABELS - 2}" fill="#111"/>'
            )


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(number, where it begins, how long) of each run."""
    begin = 0
    for number, group in groupby(numbers):
        wide = len(list(group))
        yield number, begin, wide
        begin += wide
