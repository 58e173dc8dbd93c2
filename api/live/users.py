"""Crowd: the distinct users of a lane, united from the sketches of every source partition."""

from collections.abc import Iterable, Mapping
from typing import Any

from fenghuo.schemas.log.follow import Follow
from fenghuo.schemas.log.foreign import FOREIGN
from fenghuo.schemas.log.reading import Record
from fenghuo.schemas.wire import visitors
from fenghuo.schemas.wire.visitors import RELATIVE_ERROR, Estimate, Part, VisitorsError

PARTS_MAX = 20_000
"""Most workers' sketches of source partitions that are held; more are refused, and said."""


class Known:
    """The newest sketches of each writer and source. Pure."""

    def __init__(self) -> None:
        self._parts: dict[bytes, Part] = {}
        self._estimates: tuple[Estimate, ...] | None = ()

    def see(self, key: bytes, value: bytes | None) -> None:
        """One record of topic `users`; without a value the writer's sketches were taken over.
        Raises VisitorsError for what is none.
        """
        self._estimates = None
        if not value:
            self._parts.pop(key, None)
        elif key not in self._parts and len(self._parts) >= PARTS_MAX:
            raise VisitorsError(f"expected at most {PARTS_MAX} writers, got one more: {key!r}")
        else:
            self._parts[key] = visitors.decode(value)

    def estimates(self) -> tuple[Estimate, ...]:
        """How many there are, by measure and region; united when somebody asks."""
        if self._estimates is None:
            self._estimates = tuple(visitors.estimates(self._parts.values()))
        return self._estimates

    def answer(self) -> Mapping[str, Any]:
        """What /api/v1/users says."""
        return {"relative_error": RELATIVE_ERROR, "rows": self.estimates()}


class Crowd:
    """The sketches from the broker."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.known = Known()
        self._topic = topic
        self.follow = Follow(bootstrap, topic, self.take).run

    def take(self, records: Iterable[Record]) -> None:
        """The next records."""
        for record in records:
            see = self.known.see
            FOREIGN.read(self._topic, record.offset, see, record.key or b"", record.value)
