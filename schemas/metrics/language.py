"""read(text): a metric from its one line in a campaign file; write(metric) is its inverse.

    order.events over 10s                                  per second
    order.failed / (order.paid + order.failed) over 10s    a ratio; the rule's unit scales it
    p99 of traffic.latency_ms over 15s                     a quantile
    traffic.requests over 10s of capacity.dual             a share of a capacity line
    order.paid_amount_fen of target                        against what is due by now
    order.events over 10s vs last 120s                     against the time just before
    order.events over 60s vs last year                     against the same campaign minute
    slope of order.events over 60s                         by how much the rate rises per minute
    age of order, silence of order, lag of order           how far behind, how quiet, how much waits
    active users, new users                                distinct since the campaign began

A span is whole seconds (s), minutes (min) or hours (h). That is all: no other operators, no code.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from fenghuo.schemas.campaign.parts import (
    Age,
    Change,
    Growth,
    Lag,
    Metric,
    Pace,
    Quantile,
    Rate,
    Ratio,
    Share,
    Silence,
    Slope,
    Users,
)
from fenghuo.schemas.kinds.measures import KINDS, Measure, counters, histograms

TEXT_CHARS_MAX = 600
SPAN_S_MAX = 3600
MEASURES_MAX = 10
TARGETED = "order.paid_amount_fen"
USERS = ("active", "new")
_OF_KIND: dict[str, type[Age | Silence | Lag]] = {"age": Age, "silence": Silence, "lag": Lag}
_SPAN_UNITS = {"s": 1, "min": 60, "h": 3600}
_TOKEN = re.compile(r"[()/+]|[^\s()/+]+")
_SPAN = re.compile(r"([0-9]{1,9})(s|min|h)", re.ASCII)
_QUANTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,6})?)", re.ASCII)
_ALMOST_QUANTILE = tuple(f"p{digit}" for digit in range(10))
_END = "the end"


class MetricError(ValueError):
    """What was expected at a column (from 1), what came, and the names that would have done."""

    def __init__(self, expected: str, got: str, column: int, names: Sequence[str] = ()) -> None:
        self.expected, self.got, self.column, self.names = expected, got, column, tuple(names)
        super().__init__(f"column {column}: expected {expected}, got {got}")


@dataclass(frozen=True, slots=True)
class Known:
    """What a metric may refer to: capacity lines, whether there is a target, and the measures of
    last year's curve.
    """

    lines: tuple[str, ...] = ()
    has_target: bool = False
    last_year: tuple[str, ...] = ()


def read(text: str, known: Known) -> Metric:
    """The metric that a text says; a ratio's scale is 1. Raises MetricError."""
    if len(text) > TEXT_CHARS_MAX:
        raise MetricError(f"at most {TEXT_CHARS_MAX} characters", f"{len(text)}", 1)
    words = _Words(text)
    metric = _metric(words, known)
    words.end()
    return metric


def write(metric: Metric) -> str:
    """The text of a metric; read(write(m)) is m, but for a ratio's scale."""
    match metric:
        case Rate(measure, window_s):
            text = f"{measure} over {_span(window_s)}"
        case Ratio(above, below, window_s):
            text = f"{_sum(above)} / {_sum(below)} over {_span(window_s)}"
        case Quantile(measure, q, window_s):
            percent = (Decimal(repr(q)) * 100).normalize()
            text = f"p{percent:f} of {measure} over {_span(window_s)}"
        case Change(measure, window_s, baseline_s):
            text = f"{measure} over {_span(window_s)} vs last {_span(baseline_s)}"
        case Growth(measure, window_s):
            text = f"{measure} over {_span(window_s)} vs last year"
        case Share(measure, window_s, line):
            text = f"{measure} over {_span(window_s)} of capacity.{line}"
        case Slope(measure, window_s):
            text = f"slope of {measure} over {_span(window_s)}"
        case Pace(measure):
            text = f"{measure} of target"
        case Users(of):
            text = f"{of} users"
        case Age(of) | Silence(of) | Lag(of):
            text = f"{type(metric).__name__.lower()} of {of}"
    return text


def pattern() -> str:
    """A regular expression, fit for JavaScript, that takes every metric, and little else: it does
    not know the campaign's lines, nor how long a span may be.
    """
    one = _any(counters())
    some = rf"(?:{one}|\(\s*{one}(?:\s*\+\s*{one})*\s*\))"
    over = r"\s+over\s+[0-9]{1,9}(?:s|min|h)"
    after = r"(?:\s+of\s+capacity\.\S+|\s+vs\s+last\s+(?:[0-9]{1,9}(?:s|min|h)|year))?"
    forms = (
        rf"{one}{over}{after}",
        rf"{some}\s*/\s*{some}{over}",
        rf"p[0-9]{{1,2}}(?:\.[0-9]{{1,6}})?\s+of\s+{_any(histograms())}{over}",
        rf"slope\s+of\s+{one}{over}",
        rf"{_any((TARGETED,))}\s+of\s+target",
        rf"{_any(USERS)}\s+users",
        rf"{_any(tuple(_OF_KIND))}\s+of\s+{_any(KINDS)}",
    )
    return rf"^\s*(?:{'|'.join(forms)})\s*$"


