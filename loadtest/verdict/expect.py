"""The language of --expect: `NAME OP NUMBER`, and the measures that it knows. Pure.

Three families of latency, all from the planned time: `p99_ms` until a viewer was shown it, `ack_`
until the broker had it, `send_` until the client took it. A percentile wants enough samples to
speak of: p99.9 one in a thousand at the least. What was not measured is never passed.
"""

import operator
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from hdrh.histogram import HdrHistogram

from fenghuo.loadtest.report.figures import exact, number
from fenghuo.loadtest.verdict.result import Gate, Produced, Proof, Watched

OPS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
DEFAULT: Final = ("lost==0", "duplicates==0")
_TEXT = re.compile(
    r"\s*([a-z0-9_]+)\s*(<=|>=|==|<|>)\s*([0-9][0-9_]{0,15}(?:\.[0-9]{1,4})?)([kM]?)\s*",
    re.ASCII,
)
_UNITS: Final = {"": 1, "k": 1_000, "M": 1_000_000}


class ExpectError(ValueError):
    """An expectation that cannot be read."""


class Seen(NamedTuple):
    """Everything a measure may be read from."""

    produced: Produced
    proof: Proof
    watched: Watched


Source = Literal["produced", "proof", "watched"]
Read = Callable[[Seen], tuple[float | None, int]]
"""(value, samples behind it). No samples: it was not measured. Samples and no value: it was waited
for, and did not come.
"""


class Measure(NamedTuple):
    """One figure of a run that can be asked for. source: who has to be believed for it."""

    name: str
    meaning: str
    unit: str
    source: Source
    read: Read
    samples_min: int = 1
    percentile: float | None = None


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
        raise ExpectError(
            f"--expect: expected NAME OP NUMBER such as 'p99_ms<1000' with OP one of "
            f"{' '.join(sorted(OPS))}, got {text!r}"
        )
    name, op, digits, unit = found.groups()
    measure = MEASURES.get(name)
    if measure is None:
        near = get_close_matches(name, MEASURES, 5, 0.4) or list(MEASURES)
        raise ExpectError(f"--expect: no measure {name!r}; near are {', '.join(near)}")
    bound = float(digits.replace("_", "")) * _UNITS[unit]
    return Expectation(f"{name}{op}{digits}{unit}", measure, op, bound)


def gate(expected: Expectation, seen: Seen) -> Gate:
    """What came of an expectation. Without samples nothing passes."""
    measure, text = expected.measure, expected.text
    value, samples = measure.read(seen)
    if samples <= 0:
        return Gate(
            text, None, 0, "invalid", f"{measure.name} was not measured{_why(measure, seen)}"
        )
    if samples < measure.samples_min:
        what = measure.name if measure.percentile is None else f"p{measure.percentile:g}"
        few = (
            f"too few samples: {what} needs {number(measure.samples_min)}, "
            f"there are {number(samples)}"
        )
        return Gate(text, value, samples, "invalid", f"{few} ({measure.name})")
    wants = f"expected {expected.op} {exact(expected.bound, measure.unit)}"
    if value is None:
        return Gate(text, None, samples, "failed", f"{measure.name} never came, {wants}")
    has = f"{measure.name} is {exact(value, measure.unit)}"
    if OPS[expected.op](value, expected.bound):
        return Gate(text, value, samples, "passed", has)
    return Gate(text, value, samples, "failed", f"{has}, {wants}")


def _why(measure: Measure, seen: Seen) -> str:
    """Why nobody saw it, where that was said; why nothing was proven is told once for all gates."""
    why = seen.watched.why if measure.source == "watched" else ""
    return f": {why}" if why else ""


QUANTILES: Final = (
    ("p50", 50.0, 2),
    ("p90", 90.0, 10),
    ("p99", 99.0, 100),
    ("p999", 99.9, 1_000),
    ("p9999", 99.99, 10_000),
    ("max", 100.0, 1),
)
"""(name, percentile, samples that it needs)."""
HISTOGRAMS: Final[dict[str, tuple[str, Source, Callable[[Seen], str]]]] = {
    "": ("to shown on the live stream", "watched", lambda seen: seen.watched.fresh),
    "ack_": ("to acknowledged by the broker", "produced", lambda seen: seen.produced.acked),
    "send_": ("to taken by the client", "produced", lambda seen: seen.produced.handed),
}
"""From the planned time, by the first part of a measure's name."""


def quantiles(encoded: str) -> tuple[dict[str, float], int]:
    """(milliseconds by quantile name, samples) of an encoded histogram of microseconds; "" is an
    empty one.
    """
    found, count = _quantiles(encoded)
    return dict(found), count


@lru_cache(maxsize=64)
def _quantiles(encoded: str) -> tuple[tuple[tuple[str, float], ...], int]:
    if not encoded:
        return (), 0
    histogram = HdrHistogram.decode(encoded.encode())
    count = int(histogram.get_total_count())
    if not count:
        return (), 0
    values = histogram.get_percentile_to_value_dict([percentile for _, percentile, _ in QUANTILES])
    return tuple((name, values[percentile] / 1000) for name, percentile, _ in QUANTILES), count


