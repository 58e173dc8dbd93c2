"""Fetch: consecutive records of one partition, as the log is read."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from fenghuo.schemas.arrays import Flags, Ints
from fenghuo.schemas.records.messages import Messages
from fenghuo.schemas.wire.letters import Headers


class Unreadable(msgspec.Struct, frozen=True):
    """A batch of the log that cannot be read: the offsets from `first` up to, not including, `end`,
    and how many events it says it has. data: how it begins; size: its bytes.
    """

    first: int
    end: int
    events: int
    detail: str
    size: int
    record_ms: int
    data: bytes


class Fetch(msgspec.Struct, frozen=True):
    """Consecutive records of one source partition, as the transport read them: from start_offset up
    to, not including, next_offset. record_ms: the time of each; theirs: which of these are the
    producers' times, not the broker's, None when none is; replays: the headers of those that are
    replays of dead letters; shadow: which carry the mark of a shadow run, None when none does.
    """

    offsets: Ints
    values: Sequence[bytes | None]
    record_ms: Ints
    start_offset: int
    next_offset: int
    replays: dict[int, Headers] = {}
    shadow: Flags | None = None
    mark_of: Callable[[int], Headers] | None = None
    """The headers of any record, read when they are asked for."""
    unreadable: tuple[Unreadable, ...] = ()
    """Batches between these records that nobody can read."""
    theirs: Flags | None = None
    key_at: Callable[[int], bytes | None] | None = None
    """The key of any record, likewise."""

    def headers_of(self, at: int) -> Headers:
        """All headers of a record."""
        found = self.replays.get(at)
        return found or (self.mark_of(at) if self.mark_of else ())

    def key_of(self, at: int) -> bytes | None:
        """The key of a record; None where it has none, or nobody can tell."""
        return self.key_at(at) if self.key_at else None

    def until(self, end: int) -> "Fetch":
        """Only what lies before offset `end`."""
        if self.next_offset <= end:
            return self
        count = int(np.searchsorted(self.offsets, end))
        return msgspec.structs.replace(
            self,
            offsets=self.offsets[:count],
            values=self.values[:count],
            record_ms=self.record_ms[:count],
            next_offset=end,
            replays={at: found for at, found in self.replays.items() if at < count},
            shadow=None if self.shadow is None else self.shadow[:count],
            unreadable=tuple(one for one in self.unreadable if one.first < end),
            theirs=None if self.theirs is None else self.theirs[:count],
        )

    @property
    def is_gap(self) -> bool:
        """Whether this only says that the records before it were deleted unread."""
        return self.start_offset == self.next_offset

    def one(self, at: int) -> "Fetch":
        """The fetch of one record, up to the next."""
        is_last = at + 1 == len(self.offsets)
        start = self.start_offset if at == 0 else int(self.offsets[at])
        end = self.next_offset if is_last else int(self.offsets[at + 1])
        return Fetch(
            self.offsets[at : at + 1],
            (self.values[at],),
            self.record_ms[at : at + 1],
            start,
            end,
            {0: self.replays[at]} if at in self.replays else {},
            None if self.shadow is None else self.shadow[at : at + 1],
            lambda _: self.headers_of(at),
            tuple(one for one in self.unreadable if start <= one.first < end),
            None if self.theirs is None else self.theirs[at : at + 1],
            lambda _: self.key_of(at),
        )

    @property
    def size(self) -> int:
        """Bytes of its values."""
        if isinstance(self.values, Messages):
            return int(np.maximum(self.values.length, 0).sum())
        return sum(len(value or b"") for value in self.values)
