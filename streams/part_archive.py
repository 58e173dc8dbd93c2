"""The archive worker: pulses, late rows, dead letters and transitions into the store, in blocks,
committed after.

The store may be away for hours: the insert is tried again with growing pauses, reading waits, and
everything waits in Kafka. Nothing else of the river depends on it.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec
from faust.types import TP

from fenghuo.schemas import letters, pulse, tables, topics
from fenghuo.schemas.campaign import load
from fenghuo.schemas.letters import Letter
from fenghuo.schemas.pulse import Rows, Source
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store import INSERT_ROWS_MAX, Store, StoreError, connect
from fenghuo.schemas.warning import Transition
from fenghuo.streams import kafka, metrics
from fenghuo.streams.archive import (
    HELD_ROWS_MAX,
    Block,
    Pulses,
    late_block,
    refused_block,
    transition_block,
)
from fenghuo.streams.fetch import Fetch
from fenghuo.streams.part import Part, now_ms

PAUSE_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between tries while the store is away; the last one repeats."""
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
        self._log = ""
        self._commit_ms = 0
        super().__init__(settings)

    async def prepare(self) -> None:
        self._log = await kafka.prepare(self.settings)
        for statement in tables.ddl(self.settings.lane):
            await self._try("ddl", partial(_execute, statement))

    async def start_offsets(self, assigned: set[TP]) -> Mapping[TP, int]:
        self._pulses = Pulses()
        self._late.clear()
        self._letters.clear()
        self._transitions.clear()
        if not assigned:
            return {}
        parts = [(tp.topic, tp.partition) for tp in assigned]
        found = await kafka.committed(self.settings.kafka, self.app.conf.id, parts)
        bounds = await kafka.bounds(self.settings.kafka, parts)
        self._next = {}
        for tp in assigned:
            first, end = bounds[tp.topic, tp.partition]
            # what retention took is gone; a log that begins anew is read from its beginning
            offset = found.get((tp.topic, tp.partition), first)
            self._next[tp] = first if offset > end else max(offset, first)
        self._committed = dict(self._next)
        return dict(self._next)

    async def on_fetch(self, tp: TP, fetch: Fetch) -> None:
        name = self._kept[tp.topic]
        for i, value in enumerate(fetch.values):
            self._take(name, value or b"", fetch.headers.get(i, ()), int(fetch.offsets[i]))
        self._next[tp] = fetch.next_offset
        self.progress_ms = now_ms()
        while self._held() > HELD_ROWS_MAX:
            self._stored.clear()
            await self._stored.wait()

    async def on_tick(self) -> None:
        now = now_ms()
        metrics.PENDING.labels(self.name).set(self._held())
        oldest = self._pulses.oldest_ms()
        metrics.ARCHIVE_DELAY.set(0 if oldest is None else (now - oldest) / 1000)
        before = dict(self._next)
        pulses = self._pulses
        await self._insert([*pulses.due(now), *self._rest()])
        if pulses is not self._pulses:
            return  # reassigned while inserting: what was read before counts no more
        pulses.stored()
        self._stored.set()
        if now - self._commit_ms >= COMMIT_MS:
            self._commit_ms = now
            await self._commit(before)

    async def on_stop(self) -> None:
        await self.on_tick()

    def is_behind(self) -> bool:
        return any(
            (self.app.consumer.highwater(tp) or 0) > offset for tp, offset in self._next.items()
        )

    def _take(self, topic: str, value: bytes, headers: Any, offset: int) -> None:
        """One record; what is none of ours is skipped, for these topics are written by our own
        workers only.
        """
        try:
            if topic == topics.PULSES:
                head, rows = pulse.decode(value)
                self._pulses.see(head, rows, offset, now_ms())
            elif topic == topics.LATE:
                head, rows = pulse.decode(value)
                self._late.setdefault(head.kind, []).append((head.source, rows))
            elif topic == topics.REFUSED:
                self._letters.append(letters.from_record(value, headers))
            else:
                self._transitions.append(msgspec.json.decode(value, type=Transition))
        except (pulse.PulseError, msgspec.MsgspecError, ValueError):
            metrics.INSERT_FAILED.labels(topic).inc()

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

    async def _insert(self, blocks: list[Block]) -> None:
        for block in blocks:
            table = tables.of(block.table, self.settings.lane)
            await self._try(block.table, partial(_store, table, block))
            metrics.INSERTED.labels(block.table).inc(len(block))

    async def _commit(self, read: Mapping[TP, int]) -> None:
        pulses = self._named(topics.PULSES)
        offsets = {
            tp: self._pulses.safe_offset(offset) if tp.topic == pulses else offset
            for tp, offset in read.items()
        }
        changed = {
            tp: offset for tp, offset in offsets.items() if offset > self._committed.get(tp, -1)
        }
        if changed:
            await self.app.consumer._thread.commit(changed)
            self._committed.update(changed)

    async def _try(self, what: str, act: Callable[[Store], None]) -> None:
        """Do it in the store's own thread, again and again while the store is away."""
        loop = asyncio.get_running_loop()
        for attempt in range(10**9):
            try:
                await loop.run_in_executor(self._thread, self._do, act)
                return
            except StoreError as error:
                metrics.INSERT_FAILED.labels(what).inc()
                if not error.retry:
                    raise
                self.progress_ms = now_ms()  # waiting for the store is no standstill
                if attempt % 20 == 0:
                    print(f"fenghuo archive: {what} waits for the store: {error}", flush=True)
                await asyncio.sleep(PAUSE_S[min(attempt, len(PAUSE_S) - 1)])

    def _do(self, act: Callable[[Store], None]) -> None:
        if self._store is None:
            self._store = connect(self.settings.store_login)
        act(self._store)


def _execute(statement: str, store: Store) -> None:
    store.execute(statement)


def _store(table: str, block: Block, store: Store) -> None:
    store.insert(table, block.columns)