def _latency(of: Callable[[Seen], str], name: str) -> Read:
    def read(seen: Seen) -> tuple[float | None, int]:
        found, count = quantiles(of(seen))
        return found.get(name), count

    return read


def _count(of: Callable[[Seen], int | None], among: Callable[[Seen], int]) -> Read:
    """A count, and how many there were that it could have counted."""

    def read(seen: Seen) -> tuple[float | None, int]:
        value = of(seen)
        return (None, 0) if value is None else (float(value), among(seen))

    return read


def _most(of: Sequence[float | int | None]) -> tuple[float | None, int]:
    known = [value for value in of if value is not None]
    return (float(max(known)), len(known)) if known else (None, 0)


def _missing(seen: Seen) -> int | None:
    """Where the log was read for duplicates it was read for gaps."""
    if seen.proof.duplicates is None:
        return None
    return sum(gap.last - gap.first + 1 for gap in seen.proof.missing)


def _fate(name: str) -> Read:
    def read(seen: Seen) -> tuple[float | None, int]:
        fates = seen.proof.fates
        known = sum(fate.log for fate in fates)
        return (float(sum(getattr(fate, name) for fate in fates)), known) if known else (None, 0)

    return read


def planned_s(produced: Produced) -> int:
    """Seconds from the first to the last in which anything was due."""
    due = [second.at_s for second in produced.seconds if second.planned]
    return max(due) - min(due) + 1 if due else 0


def _rate(seen: Seen) -> tuple[float | None, int]:
    seconds = planned_s(seen.produced)
    return (seen.produced.acknowledged.events / seconds, seconds) if seconds else (None, 0)


def _settled(seen: Seen) -> tuple[float | None, int]:
    """Whoever watched and never saw the end has measured that there was none."""
    if seen.watched.settled_ms is not None:
        return float(seen.watched.settled_ms), 1
    return None, sum(sample.shown is not None for sample in seen.watched.samples)


def _planned(seen: Seen) -> int:
    return seen.produced.planned.events


def _sent(seen: Seen) -> int:
    return seen.produced.sent.events


def _acknowledged(seen: Seen) -> int:
    return seen.produced.acknowledged.events


def _records(seen: Seen) -> int:
    return seen.produced.acknowledged.messages


_FOUND: Final = (
    *(
        Measure(
            f"{family}{name}_ms",
            f"{'largest' if name == 'max' else f'{percentile:g}th percentile'} delay from the "
            f"planned time {meaning}",
            "ms",
            source,
            _latency(of, name),
            samples,
            percentile if name != "max" else None,
        )
        for family, (meaning, source, of) in HISTOGRAMS.items()
        for name, percentile, samples in QUANTILES
    ),
    Measure(
        "lost",
        "events that were acknowledged and did not arrive at a later hop, the worst of them",
        "events",
        "proof",
        _count(lambda seen: seen.proof.lost, _acknowledged),
    ),
    Measure(
        "duplicates",
        "records that are in the log more than once",
        "records",
        "proof",
        _count(lambda seen: seen.proof.duplicates, _records),
    ),
    Measure(
        "missing",
        "records that were acknowledged and are not in the log, by their numbers",
        "records",
        "proof",
        _count(_missing, _records),
    ),
    Measure(
        "missed",
        "events that were due and not sent, for it would have been too late",
        "events",
        "produced",
        _count(lambda seen: seen.produced.missed.events, _planned),
    ),
    Measure(
        "failed",
        "events that were sent and not acknowledged",
        "events",
        "produced",
        _count(lambda seen: seen.produced.failed.events, _sent),
    ),
    Measure("late", "events counted as late", "events", "proof", _fate("late")),
    Measure("refused", "events refused as bad data", "events", "proof", _fate("refused")),
    Measure("rate_per_s", "acknowledged events by planned seconds", "events/s", "produced", _rate),
    Measure(
        "peak_per_s",
        "acknowledged events of the best second",
        "events/s",
        "produced",
        lambda seen: _most([second.acknowledged for second in seen.produced.seconds]),
    ),
    Measure(
        "lag_max",
        "most events that waited in the log",
        "events",
        "watched",
        lambda seen: _most([sample.lag for sample in seen.watched.samples]),
    ),
    Measure(
        "fresh_max_ms",
        "greatest age of the newest event time on the live stream",
        "ms",
        "watched",
        lambda seen: _most([sample.fresh_ms for sample in seen.watched.samples]),
    ),
    Measure(
        "settled_ms",
        "from the last acknowledgement until everything was shown",
        "ms",
        "watched",
        _settled,
    ),
    Measure(
        "busy_max",
        "largest share of the machine's cores in use, 0 to 1",
        "",
        "watched",
        lambda seen: _most([sample.busy for sample in seen.watched.samples]),
    ),
)
MEASURES: Final = {measure.name: measure for measure in _FOUND}
