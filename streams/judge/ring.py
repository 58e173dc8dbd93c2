"""Ring: the last minutes of one kind, merged over all source partitions, second by second. No
clock, no I/O.

A newer pulse of a (source, second) takes the place of the one before it, so the ring is what the
newest pulses say, in whatever order and however often they came. Its sums are exact however large
they are.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.kinds.measures import Series, columns
from fenghuo.schemas.wire.pulse import Rows, Source
from fenghuo.streams.archive.held import by_second
from fenghuo.streams.counting.wide import Parts, Table, exact, number
from fenghuo.streams.counting.windows import SECOND_MS

SERIES_MAX = 20_000
"""Most series of a kind; what is beyond is left out of readings (never out of the store) and
counted.
"""


class _Held(msgspec.Struct):
    version: int
    offset: int
    series: Ints
    values: Ints
    most: int
    """No value is above."""


class Ring:
    """Seconds (newest - span, newest] of one kind."""

    def __init__(self, kind: str, span_s: int) -> None:
        self.newest_s: int | None = None
        self.first_s: int | None = None
        """The first second there ever was: before it nothing is known."""
        self.left_out = 0
        self._width = len(columns(kind))
        self._span = span_s
        self._ids: dict[Series, int] = {}
        self._table = Table((span_s, 64, self._width))
        self._held: dict[int, dict[Source, _Held]] = {}
        self._most = 0
        """What no sum of all that is held can be above."""
        self._sums: dict[tuple[int, int], Parts] = {}

    def see(self, source: Source, rows: Rows, offset: int) -> None:
        """Take in the pulses of one frame, read from this offset of topic `pulses`."""
        self._sums.clear()
        most = int(rows.values.max(initial=0))
        for second_ms, part in by_second(rows):
            second = second_ms // SECOND_MS
            self._advance(second)
            assert self.newest_s is not None
            if second <= self.newest_s - self._span:
                continue
            version = int(part.stamp["version"][0])
            held = self._held.setdefault(second, {}).get(source)
            if held is not None and version < held.version:
                continue
            series = self._series(part.series, part.code)
            known = series >= 0
            new = _Held(version, offset, series[known], part.values[known], most)
            self._most += most
            self._table.bound(self._most)
            at = second % self._span
            if held is not None and version == held.version:
                fresh = ~np.isin(new.series, held.series)
                self._table.add((at, new.series[fresh]), new.values[fresh])
                held.series = np.concatenate((held.series, new.series[fresh]))
                held.values = np.concatenate((held.values, new.values[fresh]))
                held.most += most
                continue
            self._table.add((at, new.series), new.values)
            if held is not None:
                self._table.subtract((at, held.series), held.values)
                self._most -= held.most
            self._held[second][source] = new

    def window(self, end_s: int, seconds: int) -> Parts:
        """Sums of the seconds [end - seconds, end), by series and column, in parts."""
        key = (end_s, seconds)
        if key not in self._sums:
            newest = end_s - 1 if self.newest_s is None else self.newest_s
            first = max(end_s - seconds, newest - self._span + 1)
            last = min(end_s - 1, newest)
            at = np.arange(first, last + 1) % self._span
            self._sums[key] = [part[at].sum(axis=0) for part in self._table.parts]
        return self._sums[key]

    def steps(
        self, series: Series, column: int, end_s: int, *, step_s: int, many: int
    ) -> list[int]:
        """Sums of one series in `many` steps that end at end_s, oldest first; zeros if it never
        occurred.
        """
        at = self._ids.get(series)
        seconds = np.arange(end_s - many * step_s, end_s)
        if at is None or self.newest_s is None:
            return [0] * many
        held = (seconds <= self.newest_s) & (seconds > self.newest_s - self._span)
        columns = (part[seconds % self._span, at, column] for part in self._table.parts)
        return exact([np.where(held, one, 0).reshape(many, step_s).sum(axis=1) for one in columns])

    def holds(self, second: int) -> bool:
        """Whether this second has not yet left the ring."""
        return self.newest_s is None or second > self.newest_s - self._span

    def cell(self, sums: Parts, series: Series, column: int) -> int:
        """One sum of what `window` gave; 0 if the series never occurred."""
        at = self._ids.get(series)
        if at is None:
            return 0
        return number(sums, (at, column))

    def row(self, sums: Parts, series: Series) -> list[int]:
        """The row of one series in what `window` gave; zeros if it never occurred."""
        at = self._ids.get(series)
        if at is None:
            return [0] * self._width
        return exact([part[at] for part in sums])

    def rewind_offset(self) -> int | None:
        """The oldest offset of topic `pulses` that something in the ring was read from."""
        return min(
            (held.offset for second in self._held.values() for held in second.values()),
            default=None,
        )

    def _advance(self, second: int) -> None:
        if self.first_s is None or second < self.first_s:
            self.first_s = (
                second if self.first_s is None else max(second, self.first_s - self._span)
            )
        if self.newest_s is None:
            self.newest_s = second
            return
        steps = min(second - self.newest_s, self._span)
        if steps <= 0:
            return
        self._table.clear(np.arange(second - steps + 1, second + 1) % self._span)
        self.newest_s = second
        for old in [s for s in self._held if s <= second - self._span]:
            self._most -= sum(held.most for held in self._held.pop(old).values())
        self._table.bound(self._most)

    def _series(self, names: Sequence[Series], codes: Ints) -> Ints:
        """Ring-wide ids of these series; -1 for those beyond the limit."""
        table = np.full(len(names), -1, np.int64)
        for code in np.unique(codes).tolist():
            found = self._ids.get(names[code])
            if found is None:
                if len(self._ids) >= SERIES_MAX:
                    self.left_out += 1
                    continue
                found = self._ids[names[code]] = len(self._ids)
            table[code] = found
        if len(self._ids) > self._table.parts[0].shape[1]:
            self._table.grow(2 * len(self._ids))
        return table[codes]
