"""Form: what all metrics have in common. A metric is a frozen value of one form.

A form says in WORDS how it is written, `{field:slot}` standing for its fields in their order. From
that one line come reading, writing, the pattern for editors and the hints of errors.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, Self

from fenghuo.schemas.kinds.measures import Measure
from fenghuo.schemas.metrics.reading import Reading
from fenghuo.schemas.metrics.seen import Seen
from fenghuo.schemas.metrics.slots import SLOTS, Slot
from fenghuo.schemas.metrics.words import END, Known, MetricError, Words

_FIELD = re.compile(r"\{(\w+):(\w+)\}")


class Form(ABC):
    """One form of metric.

    UNITS: what a rule may call its readings in. SCOPES: in which parts it may be read: `cuts` (the
    total, and wherever all its measures are kept), `total`, `kind`, `region` or `paced` (regions,
    where they have targets). COUNTS: whether samples stand behind a reading. EARLY: whether it can
    be told ahead. HINTS: what is said where one of its words is missing.
    """

    __slots__ = ()
    WORDS: ClassVar[str]
    UNITS: ClassVar[tuple[str, ...]]
    SCOPES: ClassVar[Literal["cuts", "total", "kind", "region", "paced"]] = "cuts"
    COUNTS: ClassVar[bool] = True
    EARLY: ClassVar[bool] = False
    HINTS: ClassVar[dict[str, str]] = {}

    @property
    @abstractmethod
    def kind(self) -> str:
        """The event kind whose clock it goes by."""

    @property
    def kinds(self) -> frozenset[str]:
        """Every kind that it looks at."""
        return frozenset((self.kind,))

    @property
    def reach_s(self) -> int:
        """How far back it looks, baseline included; 0 if it has no window."""
        return 0

    @abstractmethod
    def read(self, seen: Seen, scope: str) -> Reading:
        """The reading in a scope, in the form's unit."""

    def ahead(self, _seen: Seen, _scope: str, _within_s: int) -> float | None:
        """The value after so long, if it goes on like this; None where that cannot be told."""
        return None

    def in_unit(self, _unit: str) -> Self:
        """The same, its readings in a unit."""
        return self

    @classmethod
    def refused(cls, _word: str, _fields: dict[str, Any], _known: Known) -> str:
        """What is to stand in place of one of its words, where that word will not do; else ""."""
        return ""

    def __str__(self) -> str:
        """Its text."""
        return _FIELD.sub(lambda m: SLOTS[m[2]].write(getattr(self, m[1])), self.WORDS)


class Windowed(Form):
    """A form that looks at one measure over a window."""

    __slots__ = ()
    measure: Measure
    window_s: int

    @property
    def kind(self) -> str:
        return self.measure.kind

    @property
    def reach_s(self) -> int:
        return self.window_s


@dataclass(frozen=True)
class Failure:
    """Where a text is no metric of a form: at which word, what was expected there.

    is_final: nothing else would do there, whatever other forms expect.
    """

    at: int
    error: MetricError
    hint: str
    is_final: bool = False


def parse(form: type[Form], text: str, known: Known) -> Form | Failure:
    """The metric of this form that a text says, or where it says none."""
    words = Words(text)
    fields: dict[str, Any] = {}
    parts = _parts(form.WORDS)
    for i, part in enumerate(parts):
        at = words.at
        if isinstance(part, str):
            if words.next != part:
                error = words.refuse(form.HINTS.get(part, f'"{part}"'), (part,))
                return Failure(at, error, _hint(parts[i:]))
            if why := form.refused(part, fields, known):
                return Failure(at, words.refuse(why), why, is_final=True)
            words.take()
            continue
        name, slot = part
        try:
            fields[name] = slot.take(words, known)
        except MetricError as error:
            return Failure(words.at, error, error.expected, is_final=words.at > at)
    if words.next:
        return Failure(words.at, words.refuse(END), END, is_final=True)
    return form(**fields)


def pattern(form: type[Form]) -> str:
    """A regular expression, fit for JavaScript, that takes every text of this form, and little
    else: it does not know the campaign's lines, nor how long a span may be.
    """
    parts = [part if isinstance(part, str) else part[1].pattern() for part in _parts(form.WORDS)]
    return r"\s+".join(parts).replace(r"\s+/\s+", r"\s*/\s*")


@cache
def _parts(words: str) -> tuple[str | tuple[str, Slot], ...]:
    """Words and slots of a form in their order."""
    found = [(word, _FIELD.fullmatch(word)) for word in words.split()]
    return tuple(word if field is None else (field[1], SLOTS[field[2]]) for word, field in found)


def _hint(parts: tuple[str | tuple[str, Slot], ...]) -> str:
    """The words that are missing, and what follows them."""
    said: list[str] = []
    for part in parts:
        if not isinstance(part, str):
            return f'"{" ".join(said)}" and {part[1].what}'
        said.append(part)
    return f'"{" ".join(said)}"'
