"""Baseline: what is usual for one series, learnt from its own past. No clock, no I/O.

Four forecasters look at every step: the median of the last 3 and of the last 45 values, and both
again with a season taken out first (the median of the same time of up to seven days before, or
last year's curve). Each knows how far off it usually is: a running, winsorised mean of its errors,
widened until no more than 1.5 % of them count as more than a bell curve would grant (2.43
deviations), so that a series of many spikes asks for higher ones. The forecaster with the smallest
deviation speaks. Nothing is tuned to a series; the constants were chosen once, on the sets that
deploy/backtest.md names, where results change little around them.
"""

# Compiled: numba infers the types, the signatures stand in the decorators.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: PLR0124, PLR0917

import math
import zlib
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from numba import float64

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.campaign.parts import Adaptive
from fenghuo.schemas.compiled import INT, INTS, NOTHING, apart, compiled

DAY_MS: Final = 86_400_000
DAYS: Final = 7
NEAR: Final = 3
"""A season's value is a median over so many steps on either side, too."""
SHORT, LONG = 3, 45
STEPS_MIN: Final = 60
"""A forecaster says nothing before it has been wrong so often."""
HALF_LIFE: Final = 2_880
"""Steps after which an error counts half."""
FORGET: Final = 0.9997
TAIL, TAIL_DEVIATIONS = 0.015, 2.43
FLOOR_SHARE: Final = 0.02
"""A deviation is never less than this share of the usual size of the values."""
WINSOR: Final = 5.0
BINS: Final = 64
_FORECASTERS: Final = 4
_ALPHA: Final = 1 - 0.5 ** (1 / HALF_LIFE)
_TINY: Final = 1e-12

Floats = npt.NDArray[np.float64]
_FLOATS, _GRID = float64[::1], float64[:, ::1]


@dataclass(frozen=True, slots=True)
class _Memory:
    """All that was learnt, as arrays."""

    days: Floats  # day x slot, the last DAYS + 1 days
    day_of: Ints  # which day each row holds
    recent: Floats  # the last LONG values, and the season's value at each
    errors: Floats  # forecaster x (scale, count, weight of all bins, weight of the next, widening)
    bins: Floats  # forecaster x how often an error was so many deviations
    size: Floats  # (usual size of a value, how many there were, how many steps)


class _Dump(msgspec.Struct, frozen=True, array_like=True):
    step_ms: int
    season: str
    arrays: tuple[bytes, ...]


