"""What is to be sent: messages with the time they are due, fixed before anything is sent."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

Planted = tuple[tuple[str, int], ...]
"""Events of each kind of bad data in a message."""


class Message(NamedTuple):
    """One message: when (ms after the start), where, what, and what it adds to the sums."""

    due_ms: int
    topic: str
    payload: bytes
    events: int
    paid: int
    paid_amount_fen: int
    planted: Planted = ()


Batches = Iterable[list[Message]]
BatchIterator = Iterator[list[Message]]
