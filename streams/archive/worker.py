"""The archive worker: pulses, late rows, dead letters and transitions into the store, in blocks,
committed after.

The store may be away, full, or closed to us for hours: the insert is tried again with growing
pauses, reading waits, and everything waits in Kafka. Nothing else of the river depends on it, and
this part never ends for it. Rows that no store can take are passed over, one by one.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import TopicPartition
from faust.types import TP

from fenghuo.schemas.campaign.campaign import load
from fenghuo.schemas.log import reading
from fenghuo.schemas.log.foreign import FOREIGN
from fenghuo.schemas.log.reading import Record
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.faults import Fault
from fenghuo.schemas.store.made import ensure
from fenghuo.schemas.store.port import INSERT_ROWS_MAX, Store, StoreError, connect
from fenghuo.schemas.wire import pulse, topics
from fenghuo.schemas.wire.letters import Letter
from fenghuo.schemas.wire.pulse import Rows, Source
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams import metrics
from fenghuo.streams.archive.held import (
    HELD_ROWS_MAX,
    Block,
    Pulses,
    Unstored,
    late_block,
    letter_of,
    refused_block,
    transition_block,
    transition_of,
)
from fenghuo.streams.part import Part
from fenghuo.streams.transport import kafka

PAUSE_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between tries while the store is away; the last one repeats."""
SAY_TRIES = 20
"""A wait that lasts is told again after so many tries."""
ROW_CHARS_MAX = 2_000
"""So much of a row that is passed over stands in the log."""
ASIDE_MAX = 100
"""Most rows of one block that are passed over; where more are refused the table is wrong."""
COMMIT_MS = 1_000
KEPT = (topics.PULSES, topics.LATE, topics.REFUSED, topics.TRANSITIONS)
"""The topics that are kept in the store."""


