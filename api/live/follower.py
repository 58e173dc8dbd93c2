"""Reader: follows topic `status` of a lane into Latest."""

from collections.abc import Callable, Iterable
from typing import Protocol

from fenghuo.api.view.latest import Latest
from fenghuo.schemas.log.follow import Follow
from fenghuo.schemas.log.foreign import FOREIGN
from fenghuo.schemas.log.reading import Record
from fenghuo.schemas.wire import status
from fenghuo.schemas.wire.topics import STATUS
from fenghuo.schemas.wire.warning import Transition

BACKLOG_BOARDS = 600
"""How many of the newest boards are read at the start: the past of the sparklines."""
QUIET_S = 30.0
"""A judge speaks every second: who hears nothing for so long asks anew."""

Told = Callable[[tuple[Transition, ...]], None]


class BoardSource(Protocol):
    """Where boards come from."""

    latest: Latest
    undecodable: int

    async def run(self, told: Told) -> None:
        """Apply boards to `latest` for ever; call `told` with the new transitions of each batch."""


class Reader:
    """Boards from the broker; while it is away the age of the data grows."""

    def __init__(
        self,
        bootstrap: str,
        latest: Latest,
        clock_ms: Callable[[], int],
        *,
        topic: str = STATUS,
    ) -> None:
        self._topic = topic
        self._follow = Follow(bootstrap, topic, self.take, last=BACKLOG_BOARDS, quiet_s=QUIET_S)
        self.latest = latest
        self.undecodable = 0
        self._clock_ms = clock_ms
        self._told: Told = lambda _: None

    async def run(self, told: Told) -> None:
        """Apply boards for ever; ends only by being cancelled."""
        self._told = told
        await self._follow.run()

    def take(self, records: Iterable[Record]) -> None:
        """The next records."""
        version = self.latest.version
        news: list[Transition] = []
        for record in records:
            news.extend(self._board(record))
        if self.latest.version > version:
            self._told(tuple(news))

    def _board(self, record: Record) -> tuple[Transition, ...]:
        board = FOREIGN.read(self._topic, record.offset, status.decode, record.value or b"")
        if board is None:
            self.undecodable += 1
            return ()
        return self.latest.apply(board, self._clock_ms(), record.offset) or ()
