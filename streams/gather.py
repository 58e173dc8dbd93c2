"""Gather: one source partition's events become pulses, late rows and dead letters. No clock, no
I/O.

What comes out is a function of the log alone. `add` takes a fetch, `take` gives what changed since
the last time together with the position a successor may start from once all of it is safe in the
broker.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from fenghuo.schemas import marks
from fenghuo.schemas.batch import Batch, Refusal
from fenghuo.schemas.codec import Codec
from fenghuo.schemas.coding import Ints
from fenghuo.schemas.events import TS_MIN_MS
from fenghuo.schemas.letters import Headers, Letter, replay_of
from fenghuo.schemas.position import Position
from fenghuo.schemas.pulse import EPOCH_SHIFT, Rows, Source, Tally, no_rows
from fenghuo.streams import windows

REPLAYED_MAX = 10_000
"""Most replayed dead letters a partition remembers; more replays are refused, for they could count
twice.
"""


class Fetch(msgspec.Struct, frozen=True):
    """Consecutive records of one source partition, as the transport read them: from start_offset up
    to, not including, next_offset. record_ms: the broker's time of each; headers: of the records
    that have any; shadow: which records are marked so, None when none is.
    """

    offsets: Ints
    values: Sequence[bytes | None]
    record_ms: Ints
    start_offset: int
    next_offset: int
    headers: dict[int, Headers] = {}
    shadow: npt.NDArray[np.bool_] | None = None


class Terms(msgspec.Struct, frozen=True):
    """What the counting depends on besides the log. fingerprint names labels, cuts and the
    campaign's times.
    """

    lateness_ms: int
    future_ms: int
    start_ms: int
    end_ms: int
    fingerprint: str


class Taken(msgspec.Struct, frozen=True):
    """What changed: pulses and late rows to publish, letters for the dead, and the position after
    that.
    """

    pulses: Rows
    late: Rows
    letters: tuple[Letter, ...]
    position: Position
    frontier_ms: int | None
    watermark_ms: int | None
    next_offset: int
    tally: Tally


class _Mark(msgspec.Struct, frozen=True):
    """The state before a fetch: where a successor can start."""

    offset: int
    frontier_ms: int
    tally: Tally
    replayed: tuple[tuple[int, int], ...]


class Gather:
    """The state of one source partition: its open seconds and how far it has read."""

    def __init__(self, source: Source, codec: Codec, terms: Terms, start: Position) -> None:
        self.source = source
        self.next_offset = start.offset
        self.tally = start.tally
        self._codec = codec
        self._terms = terms
        self._epoch = start.epoch
        self._frontier_ms = windows.NEVER_MS if start.frontier_ms is None else start.frontier_ms
        self._floor_ms = start.floor_ms
        self._replayed = start.replayed
        self._is_replayed = set(start.replayed)
        self._chunks: list[tuple[Ints, Ints, Ints, Ints]] = []
        self._opened: dict[int, int] = {}
        self._version: dict[int, int] = {}
        self._changed: set[int] = set()
        self._late: list[tuple[Ints, Ints, Ints, Ints, Ints]] = []
        self._letters: list[Letter] = []
        self._marks: dict[int, _Mark] = {}
        self._fetches = 0
        self.pending = 0
        """Rows held since the last `take`: what bounds the memory of a partition."""

    def add(self, fetch: Fetch) -> None:
        """Count one fetch."""
        if not fetch.values:  # all of it was another lane's, or marks of transactions
            self.next_offset = fetch.next_offset
            return
        batch = self._codec.decode(fetch.values)
        self._fetches += 1
        self._marks[self._fetches] = self._mark()
        refusals = list(batch.refusals)
        batch = self._in_time(fetch, batch, refusals)
        if fetch.headers:
            batch = self._without_repeats(fetch, batch, refusals)
        self._refuse(fetch, refusals)
        before = windows.frontier_before(batch.ts, self._frontier_ms)
        late = windows.is_late(batch.ts, before, self._terms.lateness_ms)
        if len(batch):
            self._frontier_ms = max(self._frontier_ms, int(batch.ts.max()))
        self._count(batch, int(late.sum()), len(refusals))
        if late.any():
            self._keep_late(fetch, batch.only(late))
            batch = batch.only(~late)
        self._keep(fetch, batch)
        self.next_offset = fetch.next_offset

    def take(self) -> Taken:
        """What changed since the last `take`; closed seconds are forgotten, open ones go on."""
        second, cell, n, x = self._compact()
        pulses = self._pulses(second, cell, n, x)
        late = self._late_rows()
        letters = tuple(self._letters)
        floor_ms = windows.floor_of(self._frontier_ms, self._terms.lateness_ms)
        is_open = second >= floor_ms
        self._chunks = (
            [(second[is_open], cell[is_open], n[is_open], x[is_open])] if is_open.any() else []
        )
        for closed in [second for second in self._opened if second < floor_ms]:
            del self._opened[closed], self._version[closed]
        self._changed.clear()
        self._late.clear()
        self._letters.clear()
        self.pending = 0
        has_events = self._frontier_ms != windows.NEVER_MS
        return Taken(
            pulses,
            late,
            letters,
            self._position(max(floor_ms, self._floor_ms)),
            self._frontier_ms if has_events else None,
            self._frontier_ms - self._terms.lateness_ms if has_events else None,
            self.next_offset,
            self.tally,
        )

    def _mark(self) -> _Mark:
        return _Mark(self.next_offset, self._frontier_ms, self.tally, self._replayed)

    def _position(self, floor_ms: int) -> Position:
        """The state before the oldest fetch that still matters; older ones are forgotten."""
        first = min(self._opened.values(), default=None)
        mark = self._mark() if first is None else self._marks[first]
        self._marks = {
            i: mark for i, mark in self._marks.items() if first is not None and i >= first
        }
        return Position(
            self.source,
            self._epoch,
            self._terms.fingerprint,
            mark.offset,
            None if mark.frontier_ms == windows.NEVER_MS else mark.frontier_ms,
            floor_ms,
            mark.tally,
            self._terms.lateness_ms,
            self._terms.future_ms,
            mark.replayed,
        )

    def _without_repeats(self, fetch: Fetch, batch: Batch, refusals: list[Refusal]) -> Batch:
        """Replayed letters count once: a second replay of the same one is refused."""
        again = set()
        for at, headers in fetch.headers.items():
            letter = replay_of(headers)
            if letter is None or not (batch.message == at).any():
                continue
            if letter in self._is_replayed or len(self._replayed) >= REPLAYED_MAX:
                again.add(at)
            else:
                self._is_replayed.add(letter)
                self._replayed += (letter,)
        if not again:
            return batch
        repeated = np.isin(batch.message, list(again))
        events = _Events(self._codec, fetch)
        for message, idx in zip(batch.message[repeated], batch.idx[repeated], strict=True):
            data = events.bytes_of(int(message), int(idx))
            refusals.append(
                Refusal(int(message), int(idx), "already_replayed", "this letter was counted", data)
            )
        return batch.only(~repeated)

    def _in_time(self, fetch: Fetch, batch: Batch, refusals: list[Refusal]) -> Batch:
        """Without events whose time cannot be: before 1990, or after their own record."""
        limit = fetch.record_ms[batch.message] + self._terms.future_ms
        past, future = batch.ts < TS_MIN_MS, batch.ts > limit
        wrong = past | future
        if not wrong.any():
            return batch
        events = _Events(self._codec, fetch)
        for at in np.flatnonzero(wrong):
            message, idx, ts = int(batch.message[at]), int(batch.idx[at]), int(batch.ts[at])
            reason = "time_past" if past[at] else "time_future"
            bound = f"at least {TS_MIN_MS}" if past[at] else f"at most {int(limit[at])}"
            hint = "; seconds where milliseconds belong?" if 0 < ts < TS_MIN_MS else ""
            data = events.bytes_of(message, idx)
            refusals.append(
                Refusal(message, idx, reason, f"ts: expected {bound}, got {ts}{hint}", data)
            )
        return batch.only(~wrong)

    def _refuse(self, fetch: Fetch, refusals: Sequence[Refusal]) -> None:
        for refusal in refusals:
            headers = fetch.headers.get(refusal.message, ())
            self._letters.append(
                Letter(
                    self.source,
                    int(fetch.offsets[refusal.message]),
                    refusal.idx,
                    refusal.reason,
                    refusal.detail,
                    int(fetch.record_ms[refusal.message]),
                    refusal.data,
                    replay_of(headers),
                    marks.kept(headers),
                )
            )
        self.pending += len(refusals)

    def _count(self, batch: Batch, late: int, refused: int) -> None:
        coder = self._codec.coder
        code = batch.cell // coder.buckets
        by_region: dict[str, tuple[int, int]] = {}
        if coder.kind == "order" and len(batch):
            counted = coder.paid(code)
            counted &= (batch.ts >= self._terms.start_ms) & (batch.ts < self._terms.end_ms)
            region, names = coder.regions(code[counted])
            at, paid, fen = windows.sums(region, np.ones(len(region), np.int64), batch.x[counted])
            for i, count, amount in zip(at, paid, fen, strict=True):
                by_region[names[i]] = (int(count), int(amount))
        self.tally = self.tally.plus(
            Tally(
                len(batch) - late,
                late,
                refused,
                coder.unknown(code),
                batch.unknown_fields,
                by_region,
            )
        )

    def _keep_late(self, fetch: Fetch, batch: Batch) -> None:
        offset = fetch.offsets[batch.message]
        self._late.append((windows.second_of(batch.ts), batch.cell, batch.x, offset, batch.idx))
        self.pending += len(batch)

    def _keep(self, fetch: Fetch, batch: Batch) -> None:
        second = windows.second_of(batch.ts)
        fresh = second >= self._floor_ms
        if not fresh.all():
            batch, second = batch.only(fresh), second[fresh]
        if not len(batch):
            return
        width = int(batch.cell.max()) + 1
        base = int(second.min())
        key = (second - base) // windows.SECOND_MS * width + batch.cell
        key, n, x = windows.sums(key, np.ones(len(batch), np.int64), batch.x)
        self._chunks.append((key // width * windows.SECOND_MS + base, key % width, n, x))
        self.pending += len(key)
        # the last event of each second in this fetch gives its version
        seconds, from_end = np.unique(second[::-1], return_index=True)
        last = fetch.offsets[batch.message[len(second) - 1 - from_end]] + 1
        for start, version in zip(seconds.tolist(), last.tolist(), strict=True):
            self._opened.setdefault(start, self._fetches)
            self._version[start] = version
            self._changed.add(start)

    def _compact(self) -> tuple[Ints, Ints, Ints, Ints]:
        """All chunks as one: (second, cell, n, x), by second and cell."""
        if not self._chunks:
            none = np.empty(0, np.int64)
            return none, none, none, none
        second, cell, n, x = (np.concatenate(parts) for parts in zip(*self._chunks, strict=True))
        width, base = int(cell.max()) + 1, int(second.min())
        key, n, x = windows.sums((second - base) // windows.SECOND_MS * width + cell, n, x)
        return key // width * windows.SECOND_MS + base, key % width, n, x

    def _pulses(self, second: Ints, cell: Ints, n: Ints, x: Ints) -> Rows:
        if not self._changed:
            return no_rows(self._codec.coder.kind, ["version"])
        seconds = np.array(sorted(self._changed), np.int64)
        keep = np.isin(second, seconds)
        group = np.searchsorted(seconds, second[keep])
        group, code, values = self._codec.coder.spread(group, cell[keep], n[keep], x[keep])
        versions = np.array([self._version[s] for s in seconds.tolist()], np.int64)
        stamp = {"version": (self._epoch << EPOCH_SHIFT) + versions[group]}
        return Rows(seconds[group], code, tuple(self._codec.coder.series), values, stamp)

    def _late_rows(self) -> Rows:
        if not self._late:
            return no_rows(self._codec.coder.kind, ["offset", "idx"])
        second, cell, x, offset, idx = (
            np.concatenate(parts) for parts in zip(*self._late, strict=True)
        )
        group, code, values = self._codec.coder.spread(
            np.arange(len(second), dtype=np.int64), cell, np.ones(len(second), np.int64), x
        )
        stamp = {"offset": offset[group], "idx": idx[group]}
        return Rows(second[group], code, tuple(self._codec.coder.series), values, stamp)


class _Events:
    """The bytes of single events of a fetch; each message is split once, however many are asked."""

    def __init__(self, codec: Codec, fetch: Fetch) -> None:
        self._codec = codec
        self._fetch = fetch
        self._split: dict[int, Callable[[int], bytes]] = {}

    def bytes_of(self, message: int, idx: int) -> bytes:
        """One event as bytes that mean it alone."""
        if message not in self._split:
            self._split[message] = self._codec.split(self._fetch.values[message] or b"")
        return self._split[message](idx)