class ArchivePart(Part):
    """Faust agents over the internal topics of a lane that are kept; one at a time, others stand
    by.
    """

    name = "archive"
    fetch_wait_ms = 1_000

    def __init__(self, settings: Settings) -> None:
        self._campaign = load(settings.campaign, settings.rehearsal_start_ms or None).name
        self._kept = {topics.of(name, settings.lane): name for name in KEPT}
        self.topics = tuple(self._kept)
        self._pulses = Pulses()
        self._late: dict[str, list[tuple[Source, Rows]]] = {}
        self._letters: list[Letter] = []
        self._transitions: list[Transition] = []
        self._next: dict[TP, int] = {}
        self._committed: dict[TP, int] = {}
        self._stored = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "store")
        self._store: Store | None = None
        self._has_tables = False
        self._unstored = Unstored()
        self._oldest_ms: int | None = None
        metrics.ARCHIVE_DELAY.set_function(self._delay_s)  # asked at each scrape, whatever waits
        self._log = ""
        self._commit_ms = 0
        super().__init__(settings)

    async def prepare(self) -> None:
        self._log = await kafka.prepare(self.settings)
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._do, _nothing)
        except StoreError as error:  # read all the same, so that what waits is told
            self._wait("start", error, 0)

    async def start_offsets(self, assigned: set[TP]) -> Mapping[TP, int]:
        self._pulses, self._unstored, self._oldest_ms = Pulses(), Unstored(), None
        self._late.clear()
        self._letters.clear()
        self._transitions.clear()
        self._next, self._committed = {}, {}
        if not assigned:
            return {}
        parts = [(tp.topic, tp.partition) for tp in assigned]
        found = await kafka.committed(self.settings.kafka, self.app.conf.id, parts)
        bounds = await reading.bounds(self.settings.kafka, parts)
        for tp in assigned:
            first, end = bounds[tp.topic, tp.partition]
            # what retention took is gone; a log that begins anew is read from its beginning
            offset = found.get((tp.topic, tp.partition), first)
            self._next[tp] = first if offset > end else max(offset, first)
        self._committed = dict(self._next)
        return dict(self._next)

    async def on_fetch(self, tp: TP, fetch: Fetch) -> None:
        name = self._kept[tp.topic]
        for record in reading.records_of(name, fetch):
            self._take(name, record)
        self._next[tp] = fetch.next_offset
        if len(fetch.record_ms):
            self._unstored.read(tp, fetch.next_offset, int(fetch.record_ms.min()))
            self._oldest_ms = self._unstored.oldest_ms()
        metrics.PENDING.labels(self.name).set(self._held())
        self.progress_ms = self.now_ms()
        while self._held() > HELD_ROWS_MAX:
            self._stored.clear()
            await self._stored.wait()

    async def on_tick(self) -> None:
        now = self.now_ms()
        before = dict(self._next)
        pulses = self._pulses
        for block in [*pulses.due(now), *self._rest()]:
            await self._insert(block)
        if pulses is not self._pulses:
            return  # reassigned while inserting: what was read before counts no more
        pulses.stored()
        metrics.PENDING.labels(self.name).set(self._held())
        safe = self._safe(before)
        for tp, offset in safe.items():
            self._unstored.stored(tp, offset)
        self._oldest_ms = self._unstored.oldest_ms()
        self._stored.set()
        if now - self._commit_ms >= COMMIT_MS:
            self._commit_ms = now
            await self._commit(safe)

    async def on_stop(self) -> None:
        await self.on_tick()

    def is_behind(self) -> bool:
        return any(self._end(tp) > offset for tp, offset in self._next.items())

    def _take(self, topic: str, record: Record) -> None:
        """One record; what is none of ours is passed over."""
        value, offset = record.value or b"", record.offset
        read = partial(FOREIGN.read, topic, offset)
        if topic == topics.PULSES:
            if frame := read(pulse.decode, value, pulse.PULSE_STAMPS):
                self._pulses.see(*frame, offset, self.now_ms())
        elif topic == topics.LATE:
            if frame := read(pulse.decode, value, pulse.LATE_STAMPS):
                self._late.setdefault(frame[0].kind, []).append((frame[0].source, frame[1]))
        elif topic == topics.REFUSED:
            if letter := read(letter_of, value, record.headers):
                self._letters.append(letter)
        elif transition := read(transition_of, value):
            self._transitions.append(transition)

    def _held(self) -> int:
        late = sum(len(rows) for parts in self._late.values() for _, rows in parts)
        return self._pulses.rows + late + len(self._letters) + len(self._transitions)

    def _rest(self) -> list[Block]:
        """Late rows, letters and transitions as blocks; they are given up here and kept by the
        insert.
        """
        blocks = []
        for kind, parts in self._late.items():
            chosen: list[tuple[Source, Rows]] = []
            for source, rows in parts:
                if chosen and sum(len(r) for _, r in chosen) + len(rows) > INSERT_ROWS_MAX:
                    blocks.append(late_block(kind, chosen))
                    chosen = []
                chosen.append((source, rows))
            blocks.append(late_block(kind, chosen))
        blocks += [
            refused_block(self._letters[start : start + INSERT_ROWS_MAX])
            for start in range(0, len(self._letters), INSERT_ROWS_MAX)
        ]
        if self._transitions:
            blocks.append(transition_block(self._campaign, self._log, self._transitions))
        self._late, self._letters, self._transitions = {}, [], []
        return blocks

    async def _insert(self, block: Block) -> None:
        """Store a block, all of it but the rows that no store can take."""
        while True:
            aside: list[tuple[Block, StoreError]] = []
            if await self._is_stored(block, aside):
                break
            error = aside[-1][1]
            why = "the table takes hardly any of our rows: compare its columns"
            self._wait(block.table, StoreError(str(error), Fault("person", why)), 0)
            await asyncio.sleep(PAUSE_S[-1])
        metrics.INSERTED.labels(block.table).inc(len(block) - len(aside))
        for row, error in aside:
            metrics.SET_ASIDE.labels(block.table).inc()
            told = {name: column[0] for name, column in row.columns.items()}
            print(f"fenghuo archive: passed over, {error}: {str(told)[:ROW_CHARS_MAX]}", flush=True)

    async def _is_stored(self, block: Block, aside: list[tuple[Block, StoreError]]) -> bool:
        """Store what can be stored; False when too much cannot. What cannot is found by halving."""
        table = tables.of(block.table, self.settings.lane)
        try:
            await self._try(block.table, partial(_store, table, block))
        except StoreError as error:
            if len(block) > 1:
                one, other = block.halves()
                return await self._is_stored(one, aside) and await self._is_stored(other, aside)
            aside.append((block, error))
        return len(aside) <= ASIDE_MAX

    def _safe(self, read: Mapping[TP, int]) -> dict[TP, int]:
        """Below which offset of each partition everything is stored."""
        pulses = self._named(topics.PULSES)
        return {
            tp: self._pulses.safe_offset(offset) if tp.topic == pulses else offset
            for tp, offset in read.items()
        }

    async def _commit(self, safe: Mapping[TP, int]) -> None:
        changed = {
            tp: offset for tp, offset in safe.items() if offset > self._committed.get(tp, -1)
        }
        if not changed:
            return
        thread = self.app.consumer._thread
        offsets = {TopicPartition(tp.topic, tp.partition): at for tp, at in changed.items()}
        # asked of the client itself: Faust ends the part when a rebalance was quicker
        with contextlib.suppress(CommitFailedError, IllegalStateError):
            await thread.call_thread(thread._consumer.commit, offsets)
            self._committed.update(changed)

    async def _try(self, what: str, act: Callable[[Store], None]) -> None:
        """Do it in the store's own thread, for as long as it takes. Raises StoreError for nothing
        but data that waiting cannot make better.
        """
        loop = asyncio.get_running_loop()
        for attempt in count():
            try:
                await loop.run_in_executor(self._thread, self._do, act)
                break
            except StoreError as error:
                metrics.INSERT_FAILED.labels(what).inc()
                if error.fault.kind == "data":
                    raise
                self.progress_ms = self.now_ms()  # waiting for the store is no standstill
                self._wait(what, error, attempt)
                await asyncio.sleep(PAUSE_S[min(attempt, len(PAUSE_S) - 1)])
        if attempt:
            print(f"fenghuo archive: the store takes {what} again", flush=True)

    def _wait(self, what: str, error: StoreError, attempt: int) -> None:
        metrics.STORE_UP.labels(self.name).set(0)
        if attempt % SAY_TRIES == 0:
            print(f"fenghuo archive: {what} waits for the store: {error}", flush=True)

    def _delay_s(self) -> float:
        oldest_ms = self._oldest_ms
        return 0.0 if oldest_ms is None else max(0, self.now_ms() - oldest_ms) / 1000

    def _do(self, act: Callable[[Store], None]) -> None:
        if self._store is None:
            self._store = connect(self.settings.store_login)
        try:
            if not self._has_tables:
                ensure(self._store, self.settings.lane)
                self._has_tables = True
            act(self._store)
            metrics.STORE_UP.labels(self.name).set(1)
        except StoreError as error:
            if error.fault.kind == "person":  # a table may be gone: look again
                self._has_tables = False
            raise


def _nothing(_: Store) -> None:
    """What a start asks of the store: that it is there, with its tables."""


def _store(table: str, block: Block, store: Store) -> None:
    store.insert(table, block.columns)
