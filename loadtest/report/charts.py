"""Charts as inline SVG: lines, areas and dots over a round grid. Pure.

Each chart is drawn twice, for a desk and for a phone, so that its letters keep their size; the page
shows one of the two. Lines are told apart by width and dash as well as by colour, and the colours
(dark shades of Okabe and Ito's) by their lightness.
"""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final, NamedTuple

Point = tuple[float, float | None]
"""(x, y); without a value there is a gap."""
POINTS_MAX: Final = 600
LEAST: Final = 1e-9
"""What is less is drawn as nothing."""


class Look(NamedTuple):
    """How a line is drawn."""

    colour: str
    width: float = 2.0
    dash: str = ""
    filled: bool = False


AREA: Final = Look("#8c8c8c", 1.0, filled=True)
LOOKS: Final = (Look("#0060a8", 3.2), Look("#c04a00", 2.0, "8 4"), Look("#111111", 1.8, "2 4"))
GROUND: Final = "#e4e4e4"
WRONG: Final = "#a4001d"


class Dot(NamedTuple):
    """A single measurement: a disc, or a cross where something was wrong."""

    x: float
    y: float
    wrong: bool = False


class Line(NamedTuple):
    """One line: its label and its points."""

    label: str
    points: Sequence[Point]
    look: Look = LOOKS[0]
    dots: Sequence[Dot] = ()


class Axis(NamedTuple):
    """What an axis is of and how its numbers are told. ticks: places by name, else round numbers.
    span: from where to where at the least. A logarithmic one has a line for each power of ten.
    """

    title: str
    tell: Callable[[float], str]
    ticks: Sequence[tuple[float, str]] = ()
    logarithmic: bool = False
    span: tuple[float, float] | None = None


class Chart(NamedTuple):
    """What is drawn. name: unique on its page. marks: vertical lines with a word."""

    name: str
    title: str
    lines: Sequence[Line]
    x: Axis
    y: Axis
    marks: Sequence[tuple[float, str]] = ()
    label_ends: bool = False
    """Labels stand at the ends of their lines; else above them all."""


class Size(NamedTuple):
    """The picture, and what is kept free around the frame."""

    css: str
    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    letter: float
    """About the width of a letter of a label."""
    ticks: int
    """Words along the x axis, at the most."""


DESK: Final = Size("desk", 960, 250, 64, 28, 54, 44, 8.2, 10)
PHONE: Final = Size("phone", 400, 250, 56, 20, 54, 46, 9.2, 5)


def drawn(chart: Chart) -> str:
    """The chart in both sizes, with a title and a description for those who cannot see it."""
    lines = [line._replace(points=_thinned(_clean(line.points))) for line in chart.lines]
    lines = [line for line in lines if line.points]
    if not any(y is not None for line in lines for _, y in line.points):
        return '<p class="none">Nothing was measured.</p>'
    chart = chart._replace(lines=lines)
    return f'<div class="chart">{_svg(chart, DESK)}{_svg(chart, PHONE)}</div>'


