"""The language of --expect: `NAME OP NUMBER`, and the measures that it knows. Pure.

Three families of latency, all from the planned time: `p99_ms` until a viewer was shown it, `ack_`
until the broker had it, `send_` until the client took it. A percentile wants enough samples to
speak of: p99.9 one in a thousand at the least.
"""

import operator
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Final, NamedTuple

from hdrh.histogram import HdrHistogram

from fenghuo.loadtest.result import Gate, Produced, Proof, Watched

OPS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
DEFAULT: Final = ("lost==0", "duplicates==0")
_TEXT = re.compile(r"\s*([a-z0-9_]+)\s*(<=|>=|==|<|>)\s*([0-9][0-9_]*(?:\.[0-9]+)?)([kM]?)\s*")
_UNITS: Final = {"": 1, "k": 1_000, "M": 1_000_000}


class ExpectError(ValueError):
    """An expectation that cannot be read."""


class Seen(NamedTuple):
    """Everything a measure may be read from."""

    produced: Produced
    proof: Proof
    watched: Watched


Read = Callable[[Seen], tuple[float | None, int]]
"""(value, samples behind it); None: not measured."""


class Measure(NamedTuple):
    """One figure of a run that can be asked for."""

    name: str
    meaning: str
    read: Read
    samples_min: int = 1


class Expectation(NamedTuple):
    """One gate before the run."""

    text: str
    measure: Measure
    op: str
    bound: float


def expectation(text: str) -> Expectation:
    """Read `p99_ms<1000`; raises ExpectError that names the nearest measures."""
    found = _TEXT.fullmatch(text)
    if not found:
        raise ExpectError(f"--expect: expected NAME OP NUMBER such as 'p99_ms<1000', got {text!r}")
    name, op, number, unit = found.groups()
    measure = MEASURES.get(name)
    if measure is None:
        near = get_close_matches(name, MEASURES, 5, 0.4) or list(MEASURES)
        raise ExpectError(f"--expect: no measure {name!r}; near are {', '.join(near)}")
    bound = float(number.replace("_", "")) * _UNITS[unit]
    return Expectation(f"{name}{op}{number}{unit}", measure, op, bound)


def gate(expected: Expectation, seen: Seen) -> Gate:
    """What came of an expectation. Without samples nothing passes."""
    measure = expected.measure
    value, samples = measure.read(seen)
    if value is None or samples == 0:
        return Gate(expected.text, None, 0, "invalid", f"{measure.name} was not measured")
    if samples < measure.samples_min:
        few = f"too few samples: {measure.name} needs {measure.samples_min}, there are {samples}"
        return Gate(expected.text, value, samples, "invalid", few)
    if OPS[expected.op](value, expected.bound):
        return Gate(expected.text, value, samples, "passed", f"{measure.name} is {value:g}")
    why = f"{measure.name} is {value:g}, expected {expected.op} {expected.bound:g}"
    return Gate(expected.text, value, samples, "failed", why)


QUANTILES: Final = (
    ("p50", 50.0, 2),
    ("p90", 90.0, 10),
    ("p99", 99.0, 100),
    ("p999", 99.9, 1_000),
    ("p9999", 99.99, 10_000),
    ("max", 100.0, 1),
)
"""(name, percentile, samples that it needs)."""
HISTOGRAMS: Final[dict[str, tuple[str, Callable[[Seen], str]]]] = {
    "": ("planned event time to shown on the live stream", lambda seen: seen.watched.fresh),
    "ack_": ("planned time to acknowledged by the broker", lambda seen: seen.produced.acked),
    "send_": ("planned time to taken by the client", lambda seen: seen.produced.handed),
}


def quantiles(encoded: str) -> tuple[dict[str, float], int]:
    """(milliseconds by quantile name, samples) of an encoded histogram of microseconds."""
    histogram = HdrHistogram.decode(encoded.encode())
    count = int(histogram.get_total_count())
    if not count:
        return {}, 0
    found = {
        name: histogram.get_value_at_percentile(percentile) / 1000
        for name, percentile, _ in QUANTILES
    }
    return found, count


def _latency(of: Callable[[Seen], str], name: str) -> Read:
    def read(seen: Seen) -> tuple[float | None, int]:
        found, count = quantiles(of(seen))
        return found.get(name), count

    return read


def _count(of: Callable[[Seen], int | None]) -> Read:
    def read(seen: Seen) -> tuple[float | None, int]:
        value = of(seen)
        return (None, 0) if value is None else (float(value), 1)

    return read


def _most(of: Sequence[float | int | None]) -> tuple[float | None, int]:
    known = [value for value in of if value is not None]
    return (float(max(known)), len(known)) if known else (None, 0)


def _fate(name: str) -> Callable[[Seen], int | None]:
    def read(seen: Seen) -> int | None:
        fates = seen.proof.fates
        return sum(getattr(fate, name) for fate in fates) if fates else None

    return read


def _rate(seen: Seen) -> tuple[float | None, int]:
    seconds = len(seen.produced.seconds)
    return (seen.produced.acknowledged.events / seconds, seconds) if seconds else (None, 0)


_FOUND: Final = (
    *(
        Measure(
            f"{family}{name}_ms",
            f"{'largest' if name == 'max' else f'{percentile:g}th percentile'} of {meaning}, ms",
            _latency(of, name),
            samples,
        )
        for family, (meaning, of) in HISTOGRAMS.items()
        for name, percentile, samples in QUANTILES
    ),
    Measure(
        "lost",
        "events that were acknowledged and missing at a later hop",
        _count(lambda seen: seen.proof.lost),
    ),
    Measure(
        "duplicates",
        "records that are in the log more than once",
        _count(lambda seen: seen.proof.duplicates),
    ),
    Measure(
        "missed",
        "events that were due and not sent in time",
        _count(lambda seen: seen.produced.missed.events),
    ),
    Measure(
        "failed",
        "events that were sent and not acknowledged",
        _count(lambda seen: seen.produced.failed.events),
    ),
    Measure("late", "events counted as late", _count(_fate("late"))),
    Measure("refused", "events refused", _count(_fate("refused"))),
    Measure("rate_per_s", "acknowledged events a second, over the whole run", _rate),
    Measure(
        "peak_per_s",
        "acknowledged events of the best second",
        lambda seen: _most([second.acknowledged for second in seen.produced.seconds]),
    ),
    Measure(
        "lag_max",
        "most events that waited in the log",
        lambda seen: _most([sample.lag for sample in seen.watched.samples]),
    ),
    Measure(
        "fresh_max_ms",
        "greatest age of the newest event time on the live stream, ms",
        lambda seen: _most([sample.fresh_ms for sample in seen.watched.samples]),
    ),
    Measure(
        "settled_ms",
        "from the end of the plan until everything was shown and stored, ms",
        _count(lambda seen: seen.watched.settled_ms),
    ),
    Measure(
        "busy_max",
        "largest share of the machine's cores in use, 0 to 1",
        lambda seen: _most([sample.busy for sample in seen.watched.samples]),
    ),
)
MEASURES: Final = {measure.name: measure for measure in _FOUND}
