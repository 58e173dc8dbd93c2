"""Messages: the values of many records where they lie, in one buffer."""

from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np

from fenghuo.schemas.arrays import Flags, Ints, Letters


class Messages(Sequence[bytes | None]):
    """Message i is the `length[i]` bytes of the buffer from `start[i]`; a negative length is a
    record without a value.
    """

    def __init__(self, buffer: Letters, start: Ints, length: Ints) -> None:
        self.buffer = buffer
        self.start = start
        self.length = length

    @classmethod
    def of(cls, values: Iterable[bytes | None]) -> "Messages":
        """Messages of plain bytes."""
        found = list(values)
        length = np.array([-1 if value is None else len(value) for value in found], np.int64)
        size = np.maximum(length, 0)
        buffer = np.frombuffer(b"".join(value or b"" for value in found), np.uint8)
        return cls(buffer, np.cumsum(size) - size, length)

    def __len__(self) -> int:
        return len(self.start)

    @overload
    def __getitem__(self, at: int) -> bytes | None: ...

    @overload
    def __getitem__(self, at: slice) -> "Messages": ...

    def __getitem__(self, at: int | slice) -> "bytes | Messages | None":
        if isinstance(at, slice):
            return Messages(self.buffer, self.start[at], self.length[at])
        return None if self.length[at] < 0 else self.view(at).tobytes()

    def view(self, at: int) -> Letters:
        """The bytes of one message, not copied."""
        start = self.start[at]
        return self.buffer[start : start + max(self.length[at], 0)]

    def only(self, keep: Flags) -> "Messages":
        """Some of the messages."""
        return Messages(self.buffer, self.start[keep], self.length[keep])
