"""Replays: dead letters that were sent again count once. No clock, no I/O."""

from collections.abc import Sequence
from functools import cached_property, partial

import numpy as np

from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.wire.letters import replay_of
from fenghuo.streams.counting.out_of_time import by_message
from fenghuo.streams.decode.batch import Batch, Refusal
from fenghuo.streams.decode.codec import Codec, EventBytes
from fenghuo.streams.decode.refusals import refusals

REPLAYED_MAX = 10_000
"""Most replayed dead letters a partition remembers; more replays are refused, for they could count
twice.
"""


class Replays:
    """The dead letters of one source partition that were replayed and counted."""

    def __init__(self, counted: tuple[tuple[int, int], ...]) -> None:
        """counted: (offset, idx) of each."""
        self.counted = counted

    def copy(self) -> "Replays":
        """The same, for when more is counted here."""
        return Replays(self.counted)

    def first(self, fetch: Fetch, batch: Batch, codec: Codec) -> tuple[Batch, Sequence[Refusal]]:
        """The batch without what was counted before, and the refusals of that; the rest counts."""
        again = set()
        for at, headers in fetch.replays.items():
            letter = replay_of(headers)
            if letter is None or not (batch.message == at).any():
                continue
            if letter in self._known or len(self.counted) >= REPLAYED_MAX:
                again.add(at)
            else:
                self._known.add(letter)
                self.counted += (letter,)
        if not again:
            return batch, ()
        repeated = np.isin(batch.message, list(again))
        events = EventBytes(codec, fetch.values)
        found: list[Refusal] = []
        for message, some in by_message(batch, np.flatnonzero(repeated)):
            found += refusals(
                *(message, batch.idx[some], "already_replayed"),
                lambda _: "this letter was counted",
                data_of=partial(events.of, message),
            )
        return batch.only(~repeated), found

    @cached_property
    def _known(self) -> set[tuple[int, int]]:
        return set(self.counted)
