"""Batch: events of one fetch in columns, and Refusal: what could not become an event, with its
reason.
"""

from collections.abc import Sequence
from typing import Self

import msgspec
import numpy as np

from fenghuo.schemas.arrays import Flags, Ints

DETAIL_CHARS_MAX = 300


class Refusal(msgspec.Struct, frozen=True):
    """One event (or one message that is none) that is not counted, or several of one message with
    one reason: `rows`, of which idx is the first. `data` are the bytes to try again with.
    """

    message: int
    idx: int
    reason: str
    detail: str
    data: bytes
    count: int = 1
    rows: str = ""


class Batch(msgspec.Struct, frozen=True):
    """Events in the order of the log. All arrays have one length.

    message: position of the message in the fetch; idx: of the event in its message; ts: event time,
    epoch ms;
    cell: code and latency bucket (see coding); x: amount in fen (order), weight (traffic), 0
    (complaint); user: who it was, a whole number as it stands, any other name as 64 bits of it; 0
    for nobody.
    """

    message: Ints
    idx: Ints
    ts: Ints
    cell: Ints
    x: Ints
    user: Ints
    refusals: tuple[Refusal, ...] = ()
    unknown_fields: int = 0

    def __len__(self) -> int:
        return len(self.ts)

    @classmethod
    def of(cls, refusal: Refusal) -> "Batch":
        """A refusal and no event."""
        none = np.empty(0, np.int64)
        return cls(none, none, none, none, none, none, (refusal,))

    @classmethod
    def join(cls, parts: "Sequence[Batch]") -> "Batch":
        """One batch of several, in order."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            none = np.empty(0, np.int64)
            return cls(none, none, none, none, none, none)
        return cls(
            np.concatenate([part.message for part in parts]),
            np.concatenate([part.idx for part in parts]),
            np.concatenate([part.ts for part in parts]),
            np.concatenate([part.cell for part in parts]),
            np.concatenate([part.x for part in parts]),
            np.concatenate([part.user for part in parts]),
            tuple(refusal for part in parts for refusal in part.refusals),
            sum(part.unknown_fields for part in parts),
        )

    def only(self, keep: Flags | Ints) -> Self:
        """The events where keep is true, or at these places; refusals stay."""
        return msgspec.structs.replace(
            self,
            message=self.message[keep],
            idx=self.idx[keep],
            ts=self.ts[keep],
            cell=self.cell[keep],
            x=self.x[keep],
            user=self.user[keep],
        )
