"""The judge worker: pulses to boards and transitions.

Any number of judges run, each with a group of its own, so that one joining or leaving costs the
others nothing. All of them read the pulses; the one whose reign it is by the log of topic `status`
(see lead) grades and speaks, the others stand by and are warm.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

import msgspec
from aiokafka.errors import KafkaError
from faust.types import TP

from fenghuo.schemas.campaign.reload import Applied, CampaignFile, Refused
from fenghuo.schemas.level import Level
from fenghuo.schemas.log import reading
from fenghuo.schemas.log.broker_clock import wall_ms
from fenghuo.schemas.log.follow import Follow
from fenghuo.schemas.log.foreign import FOREIGN, key_of
from fenghuo.schemas.log.reading import Record, records_of
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import pulse, status, topics
from fenghuo.schemas.wire.status import Board
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams import metrics
from fenghuo.streams.judge import notes
from fenghuo.streams.judge.judge import Judge, span_s
from fenghuo.streams.judge.lead import SILENCE_S, Lead
from fenghuo.streams.part import Part
from fenghuo.streams.transport import kafka
from fenghuo.streams.watch.log_watch import LogWatch
from fenghuo.streams.watch.topic_watch import TopicWatch

BOARD_MS = 90
"""A board is sent no more often than this, but at once when a level changed."""
STATUS_READ = 64
"""Records of topic `status` that a starting judge reads: claims and foreign ones among them."""
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
        self._file = CampaignFile(settings.campaign, start_ms, wall_ms())
        campaign = self._file.campaign
        self._topic_watch = TopicWatch(settings, campaign.end_ms - campaign.start_ms)
        self._log_watch = LogWatch(settings.kafka)
        self._pulses = topics.of(topics.PULSES, settings.lane)
        self._users = topics.of(topics.USERS, settings.lane)
        self.topics = (self._pulses, self._users)
        self._judge: Judge | None = None
        self._lead = Lead(time.monotonic())
        broker, lane = settings.kafka, settings.lane
        status_topic, baselines = topics.of(topics.STATUS, lane), topics.of(topics.BASELINES, lane)
        self._status = Follow(broker, status_topic, self._hear, last=STATUS_READ)
        self._baselines = Follow(broker, baselines, self._learn)
        self._learnt: dict[str, bytes] = {}
        self._told: list[Transition] = []
        """Changes of level that have their place in the log and are to be told."""
        self._led: int | None = None
        """The reign in which the judge goes on from the board of the one before."""
        self._status_end = self._baselines_end = 0
        self._is_sure = False
        self._turn_s = time.monotonic()
        self._next = 0
        self._ready_at = 0
        self._board_ms = 0
        self._users_next = 0
        self._users_end = 0  # 0: everything of before has been seen
        self._users_due_ms = 0
        self._as_of_ms: int | None = None
        super().__init__(settings)

    def _group(self) -> str:
        return f"{super()._group()}-{self._lead.name}"

    async def prepare(self) -> None:
        await kafka.prepare(self.settings)
        self._topic_watch.start()
        self._log_watch.start()
        await asyncio.gather(self._status.begin(), self._baselines.begin())

    async def start_offsets(self, assigned: set[TP]) -> Mapping[TP, int]:
        if not assigned:
            return {}
        bounds = await reading.bounds(self.settings.kafka, [(self._pulses, 0), (self._users, 0)])
        first, end = bounds[self._pulses, 0]
        users_first, users_end = bounds[self._users, 0]
        if self._judge is None or not first <= self._next <= end:
            board = self._lead.board
            self._next = max(first, min(await self._rewind(board, (first, end)), end))
            self._users_next = users_first
            self._judge, self._led = Judge(self._file.campaign, board), None
        # until the past is read again nothing is graded: half a window looks like an outage
        self._ready_at = end
        self._users_next = max(users_first, min(self._users_next, users_end))
        self._users_end = users_end if self._users_next < users_end else 0
        self._users_due_ms = self.now_ms() + USERS_WAIT_MS
        starts = {self._pulses: self._next, self._users: self._users_next}
        return {tp: starts[tp.topic] for tp in assigned}

    async def on_fetch(self, tp: TP, fetch: Fetch) -> None:
        judge = self._judge
        if judge is None:
            return
        if tp.topic == self._users:
            see_users(judge, fetch)
            self._users_next = fetch.next_offset
            if fetch.next_offset >= self._users_end:
                self._users_end = 0
            return
        for record in records_of(topics.PULSES, fetch):
            see(judge, record)
        self._next = fetch.next_offset
        self.progress_ms = self.now_ms()
        self.tick_soon()  # who watches waits for this: half a tick for pulses, none for the judge

    async def on_tick(self) -> None:
        now_s, before_s = time.monotonic(), self._turn_s
        self._turn_s = now_s
        if now_s - before_s >= SILENCE_S and not await self._look():
            self._turn_s = before_s  # it slept or was held up: another one may speak by now
            return
        told, self._told = self._told, []
        await asyncio.gather(*[await self._tell(transition) for transition in told])
        judge = self._judge
        if judge is None or not self.app.consumer.flow_active or not self._is_ready():
            return
        await self._reload(judge)
        if self._judge is not judge:
            return
        if not self._lead.speaks:
            await self._stand_by(judge)
        elif await self._leads(judge):
            await self._grade(judge)

    def _is_ready(self) -> bool:
        """Whether everything that was there is read: pulses, sketches, baselines, who speaks."""
        is_behind = (
            self._next < self._ready_at
            or not self._status.has_read(self._status_end)
            or not self._baselines.has_read(self._baselines_end)
            or (self._users_end and self.now_ms() < self._users_due_ms)
        )
        return not is_behind

    async def _look(self) -> bool:
        """Have what is there by now read before anything is graded or claimed; False: the broker
        does not answer.
        """
        baselines = self._named(topics.BASELINES)
        names = (self._pulses, self._named(topics.STATUS), baselines)
        try:
            ends = await self._status.ends(*names)
        except (KafkaError, OSError) as error:
            log.warning("cannot tell where %s end: %r", ", ".join(names), error)
            return False
        self._ready_at, self._status_end, self._baselines_end = ends
        return True

    def _learn(self, records: Iterable[Record]) -> None:
        """Records of topic `baselines`."""
        for record in records:
            name = FOREIGN.read(topics.BASELINES, record.offset, key_of, record.key)
            if name is not None:
                self._learnt[name] = record.value or b""

    def _hear(self, records: Iterable[Record]) -> None:
        """Records of topic `status`; one that this version cannot read is passed over."""
        for record in records:
            board = FOREIGN.read(topics.STATUS, record.offset, status.decode, record.value or b"")
            if board is not None:
                self._told += self._lead.hear(board, record.offset, time.monotonic())
        if self._told or (self._lead.speaks and self._led != self._lead.generation):
            self.tick_soon()

    async def _stand_by(self, judge: Judge) -> None:
        """Ask to speak when nobody does, and that is sure."""
        self._led = None
        is_sure, self._is_sure = self._is_sure, False
        if not self._lead.wants(time.monotonic()):
            return
        if is_sure:
            await self._send_board(self._lead.claim(self._blank(judge), time.monotonic()))
        elif await self._look():
            self._is_sure = True
            self.tick_soon()

    async def _leads(self, judge: Judge) -> bool:
        """Whether the next board may be made: what the last one changed is told, and the judge goes
        on from the last board of the reign before; made so if not.
        """
        if self._led != self._lead.generation:
            if not self._is_sure:  # what it learnt lies before its last board, and so before now
                self._is_sure = await self._look()
                self.tick_soon()
                return False
            self._is_sure, self._led = False, self._lead.generation
            judge.succeed(self._lead.board, self._learnt)
            self._told += judge.untold
            print(f"fenghuo judge: speaks, generation {self._led}", flush=True)
        if self._told:
            self.tick_soon()
        return not self._told and not self._lead.is_waiting

    async def _grade(self, judge: Judge) -> None:
        now = self.now_ms()
        board, moved = judge.grade(now, self._next, self._log_watch.bounds)
        self._as_of_ms = board.as_of_ms
        # what was learnt goes before the board that was graded with it: a judge that takes over
        # from that board expects no less
        learnt = judge.usual.take().items()
        topic = self._named(topics.BASELINES)
        await asyncio.gather(*[await self.send(topic, name, data) for name, data in learnt])
        if self._judge is not judge or self._led != self._lead.generation:
            return  # replaced meanwhile: what was graded goes for nothing
        if moved or now - self._board_ms >= BOARD_MS:
            self._board_ms = now
            await self._send_board(self._lead.signed(self._noted(board)))

    async def _send_board(self, board: Board) -> None:
        topic = self._named(topics.STATUS)
        await (await self.send(topic, board.campaign.name, status.encode(board)))

    def _blank(self, judge: Judge) -> Board:
        return status.blank(judge.note(self.now_ms()), self._file.campaign.gmv_fen)

    async def on_stop(self) -> None:
        if self._judge is not None and self._lead.speaks:
            await self._send_board(self._lead.leave(self._blank(self._judge)))

    def is_behind(self) -> bool:
        if self._judge is None:
            return False
        return self._end(TP(self._pulses, 0)) > self._next

    async def _reload(self, judge: Judge) -> None:
        """Take over what the campaign file holds now, where that is possible."""
        version = self._file.campaign.version
        match self._file.poll(self.now_ms()):
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
        bounds = (await reading.bounds(self.settings.kafka, [(self._pulses, 0)]))[self._pulses, 0]
        first = await self._offset_since(self._as_of_ms, judge.span_s, bounds)
        broker, end = self.settings.kafka, self._next
        async for record in reading.records(broker, self._pulses, first=first, end=end):
            see(judge, record)

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
        return await reading.offset_at(self.settings.kafka, self._pulses, at_ms, bounds)

    def _noted(self, board: Board) -> Board:
        """The board, with what became of the campaign file and what else is to be known."""
        refused = self._file.refused.short if self._file.refused else ""
        note = msgspec.structs.replace(
            board.campaign, refused=refused, loaded_ms=self._file.loaded_ms
        )
        said = (*notes.of(board, self.clock.skew_ms), *self._topic_watch.notes)
        return msgspec.structs.replace(board, campaign=note, notes=said)

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


def see_users(judge: Judge, fetch: Fetch) -> None:
    """Show the judge a fetch of topic `users`."""
    for record in records_of(topics.USERS, fetch):
        if record.value:
            FOREIGN.read(topics.USERS, record.offset, judge.see_users, record.value)


def see(judge: Judge, record: Record) -> None:
    """Show the judge one record of topic `pulses`; one that is none is passed over."""
    value, offset = record.value or b"", record.offset
    frame = FOREIGN.read(topics.PULSES, offset, pulse.decode, value, pulse.PULSE_STAMPS)
    if frame is not None:
        judge.see(*frame, offset)