def _any(words: Sequence[str]) -> str:
    return f"(?:{'|'.join(word.replace('.', '[.]') for word in words)})"


class _Words:
    """The tokens of a text, taken one by one."""

    def __init__(self, text: str) -> None:
        self._found = [(match.group(), match.start() + 1) for match in _TOKEN.finditer(text)]
        self._found.append((_END, len(text) + 1))
        self._at = 0

    @property
    def next(self) -> str:
        return self._found[self._at][0] if self._at < len(self._found) - 1 else ""

    def take(self) -> str:
        word = self.next
        self._at += bool(word)
        return word

    def refuse(self, expected: str, names: Iterable[str] = ()) -> MetricError:
        """The error that says what should stand where the next word does."""
        word, column = self._found[self._at]
        return MetricError(expected, f'"{word}"' if self.next else _END, column, tuple(names))

    def expect(self, *words: str) -> str:
        if self.next not in words or not self.next:
            raise self.refuse(" or ".join(f'"{word}"' for word in words), words)
        return self.take()

    def pick(self, what: str, names: Sequence[str]) -> str:
        """One of these names."""
        if self.next not in names or not self.next:
            raise self.refuse(f"{what} ({', '.join(names) or 'there is none'})", names)
        return self.take()

    def span_s(self) -> int:
        match = _SPAN.fullmatch(self.next)
        length_s = int(match[1]) * _SPAN_UNITS[match[2]] if match else 0
        if not 1 <= length_s <= SPAN_S_MAX:
            raise self.refuse(f"a span like 10s, 5min or 1h, at most {SPAN_S_MAX} s")
        self.take()
        return length_s

    def end(self) -> None:
        if self.next:
            raise self.refuse(_END)


def _metric(words: _Words, known: Known) -> Metric:
    first = words.next
    if first in _OF_KIND:
        words.take()
        words.expect("of")
        return _OF_KIND[first](words.pick("a kind", KINDS))
    if first in USERS:
        words.take()
        words.expect("users")
        return Users(first)
    if first == "slope":
        words.take()
        words.expect("of")
        return Slope(_measure(words, counters()), _over(words))
    if match := _QUANTILE.fullmatch(first):
        words.take()
        words.expect("of")
        q = float(Decimal(match[1]) / 100)
        return Quantile(_measure(words, histograms()), q, _over(words))
    if first[:2] in _ALMOST_QUANTILE:
        raise words.refuse("a quantile like p50, p99 or p99.9")
    return _of_counters(words, known)


def _of_counters(words: _Words, known: Known) -> Metric:
    above = _measures(words)
    if words.next == "/":
        words.take()
        return Ratio(above, _measures(words), _over(words), 1.0)
    measure = above[0]
    if len(above) > 1:
        raise words.refuse('"/": a sum stands in a ratio only', ("/",))
    if words.next == "of":
        return _of_target(words, measure, known)
    if words.next != "over":
        raise words.refuse('"over" and a span, "/" and another measure, or "of target"', ("over",))
    window_s = _over(words)
    if words.next == "of":
        words.take()
        lines = [f"capacity.{line}" for line in known.lines]
        return Share(measure, window_s, words.pick("a line", lines).removeprefix("capacity."))
    if words.next == "vs":
        words.take()
        words.expect("last")
        if words.next != "year":
            return Change(measure, window_s, words.span_s())
        if str(measure) not in known.last_year:
            raise words.refuse(f"a span: last_year has no curve of {measure}")
        words.take()
        return Growth(measure, window_s)
    return Rate(measure, window_s)


def _of_target(words: _Words, measure: Measure, known: Known) -> Metric:
    if not known.has_target or str(measure) != TARGETED:
        needs = f"there is a target of {TARGETED} only, with targets.gmv_fen and a pace.curve"
        raise words.refuse(f'"over" and a span: {needs}')
    words.take()
    words.expect("target")
    return Pace(measure)


def _measures(words: _Words) -> tuple[Measure, ...]:
    """One measure, or several in brackets: (order.paid + order.failed)."""
    if words.next != "(":
        return (_measure(words, counters()),)
    words.take()
    found = [_measure(words, counters())]
    while words.expect("+", ")") == "+":
        if words.next in map(str, found):
            raise words.refuse("measures that differ")
        if len(found) == MEASURES_MAX:
            raise words.refuse(f"at most {MEASURES_MAX} measures")
        found.append(_measure(words, counters()))
    return tuple(found)


def _measure(words: _Words, names: Sequence[str]) -> Measure:
    if words.next not in names:
        what = "a histogram" if names == histograms() else "a counter"
        raise words.refuse(f"{what} ({', '.join(names)})", names)
    kind, _, name = words.take().partition(".")
    return Measure(kind, name)


def _over(words: _Words) -> int:
    words.expect("over")
    return words.span_s()


def _sum(measures: Sequence[Measure]) -> str:
    joined = " + ".join(map(str, measures))
    return joined if len(measures) == 1 else f"({joined})"


def _span(length_s: int) -> str:
    """In the largest unit that it fills: 90s, 5min, 1h."""
    unit = next(unit for unit in ("h", "min", "s") if length_s % _SPAN_UNITS[unit] == 0)
    return f"{length_s // _SPAN_UNITS[unit]}{unit}"