def short(value: float) -> str:
    """A large number for an axis: 5.8 M, 250 k."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def _svg(chart: Chart, size: Size) -> str:
    if chart.label_ends:
        longest = max(len(line.label) for line in chart.lines)
        size = size._replace(right=ceil(longest * size.letter) + 20, top=30)
    elif len(chart.lines) == 1:
        size = size._replace(top=30, height=size.height - 40)
    else:
        below = _legend(size, chart.lines)[-1][1] - 34
        size = size._replace(top=size.top + ceil(below), height=size.height + ceil(below))
    frame = _Frame(chart, size)
    name = f"{chart.name}-{size.css}"
    told = ". ".join(_told(line, chart.y) for line in chart.lines)
    view = f'viewBox="0 0 {size.width} {size.height}" aria-labelledby="{name}-title {name}-desc"'
    parts = [
        f'<svg class="{size.css}" role="img" {view}>',
        f'<title id="{name}-title">{escape(chart.title)}</title>',
        f'<desc id="{name}-desc">{escape(told)}.</desc>',
        *_grid(frame, chart),
        *(_path(frame, line) for line in chart.lines),
        *(_dot(frame, dot, line.look) for line in chart.lines for dot in line.dots),
        *(_mark(frame, at, word) for at, word in chart.marks),
        *(_ends(frame, chart.lines) if chart.label_ends else _names(size, chart.lines)),
        "</svg>",
    ]
    return "".join(parts)


class _Frame:
    """From values to places in the picture."""

    def __init__(self, chart: Chart, size: Size) -> None:
        self.size = size
        self.right, self.base = size.width - size.right, size.height - size.bottom
        known = [p for line in chart.lines for p in line.points if p[1] is not None]
        xs = [x for x, _ in known] + [at for at, _ in (*chart.x.ticks, *chart.marks)]
        xs += chart.x.span or ()
        ys = [y for _, y in known if y is not None]
        self.x_min = min(xs)
        self.x_max = max(xs) if max(xs) > self.x_min else self.x_min + 1
        self.is_log = chart.y.logarithmic and max(ys) > 0
        if self.is_log:
            low = floor(log10(min(y for y in ys if y > 0)))
            high = max(ceil(log10(max(ys))), low + 1)
            self.y_grid = [10.0**power for power in range(low, high + 1)]
        else:
            most = max(ys) or 1.0
            step = _round_step(most)
            self.y_grid = [i * step for i in range(ceil(most / step - 1e-9) + 1)]

    def x(self, value: float) -> float:
        share = (value - self.x_min) / (self.x_max - self.x_min)
        return round(self.size.left + share * (self.right - self.size.left), 1)

    def y(self, value: float) -> float:
        low, high = self.y_grid[0], self.y_grid[-1]
        value = min(max(value, low), high)
        if self.is_log:
            share = log10(value / low) / log10(high / low)
        else:
            share = (value - low) / (high - low)
        return round(self.base - share * (self.base - self.size.top), 1)


def _round_step(most: float, parts: int = 4) -> float:
    """A step of 1, 2 or 5 times a power of ten, so that at most `parts` of them reach `most`."""
    power = 10.0 ** floor(log10(most / parts))
    return next(power * f for f in (1, 2, 5, 10, 20) if power * f * parts >= most * 0.999)


def _grid(frame: _Frame, chart: Chart) -> Iterator[str]:
    size = frame.size
    for i, value in enumerate(frame.y_grid):
        at = frame.y(value)
        css = "axis" if i == 0 else "grid"
        yield f'<line class="{css}" x1="{size.left}" x2="{frame.right}" y1="{at}" y2="{at}"/>'
        yield _text(size.left - 8, at + 4, chart.y.tell(value), "y")
    last = -float("inf")
    for value, word in chart.x.ticks or _round_ticks(frame, chart.x):
        at, half = frame.x(value), len(word) * size.letter / 2
        if at - half < last or at + half > size.width:
            continue  # a word that would lie on another is worth less than none
        last = at + half + size.letter
        yield f'<line class="axis" x1="{at}" x2="{at}" y1="{frame.base}" y2="{frame.base + 4}"/>'
        yield _text(at, frame.base + 18, word, "x")
    yield _text(0, 14, chart.y.title, "title")
    yield _text(frame.right, size.height - 6, chart.x.title, "title y")


def _round_ticks(frame: _Frame, axis: Axis) -> list[tuple[float, str]]:
    step = _round_step(frame.x_max - frame.x_min, frame.size.ticks)
    first, last = ceil(frame.x_min / step - 1e-9), floor(frame.x_max / step + 1e-9)
    return [(i * step, axis.tell(i * step)) for i in range(first, last + 1)]


def _mark(frame: _Frame, value: float, word: str) -> str:
    at, left = frame.x(value), frame.x(value) > (frame.size.left + frame.right) / 2
    return (
        f'<line class="mark" x1="{at}" x2="{at}" y1="{frame.size.top}" y2="{frame.base}"/>'
        + _text(at + (-5 if left else 5), frame.size.top + 11, word, "mark y" if left else "mark")
    )


def _path(frame: _Frame, line: Line) -> str:
    """The line; of an area its edge, and the ground under it without one."""
    edge, ground = [], []
    for stretch in _stretches(line.points):
        places = "L".join(f"{frame.x(x)} {frame.y(y)}" for x, y in stretch)
        first, last = frame.x(stretch[0][0]), frame.x(stretch[-1][0])
        # a value between two gaps is still to be seen
        edge.append(f"M{places}" if len(stretch) > 1 else f"M{places}h0.1")
        ground.append(f"M{first} {frame.base}L{places}L{last} {frame.base}Z")
    under = f'<path d="{"".join(ground)}" fill="{GROUND}"/>' if line.look.filled else ""
    return f'{under}<path d="{"".join(edge)}" {_stroke(line.look)}/>'


def _stretches(points: Sequence[Point]) -> Iterator[list[tuple[float, float]]]:
    found: list[tuple[float, float]] = []
    for x, y in (*points, (0.0, None)):
        if y is not None:
            found.append((x, y))
        elif found:
            yield found
            found = []


def _stroke(look: Look) -> str:
    dash = f' stroke-dasharray="{look.dash}"' if look.dash else ""
    return f'fill="none" stroke="{look.colour}" stroke-width="{look.width:g}"{dash}'


def _dot(frame: _Frame, dot: Dot, look: Look) -> str:
    x, y = frame.x(dot.x), frame.y(dot.y)
    if not dot.wrong:
        return f'<circle cx="{x}" cy="{y}" r="4" fill="{look.colour}"/>'
    arms = f"M{x - 5} {y - 5}l10 10M{x - 5} {y + 5}l10 -10"
    return f'<path d="{arms}" fill="none" stroke="{WRONG}" stroke-width="3"/>'


def _legend(size: Size, lines: Sequence[Line]) -> list[tuple[float, float, Line]]:
    """Where each name stands above the frame, after a piece of its line; in rows that fit."""
    found: list[tuple[float, float, Line]] = []
    x, y = 0.0, 34.0
    for line in lines:
        wide = 27 + len(line.label) * size.letter
        if found and x + wide > size.width:
            x, y = 0.0, y + 20
        found.append((x, y, line))
        x += wide + 14
    return found


def _names(size: Size, lines: Sequence[Line]) -> Iterator[str]:
    """One line alone is named by the title."""
    for x, y, line in _legend(size, lines) if len(lines) > 1 else ():
        if line.look.filled:
            yield f'<rect x="{x:g}" y="{y - 5:g}" width="22" height="10" fill="{GROUND}"/>'
            yield f'<path d="M{x:g} {y - 5:g}h22" {_stroke(line.look)}/>'
        else:
            yield f'<path d="M{x:g} {y:g}h22" {_stroke(line.look)}/>'
        yield _text(x + 27, y + 4, line.label, "label")


def _ends(frame: _Frame, lines: Sequence[Line]) -> Iterator[str]:
    """Each label at the end of its line, moved apart where they would lie on one another."""
    gap, ends = 17, []
    for line in lines:
        known = [(x, y) for x, y in line.points if y is not None]
        if known:
            ends.append((frame.y(known[-1][1]), frame.x(known[-1][0]), line))
    ends.sort(key=lambda end: end[:2])
    at = float(frame.size.top - gap)
    lowest = frame.base - gap * (len(ends) - 1)
    for place, (y, x, line) in enumerate(ends):
        at = max(at + gap, min(y, lowest + gap * place))
        yield (
            f'<path class="lead" d="M{x + 6} {y}L{frame.right + 8} {at}"/>'
            f'<text class="label" x="{frame.right + 12}" y="{at + 4}" '
            f'style="fill:{line.look.colour}">'
            f"{escape(line.label)}</text>"
        )


def _text(x: float, y: float, word: str, css: str) -> str:
    return f'<text class="{css}" x="{x:g}" y="{y:g}">{escape(word)}</text>'


def _told(line: Line, axis: Axis) -> str:
    known = [y for _, y in line.points if y is not None]
    if not known:
        return f"{line.label}: nothing was measured"
    return f"{line.label}: at most {axis.tell(max(known))}, at the end {axis.tell(known[-1])}"


def _clean(points: Sequence[Point]) -> Sequence[Point]:
    """Nothing below zero: what is drawn are counts and delays, and a counter may begin anew."""
    return [(x, None if y is None else (y if y >= LEAST else 0.0)) for x, y in points]


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """No more points than can be seen; of those that share a place the highest stays."""
    if len(points) <= POINTS_MAX:
        return points
    width = ceil(len(points) / POINTS_MAX)
    groups = (points[i : i + width] for i in range(0, len(points), width))
    return [max(group, key=lambda point: point[1] or 0.0) for group in groups]
