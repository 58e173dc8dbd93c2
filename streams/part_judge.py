"""The judge worker: pulses to boards and transitions, one at a time; others stand by."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import Any

import msgspec
from faust.types import TP

from fenghuo.schemas import pulse, status, topics, visitors
from fenghuo.schemas.campaign_reload import Applied, CampaignFile, Refused
from fenghuo.schemas.level import Level
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.status import Board
from fenghuo.schemas.warning import Transition
from fenghuo.streams import kafka, metrics, notes, rewind
from fenghuo.streams.fetch import Fetch
from fenghuo.streams.judge import Judge, span_s
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
        start_ms = settings.rehearsal_start_ms or None
        self._file = CampaignFile(settings.campaign, start_ms, now_ms())
        self._pulses = topics.of(topics.PULSES, settings.lane)
        self._users = topics.of(topics.USERS, settings.lane)
        self.topics = (self._pulses, self._users)
        self._judge: Judge | None = None
        self._next = 0
        self._ready_at = 0
        self._board_ms = 0
        self._users_end = 0  # 0: everything of before has been seen
        self._users_due_ms = 0
        self._as_of_ms: int | None = None
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
        self._next = max(first, min(await self._rewind(board, (first, end)), end))
        # until the past is read again nothing is graded: half a window looks like an outage
        self._ready_at = end
        self._judge = Judge(self._file.campaign, board, await self._baselines())
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
            see(judge, value, offset)
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
        await self._reload(judge)
        if self._judge is not judge:
            return
        now = now_ms()
        board, moved = judge.grade(now, self._next)
        self._as_of_ms = board.as_of_ms
        # what was learnt goes before the board that was graded with it: a judge that takes over
        # from that board expects no less
        learnt = judge.usual.take().items()
        topic = self._named(topics.BASELINES)
        await asyncio.gather(*[await self.send(topic, name, data) for name, data in learnt])
        if moved or now - self._board_ms >= BOARD_MS:
            self._board_ms = now
            topic, data = self._named(topics.STATUS), status.encode(self._noted(board))
            await (await self.send(topic, board.campaign.name, data))
        # the board first: a transition is told only by a judge whose memory holds it, and what a
        # judge could not tell any more, the next one does (again: they are numbered)
        await asyncio.gather(*[await self._tell(transition) for transition in moved])

    def is_behind(self) -> bool:
        if self._judge is None:
            return False
        return (self.app.consumer.highwater(TP(self._pulses, 0)) or 0) > self._next

    async def _reload(self, judge: Judge) -> None:
        """Take over what the campaign file holds now, where that is possible."""
        version = self._file.campaign.version
        match self._file.poll(now_ms()):
            case Refused(reasons):
                log.error(
                    "campaign file refused, version %s stays in force:\n%s",
                    version,
                    "\n".join(reasons),
                )
            case Applied(campaign):
                print(
                    f"fenghuo judge: campaign {campaign.version} in force, after {version}",
                    flush=True,
                )
                if judge.reload(campaign):
                    await self._read_again(judge)

    async def _read_again(self, judge: Judge) -> None:
        """Show the judge the pulses of longer windows. What comes meanwhile it sees as ever."""
        bounds = (await kafka.bounds(self.settings.kafka, [(self._pulses, 0)]))[self._pulses, 0]
        first = await self._offset_since(self._as_of_ms, judge.span_s, bounds)
        async for record in rewind.records(self.settings.kafka, self._pulses, first, self._next):
            see(judge, record.value, record.offset)

    async def _rewind(self, board: Board | None, bounds: tuple[int, int]) -> int:
        """Where a judge that goes on from a board has to begin: what the board says goes for the
        windows of its own campaign.
        """
        campaign = self._file.campaign
        if board is None or board.campaign.name != campaign.name:
            return bounds[0]
        if board.campaign.version == campaign.version:
            return board.rewind_offset
        since = await self._offset_since(board.as_of_ms, span_s(campaign), bounds)
        return min(board.rewind_offset, since)

    async def _offset_since(
        self, as_of_ms: int | None, seconds: int, bounds: tuple[int, int]
    ) -> int:
        """Where the pulses of so many seconds before as_of_ms begin, or earlier: no pulse is older
        than its second, but for events of the future.
        """
        if as_of_ms is None:
            return bounds[0]
        at_ms = as_of_ms - seconds * 1000 - self.settings.future_ms
        return await rewind.offset_at(self.settings.kafka, self._pulses, at_ms, bounds)

    def _noted(self, board: Board) -> Board:
        """The board, with what became of the campaign file and what else is to be known."""
        refused = self._file.refused.short if self._file.refused else ""
        note = msgspec.structs.replace(
            board.campaign, refused=refused, loaded_ms=self._file.loaded_ms
        )
        return msgspec.structs.replace(board, campaign=note, notes=notes.of(board))

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

    async def _baselines(self) -> dict[str, bytes]:
        """The newest of what was learnt, by rule and scope."""
        records = await kafka.read_all(self.settings.kafka, self._named(topics.BASELINES))
        return {(record.key or b"").decode(): record.value or b"" for record in records}

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


def see(judge: Judge, value: bytes | None, offset: int) -> None:
    """Show the judge one record of topic `pulses`; one that is none is passed over."""
    try:
        head, rows = pulse.decode(value or b"")
    except pulse.PulseError as error:
        log.warning("skipped pulses offset %d: %s", offset, error)
        return
    judge.see(head, rows, offset)
