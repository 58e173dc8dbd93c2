"""Skews: heads of workers in the judge's own time. No clock, no I/O.

A head says by its worker's clock when it was sent and when its last record came. A clock that is
wrong by more than a second would make a living worker look dead, or its data of a minute ago fresh.
So a head is moved by the difference between when it came and when it says it was sent; a delay on
the way is told from a wrong clock by taking the least difference of the last few heads.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from fenghuo.schemas.wire.pulse import Head, Source

SKEW_MS = 1_000
"""What heads are on their way for at most, when all is well: no clock is called wrong for less."""
HEADS = 4
"""A delay of fewer heads in a row than this is no skew."""


class Skews:
    """How far the clock of the worker behind each source is behind the judge's."""

    def __init__(self, left: Mapping[str, Sequence[int]]) -> None:
        """left: what a judge before has told."""
        self._seen = {source: deque(seen, HEADS) for source, seen in left.items()}
        self._came: dict[str, int] = {}

    def see(self, head: Head) -> None:
        """A head came; when, the next `look` says."""
        self._came[str(head.source)] = head.sent_ms

    def look(self, now_ms: int) -> None:
        """What came since the last look came now."""
        for source, sent_ms in self._came.items():
            skew_ms = now_ms - sent_ms
            # a clock is held to be right until HEADS heads in a row say that it is not
            seen = self._seen.setdefault(source, deque((0,) * HEADS, HEADS))
            seen.append(skew_ms if abs(skew_ms) > SKEW_MS else 0)
        self._came.clear()

    def of(self, source: Source) -> int:
        """What to add to that worker's clock; 0 while it is right to a second."""
        return min(self._seen.get(str(source), (0,)), key=abs)

    def moved(self, heads: Mapping[Source, Head]) -> dict[Source, Head]:
        """These heads in the judge's time."""
        return {source: _moved(head, self.of(source)) for source, head in heads.items()}

    def told(self) -> dict[str, tuple[int, ...]]:
        """What a judge that goes on from here has to know."""
        return {source: tuple(seen) for source, seen in sorted(self._seen.items()) if any(seen)}


def _moved(head: Head, by_ms: int) -> Head:
    if not by_ms:
        return head
    return replace(
        head,
        sent_ms=head.sent_ms + by_ms,
        record_ms=None if head.record_ms is None else head.record_ms + by_ms,
        caught_up_ms=None if head.caught_up_ms is None else head.caught_up_ms + by_ms,
    )
