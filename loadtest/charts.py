"""Charts as inline SVG: lines over time, percentiles, the knee of a capacity search. Pure.

Lines are told by their label at the line's end and by their dash as well as by colour (Okabe and
Ito's palette, which colour-blind readers can tell apart).
"""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final, NamedTuple

WIDTH: Final = 860
HEIGHT: Final = 260
LEFT, RIGHT, TOP, BOTTOM = 78, 130, 14, 40
COLOURS: Final = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
DASHES: Final = ("", "", "6 3", "2 3", "8 3 2 3", "1 4")
LABEL_GAP: Final = 13
POINTS_MAX: Final = 600

Point = tuple[float, float | None]


class Line(NamedTuple):
    """One line: its label and its points; a point without a value is a gap."""

    label: str
    points: Sequence[Point]


class Axis(NamedTuple):
    """What an axis is of, and how its numbers are told."""

    title: str
    tell: Callable[[float], str]


def chart(
    title: str,
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    *,
    ticks: Sequence[tuple[float, str]] = (),
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """One SVG with a title for those who cannot see it. ticks: places of the x axis by name, else
    round numbers; marks: vertical lines with a word.
    """
    lines = [Line(line.label, _thinned(line.points)) for line in lines]
    xs = [px for line in lines for px, py in line.points if py is not None]
    ys = [py for line in lines for _, py in line.points if py is not None]
    if not xs:
        return f'<p class="none">{escape(title)}: nothing was measured</p>'
    frame = _Frame(min(xs), max(xs), max(ys) or 1.0)
    parts = [
        f'<svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        *_grid(frame, x, y, ticks),
        *(_mark(frame, at, word) for at, word in marks),
        *(_path(frame, line, i) for i, line in enumerate(lines)),
        *_labels(frame, lines),
        "</svg>",
    ]
    return "".join(parts)


class _Frame:
    """From values to places in the picture."""

    def __init__(self, x_min: float, x_max: float, y_max: float) -> None:
        self.x_min, self.x_max = x_min, max(x_max, x_min + 1)
        self.step = _round_step(y_max)
        self.y_max = self.step * ceil(y_max / self.step)

    def x(self, value: float) -> float:
        share = (value - self.x_min) / (self.x_max - self.x_min)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - value / self.y_max * (HEIGHT - TOP - BOTTOM), 1)


def _round_step(most: float, parts: int = 4) -> float:
    """A step of 1, 2 or 5 times a power of ten, so that about `parts` of them reach `most`."""
    power = 10.0 ** floor(log10(most / parts)) if most > 0 else 1.0
    return next(power * f for f in (1, 2, 5, 10) if power * f * parts >= most * 0.999)


def _grid(frame: _Frame, x: Axis, y: Axis, ticks: Sequence[tuple[float, str]]) -> Iterator[str]:
    right, base = WIDTH - RIGHT, HEIGHT - BOTTOM
    for i in range(round(frame.y_max / frame.step) + 1):
        at = frame.y(i * frame.step)
        yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at}" y2="{at}"/>'
        yield f'<text class="y" x="{LEFT - 6}" y="{at + 4}">{escape(y.tell(i * frame.step))}</text>'
    places = list(ticks)
    if not places:
        step = _round_step(frame.x_max - frame.x_min, 6)
        first = ceil(frame.x_min / step)
        count = floor(frame.x_max / step) - first
        places = [((first + i) * step, x.tell((first + i) * step)) for i in range(count + 1)]
    for value, word in places:
        at = frame.x(value)
        yield f'<text class="x" x="{at}" y="{base + 16}">{escape(word)}</text>'
    middle = (LEFT + right) / 2
    yield f'<text class="x title" x="{middle}" y="{HEIGHT - 6}">{escape(x.title)}</text>'
    yield (
        f'<text class="title" transform="translate(13 {(TOP + base) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(y.title)}</text>'
    )


def _mark(frame: _Frame, value: float, word: str) -> str:
    at = frame.x(value)
    return (
        f'<line class="mark" x1="{at}" x2="{at}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="x" x="{at}" y="{TOP - 3}">{escape(word)}</text>'
    )


def _path(frame: _Frame, line: Line, number: int) -> str:
    path, pen = [], "M"
    for x, y in line.points:
        if y is None:
            pen = "M"
            continue
        path.append(f"{pen}{frame.x(x)} {frame.y(y)}")
        pen = "L"
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    return (
        f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-linejoin="round" stroke-dasharray="{dash}"/>'
    )


def _labels(frame: _Frame, lines: Sequence[Line]) -> Iterator[str]:
    """Each line's label at its end, moved apart where they would lie on one another."""
    ends = []
    for number, line in enumerate(lines):
        known = [y for _, y in line.points if y is not None]
        if known:
            ends.append((frame.y(known[-1]), number, line.label))
    at = float(TOP)
    highest = HEIGHT - BOTTOM - LABEL_GAP * (len(ends) - 1)
    for place, (y, number, label) in enumerate(sorted(ends)):
        at = max(at, min(y, highest + LABEL_GAP * place))
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        x = WIDTH - RIGHT + 4
        yield (
            f'<line x1="{x}" x2="{x + 18}" y1="{at}" y2="{at}" stroke="{colour}" '
            f'stroke-width="2" stroke-dasharray="{dash}"/>'
            f'<text class="end" x="{x + 22}" y="{at + 4}" fill="{colour}">{escape(label)}</text>'
        )
        at += LABEL_GAP


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """No more points than can be seen; of those that share a place the highest stays."""
    if len(points) <= POINTS_MAX:
        return points
    width = ceil(len(points) / POINTS_MAX)
    groups = (points[i : i + width] for i in range(0, len(points), width))
    return [max(group, key=lambda point: point[1] or 0.0) for group in groups]
