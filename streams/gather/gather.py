"""Gather: one source partition's events become pulses, late rows and dead letters. No clock, no
I/O.

What comes out is a function of the log alone. `add` takes a fetch, `take` gives what changed since
the last time together with the position a successor may start from once all of it is safe in the
broker.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from fenghuo.schemas.arrays import Ints, Letters
from fenghuo.schemas.kinds.events import ALL
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.wire.letters import Letter
from fenghuo.schemas.wire.position import Position
from fenghuo.schemas.wire.pulse import Rows, Source, Tally, no_rows
from fenghuo.streams.counting import windows
from fenghuo.streams.counting.fates import COUNTS, LATE, PAST, Adder, Sifted, Sums, sift
from fenghuo.streams.counting.frames import FrameAdder
from fenghuo.streams.counting.limits import Limits
from fenghuo.streams.counting.out_of_time import out_of_time
from fenghuo.streams.counting.published import (
    compact,
    late_rows,
    pulse_rows,
    refused_letters,
    skipped_letter,
    unreadable_letter,
)
from fenghuo.streams.counting.replays import Replays
from fenghuo.streams.counting.undo import Kept
from fenghuo.streams.counting.users import Users
from fenghuo.streams.counting.weights import Weights, second_full
from fenghuo.streams.counting.wide import sums_by
from fenghuo.streams.decode.arrow.frame import Frame
from fenghuo.streams.decode.batch import Batch, Refusal
from fenghuo.streams.decode.codec import Codec
from fenghuo.streams.gather.taken import Taken, Terms

ROW_BYTES = 64
"""About what a held row takes."""
ROWS_MIN = 1_024
"""Rows of a frame that emptying the table of the short way must be good for."""
LETTERS_BYTES_MAX = 16 << 20
"""Bytes of dead letters between two `take`s beyond which each keeps a beginning only."""


class _Mark(msgspec.Struct, frozen=True):
    """The state before a fetch: where a successor can start."""

    offset: int
    frontier_ms: int
    tally: Tally
    replayed: tuple[tuple[int, int], ...]
    weights: tuple[tuple[int, int], ...]


_KEPT = Kept(
    values=("next_offset", "tally", "pending", "_frontier_ms", "_fetches", "_letter_bytes"),
    tables=("_opened", "_version", "_changed", "_marks", "_replays", "_weights"),
    lists=("_chunks", "_late", "_letters"),
)
"""All that counting a fetch changes."""


class Gather:
    """The state of one source partition: its open seconds and how far it has read."""

    def __init__(
        self,
        source: Source,
        codec: Codec,
        terms: Terms,
        start: Position,
        *,
        users: Users | None = None,
    ) -> None:
        self.source = source
        self._users = users
        self.next_offset = start.offset
        self.tally = start.tally
        self.gaps = start.gaps
        self._life, self._sealed = start.life, start.sealed
        self._codec = codec
        self._terms = terms
        self._epoch = start.epoch
        self._frontier_ms = windows.NEVER_MS if start.frontier_ms is None else start.frontier_ms
        self._floor_ms = start.floor_ms
        self.limits = Limits(start, terms.future_ms)
        self._replays = Replays(start.replayed)
        self._weights = Weights(start.weights)
        self._chunks: list[tuple[Ints, Ints, Ints, Ints]] = []
        self._opened: dict[int, int] = {}
        self._version: dict[int, int] = {}
        self._changed: set[int] = set()
        self._late: list[tuple[Ints, Ints, Ints, Ints, Ints]] = []
        self._letters: list[Letter] = []
        self._letter_bytes = 0
        self._marks: dict[int, _Mark] = {}
        self._fetches = 0
        self._adder, self._frames = Adder(), FrameAdder()
        # where sales of one second are told apart
        sells = ALL[codec.coder.kind].sales is not None
        self._cut = windows.cut_by((terms.start_ms, terms.end_ms) * sells)
        self.pending = 0
        """Rows held since the last `take`, dead letters by their size: what bounds the memory."""

    def add(self, fetch: Fetch, now_ms: int = windows.NEVER_MS) -> None:
        """Count one fetch, or, whatever breaks, none of it. now_ms: the broker's clock, for records
        with their producer's time.
        """
        before = _KEPT.of(self)
        try:
            self._count_all(fetch, now_ms)
        except Exception:
            before.restore(self)
            self._adder, self._frames = Adder(), FrameAdder()  # may be full of half a fetch
            raise

    def pass_gap(self, to: int) -> None:
        """Records up to this offset were deleted before they were read. What is held of open
        seconds stays, and later events still count for it.
        """
        self.gaps = self.gaps.plus(self.next_offset, to)
        self.next_offset = to

    def skip(self, fetch: Fetch, reason: str) -> None:
        """Pass over a fetch of one record by hand: one refused event, whatever is in it."""
        self._write(skipped_letter(self.source, fetch, reason))
        self.tally = self.tally.plus(Tally(refused=1))
        self.next_offset = fetch.next_offset

    def _count_all(self, fetch: Fetch, now_ms: int) -> None:
        for lost in fetch.unreadable:
            self._write(unreadable_letter(self.source, lost))
            self.tally = self.tally.plus(Tally(refused=lost.events))
        if not fetch.values:  # all of it was another lane's, or marks of transactions
            self.next_offset = fetch.next_offset
            return
        self._fetches += 1
        self._marks[self._fetches] = self._mark()
        limit_ms = self.limits.of(fetch)
        for part in self._codec.parts(fetch.values):
            if fetch.theirs is not None and self.limits.meet(fetch, part, now_ms):
                limit_ms = self.limits.of(fetch)
            if isinstance(part, Batch):
                self._add(fetch, part, limit_ms)
            else:
                self._add_frame(fetch, part, limit_ms)
        self._settle(fetch)
        self.next_offset = fetch.next_offset

    def _add_frame(self, fetch: Fetch, frame: Frame, limit_ms: Ints) -> None:
        """The rows of a frame that simply count the short way; from the first one on that does not,
        as a batch.
        """
        end = 0 if fetch.replays else self._count(fetch, frame, int(limit_ms[frame.message]))
        self.tally = self.tally.plus(Tally(end, unknown_fields=frame.unknown_fields * end))
        if self._users is not None and frame.user is not None:
            ts = frame.dt[:end].astype(np.int64) + frame.base_ms
            code, user = frame.codes[frame.index[:end]], frame.user[:end].astype(np.int64)
            self._users.add(self._codec.coder.visitors(), ts, code, user)
        if end < len(frame):
            self._add(fetch, frame.batch(end), limit_ms)

    def _count(self, fetch: Fetch, frame: Frame, limit_ms: int) -> int:
        """Count a frame as far as it simply counts: the first row that does not."""
        if not self._weights.take(self._frames.rows + len(frame)):
            self._settle(fetch)
            if not self._weights.take(len(frame)):
                return 0
        end, is_full = 0, True
        while is_full and end < len(frame):
            start, was_empty = end, not len(self._frames)
            end, self._frontier_ms, is_full = self._frames.add(
                frame,
                start,
                frontier_ms=self._frontier_ms,
                lateness_ms=self._terms.lateness_ms,
                limit_ms=limit_ms,
                apart=self._cut,
            )
            if is_full:
                self._settle(fetch)
                if was_empty and end - start < ROWS_MIN:
                    break  # rows far apart in time: a batch has a way for that
        return end

    def _settle(self, fetch: Fetch) -> None:
        """Keep what was counted of frames so far."""
        if len(self._frames):
            sums = self._frames.take()
            self._hold(fetch, sums)
            self.tally = self.tally.plus(self._labelled(*sums.rows))

    def _add(self, fetch: Fetch, batch: Batch, limit_ms: Ints) -> None:
        self._settle(fetch)  # before what comes later in the log
        refused = list(batch.refusals)
        sifted = self._sift(batch, limit_ms)
        if sifted.past or sifted.future or fetch.replays:
            batch = self._in_time(fetch, batch, sifted.fate, refused, limit_ms=limit_ms)
            if fetch.replays:
                batch, repeated = self._replays.first(fetch, batch, self._codec)
                refused += repeated
            sifted = self._sift(batch, limit_ms)
        if not self._weights.take(len(batch)):
            full = self._weights.beyond(batch, sifted.fate == COUNTS)
            refused += second_full(fetch, batch, full, codec=self._codec)
            batch, sifted = batch.only(~full), sifted.only(~full)
        self._refuse(fetch, refused)
        if self._users is not None:
            code = batch.cell // self._codec.coder.buckets
            self._users.add(self._codec.coder.visitors(), batch.ts, code, batch.user)
        self._frontier_ms = sifted.frontier_ms
        count = sum(refusal.count for refusal in refused)
        counted = Tally(sifted.counted, sifted.late, count, 0, batch.unknown_fields)
        if sifted.late:
            late = batch.only(sifted.fate == LATE)
            self._keep_late(fetch, late)
            counted = counted.plus(self._labelled(late.ts, late.cell, None, late.x))
        if sifted.counted:
            counted = counted.plus(self._keep(fetch, batch, sifted))
        self.tally = self.tally.plus(counted)

    def _sift(self, batch: Batch, limit_ms: Ints) -> Sifted:
        return sift(batch, limit_ms, self._frontier_ms, self._terms.lateness_ms)

    def take(self) -> Taken:
        """What changed since the last `take`; closed seconds are forgotten, open ones go on."""
        second, cell, n, x = compact(self._chunks)
        versions = {at: self._version[at] for at in sorted(self._changed)}
        rows = (second, cell, n, x)
        pulses = pulse_rows(self._codec.coder, rows, versions, self._epoch)
        late = late_rows(self._codec.coder, self._late)
        letters = tuple(self._letters)
        floor_ms = windows.floor_of(self._frontier_ms, self._terms.lateness_ms)
        is_open = second >= floor_ms
        self._chunks = (
            [(second[is_open], cell[is_open], n[is_open], x[is_open])] if is_open.any() else []
        )
        for closed in [second for second in self._opened if second < floor_ms]:
            del self._opened[closed], self._version[closed]
        self._weights.forget(floor_ms)
        self._changed.clear()
        self._late.clear()
        self._letters.clear()
        self._letter_bytes = 0
        self.pending = 0
        return self._as_taken(pulses, late, letters, self._position(max(floor_ms, self._floor_ms)))

    def standing(self) -> Taken:
        """How far it is, for a partition of which nothing can be published any more; the position
        is not to be kept.
        """
        none = no_rows(self._codec.coder.kind, ["version"])
        place = self._place(self._mark(), self._floor_ms)
        return self._as_taken(none, none, (), place)

    def _as_taken(
        self, pulses: Rows, late: Rows, letters: tuple[Letter, ...], place: Position
    ) -> Taken:
        has_events = self._frontier_ms != windows.NEVER_MS
        return Taken(
            *(pulses, late, letters, place),
            self._frontier_ms if has_events else None,
            self._frontier_ms - self._terms.lateness_ms if has_events else None,
            *(self.next_offset, self.tally, self.gaps),
        )

    def _mark(self) -> _Mark:
        return _Mark(
            *(self.next_offset, self._frontier_ms, self.tally),
            *(self._replays.counted, self._weights.all()),
        )

    def _position(self, floor_ms: int) -> Position:
        """The state before the oldest fetch that still matters; older ones are forgotten."""
        first = min(self._opened.values(), default=None)
        mark = self._mark() if first is None else self._marks[first]
        self._marks = {
            i: mark for i, mark in self._marks.items() if first is not None and i >= first
        }
        return self._place(mark, floor_ms)

    def _place(self, mark: _Mark, floor_ms: int) -> Position:
        open_ms = windows.floor_of(mark.frontier_ms, self._terms.lateness_ms)
        return Position(
            *(self.source, self._epoch, self._terms.fingerprint, mark.offset),
            None if mark.frontier_ms == windows.NEVER_MS else mark.frontier_ms,
            *(floor_ms, mark.tally, self._terms.lateness_ms, self._terms.future_ms),
            mark.replayed,
            *self.limits.since(mark.offset),
            *(self.gaps, self._life),
            tuple(one for one in mark.weights if one[0] >= open_ms and one[1]),
            self._sealed,
            self._terms.own(self._codec.coder.kind),
        )

    def _in_time(
        self,
        fetch: Fetch,
        batch: Batch,
        fate: Letters,
        found: list[Refusal],
        *,
        limit_ms: Ints,
    ) -> Batch:
        """Without events whose time cannot be: before 1990, or after their record's limit."""
        wrong = fate >= PAST
        if not wrong.any():
            return batch
        found += out_of_time(fetch, batch, fate, limit_ms, codec=self._codec)
        return batch.only(~wrong)

    def _refuse(self, fetch: Fetch, found: Sequence[Refusal]) -> None:
        room = LETTERS_BYTES_MAX - self._letter_bytes
        for letter in refused_letters(self.source, fetch, found, room):
            self._letter_bytes += len(letter.data)
            self._write(letter)

    def _write(self, letter: Letter) -> None:
        self._letters.append(letter)
        self.pending += 1 + len(letter.data) // ROW_BYTES

    def _labelled(self, ts: Ints, cell: Ints, n: Ints | None, x: Ints) -> Tally:
        """What labels and regions say of these events, or of n of each (ts: their second)."""
        coder = self._codec.coder
        code = cell // coder.buckets
        by_region: dict[str, tuple[int, int]] = {}
        many = np.ones(len(code), np.int64) if n is None else n
        if ALL[coder.kind].sales:
            counted = coder.sold(code) & (ts >= self._terms.start_ms) & (ts < self._terms.end_ms)
            region, names = coder.regions(code[counted])
            for at, paid, fen in sums_by(region, many[counted], x[counted]):
                by_region[names[at]] = (paid, fen)
        return Tally(0, 0, 0, coder.unknown(code, many), 0, by_region)

    def _keep_late(self, fetch: Fetch, batch: Batch) -> None:
        offset = fetch.offsets[batch.message]
        self._late.append((windows.second_of(batch.ts), batch.cell, batch.x, offset, batch.idx))
        self.pending += len(batch)

    def _keep(self, fetch: Fetch, batch: Batch, sifted: Sifted) -> Tally:
        """Add what counts to its seconds."""
        sums = self._adder.add(batch, sifted)
        self._hold(fetch, sums)
        if np.isin(self._cut, sums.seconds).any():
            kept = batch.only(sifted.fate == COUNTS)
            return self._labelled(kept.ts, kept.cell, None, kept.x)
        return self._labelled(*sums.rows)

    def _hold(self, fetch: Fetch, sums: Sums) -> None:
        """Hold sums until they are published."""
        (second, cell, n, x), seconds, last = sums.rows, sums.seconds, sums.last
        self._weights.add(sums)
        # what was complete and published before this worker began is not published again
        fresh = second >= self._floor_ms
        if not fresh.all():
            second, cell, n, x = second[fresh], cell[fresh], n[fresh], x[fresh]
            seconds, last = seconds[seconds >= self._floor_ms], last[seconds >= self._floor_ms]
        if not len(second):
            return
        self._chunks.append((second, cell, n, x))
        self.pending += len(second)
        # the last event of each second gives its version
        versions = fetch.offsets[last] + 1
        for start, version in zip(seconds.tolist(), versions.tolist(), strict=True):
            self._opened.setdefault(start, self._fetches)
            self._version[start] = version
            self._changed.add(start)
