"""Kind: all that is to be known of one kind of event, in one entry.

Topic, fields, what is counted when, along which dimensions. Decoder, counting, pulses, tables,
documents and api go by it, so a kind or a measure is added in one place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

Cut = tuple[str, ...]
Flags = Mapping[str, object]
"""Values of the fields that decide which counters an event counts in."""


def always(_: Flags) -> bool:
    """Every event counts."""
    return True


@dataclass(frozen=True)
class Counter:
    """A sum over events.

    when: which events count; weighed: whether an event adds its weight, or 1.
    """

    name: str
    when: Callable[[Flags], bool] = always
    weighed: bool = False


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of event.

    topic: where its events come from.
    event: its fields, with their types and bounds.
    dimensions: what a cut may use; flags: further fields that decide which counters count.
    counters: in the order of columns, which only grows at its end. The first is `events`.
    weight: the field that weighs an event ("": none); `weight_if_absent`: 0 where it must be there.
    histogram: a field in ms of which buckets are kept ("": none), by the weight.
    sales: the counter of sales and that of their fen, for kinds that sell.
    newcomers: the counter of sales to new users, for kinds that know them.
    base_cuts: what is kept for every campaign. fixed_labels: labels that are part of the format.
    """

    name: str
    topic: str
    event: type[msgspec.Struct]
    dimensions: tuple[str, ...]
    flags: tuple[str, ...] = ()
    counters: tuple[Counter, ...]
    weight: str = ""
    weight_if_absent: int = 0
    bounds: Mapping[str, tuple[int, int]]
    """Least and largest of the weight and of what has a histogram."""
    histogram: str = ""
    sales: tuple[str, str] | None = None
    newcomers: str = ""
    base_cuts: tuple[Cut, ...]
    fixed_labels: Mapping[str, tuple[str, ...]]

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of the counters."""
        return tuple(counter.name for counter in self.counters)

    @property
    def weighed(self) -> frozenset[str]:
        """What adds up weights, not events: its sums need more than 63 bits where events are
        many.
        """
        names = {counter.name for counter in self.counters if counter.weighed}
        return frozenset(names | ({self.histogram} if self.histogram else set()))
