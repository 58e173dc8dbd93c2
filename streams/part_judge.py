"""The judge worker: pulses to boards and transitions, one at a time; others stand by."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import Any

import msgspec
from faust.types import TP

from fenghuo.schemas import pulse, status, topics, visitors
from fenghuo.schemas.campaign import load
from fenghuo.schemas.level import Level
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.status import Board
from fenghuo.schemas.warning import Transition
from fenghuo.streams import kafka, metrics
from fenghuo.streams.fetch import Fetch
from fenghuo.streams.judge import Judge
from fenghuo.streams.part import Part, now_ms

BOARD_MS = 90
"""A board is sent no more often than this, but at once when a level changed."""
BOARDS_READ = 8
USERS_WAIT_MS = 5_000
"""How long the first grade waits for the sketches of before: half of them look like few users."""
log = logging.getLogger("fenghuo.judge")


class JudgePart(Part):
    """Faust agents over the topics `pulses` and `users` of its lane."""

    name = "judge"
    compression = "gzip"
    ticks_apart = 1.5  # pulses call for a tick; this is for when none come

    def __init__(self, settings: Settings) -> None:
        self._campaign = load(settings.campaign, settings.rehearsal_start_ms or None)
        self._pulses = topics.of(topics.PULSES, settings.lane)
        self._users = topics.of(topics.USERS, settings.lane)
        self.topics = (self._pulses, self._users)
        self._judge: Judge | None = None
        self._next = 0
        self._ready_at = 0
        self._board_ms = 0
        self._users_end = 0  # 0: everything of before has been seen
        self._users_due_ms = 0
        super().__init__(settings)

    async def prepare(self) -> None:
        await kafka.prepare(self.settings)

    async def start_offsets(self, assigned: set[TP]) -> Mapping[TP, int]:
        self._judge = None
        if not assigned:
            return {}
        board = await self._last_board()
        bounds = await kafka.bounds(self.settings.kafka, [(self._pulses, 0), (self._users, 0)])
        first, end = bounds[self._pulses, 0]
        self._next = max(first, min(board.rewind_offset, end)) if board else first
        # until the past is read again nothing is graded: half a window looks like an outage
        self._ready_at = end
        self._judge = Judge(self._campaign, board)
        users_first, users_end = bounds[self._users, 0]
        self._users_end = users_end if users_first < users_end else 0
        self._users_due_ms = now_ms() + USERS_WAIT_MS
        starts = {self._pulses: self._next, self._users: users_first}
        return {tp: starts[tp.topic] for tp in assigned}

    async def on_fetch(self, tp: TP, fetch: Fetch) -> None:
        judge = self._judge
        if judge is None:
            return
        if tp.topic == self._users:
            see_users(judge, fetch)
            if fetch.next_offset >= self._users_end:
                self._users_end = 0
            return
        for value, offset in zip(fetch.values, fetch.offsets.tolist(), strict=True):
            try:
                head, rows = pulse.decode(value or b"")
            except pulse.PulseError as error:
                log.warning("skipped %s/%d offset %d: %s", tp.topic, tp.partition, offset, error)
                continue
            judge.see(head, rows, offset)
        self._next = fetch.next_offset
        self.progress_ms = now_ms()
        self.tick_soon()  # who watches waits for this: half a tick for pulses, none for the judge

    async def on_tick(self) -> None:
        judge = self._judge
        if judge is None or self._next < self._ready_at:
            return
        if self._users_end and now_ms() < self._users_due_ms:
            return
        if judge.untold:
            await asyncio.gather(*[await self._tell(transition) for transition in judge.untold])
            judge.untold = ()
        now = now_ms()
        board, moved = judge.grade(now, self._next)
        if moved or now - self._board_ms >= BOARD_MS:
            self._board_ms = now
            topic = self._named(topics.STATUS)
            await (await self.send(topic, self._campaign.name, status.encode(board)))
        # the board first: a transition is told only by a judge whose memory holds it, and what a
        # judge could not tell any more, the next one does (again: they are numbered)
        await asyncio.gather(*[await self._tell(transition) for transition in moved])

    def is_behind(self) -> bool:
        if self._judge is None:
            return False
        return (self.app.consumer.highwater(TP(self._pulses, 0)) or 0) > self._next

    async def _tell(self, transition: Transition) -> Awaitable[Any]:
        name = "no_data" if transition.to_level is None else Level(transition.to_level).name.lower()
        metrics.TRANSITIONS.labels(transition.rule, name).inc()
        print(
            f"fenghuo judge: {transition.rule} {transition.scope}: {name} ({transition.reason})",
            flush=True,
        )
        key = f"{transition.rule}|{transition.scope}"
        topic = self._named(topics.TRANSITIONS)
        return await self.send(topic, key, msgspec.json.encode(transition))

    async def _last_board(self) -> Board | None:
        """The newest board there is; one that this version cannot read is passed over."""
        for record in reversed(
            await kafka.read_all(self.settings.kafka, self._named(topics.STATUS), last=BOARDS_READ)
        ):
            try:
                return status.decode(record.value or b"")
            except msgspec.MsgspecError as error:
                log.warning(
                    "a board of another version at offset %d is passed over: %s",
                    record.offset,
                    error,
                )
        return None


def see_users(judge: Judge, fetch: Fetch) -> None:
    """Show the judge a fetch of topic `users`."""
    for value, offset in zip(fetch.values, fetch.offsets.tolist(), strict=True):
        try:
            if value:
                judge.see_users(value)
        except visitors.VisitorsError as error:
            log.warning("sketches at offset %d are passed over: %s", offset, error)
