"""Gather, judge and archive workers over a broker of lists, composed as streams/part_*.py do.

Where the parts wait (for an answer of the broker, of the store) is where these can be stopped: they
ask `dies` there.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from fenghuo.schemas.lane import Lane
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import letters, position, pulse, status, topics
from fenghuo.schemas.wire.letters import Letter
from fenghuo.schemas.wire.position import Position
from fenghuo.schemas.wire.pulse import Head, Rows, Source
from fenghuo.schemas.wire.status import Board
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams.archive.held import Block, Pulses, late_block, refused_block, transition_block
from fenghuo.streams.decode.codec import Codec
from fenghuo.streams.gather import lanes
from fenghuo.streams.gather.gather import Gather
from fenghuo.streams.gather.places import begin
from fenghuo.streams.gather.taken import Taken, coders, terms
from fenghuo.streams.gather.turns import is_due
from fenghuo.streams.judge.judge import Judge
from fenghuo.streams.judge.worker import BOARD_MS
from tests.laws.archive.table import Table
from tests.laws.judge.duty import campaign
from tests.laws.river import fetch_of
from tests.sim.feed import Place
from tests.strategies import Record

LOG = "log"
IDLE_MS = Settings().idle_ms
TERMS = terms(Settings(), campaign())
Dies = Callable[[], bool]
"""Asked at every point where a part waits: whether it dies there."""


class Died(Exception):
    """A worker was killed."""


@cache
def decoded(data: bytes) -> tuple[Head, Rows]:
    """A frame of pulses or late rows; everybody reads the same frames, so each is decoded once."""
    return pulse.decode(data)


@dataclass
class Broker:
    """Every topic as a list; the offset is the index. Source topics are the feed's."""

    sources: dict[Place, list[Record]]
    pulses: list[bytes] = field(default_factory=list)
    late: list[bytes] = field(default_factory=list)
    refused: list[tuple[bytes, list[tuple[str, bytes]]]] = field(default_factory=list)
    transitions: list[bytes] = field(default_factory=list)
    status: list[bytes] = field(default_factory=list)
    positions: dict[str, list[bytes]] = field(default_factory=dict)

    def compact(self, keep: int) -> None:
        """Of each key only the newest records stay, as in a compacted topic."""
        self.positions = {key: found[-keep:] for key, found in self.positions.items()}

    def known_positions(self, source: Source) -> list[Position]:
        """What a worker finds when a partition is assigned to it, the best first."""
        found = [position.decode(data) for data in self.positions.get(str(source), ())]
        return sorted(found, key=lambda place: (place.epoch, place.offset), reverse=True)


class GatherWorker:
    """See streams/gather/worker.py."""

    def __init__(self, broker: Broker, dies: Dies, lane: Lane) -> None:
        self.broker, self.dies, self.lane = broker, dies, lane
        self.codecs = {kind: Codec(coder) for kind, coder in coders(campaign()).items()}
        self.states: dict[Place, Gather] = {}
        self.record_ms: dict[Place, int] = {}
        self.head_ms: dict[Place, int] = {}
        self.positions: dict[Place, Position] = {}

    def assign(self, places: Iterable[Place]) -> None:
        """start_offsets: all memory goes, every partition begins at its newest position."""
        self.states.clear()
        for place in places:
            source = Source(LOG, *place)
            log = self.broker.sources[place]
            bounds = (0, log[-1].offset + 1 if log else 0)
            begun = begin(source, self.broker.known_positions(source), bounds, TERMS)
            assert begun.stopped is None, begun
            kind = topics.KIND_OF[place[0]]
            self.states[place] = Gather(source, self.codecs[kind], TERMS, begun.place)
            self.record_ms[place] = self.head_ms[place] = 0

    def on_fetch(self, place: Place, records: Sequence[Record], now_ms: int) -> None:
        state = self.states.get(place)
        if state is None or not records:
            return
        fetch = fetch_of(records)
        if fetch.next_offset <= state.next_offset:
            return
        if fetch.start_offset < state.next_offset:
            raise AssertionError(f"{place}: {fetch.start_offset} was read before")
        mine = lanes.only(fetch, self.lane)
        state.add(mine)
        if mine.values:
            self.record_ms[place] = now_ms

    def on_tick(self, now_ms: int) -> None:
        new: dict[Place, Position] = {}
        for place, state in list(self.states.items()):
            if not is_due(state.pending, now_ms - self.head_ms[place], is_safe=False):
                continue
            before, taken = self.positions.get(place), state.take()
            self.head_ms[place] = now_ms
            self._publish(place, state.source, taken, now_ms)
            if taken.position != before:
                new[place] = taken.position
        for place, found in new.items():
            self._maybe_die()
            key = str(found.source)
            self.broker.positions.setdefault(key, []).append(position.encode(found))
            self.positions[place] = found

    def _publish(self, place: Place, source: Source, taken: Taken, now_ms: int) -> None:
        kind = topics.KIND_OF[place[0]]
        read_ms = self.record_ms[place]
        log = self.broker.sources[place]
        head = pulse.Head(
            kind,
            source,
            taken.position.epoch,
            taken.next_offset,
            max(log[-1].offset + 1 if log else 0, taken.next_offset),
            taken.frontier_ms,
            taken.watermark_ms,
            now_ms,
            read_ms or None,
            now_ms - read_ms > IDLE_MS,
            taken.tally,
        )
        for data in pulse.encode(head, taken.pulses):
            self._maybe_die()
            self.broker.pulses.append(data)
        if len(taken.late):
            for data in pulse.encode(head, taken.late):
                self._maybe_die()
                self.broker.late.append(data)
        for letter in taken.letters:
            self._maybe_die()
            self.broker.refused.append(letters.to_record(letter))

    def _maybe_die(self) -> None:
        if self.dies():
            raise Died


