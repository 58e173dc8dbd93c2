"""Clock: the time a process goes by. Pure; readings come in.

A wall clock may be set, by hand or by a time server, and two hosts never have the same one. So time
here goes on as the monotonic clock does, from where the wall clock stood at the start, and follows
a reference: the broker's clock where it can be read, else the wall clock. What the reference drifts
is followed; a jump is not, unless it lasts. Time never runs backwards, and never slower than half.

All arguments and results are milliseconds; `mono_ms` is any clock that only goes forwards.
"""

from collections import deque

JUMP_MS = 1_000
"""A clock that moves by more against the monotonic one has been set."""
LASTS_MS = 600_000
"""A time that a clock was set to is taken over when it has lasted for this long."""
READINGS = 8
"""Of so many readings of the broker's clock the one with the shortest way counts."""
WAY_MS_MAX = 2_000
"""A reading that took longer says too little."""


class Clock:
    """The time of one process."""

    def __init__(self, wall_ms: int, mono_ms: int) -> None:
        self._wall = _Followed(wall_ms - mono_ms)
        self._wall_ms, self._wall_at = wall_ms, mono_ms
        self._broker: _Followed | None = None
        self._readings: deque[tuple[int, int]] = deque(maxlen=READINGS)
        self._last_ms, self._last_at = wall_ms, mono_ms

    def now_ms(self, mono_ms: int) -> int:
        """The time now: never before what was said last."""
        reference = self._broker or self._wall
        passed = max(mono_ms - self._last_at, 0)
        self._last_ms = max(self._last_ms + passed // 2, mono_ms + reference.offset_ms)
        self._last_at = max(self._last_at, mono_ms)
        return self._last_ms

    def see_wall(self, wall_ms: int, mono_ms: int) -> int:
        """Look at the wall clock, once a second or so: by how much it has been set since the last
        look, 0 if it has not.
        """
        jump_ms = (wall_ms - self._wall_ms) - (mono_ms - self._wall_at)
        self._wall_ms, self._wall_at = wall_ms, mono_ms
        self._wall.follow(wall_ms - mono_ms, mono_ms)
        return jump_ms if abs(jump_ms) > JUMP_MS else 0

    def see_broker(self, broker_ms: int, sent_at: int, got_at: int) -> None:
        """The broker's clock said broker_ms somewhere between these two monotonic times."""
        way_ms = got_at - sent_at
        if not 0 <= way_ms <= WAY_MS_MAX:
            return
        offset_ms = broker_ms - (sent_at + got_at) // 2
        if self._readings and abs(offset_ms - min(self._readings)[1]) > JUMP_MS + way_ms // 2:
            self._readings.clear()  # it has been set
        self._readings.append((way_ms, offset_ms))
        best_ms = min(self._readings)[1]
        if self._broker is None:  # the first reading sets the clock, back too
            self._broker = _Followed(best_ms)
            self._last_ms, self._last_at = got_at + best_ms, got_at
        else:
            self._broker.follow(best_ms, got_at)

    @property
    def is_measured(self) -> bool:
        """Whether the broker's clock could be read."""
        return self._broker is not None

    @property
    def skew_ms(self) -> int:
        """By how much the wall clock, when it was last looked at, was ahead of the time here."""
        reference = self._broker or self._wall
        return self._wall_ms - self._wall_at - reference.offset_ms


class _Followed:
    """A clock's distance from the monotonic one, without its jumps."""

    def __init__(self, offset_ms: int) -> None:
        self.offset_ms = offset_ms
        self._other: tuple[int, int] | None = None

    def follow(self, offset_ms: int, at_ms: int) -> None:
        """Go with it, unless it has been set; then only when that has lasted."""
        if abs(offset_ms - self.offset_ms) <= JUMP_MS:
            self.offset_ms, self._other = offset_ms, None
        elif self._other is None or abs(offset_ms - self._other[0]) > JUMP_MS:
            self._other = (offset_ms, at_ms)
        elif at_ms - self._other[1] >= LASTS_MS:
            self.offset_ms, self._other = offset_ms, None
