"""The catalogue of metrics: read(text) gives the metric of a line; str(metric) is its inverse.

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
A new form is a file in `forms` and its line in FORMS.
"""

import re
from collections.abc import Sequence
from typing import Final

from fenghuo.schemas.kinds.measures import counters
from fenghuo.schemas.metrics import form
from fenghuo.schemas.metrics.form import Failure, Form
from fenghuo.schemas.metrics.forms.change import Change
from fenghuo.schemas.metrics.forms.freshness import Age, Lag, Silence
from fenghuo.schemas.metrics.forms.growth import Growth
from fenghuo.schemas.metrics.forms.pace import Pace
from fenghuo.schemas.metrics.forms.quantile import Quantile
from fenghuo.schemas.metrics.forms.rate import Rate
from fenghuo.schemas.metrics.forms.ratio import Ratio
from fenghuo.schemas.metrics.forms.share import Share
from fenghuo.schemas.metrics.forms.slope import Slope
from fenghuo.schemas.metrics.forms.users import Users
from fenghuo.schemas.metrics.words import Known, MetricError, Words

TEXT_CHARS_MAX = 600
FORMS: Final[tuple[type[Form], ...]] = (
    *(Rate, Ratio, Quantile, Change, Growth, Share, Slope, Pace),
    *(Age, Silence, Lag, Users),
)
UNITS: Final = tuple(dict.fromkeys(unit for one in FORMS for unit in one.UNITS))
_ALMOST_QUANTILE = re.compile(r"p[0-9]", re.ASCII)


def read(text: str, known: Known) -> Form:
    """The metric that a text says. Raises MetricError."""
    if len(text) > TEXT_CHARS_MAX:
        raise MetricError(f"at most {TEXT_CHARS_MAX} characters", f"{len(text)}", 1)
    failures = []
    for one in FORMS:
        found = form.parse(one, text, known)
        if not isinstance(found, Failure):
            return found
        failures.append(found)
    raise _told(failures, text)


def pattern() -> str:
    """A regular expression, fit for JavaScript, that takes every metric, and little else."""
    return rf"^\s*(?:{'|'.join(form.pattern(one) for one in FORMS)})\s*$"


def _told(failures: Sequence[Failure], text: str) -> MetricError:
    """One error of all: of the forms that came furthest."""
    furthest = max(failure.at for failure in failures)
    if furthest == 0:
        return _no_beginning(text)
    there = [failure for failure in failures if failure.at == furthest]
    if final := [failure for failure in there if failure.is_final]:
        return final[0].error
    hints = list(dict.fromkeys(failure.hint for failure in there))
    error = there[0].error
    if len(hints) == 1:
        return error
    expected = f"{', '.join(hints[:-1])}, or {hints[-1]}"
    names = tuple(dict.fromkeys(name for failure in there for name in failure.error.names))
    return MetricError(expected, error.got, error.column, names)


def _no_beginning(text: str) -> MetricError:
    """No form begins like this: most do with a counter."""
    words = Words(text)
    if _ALMOST_QUANTILE.match(words.next):
        return words.refuse("a quantile like p50, p99 or p99.9")
    return words.refuse(f"a counter ({', '.join(counters())})", counters())
