"""The gather worker: source partitions in, pulses, late rows, dead letters and positions out.

A worker counts the records of its lane. The other lane's it only reads past: a load run that drives
the shadow lane's workers to their limit costs a real one the reading, not the counting.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from faust.types import TP
from msgspec.structs import replace

from fenghuo.schemas.campaign.campaign import load
from fenghuo.schemas.log import reading
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import letters, position, pulse, skips, topics, visitors
from fenghuo.schemas.wire.position import Position
from fenghuo.schemas.wire.pulse import Source, Tally
from fenghuo.streams import metrics
from fenghuo.streams.counting import limits
from fenghuo.streams.counting.users import Users
from fenghuo.streams.decode.codec import Codec
from fenghuo.streams.gather import lanes, left, places
from fenghuo.streams.gather.gather import Gather
from fenghuo.streams.gather.taken import Taken, coders, terms
from fenghuo.streams.gather.turns import in_turn, is_due
from fenghuo.streams.part import Part
from fenghuo.streams.transport import kafka
from fenghuo.streams.watch.heads import newest

LOG = logging.getLogger("fenghuo.gather")
Record = tuple[str, str, bytes | None, Sequence[tuple[str, bytes]]]
"""Topic, key, value, headers."""
PENDING_MAX = 1_000_000
"""Rows a worker holds at most; then reading waits until they are published."""
SKIPS_MS = 1_000
"""While a partition is stopped, it is asked this often whether somebody passed over the record."""
STOPPED_CHARS = 300


class _Stopped(msgspec.Struct, frozen=True):
    """Why a partition is not read; can_publish: what was read of it before can be told."""

    reason: str
    can_publish: bool


class _OneByOne(Exception):
    """There is something to be passed over in a fetch."""


class GatherPart(Part):
    """Faust agents over the three source topics; any number of workers share the partitions."""

    name = "gather"
    topics = tuple(topics.TOPIC_OF.values())

    def __init__(self, settings: Settings) -> None:
        self._campaign = load(settings.campaign, settings.rehearsal_start_ms or None)
        self._codecs = {kind: Codec(coder) for kind, coder in coders(self._campaign).items()}
        self._terms = terms(settings, self._campaign)
        self._states: dict[TP, Gather] = {}
        self._record_ms: dict[TP, int] = {}
        self._head_ms: dict[TP, int] = {}
        self._caught_up_ms: dict[TP, int] = {}
        self._positions: dict[TP, Position] = {}
        self._published = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._log = ""
        self._ticked_ms = 0
        self._users: dict[TP, Users] = {}
        self._writer = secrets.token_hex(4)
        self._stopped: dict[TP, _Stopped] = {}
        self._skips: dict[Source, dict[int, str]] = {}
        self._skips_ms = 0
        self._superseded: dict[TP, list[str]] = {}
        """Keys of sketches that this worker has taken over, to be deleted when its own are safe."""
        super().__init__(settings)

    async def prepare(self) -> None:
        self._log = await kafka.prepare(self.settings)

    async def start_offsets(self, assigned: set[TP]) -> Mapping[TP, int]:
        self._states.clear()
        self._users.clear()
        self._stopped.clear()
        if not assigned:
            return {}
        broker, topic = self.settings.kafka, self._named(topics.POSITIONS)
        found = await places.read(reading.records(broker, topic), topic)
        lives = await kafka.lives(broker, self.topics)
        bounds = await reading.bounds(broker, [(tp.topic, tp.partition) for tp in assigned])
        chosen = {
            tp: places.choose(found.get(tp, ()), Source(self._log, *tp), lives[tp.topic])
            for tp in assigned
        }
        wanting = [tp for tp, (_, known) in chosen.items() if places.wants_head(known, bounds[tp])]
        exactly = any(bounds[tp][0] > 0 for tp in wanting)
        heads = await newest(broker, self.settings.lane, exactly=exactly) if wanting else {}
        await self._read_skips()
        others = await self._left(assigned)
        parts, now = others.parts(), self.now_ms()
        for tp, (source, known) in chosen.items():
            head, life = heads.get(source), lives[tp.topic]
            begun = places.begin(source, known, bounds[tp], self._terms, head=head, life=life)
            begun = replace(begun, place=limits.merged(begun.place, known))
            ours = {name: part for name, part in parts.items() if part.source == source}
            self._begin(tp, begun, ours.values())
            self._superseded[tp] = [
                name
                for name in ours
                if others.is_silent(name, now) and not name.startswith(self._key(source))
            ]
            if begun.place.epoch > max((place.epoch for place in known), default=0):
                # known before its first pulse: else a return to the old labels could reuse it
                await (await self._send_position(begun.place))
        return {tp: state.next_offset for tp, state in self._states.items()}

    def _begin(self, tp: TP, begun: places.Begin, parts: Iterable[visitors.Part]) -> None:
        place, kind = begun.place, topics.KIND_OF[tp.topic]
        codec = self._codecs[kind]
        regions = codec.coder.regions(np.empty(0, np.int64))[1]
        span_ms = (self._terms.start_ms, self._terms.end_ms)
        users = Users(regions, span_ms, left.known(parts, place.epoch))
        self._users[tp] = users
        self._states[tp] = Gather(place.source, codec, self._terms, place, users=users)
        self._record_ms[tp] = self._head_ms[tp] = 0
        self._caught_up_ms.pop(tp, None)
        if begun.stopped is not None:
            self._stop(tp, begun.stopped, can_publish=False)

    async def on_fetch(self, tp: TP, fetch: Fetch) -> None:
        await self._reading.wait()
        state = self._states.get(tp)
        if state is None or tp in self._stopped or fetch.next_offset <= state.next_offset:
            return  # not ours any more, or read before
        if fetch.is_gap:
            LOG.error(
                "%s: the records from %d to %d were deleted before they were read",
                *(state.source, state.next_offset, fetch.start_offset),
            )
            state.pass_gap(fetch.start_offset)
            return
        if fetch.start_offset != state.next_offset:  # was on its way when reading went elsewhere
            await self.app.consumer.go_on(tp, state.next_offset)
            return
        mine, before = lanes.only(fetch, self.settings.lane), state.tally
        await self._count(tp, state, mine)
        self._note(topics.KIND_OF[tp.topic], len(mine.values), before, state.tally)
        self.progress_ms = self.now_ms()
        if mine.values:
            self._record_ms[tp] = self.progress_ms
        if fetch.next_offset >= self._end(tp):
            self._caught_up_ms[tp] = self.progress_ms
        while self._pending() > PENDING_MAX:
            self._published.clear()
            await self._published.wait()

    async def _count(self, tp: TP, state: Gather, fetch: Fetch) -> None:
        """Count a fetch; when something in it breaks the counting, as far as that record, and there
        this partition stops.
        """
        skips = self._skips.get(state.source, {})
        try:
            if not skips.keys().isdisjoint(fetch.offsets.tolist() if skips else ()):
                raise _OneByOne
            state.add(fetch, self.now_ms())
            return
        except _OneByOne:
            pass
        except Exception as error:
            LOG.exception("%s: a fetch at %d", state.source, fetch.start_offset, exc_info=error)
        for at, offset in enumerate(fetch.offsets.tolist()):
            try:
                if offset in skips:
                    state.skip(fetch.one(at), skips[offset])
                else:
                    state.add(fetch.one(at), self.now_ms())
            except Exception as error:
                state.next_offset = offset
                self._stop(tp, repr(error))
                await self.app.consumer.hold(tp)
                return

    def _stop(self, tp: TP, reason: str, *, can_publish: bool = True) -> None:
        """Read this partition no further, and say so; the others go on."""
        state = self._states[tp]
        LOG.error("%s stops at offset %d: %s", state.source, state.next_offset, reason)
        self._stopped[tp] = _Stopped(reason[:STOPPED_CHARS], can_publish)

    async def _read_skips(self) -> None:
        topic = self._named(topics.SKIPS)
        self._skips = await skips.read(reading.records(self.settings.kafka, topic), topic)
        self._skips_ms = self.now_ms()

    async def _go_on(self) -> None:
        """Read on behind records that were passed over by hand since."""
        if not self._stopped or self.now_ms() - self._skips_ms < SKIPS_MS:
            return
        await self._read_skips()
        for tp in list(self._stopped):
            state = self._states[tp]
            if state.next_offset in self._skips.get(state.source, {}):
                del self._stopped[tp]
                await self.app.consumer.go_on(tp, state.next_offset)

    async def on_tick(self) -> None:
        """Publish what changed. Meanwhile no fetch is counted: milliseconds for the counting, but
        between two of them every answer of the broker would wait, and viewers with it.
        """
        await self._go_on()
        self._reading.clear()
        try:
            await self._publish_all()
        finally:
            self._reading.set()

    async def _publish_all(self) -> None:
        now = self.now_ms()
        records: list[Record] = []
        positions: dict[TP, Position] = {}
        before_ms, self._ticked_ms = self._ticked_ms, now
        metrics.PENDING.labels(self.name).set(self._pending())
        states = list(self._states.items())
        # what later readers decide by goes first: what rests on it may be read from then on
        decided = [state.limits.news() for _, state in states]
        await asyncio.gather(*[await self._send_position(one) for one in decided if one])
        for number, (tp, state) in enumerate(states):
            is_safe = in_turn(number, len(states), before_ms, now)
            if not is_due(state.pending, now - self._head_ms[tp], is_safe=is_safe):
                continue
            self._head_ms[tp] = now
            taken = self._taken(tp, state)
            records += self._records(tp, state.source, taken, now)
            before, stopped = self._positions.get(tp), self._stopped.get(tp)
            if not is_safe or (stopped and not stopped.can_publish):
                continue
            records += self._sketches(tp, taken.position)
            if taken.position != before:
                positions[tp] = taken.position
        # at once, so that they travel together and are judged together
        answers = [await self.send(*record) for record in records]
        await asyncio.gather(*answers)
        self._reading.set()
        self._published.set()
        # only now is everything before these positions safe
        safe = [await self._send_position(place) for place in positions.values()]
        await asyncio.gather(*safe)
        self._positions.update(positions)
        for tp, place in positions.items():
            if mine := self._states.get(tp):
                mine.limits.safe(place)

    def _taken(self, tp: TP, state: Gather) -> Taken:
        """What is to be published of a partition; of one that cannot be, how far it is."""
        stopped = self._stopped.get(tp)
        if stopped is None or stopped.can_publish:
            try:
                return state.take()
            except Exception as error:
                LOG.exception("%s: cannot be published", state.source)
                self._stop(tp, repr(error), can_publish=False)
        return state.standing()

    async def on_stop(self) -> None:
        self._ticked_ms = 0  # everybody's turn
        await self.on_tick()

    async def _left(self, assigned: set[TP]) -> left.Left:
        """The sketches that other workers, or this one before, have left of these partitions."""
        topic = self._named(topics.USERS)
        found = left.Left(topic, [f"{tp.topic}/{tp.partition}" for tp in assigned])
        async for record in reading.records(self.settings.kafka, topic):
            found.see(record)
        return found

    def _sketches(self, tp: TP, place: Position) -> list[Record]:
        """The sketches of a source partition, if there is news; and an end to those they hold."""
        told = self._users[tp].take()
        if told is None:
            return []
        source, read_to = place.source, self._states[tp].next_offset
        data = visitors.encode(visitors.Part(source, place.epoch, read_to, told.sketches))
        topic, mine = self._named(topics.USERS), self._key(source, is_whole=told.is_whole)
        old = self._superseded.pop(tp, ()) if told.is_whole else ()
        return [(topic, mine, data, ()), *((topic, name, None, ()) for name in old)]

    def _key(self, source: Source, *, is_whole: bool = True) -> str:
        return left.key(source, self._writer, is_whole=is_whole)

    def is_behind(self) -> bool:
        return any(
            self._end(tp) > state.next_offset
            for tp, state in self._states.items()
            if tp not in self._stopped
        )

    def _note(self, kind: str, messages: int, before: Tally, after: Tally) -> None:
        metrics.READ.labels(kind).inc(messages)
        metrics.EVENTS.labels(kind, "accepted").inc(after.accepted - before.accepted)
        metrics.EVENTS.labels(kind, "late").inc(after.late - before.late)
        metrics.EVENTS.labels(kind, "refused").inc(after.refused - before.refused)

    def _pending(self) -> int:
        return sum(state.pending for state in self._states.values())

    async def _send_position(self, place: Position) -> Awaitable[Any]:
        topic = self._named(topics.POSITIONS)
        return await self.send(topic, str(place.source), position.encode(place))

    def _records(self, tp: TP, source: Source, taken: Taken, now: int) -> list[Record]:
        """What there is to publish of a source partition."""
        kind = topics.KIND_OF[tp.topic]
        read_ms, stopped = self._record_ms[tp], self._stopped.get(tp)
        head = pulse.Head(
            kind,
            source,
            taken.position.epoch,
            taken.next_offset,
            max(self._end(tp), taken.next_offset),
            taken.frontier_ms,
            taken.watermark_ms,
            now,
            read_ms or None,
            stopped is not None or now - read_ms > self.settings.idle_ms,
            taken.tally,
            self._caught_up_ms.get(tp),
            taken.gaps,
            stopped.reason if stopped else None,
            self.clock.skew_ms,
            taken.position.sealed,
        )
        key, late = str(source), taken.late
        topic = self._named(topics.PULSES)
        records: list[Record] = [(topic, key, d, ()) for d in pulse.encode(head, taken.pulses)]
        if len(late):
            topic = self._named(topics.LATE)
            records += [(topic, key, data, ()) for data in pulse.encode(head, late)]
        for letter in taken.letters:
            records.append((self._named(topics.REFUSED), key, *letters.to_record(letter)))
            metrics.REFUSED.labels(kind, letter.reason).inc(letter.count)
        metrics.PUBLISHED.labels(topics.PULSES).inc(len(taken.pulses))
        metrics.LAG.labels(tp.topic, tp.partition).set(head.end_offset - head.next_offset)
        metrics.HELD_BACK.labels(tp.topic, tp.partition).set(self._held_back(tp))
        return records
