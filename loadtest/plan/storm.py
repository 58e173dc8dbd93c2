"""Storm: the plan of a generated run, tick by tick. Pure: the same storm and start give the same
bytes, however many producers share it.

Rows are drawn once, into pools; a tick takes a stretch of a pool from a place that its seed tells,
and moves the users on. So a plan of millions of rows a second costs the tester little.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, Final

import numpy as np

from fenghuo.loadtest.plan.faults import Faults
from fenghuo.loadtest.plan.frames import Tick, frame_messages, json_messages
from fenghuo.loadtest.plan.people import KINDS, USERS, Crowd, Incident, Kind, Scene, crowd
from fenghuo.loadtest.plan.plan import BatchIterator
from fenghuo.loadtest.plan.shape import CONSTANT, Shape

TICK_MS: Final = 50
POOL_ROWS_MIN: Final = 1 << 16
POOL_ROWS_MAX: Final = 1 << 22
USER_STEP: Final = 7_919


@dataclass(frozen=True)
class Storm:
    """What one of `producers` producers is to send."""

    scene: Scene
    rate_per_s: int
    seconds: int
    form: str
    """json or frame."""
    shape: Shape = CONSTANT
    faults: Faults = field(default_factory=Faults)
    run: str = "run"
    producer: int = 0
    producers: int = 1
    partitions: int = 4
    """Of each topic: a tick of frames is spread over all of them."""

    @property
    def rows(self) -> int:
        """Events of the whole plan, before bad data is made of some."""
        return self.shape.events_by(self.seconds * 1000, self.rate_per_s, self.seconds)

    @property
    def kind(self) -> str:
        """The kind of most of its events."""
        return KINDS[int(np.argmax(self.scene.weights))]

    def part(self, run: str, number: int, of: int) -> "Storm":
        """What one of several producers sends."""
        return replace(self, run=run, producer=number, producers=of)

    @cached_property
    def _pools(self) -> "_Pools":
        return _Pools(self.scene, self.rate_per_s // self.producers)

    def due_by(self, at_ms: int) -> int:
        """Events of this producer that are due by then."""
        by = self.shape.events_by(at_ms, self.rate_per_s, self.seconds)
        return by * (self.producer + 1) // self.producers - by * self.producer // self.producers

    def messages(self, start_ms: int) -> BatchIterator:
        """The messages of each tick by their due times; event times are due times after
        start_ms.
        """
        render = json_messages if self.form == "json" else frame_messages
        for number in range(self.seconds * 1000 // TICK_MS):
            batch = [m for tick in self._tick(number, start_ms) for m in render(tick)]
            batch.sort(key=lambda message: message.due_ms)
            yield batch

    def _tick(self, number: int, start_ms: int) -> Iterator[Tick]:
        due_ms = number * TICK_MS
        by = [
            self.shape.events_by(at_ms, self.rate_per_s, self.seconds)
            for at_ms in (due_ms, due_ms + TICK_MS)
        ]
        all_rows, mine, of = by[1] - by[0], self.producer, self.producers
        rows = all_rows * (mine + 1) // of - all_rows * mine // of
        active = tuple(i for i in self.scene.incidents if i.active(due_ms))
        weights = np.array(self.scene.weights, dtype=np.float64)
        for incident in active:
            if incident.effect == "complaint_burst":
                weights[2] *= incident.amount
        seed = np.random.SeedSequence([self.scene.seed, number, mine, of])
        rng = np.random.Generator(np.random.PCG64(seed))
        counts = rng.multinomial(rows, weights / weights.sum()).tolist()
        for kind, count in zip(KINDS, counts, strict=True):
            if count:
                taken = self._pools.take(kind, active, count, rng)
                dt = np.arange(count, dtype=np.float32) * np.float32(TICK_MS / count)
                dt_ms = np.minimum(dt, TICK_MS - 1).astype(np.uint16)
                names = f"{self.run}-{mine}-{kind[0]}-{number}"
                spread = -(-self.partitions // of)
                yield Tick(taken, dt_ms, due_ms, start_ms + due_ms, self.faults, rng, names, spread)


class _Pools:
    """Rows drawn once for each kind and state of incidents."""

    def __init__(self, scene: Scene, rate_per_s: int) -> None:
        peak = rate_per_s * TICK_MS // 1000
        size = 1 << (peak + peak // 4).bit_length()
        self._rows = min(max(size, POOL_ROWS_MIN), POOL_ROWS_MAX)
        self._pool = cache(self._draw)
        self._scene = scene

    def take(
        self, kind: Kind, active: tuple[Incident, ...], rows: int, rng: np.random.Generator
    ) -> Crowd:
        """A stretch of the pool, with users moved on."""
        pool = self._pool(kind, active)
        begin = int(rng.integers(max(1, len(pool) - rows)))
        step = int(rng.integers(USERS // USER_STEP))
        values = {name: _stretch(column, begin, rows) for name, column in pool.values.items()}
        user = values["user_id"]
        moved = user + np.uint32(step * USER_STEP)
        moved -= (moved >= USERS) * np.uint32(USERS - 1)
        if self._scene.brushing:  # a ring stays what it is
            moved = np.where(user < USERS, moved, user)
        values["user_id"] = moved
        return Crowd(kind, _stretch(pool.code, begin, rows), pool.profiles, values)

    def _draw(self, kind: Kind, active: tuple[Incident, ...]) -> Crowd:
        return crowd(self._scene, kind, self._rows, active)


def _stretch(column: Any, begin: int, rows: int) -> Any:
    if begin + rows <= len(column):
        return column[begin : begin + rows]
    return np.resize(column, rows)  # more than there is: as often around as it takes
