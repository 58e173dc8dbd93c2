"""Slots: what may stand in the places of a metric's form, each with its reading, its writing and
its regular expression.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from fenghuo.schemas.kinds.measures import KINDS, Measure, counters, histograms
from fenghuo.schemas.metrics.words import Known, Words

SPAN_S_MAX: Final = 3600
MEASURES_MAX: Final = 10
WHO: Final = ("active", "new")
_SPAN_UNITS: Final = {"s": 1, "min": 60, "h": 3600}
_SPAN = re.compile(r"([0-9]{1,9})(s|min|h)", re.ASCII)
_QUANTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,6})?)", re.ASCII)


@dataclass(frozen=True)
class Slot:
    """A place in a form.

    take: the value of the next words, raises MetricError; write: its inverse; pattern: a regular
    expression fit for JavaScript; what: for errors.
    """

    what: str
    take: Callable[[Words, Known], Any]
    write: Callable[[Any], str]
    pattern: Callable[[], str]


def any_of(words: Sequence[str]) -> str:
    """A regular expression that takes one of these words."""
    return f"(?:{'|'.join(word.replace('.', '[.]') for word in words)})"


def _measure(words: Words, what: str, names: Sequence[str]) -> Measure:
    kind, _, name = words.pick(what, names).partition(".")
    return Measure(kind, name)


def _counter(words: Words, _: Known) -> Measure:
    return _measure(words, "a counter", counters())


def _sum(words: Words, known: Known) -> tuple[Measure, ...]:
    """One measure, or several in brackets: (order.paid + order.failed)."""
    if words.next != "(":
        return (_counter(words, known),)
    words.take()
    found = [_counter(words, known)]
    while words.next != ")":
        if words.next != "+":
            raise words.refuse('"+" or ")"', ("+", ")"))
        words.take()
        if words.next in map(str, found):
            raise words.refuse("measures that differ")
        if len(found) == MEASURES_MAX:
            raise words.refuse(f"at most {MEASURES_MAX} measures")
        found.append(_counter(words, known))
    words.take()
    return tuple(found)


def _written_sum(measures: Sequence[Measure]) -> str:
    joined = " + ".join(map(str, measures))
    return joined if len(measures) == 1 else f"({joined})"


def _sum_pattern() -> str:
    one = any_of(counters())
    return rf"(?:{one}|\(\s*{one}(?:\s*\+\s*{one})*\s*\))"


def _span(words: Words, _: Known) -> int:
    match = _SPAN.fullmatch(words.next)
    length_s = int(match[1]) * _SPAN_UNITS[match[2]] if match else 0
    if not 1 <= length_s <= SPAN_S_MAX:
        raise words.refuse(f"a span like 10s, 5min or 1h, at most {SPAN_S_MAX} s")
    words.take()
    return length_s


def _written_span(length_s: int) -> str:
    """In the largest unit that it fills: 90s, 5min, 1h."""
    unit = next(unit for unit in ("h", "min", "s") if length_s % _SPAN_UNITS[unit] == 0)
    return f"{length_s // _SPAN_UNITS[unit]}{unit}"


def _quantile(words: Words, _: Known) -> float:
    match = _QUANTILE.fullmatch(words.next)
    if match is None:
        raise words.refuse("a quantile like p50, p99 or p99.9")
    words.take()
    return float(Decimal(match[1]) / 100)


def _written_quantile(q: float) -> str:
    return f"p{(Decimal(repr(q)) * 100).normalize():f}"


def _line(words: Words, known: Known) -> str:
    return words.pick("a line", [f"capacity.{line}" for line in known.lines])[len("capacity.") :]


SLOTS: Final = {
    "counter": Slot("a counter", _counter, str, lambda: any_of(counters())),
    "sum": Slot("another measure", _sum, _written_sum, _sum_pattern),
    "histogram": Slot(
        "a histogram",
        lambda words, _: _measure(words, "a histogram", histograms()),
        str,
        lambda: any_of(histograms()),
    ),
    "span": Slot("a span", _span, _written_span, lambda: "[0-9]{1,9}(?:s|min|h)"),
    "quantile": Slot(
        "a quantile", _quantile, _written_quantile, lambda: r"p[0-9]{1,2}(?:\.[0-9]{1,6})?"
    ),
    "line": Slot("a line", _line, lambda line: f"capacity.{line}", lambda: r"capacity\.\S+"),
    "kind": Slot(
        "a kind", lambda words, _: words.pick("a kind", KINDS), str, lambda: any_of(KINDS)
    ),
    "who": Slot("users", lambda words, _: words.pick("users", WHO), str, lambda: any_of(WHO)),
}