class JudgeWorker:
    """See streams/judge/worker.py."""

    def __init__(self, broker: Broker, dies: Dies) -> None:
        self.broker, self.dies = broker, dies
        board = status.decode(broker.status[-1]) if broker.status else None
        self.judge = Judge(campaign(), board)
        self.next = min(board.rewind_offset, len(broker.pulses)) if board else 0
        self.ready_at = len(broker.pulses)
        self.board_ms = 0

    def read(self, end: int) -> None:
        for offset in range(self.next, end):
            self.judge.see(*decoded(self.broker.pulses[offset]), offset)
        self.next = max(self.next, end)

    def on_tick(self, now_ms: int) -> tuple[Board, bool] | None:
        """The board, and whether it was sent; None while the past is still being read."""
        if self.next < self.ready_at:
            return None
        self.tell(self.judge.untold)
        self.judge.untold = ()
        board, moved = self.judge.grade(now_ms, self.next)
        is_sent = bool(moved) or now_ms - self.board_ms >= BOARD_MS
        if is_sent:
            if self.dies():
                raise Died
            self.board_ms = now_ms
            self.broker.status.append(status.encode(board))
        self.tell(moved)
        return board, is_sent

    def tell(self, moved: Sequence[Transition]) -> None:
        for transition in moved:
            if self.dies():
                raise Died
            self.broker.transitions.append(msgspec.json.encode(transition))


class ArchiveWorker:
    """See streams/archive/worker.py. `committed` and the table outlive it."""

    def __init__(self, broker: Broker, table: Table, committed: dict[str, int], dies: Dies) -> None:
        self.broker, self.table, self.committed, self.dies = broker, table, committed, dies
        self.next = dict(committed)
        self.pulses = Pulses()
        self.late: dict[str, list[tuple[Source, Rows]]] = {}
        self.letters: list[Letter] = []
        self.transitions: list[Transition] = []
        self.waiting: list[Block] | None = None
        self.before: dict[str, int] = {}

    def read(self, topic: str, size: int, now_ms: int) -> None:
        log: list[Any] = getattr(self.broker, topic)
        begin = self.next[topic]
        for offset, record in enumerate(log[begin : begin + size], begin):
            if topic == "pulses":
                self.pulses.see(*decoded(record), offset, now_ms)
            elif topic == "late":
                head, rows = decoded(record)
                self.late.setdefault(head.kind, []).append((head.source, rows))
            elif topic == "refused":
                self.letters.append(letters.from_record(*record))
            else:
                self.transitions.append(msgspec.json.decode(record, type=Transition))
        self.next[topic] = min(begin + size, len(log))

    def on_tick(self, now_ms: int, *, is_store_up: bool) -> None:
        """Begin to insert; finish when the store is up. What is read meanwhile waits for the next
        tick.
        """
        if self.waiting is None:
            self.before = dict(self.next)
            self.waiting = [*self.pulses.due(now_ms), *self._rest()]
        if not is_store_up:
            return
        for block in self.waiting:
            if self.dies():
                raise Died
            self.table.insert([block])
        if self.dies():
            raise Died
        self.waiting = None
        self.pulses.stored()
        for topic, offset in self.before.items():
            safe = self.pulses.safe_offset(offset) if topic == "pulses" else offset
            self.committed[topic] = max(self.committed[topic], safe)

    def _rest(self) -> list[Block]:
        blocks = [late_block(kind, parts) for kind, parts in self.late.items()]
        if self.letters:
            blocks.append(refused_block(self.letters))
        if self.transitions:
            blocks.append(transition_block("day", LOG, self.transitions))
        self.late, self.letters, self.transitions = {}, [], []
        return blocks
