"""Foreign: what lies on one of our own topics and is none of ours, or another version's. It is
passed over, counted by topic, and said: the 1st, 10th, 100th... of a topic, so that a flood of it
fills no log.
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

LOG = logging.getLogger("fenghuo.foreign")
T = TypeVar("T")
ERRORS = (
    *(msgspec.MsgspecError, LookupError, ValueError, TypeError, OverflowError, RecursionError),
)
"""What a reader of foreign bytes may raise."""


class Foreign:
    """What one process has passed over."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        """By topic."""

    def pass_over(self, topic: str, offset: int, why: object) -> None:
        """Count one record that is none of ours."""
        self.passed[topic] += 1
        many = self.passed[topic]
        if str(many).rstrip("0") == "1":
            LOG.warning(
                "topic %s: the record at offset %d is passed over (%d by now): %.300s",
                *(topic, offset, many, why),
            )

    def read(self, topic: str, offset: int, of: Callable[..., T], *args: Any) -> T | None:
        """What `of` makes of (parts of) the record at an offset; None when it is none of ours."""
        try:
            return of(*args)
        except ERRORS as error:
            self.pass_over(topic, offset, error)
            return None


FOREIGN = Foreign()
"""Of this process: whoever reads our topics counts here, `/metrics` tells it."""


def key_of(key: bytes | None) -> str:
    """A record's key as text; raises ValueError for what is no UTF-8, or missing."""
    if key is None:
        raise ValueError("expected a key, found none")
    return key.decode()
