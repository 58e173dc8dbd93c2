"""The gather worker: source partitions in, pulses, late rows, dead letters and positions out.

A worker counts the records of its lane. The other lane's it only reads past: a load run that drives
the shadow lane's workers to their limit costs a real one the reading, not the counting.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from faust.types import TP

from fenghuo.schemas import letters, position, pulse, topics, visitors
from fenghuo.schemas.campaign import Campaign, load
from fenghuo.schemas.codec import Codec
from fenghuo.schemas.coding import Coder
from fenghuo.schemas.measures import cuts
from fenghuo.schemas.position import Position
from fenghuo.schemas.pulse import Source, Tally
from fenghuo.schemas.settings import Settings
from fenghuo.streams import kafka, lanes, limits, metrics, windows
from fenghuo.streams.fetch import Fetch
from fenghuo.streams.gather import Gather, Taken, Terms
from fenghuo.streams.part import Part, now_ms
from fenghuo.streams.users import Users

LOG = logging.getLogger("fenghuo.gather")
Record = tuple[str, str, bytes | None, Sequence[tuple[str, bytes]]]
"""Topic, key, value, headers."""
PENDING_MAX = 1_000_000
"""Rows a worker holds at most; then reading waits until they are published."""
SAFE_MS = 5_000
"""A partition's position is sent this often, behind the sketches of what lies before it: these
change with every new user, and an older position only means to read a little more again.
"""
HEAD_MS = 1_000
"""A partition in which nothing changed says so this often."""


class StartError(RuntimeError):
    """A partition cannot be read from where it was left: says why, and the cure."""


def coders(campaign: Campaign) -> dict[str, Coder]:
    """The coder of each kind, for the labels and cuts of the campaign."""
    return {kind: Coder(kind, campaign.labels, cuts(kind, campaign.cuts)) for kind in topics.KINDS}


def terms(settings: Settings, campaign: Campaign) -> Terms:
    """What the counting depends on; two workers with one fingerprint count alike."""
    words = f"{campaign.fingerprint} {campaign.start_ms} {campaign.end_ms}"
    return Terms(
        settings.lateness_ms,
        settings.future_ms,
        campaign.start_ms,
        campaign.end_ms,
        hashlib.sha256(words.encode()).hexdigest()[:16],
    )


def start(
    source: Source, found: Position | None, bounds: tuple[int, int], terms: Terms
) -> Position:
    """Where to begin: at the position, at the log's first record, or there again under a new epoch
    when the labels changed (everything is counted anew, and the higher epoch wins). Never somewhere
    that would be silently wrong: then StartError.
    """
    first, end = bounds
    fresh = Position(
        source,
        0,
        terms.fingerprint,
        first,
        None,
        windows.NEVER_MS,
        Tally(),
        terms.lateness_ms,
        terms.future_ms,
    )
    if found is None:
        return fresh
    if (found.lateness_ms, found.future_ms) != (terms.lateness_ms, terms.future_ms):
        # other events would be late or refused: what the store has of them could not be taken back
        raise StartError(
            f"{source}: was counted with lateness {found.lateness_ms} and future {found.future_ms} "
            f"ms, is to be with {terms.lateness_ms} and {terms.future_ms}: set "
            "FENGHUO_LATENESS_MS and FENGHUO_FUTURE_MS as they were, or use new topics"
        )
    if found.fingerprint != terms.fingerprint:
        if first > 0:
            raise StartError(
                f"{source}: labels, cuts or campaign times changed, and the log begins at offset "
                f"{first}: what is gone cannot be counted anew. Go back to the former campaign "
                "file, or use new topics"
            )
        return msgspec.structs.replace(fresh, epoch=found.epoch + 1)
    if found.offset > end:
        raise StartError(
            f"{source}: expected at least {found.offset} records, the log ends at {end}: was the "
            "topic made anew? Empty topic positions (and the tables, if they shall begin anew too)"
        )
    if found.offset < first:
        raise StartError(
            f"{source}: was read up to {found.offset}, the log begins at {first}: records were "
            "deleted unread. Lengthen the retention; to go on without them, empty topic positions"
        )
    return found


def visitors_of(parts: Iterable[visitors.Part], epoch: int) -> visitors.Sketches:
    """All that is known of a source in an epoch: other epochs have counted anew."""
    by_name: dict[visitors.Name, list[bytes]] = {}
    for part in parts:
        for name, data in part.sketches.items() if part.epoch == epoch else ():
            by_name.setdefault(name, []).append(data)
    return {name: visitors.united(found) for name, found in by_name.items()}


def is_due(pending: int, quiet_ms: int, *, is_safe: bool) -> bool:
    """Whether a source partition is published at a tick: it has news, or was not heard of for a
    while. A safe tick leaves nobody out: a partition that fell silent could be passed over at
    every one of them, and its users and its position would never be told.
    """
    return is_safe or pending > 0 or quiet_ms >= HEAD_MS


def in_turn(number: int, of: int, before_ms: int, now_ms: int) -> bool:
    """Whether the safe tick of this one of several partitions came after before_ms, up to now_ms.
    They take turns: the sketches of all at once would hold viewers up for a quarter of a second.
    """
    phase_ms = SAFE_MS * number // of
    return (now_ms - phase_ms) // SAFE_MS > (before_ms - phase_ms) // SAFE_MS


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
        self._superseded: dict[TP, list[str]] = {}
        """Keys of sketches that this worker has taken over, to be deleted when its own are safe."""
        super().__init__(settings)

    async def prepare(self) -> None:
        self._log = await kafka.prepare(self.settings)

    async def start_offsets(self, assigned: set[TP]) -> Mapping[TP, int]:
        self._states.clear()
        self._users.clear()
        if not assigned:
            return {}
        records = await kafka.read_all(self.settings.kafka, self._named(topics.POSITIONS))
        newest: dict[Source, Position] = {}
        told: dict[Source, list[Position]] = {}
        for record in records:
            found = position.decode(record.value or b"{}")
            told.setdefault(found.source, []).append(found)
            if found.wins(newest.get(found.source)):
                newest[found.source] = found
        bounds = await kafka.bounds(
            self.settings.kafka, [(tp.topic, tp.partition) for tp in assigned]
        )
        left = await self._visitors()
        for tp in assigned:
            source = Source(self._log, tp.topic, tp.partition)
            begin = start(source, newest.get(source), bounds[tp.topic, tp.partition], self._terms)
            begin = limits.merged(begin, told.get(source, ()))
            kind = topics.KIND_OF[tp.topic]
            codec = self._codecs[kind]
            regions = codec.coder.regions(np.empty(0, np.int64))[1]
            known = {key: part for key, part in left.items() if part.source == source}
            self._superseded[tp] = list(known)
            span_ms = (self._terms.start_ms, self._terms.end_ms)
            users = Users(regions, span_ms, visitors_of(known.values(), begin.epoch))
            self._users[tp] = users
            self._states[tp] = Gather(source, codec, self._terms, begin, users=users)
            if begin.epoch > (before.epoch if (before := newest.get(source)) else 0):
                # known before its first pulse: else a return to the old labels could reuse it
                await (await self._send_position(begin))
            self._record_ms[tp] = self._head_ms[tp] = 0
            self._caught_up_ms.pop(tp, None)
        return {tp: state.next_offset for tp, state in self._states.items()}

    async def on_fetch(self, tp: TP, fetch: Fetch) -> None:
        await self._reading.wait()
        state = self._states.get(tp)
        if state is None or fetch.next_offset <= state.next_offset:
            return  # not ours any more, or read before
        if fetch.start_offset != state.next_offset:
            raise StartError(
                f"{state.source}: expected offset {state.next_offset}, got {fetch.start_offset}: "
                "records are missing"
            )
        mine, before = lanes.only(fetch, self.settings.lane), state.tally
        state.add(mine, now_ms())
        self._note(topics.KIND_OF[tp.topic], len(mine.values), before, state.tally)
        self.progress_ms = now_ms()
        if mine.values:
            self._record_ms[tp] = self.progress_ms
        if fetch.next_offset >= self._end(tp):
            self._caught_up_ms[tp] = self.progress_ms
        while self._pending() > PENDING_MAX:
            self._published.clear()
            await self._published.wait()

    async def on_tick(self) -> None:
        """Publish what changed. Meanwhile no fetch is counted: milliseconds for the counting, but
        between two of them every answer of the broker would wait, and viewers with it.
        """
        self._reading.clear()
        try:
            await self._publish_all()
        finally:
            self._reading.set()

    async def _publish_all(self) -> None:
        now = now_ms()
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
            before, taken = self._positions.get(tp), state.take()
            self._head_ms[tp] = now
            records += self._records(tp, state.source, taken, now)
            if not is_safe:
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

    async def on_stop(self) -> None:
        self._ticked_ms = 0  # everybody's turn
        await self.on_tick()

    async def _visitors(self) -> dict[str, visitors.Part]:
        """The sketches that other workers, or this one before, have left."""
        found: dict[str, visitors.Part] = {}
        for record in await kafka.read_all(self.settings.kafka, self._named(topics.USERS)):
            key = (record.key or b"").decode()
            found.pop(key, None)
            if record.value:
                try:
                    found[key] = visitors.decode(record.value)
                except visitors.VisitorsError as error:
                    LOG.warning("sketches at offset %d are passed over: %s", record.offset, error)
        return found

    def _sketches(self, tp: TP, place: Position) -> list[Record]:
        """The sketches of a source partition, if there is news; and an end to those they hold."""
        sketches = self._users[tp].take()
        if sketches is None:
            return []
        part = visitors.Part(place.source, place.epoch, self._states[tp].next_offset, sketches)
        topic, mine = self._named(topics.USERS), f"{place.source}|{self._writer}"
        old = [key for key in self._superseded.pop(tp, ()) if key != mine]
        return [(topic, mine, visitors.encode(part), ()), *((topic, k, None, ()) for k in old)]

    def is_behind(self) -> bool:
        return any(self._end(tp) > state.next_offset for tp, state in self._states.items())

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
        read_ms = self._record_ms[tp]
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
            now - read_ms > self.settings.idle_ms,
            taken.tally,
            self._caught_up_ms.get(tp),
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