class Baseline:
    """The usual of one series. Ask first what is expected at a moment, then tell what came."""

    def __init__(self, config: Adaptive, step_ms: int) -> None:
        if step_ms < 1:
            raise ValueError(f"expected a step of at least 1 ms, got {step_ms}")
        self._season = config.season
        self._step_ms = step_ms
        slots = max(DAY_MS // step_ms, 1)
        errors = np.zeros((_FORECASTERS, 5))
        errors[:, 0], errors[:, 3], errors[:, 4] = -1.0, 1.0, 1.0
        self._memory = _Memory(
            np.full((DAYS + 1 if config.season == "day" else 1, slots), np.nan),
            np.full(DAYS + 1 if config.season == "day" else 1, -1),
            np.full((2, LONG), np.nan),
            errors,
            np.zeros((_FORECASTERS, BINS)),
            np.zeros(3),
        )
        self._slots = slots
        self._buffer = np.empty((DAYS + 1) * (2 * NEAR + 1) + LONG)
        self._said = np.full(_FORECASTERS + 1, np.nan)
        self._looked: tuple[int, float | None] | None = None

    def expect(self, at_ms: int, season: float | None = None) -> tuple[float, float] | None:
        """The value expected at a moment and its usual deviation, both in the series' unit; None
        while too little is known. season: what last year's curve says, where that is the season.
        """
        self._look(at_ms, season)
        memory = self._memory
        best = _best(self._said, memory.errors, memory.size, self._buffer)
        return None if best < 0 else (float(self._said[best]), float(self._buffer[0]))

    def learn(self, at_ms: int, value: float | None, season: float | None = None) -> None:
        """What came at a moment; None is a step without data. Moments rise."""
        known = value is not None and math.isfinite(value)
        self._look(at_ms, season)
        memory = self._memory
        day, slot = self._place(at_ms)
        _learn(
            value if known else math.nan,
            memory.errors,
            memory.bins,
            memory.size,
            memory.recent,
            self._said,
        )
        if self._season == "day" and known:
            memory.days[day % (DAYS + 1), slot] = value
        self._looked = None

    def dump(self) -> bytes:
        """All that was learnt; `load` goes on from it as if nothing had happened."""
        memory = self._memory
        arrays = (
            memory.days,
            memory.day_of,
            memory.recent,
            memory.errors,
            memory.bins,
            memory.size,
        )
        packed = _Dump(self._step_ms, self._season, tuple(array.tobytes() for array in arrays))
        return zlib.compress(msgspec.msgpack.encode(packed), 1)

    @classmethod
    def load(cls, config: Adaptive, step_ms: int, data: bytes) -> "Baseline":
        """What `dump` wrote; ValueError if it was another season, another step, or no dump."""
        try:
            packed = msgspec.msgpack.decode(zlib.decompress(data), type=_Dump)
        except (zlib.error, msgspec.MsgspecError) as error:
            raise ValueError(f"expected a dumped baseline: {error}") from error
        if (packed.step_ms, packed.season) != (step_ms, config.season):
            raise ValueError(
                f"expected a baseline of season {config.season} and step {step_ms} ms, "
                f"got {packed.season} and {packed.step_ms}"
            )
        found = cls(config, step_ms)
        memory = found._memory
        arrays = (
            memory.days,
            memory.day_of,
            memory.recent,
            memory.errors,
            memory.bins,
            memory.size,
        )
        for array, kept in zip(arrays, packed.arrays, strict=True):
            array[...] = np.frombuffer(kept, array.dtype).reshape(array.shape)
        return found

    def _place(self, at_ms: int) -> tuple[int, int]:
        day, rest = divmod(at_ms, DAY_MS)
        return day, min(rest // self._step_ms, self._slots - 1)

    def _look(self, at_ms: int, season: float | None) -> None:
        """Let the four forecast; once for each moment."""
        if self._looked == (at_ms, season):
            return
        self._looked = (at_ms, season)
        memory, said = self._memory, self._said
        said[_FORECASTERS] = np.nan if season is None or self._season != "last_year" else season
        if self._season == "day":
            day, slot = self._place(at_ms)
            row = day % (DAYS + 1)
            if memory.day_of[row] != day:
                memory.day_of[row] = day
                memory.days[row] = np.nan
            _same_time(memory.days, memory.day_of, day, slot, self._buffer, said)
        is_ratio = int(self._season == "last_year")
        _forecast(memory.recent, memory.size, is_ratio, self._buffer, said)


@apart
def _median(values, count):
    """Of the first `count` values, which are sorted by this."""
    for i in range(1, count):
        value, k = values[i], i - 1
        while k >= 0 and values[k] > value:
            values[k + 1] = values[k]
            k -= 1
        values[k + 1] = value
    half = count // 2
    return values[half] if count % 2 else 0.5 * (values[half - 1] + values[half])


@apart
def _deviation(errors, forecaster, size):
    """How far off a forecaster usually is, widened for its tail."""
    scale = max(errors[forecaster, 0], FLOOR_SHARE * size, _TINY)
    return scale * errors[forecaster, 4]


@compiled(NOTHING(_GRID, INTS, INT, INT, _FLOATS, _FLOATS))
def _same_time(days, day_of, day, slot, buffer, said):
    """The season's value: the median of the same time of the days before."""
    count, rows, slots = 0, len(day_of), days.shape[1]
    for back in range(1, rows):
        for shift in range(-NEAR, NEAR + 1):
            at, of = slot + shift, day - back
            if at < 0:
                at, of = at + slots, of - 1
            elif at >= slots:
                at, of = at - slots, of + 1
            row = of % rows
            if of == day or at < 0 or at >= slots or day_of[row] != of:
                continue
            value = days[row, at]
            if value == value:
                buffer[count] = value
                count += 1
    said[_FORECASTERS] = _median(buffer, count) if count > NEAR else np.nan


@compiled(NOTHING(_GRID, _FLOATS, INT, _FLOATS, _FLOATS))
def _forecast(recent, size, is_ratio, buffer, said):
    """What the four expect: short, long, and both on top of the season."""
    season, steps = said[_FORECASTERS], int(size[2])
    for which in range(2):
        span = SHORT if which == 0 else LONG
        plain = 0
        for back in range(span):
            value = recent[0, (steps - 1 - back) % LONG]
            if value == value:
                buffer[plain] = value
                plain += 1
        said[which] = _median(buffer, plain) if plain >= SHORT else np.nan
        said[2 + which] = np.nan
        if season != season:
            continue
        count = 0
        for back in range(span):
            at = (steps - 1 - back) % LONG
            value, usual = recent[0, at], recent[1, at]
            if value != value or usual != usual or (is_ratio and usual <= 0):
                continue
            buffer[count] = value / usual if is_ratio else value - usual
            count += 1
        if count >= (span + 1) // 2:
            level = _median(buffer, count)
            said[2 + which] = season * level if is_ratio else season + level


@compiled(INT(_FLOATS, _GRID, _FLOATS, _FLOATS))
def _best(said, errors, size, buffer):
    """The forecaster with the smallest deviation, which is left in buffer[0]; -1: none knows."""
    best = -1
    for forecaster in range(_FORECASTERS):
        if said[forecaster] == said[forecaster] and errors[forecaster, 1] >= STEPS_MIN:
            deviation = _deviation(errors, forecaster, size[0])
            if best < 0 or deviation < buffer[0]:
                best = forecaster
                buffer[0] = deviation
    return best


@apart
def _note(error, own, bins, size):
    """One error of a forecaster: its scale moves, and once in a while its widening."""
    if own[0] < 0:
        own[0] = 1.4826 * error
        return
    scale = max(own[0], FLOOR_SHARE * size, _TINY)
    place = 0
    if error > 0.25 * scale:
        place = min(BINS - 1, int(4 * np.log2(error / (0.25 * scale))))
    bins[place] += own[3]
    own[2] += own[3]
    own[3] /= FORGET
    if own[3] > 1e6:  # the oldest count least, so new ones count more and more: begin again at 1
        for i in range(BINS):
            bins[i] /= own[3]
        own[2] /= own[3]
        own[3] = 1.0
    own[0] += max(_ALPHA, 1 / (own[1] + 2)) * (min(1.4826 * error, WINSOR * scale) - own[0])
    own[1] += 1
    if own[1] < 200 or int(own[1]) % 8 == 0:
        beyond, place = 0.0, BINS - 1
        while place > 0:
            beyond += bins[place]
            if beyond >= TAIL * own[2]:
                break
            place -= 1
        own[4] = max(1.0, 0.25 * 2 ** ((place + 1) / 4) / TAIL_DEVIATIONS)


@compiled(NOTHING(float64, _GRID, _GRID, _FLOATS, _GRID, _FLOATS))
def _learn(value, errors, bins, size, recent, said):
    """Note how far off each forecaster was, and the value itself."""
    at = int(size[2]) % LONG
    recent[0, at], recent[1, at] = value, said[_FORECASTERS]
    size[2] += 1
    if value != value:
        return
    for forecaster in range(_FORECASTERS):
        if said[forecaster] == said[forecaster]:
            _note(abs(value - said[forecaster]), errors[forecaster], bins[forecaster], size[0])
    size[1] += 1
    size[0] += max(_ALPHA, 1 / size[1]) * (abs(value) - size[0])
