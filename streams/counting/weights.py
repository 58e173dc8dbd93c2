"""Weights: what the open seconds of a source partition weigh, so that no sum of them can wrap. No
clock, no I/O.

The weight of a second is the fen of its orders, paid or not, or its requests; every sum that is
published of it is at most that. An event for which a second is too heavy is refused: which one that
is follows from the log alone, for weights travel in positions.
"""

# Compiled: numba infers the types, the signatures stand in the decorators.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, no-check-untyped-defs

from collections.abc import Iterable
from functools import partial

import numpy as np

from fenghuo.schemas.arrays import Flags
from fenghuo.schemas.compiled import FLAGS, INT, INTS, NOTHING, compiled
from fenghuo.schemas.kinds.bounds import SECOND_WEIGHT_MAX
from fenghuo.schemas.kinds.events import ALL
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.streams.counting import windows
from fenghuo.streams.counting.fates import Sums
from fenghuo.streams.counting.out_of_time import by_message
from fenghuo.streams.decode.batch import Batch, Refusal
from fenghuo.streams.decode.codec import Codec, EventBytes
from fenghuo.streams.decode.refusals import refusals

EVENT_WEIGHT_MAX = max(kind.bounds[kind.weight][1] for kind in ALL.values() if kind.weight)


class Weights:
    """The weight of each second that is open."""

    def __init__(self, known: Iterable[tuple[int, int]]) -> None:
        self._of = dict(known)

    def copy(self) -> "Weights":
        """The same, for when more is added here."""
        return Weights(self._of.items())

    def all(self) -> tuple[tuple[int, int], ...]:
        """(second, weight) of each."""
        return tuple(self._of.items())

    def take(self, events: int) -> bool:
        """Whether no second is too heavy for so many events, whatever they weigh."""
        return max(self._of.values(), default=0) + events * EVENT_WEIGHT_MAX <= SECOND_WEIGHT_MAX

    def add(self, sums: Sums) -> None:
        """Sums of events come to their seconds, which take them."""
        second, _, _, x = sums.rows
        weights = np.zeros(len(sums.seconds), np.int64)
        _add_up(second, x, sums.seconds, weights)
        for at, weight in zip(sums.seconds.tolist(), weights.tolist(), strict=True):
            self._of[at] = self._of.get(at, 0) + weight

    def forget(self, floor_ms: int) -> None:
        """Seconds before this one are closed."""
        for closed in [second for second in self._of if second < floor_ms]:
            del self._of[closed]

    def beyond(self, batch: Batch, counted: Flags) -> Flags:
        """Which of these events of a batch their seconds are too heavy for."""
        places = np.flatnonzero(counted)
        seconds, at = np.unique(windows.second_of(batch.ts[places]), return_inverse=True)
        held = np.array([self._of.get(second, 0) for second in seconds.tolist()], np.int64)
        heavy = np.zeros(len(places), np.bool_)
        _weigh(at, batch.x[places], held, np.int64(SECOND_WEIGHT_MAX), heavy)
        found = np.zeros(len(batch), np.bool_)
        found[places] = heavy
        return found


def second_full(fetch: Fetch, batch: Batch, which: Flags, *, codec: Codec) -> list[Refusal]:
    """Refusals of the events of a batch for which their seconds are too heavy."""
    events = EventBytes(codec, fetch.values)
    found: list[Refusal] = []
    for message, at in by_message(batch, np.flatnonzero(which)):
        found += refusals(
            *(message, batch.idx[at], "second_full"),
            lambda _: f"its second would weigh more than {SECOND_WEIGHT_MAX} fen or requests",
            data_of=partial(events.of, message),
        )
    return found


@compiled(NOTHING(INTS, INTS, INTS, INTS))
def _add_up(second, x, seconds, weights):
    """Rows of one second mostly lie together."""
    k = 0
    for i in range(len(second)):
        while seconds[k] != second[i]:
            k = (k + 1) % len(seconds)
        weights[k] += x[i]


@compiled(NOTHING(INTS, INTS, INTS, INT, FLAGS))
def _weigh(at, x, held, most, heavy):
    for i in range(len(at)):
        if x[i] > most - held[at[i]]:
            heavy[i] = True
        else:
            held[at[i]] += x[i]
