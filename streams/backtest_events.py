"""judge_events(): recorded events through codec, gather and judge, as the parts do it live.

Time is the recording's: each record comes when it was recorded, and the judge grades at ticks of
that time. No broker, no clock.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from fenghuo.alerts.backtest import spans
from fenghuo.alerts.backtest.spans import Conduct, Track
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire.pulse import Head, Source
from fenghuo.schemas.wire.topics import TOPIC_OF
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams.decode.codec import Codec
from fenghuo.streams.gather import places
from fenghuo.streams.gather.gather import Gather
from fenghuo.streams.gather.taken import Taken, coders, terms
from fenghuo.streams.gather.turns import is_due
from fenghuo.streams.judge.judge import Judge, scopes_of

LOG: Final = "recording"
TICK_MS: Final = 1_000
TICKS_MAX: Final = 20_000
"""Of a long recording the ticks are wider, unless it is said how wide."""


class Recorded(NamedTuple):
    """One message: when it came, of which kind, its bytes."""

    at_ms: int
    kind: str
    value: bytes


def tick_of(first_ms: int, last_ms: int) -> int:
    """How far apart ticks are (ms), when nobody says: a second, or as many as are not too many."""
    seconds = -(-(last_ms - first_ms) // (TICKS_MAX * 1_000))
    return max(seconds, 1) * TICK_MS


def judge_events(
    campaign: Campaign, records: Iterable[Recorded], settings: Settings, *, tick_ms: int
) -> dict[tuple[str, str], Conduct]:
    """What each rule did in each scope. records: in the order of at_ms."""
    judge = Judge(campaign)
    river = _River(campaign, settings)
    moves: dict[tuple[str, str], list[tuple[int, int | None]]] = {
        (rule.id, scope): [] for rule in campaign.rules for scope in scopes_of(campaign, rule)
    }
    begin_ms = now_ms = 0
    for now_ms, batch in _ticks(records, tick_ms):
        begin_ms = begin_ms or now_ms
        river.read(batch)
        for head, taken in river.published(now_ms):
            judge.see(head, taken.pulses, 0)
        _, moved = judge.grade(now_ms, 0)
        _note(moves, moved)
    return {
        (rule.id, scope): spans.conduct(
            Track(begin_ms, now_ms + tick_ms, tuple(moves[rule.id, scope])), rule.flapping
        )
        for rule in campaign.rules
        for scope in scopes_of(campaign, rule)
    }


def _note(
    moves: dict[tuple[str, str], list[tuple[int, int | None]]], moved: Sequence[Transition]
) -> None:
    for one in moved:
        moves[one.rule, one.scope].append((one.at_ms, one.to_level))


def _ticks(records: Iterable[Recorded], tick_ms: int) -> Iterator[tuple[int, list[Recorded]]]:
    """Every tick from the first record on, with the records that came since the one before."""
    batch: list[Recorded] = []
    tick: int | None = None
    for record in records:
        if tick is None:
            tick = record.at_ms - record.at_ms % tick_ms + tick_ms
        while record.at_ms >= tick:
            yield tick, batch
            batch = []
            tick += tick_ms
        batch.append(record)
    if tick is not None:
        yield tick, batch


class _River:
    """Gather over one partition of each kind; see streams/gather/worker.py."""

    def __init__(self, campaign: Campaign, settings: Settings) -> None:
        rules = terms(settings, campaign)
        self._idle_ms = settings.idle_ms
        self._gathers: dict[str, Gather] = {}
        for kind, coder in coders(campaign).items():
            source = Source(LOG, TOPIC_OF[kind], 0)
            begin = places.begin(source, (), (0, 0), rules).place
            self._gathers[kind] = Gather(source, Codec(coder), rules, begin)
        self._record_ms = dict.fromkeys(self._gathers, 0)
        self._head_ms = dict.fromkeys(self._gathers, 0)

    def read(self, batch: Sequence[Recorded]) -> None:
        """Count the records of one tick."""
        for kind, gather in self._gathers.items():
            mine = [record for record in batch if record.kind == kind]
            if not mine:
                continue
            first = gather.next_offset
            gather.add(
                Fetch(
                    np.arange(first, first + len(mine)),
                    [record.value for record in mine],
                    np.array([record.at_ms for record in mine], np.int64),
                    first,
                    first + len(mine),
                )
            )
            self._record_ms[kind] = mine[-1].at_ms

    def published(self, now_ms: int) -> Iterator[tuple[Head, Taken]]:
        """What each kind would publish at a tick."""
        for kind, gather in self._gathers.items():
            if not is_due(gather.pending, now_ms - self._head_ms[kind], is_safe=False):
                continue
            taken = gather.take()
            self._head_ms[kind] = now_ms
            read_ms = self._record_ms[kind]
            head = Head(
                kind,
                gather.source,
                taken.position.epoch,
                taken.next_offset,
                taken.next_offset,
                taken.frontier_ms,
                taken.watermark_ms,
                now_ms,
                read_ms or None,
                now_ms - read_ms > self._idle_ms,
                taken.tally,
            )
            yield head, taken
