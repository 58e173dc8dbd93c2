"""Shapes: how many events are due by when. Pure and exact: integers in, integers out.

A shape is a line of straight pieces through points (thousandths of the run's time, thousandths of
the peak rate); two points at one time are a jump. What is due by a moment is the area under it, so
however a run is cut into ticks and producers, the same events are due.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

WHOLE: Final = 1_000
STEPS_MAX: Final = 50

FESTIVAL: Final = (
    *((0, 100), (200, 250)),  # warm-up: people gather
    *((200, 700), (215, 1000), (300, 1000)),  # 00:00: the burst
    *((450, 550), (650, 500)),  # plateau
    *((700, 800), (760, 800), (850, 400)),  # second wave
    *((900, 300), (1000, 150)),  # extension
)
"""A campaign's day in small: warm-up, burst, plateau, second wave, extension."""


class ShapeError(ValueError):
    """A shape that cannot be read: says what came and what was expected."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape: its text and its points, whose times rise from 0 to 1000."""

    text: str
    points: tuple[tuple[int, int], ...]

    def events_by(self, at_ms: int, rate_per_s: int, seconds: int) -> int:
        """Events due before at_ms, of a run of this length whose peak is rate_per_s."""
        length_ms = seconds * 1000
        at = min(max(at_ms, 0), length_ms)
        area = 0  # in 1 / (2 * length_ms) of (thousandths of the peak * thousandths of the run)
        for (begin, low), (end, high) in pairwise(self.points):
            # everything times length_ms, so that `at` needs no division
            left, right, now = begin * length_ms, end * length_ms, at * WHOLE
            if now >= right:
                area += (low + high) * (right - left)
            elif now > left:
                part = now - left
                area += 2 * low * part + (high - low) * part * part // (right - left)
        return area * rate_per_s // (2 * WHOLE * WHOLE * 1000)

    def rate_at(self, at_ms: int, rate_per_s: int, seconds: int) -> int:
        """Events a second at a moment: the slope of `events_by`; at a jump that behind it."""
        now = min(max(at_ms, 0), seconds * 1000) * WHOLE
        for (begin, low), (end, high) in pairwise(self.points):
            left, right = begin * seconds * 1000, end * seconds * 1000
            if left <= now < right or (end == WHOLE and now == right):
                share = low * (right - left) + (high - low) * (now - left)
                return rate_per_s * share // ((right - left) * WHOLE)
        return 0


def shape(text: str) -> Shape:
    """The shape of `NAME` or `NAME:key=value,...`; raises ShapeError with what is known.

    constant | ramp:from=0 | steps:count=5 | spike:base=20,at=40,for=20 | festival; numbers are
    percent of the peak and of the run.
    """
    found = re.fullmatch(r"([a-z]+)(?::([a-z]+=[0-9]+(?:,[a-z]+=[0-9]+)*))?", text)
    if not found or found[1] not in _SHAPES:
        raise ShapeError(f"expected one of {', '.join(_USE)}, got {text!r}")
    make, defaults = _SHAPES[found[1]]
    given = dict(pair.split("=") for pair in found[2].split(",")) if found[2] else {}
    if unknown := given.keys() - defaults.keys():
        raise ShapeError(f"{found[1]}: no such option {', '.join(sorted(unknown))}: {_USE}")
    options = defaults | {name: int(value) for name, value in given.items()}
    points = make(**options)
    times = [at for at, _ in points]
    if times != sorted(times) or times[-1] != WHOLE or not all(0 <= r <= WHOLE for _, r in points):
        raise ShapeError(f"{text}: expected times and rates between 0 and 100 percent")
    return Shape(text, tuple(points))


def _constant() -> list[tuple[int, int]]:
    return [(0, WHOLE), (WHOLE, WHOLE)]


def _ramp(**options: int) -> list[tuple[int, int]]:
    return [(0, options["from"] * 10), (WHOLE, WHOLE)]


def _steps(count: int) -> list[tuple[int, int]]:
    if not 1 <= count <= STEPS_MAX:
        raise ShapeError(f"steps: expected a count of 1 to {STEPS_MAX}, got {count}")
    points = []
    for step in range(count):
        rate = WHOLE * (step + 1) // count
        points += [(WHOLE * step // count, rate), (WHOLE * (step + 1) // count, rate)]
    return points


def _spike(**options: int) -> list[tuple[int, int]]:
    base, begin = options["base"] * 10, options["at"] * 10
    end = begin + options["for"] * 10
    return [(0, base), (begin, base), (begin, WHOLE), (end, WHOLE), (end, base), (WHOLE, base)]


def _festival() -> list[tuple[int, int]]:
    return list(FESTIVAL)


_SHAPES: Final[dict[str, tuple[Callable[..., list[tuple[int, int]]], dict[str, int]]]] = {
    "constant": (_constant, {}),
    "ramp": (_ramp, {"from": 0}),
    "steps": (_steps, {"count": 5}),
    "spike": (_spike, {"base": 20, "at": 40, "for": 20}),
    "festival": (_festival, {}),
}
_USE: Final = tuple(
    name + (":" + ",".join(f"{key}={value}" for key, value in defaults.items()) if defaults else "")
    for name, (_, defaults) in _SHAPES.items()
)
CONSTANT: Final = shape("constant")
