"""No clock of ours, and no late source, keeps a level from being told in time."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fenghuo.schemas.kinds.measures import columns
from fenghuo.schemas.wire import status
from fenghuo.schemas.wire.pulse import Head, Rows, Source, Tally, no_rows
from fenghuo.schemas.wire.status import Board
from fenghuo.schemas.wire.topics import TOPIC_OF
from fenghuo.streams.judge.judge import Judge
from tests.laws.judge.duty import campaign
from tests.strategies import START_MS

LATENESS_MS, IDLE_MS, TICK_MS = 10_000, 2_000, 250
BEGIN_MS = START_MS + 3_600_000
FAULT_MS = BEGIN_MS + 30_000
WAIT_MS = 75_000
SERIES = (("", "", ""), ("region", "east", ""))
Clock = Callable[[int], int]


def right(at_ms: int) -> int:
    """A clock that is."""
    return at_ms


class Partition:
    """One source partition and the worker that reads it: an order every 100 ms until it is silent,
    whose event time is the producer's clock.
    """

    def __init__(
        self, number: int, worker: Clock, producer: Clock = right, *, ends_ms: int = 2**62
    ) -> None:
        self.source = Source("log", TOPIC_OF["order"], number)
        self.worker, self.producer, self.ends_ms = worker, producer, ends_ms
        self.offset, self.record_ms = 0, 0
        self.frontier_ms: int | None = None
        self.sums: dict[int, list[int]] = {}
        self.is_read = True

    def publish(self, now_ms: int) -> list[tuple[Head, Rows]]:
        """What gather tells at a tick; nothing when the worker stands still."""
        names, changed = columns("order"), set()
        for at_ms in range(now_ms - TICK_MS, now_ms, 50):
            if at_ms >= self.ends_ms:
                break
            event_ms = self.producer(at_ms)
            second, failed = event_ms // 1000 * 1000, at_ms >= FAULT_MS and at_ms % 500 < 300
            row = self.sums.setdefault(second, [0] * len(names))
            row[names.index("events")] += 1
            row[names.index("failed" if failed else "paid")] += 1
            self.frontier_ms = max(self.frontier_ms or 0, event_ms)
            self.offset, self.record_ms = self.offset + 1, now_ms
            changed.add(second)
        mine = self.worker(now_ms)
        record_ms = self.worker(self.record_ms) if self.record_ms else None
        head = Head(
            *("order", self.source, 0, self.offset, self.offset, self.frontier_ms),
            None if self.frontier_ms is None else self.frontier_ms - LATENESS_MS,
            *(mine, record_ms, record_ms is None or mine - record_ms > IDLE_MS),
            *(Tally(), mine),
        )
        if not changed:
            return [(head, no_rows("order", ["version"]))] if now_ms % 1000 < TICK_MS else []
        seconds = sorted(changed)
        rows = Rows(
            np.repeat(np.array(seconds, np.int64), 2),
            np.tile(np.arange(2, dtype=np.int64), len(seconds)),
            SERIES,
            np.array([self.sums[second] for second in seconds for _ in SERIES], np.int64),
            {"version": np.full(2 * len(seconds), self.offset, np.int64)},
        )
        return [(head, rows)]


def live(
    *partitions: Partition, judge: Clock = right, ends_ms: int = FAULT_MS + WAIT_MS
) -> list[tuple[int, Board]]:
    """A judge over these partitions: (the real time, its board) at every tick."""
    core, told, offset = Judge(campaign()), [], 0
    for now_ms in range(BEGIN_MS, ends_ms, TICK_MS):
        for partition in partitions:
            for head, rows in partition.publish(now_ms):
                core.see(head, rows, offset)
                offset += 1
        board, _ = core.grade(judge(now_ms), offset)
        told.append((now_ms, status.decode(status.encode(board))))
    return told


def level(board: Board, rule: str = "failing") -> int | None:
    return next(v.level for v in board.verdicts if (v.rule, v.scope) == (rule, "total"))


def raised_after_ms(told: list[tuple[int, Board]]) -> int:
    """How long after the fault the level was there."""
    return min((at - FAULT_MS for at, board in told if (level(board) or 0) > 0), default=2**62)


SKEWS = st.integers(-59_000, 59_000)


@settings(max_examples=5)
@given(SKEWS, SKEWS, SKEWS)
def test_no_skew_below_a_minute_delays_a_level_by_more_than_its_size_and_a_second(
    one: int, other: int, judge: int
) -> None:
    """A third of the partitions is silent, as it is in a small shop."""

    def after(skews: tuple[int, int, int]) -> int:
        clocks = [lambda at, by=by: at + by for by in skews]
        partitions = [
            Partition(0, clocks[0]),
            Partition(1, clocks[1]),
            Partition(2, clocks[1], ends_ms=BEGIN_MS + 5_000),
        ]
        return raised_after_ms(live(*partitions, judge=clocks[2]))

    most = max(abs(one), abs(other), abs(judge))
    assert after((one, other, judge)) <= after((0, 0, 0)) + most + 1_000


def test_a_worker_whose_clock_is_five_seconds_behind_delays_no_level_by_more_than_that() -> None:
    slow = [Partition(n, lambda at: at - 5_000, ends_ms=end) for n, end in ((0, 2**62), (1, 0))]
    silent = Partition(2, lambda at: at - 5_000, ends_ms=BEGIN_MS + 5_000)
    told = live(*slow, silent)

    assert raised_after_ms(told) <= 10_000
    now_ms, board = told[-1]
    assert now_ms - (board.as_of_ms or 0) < 2_000
    assert board.skews_ms == {str(p.source): (5_000,) * 4 for p in (*slow, silent)}


def jumping(at_ms: int) -> int:
    """An hour forward for a while, and back."""
    return at_ms + 3_600_000 * (FAULT_MS - 20_000 <= at_ms < FAULT_MS - 5_000)


def test_a_workers_clock_that_jumped_an_hour_forward_and_back_holds_nothing_up() -> None:
    partitions = [Partition(0, jumping), Partition(1, jumping, ends_ms=BEGIN_MS + 5_000)]
    told = live(*partitions)

    assert raised_after_ms(told) <= 10_000
    assert told[-1][0] - (told[-1][1].as_of_ms or 0) < 2_000


def test_one_source_three_minutes_late_does_not_blind_the_rest_and_is_named() -> None:
    late = Partition(2, right, lambda at: at - 180_000)
    told = live(Partition(0, right), Partition(1, right), late)
    usual = live(Partition(0, right), Partition(1, right))

    assert raised_after_ms(told) <= raised_after_ms(usual) + 1_000
    kind = next(kind for kind in told[-1][1].kinds if kind.kind == "order")
    assert [one.source for one in kind.behind] == ["orders/2"]
    assert 178_000 <= kind.behind[0].by_ms <= 181_000
    assert (kind.as_of_ms or 0) > told[-1][0] - 2_000


def test_a_kind_that_is_late_as_a_whole_is_judged_by_its_own_clock() -> None:
    slow = [Partition(n, right, lambda at: at - 100_000) for n in range(2)]
    _, board = live(*slow)[-1]

    assert board.kinds[0].behind == ()
    assert (board.as_of_ms or 0) < FAULT_MS + WAIT_MS - 98_000
    assert next(v for v in board.verdicts if v.rule == "failing").value is not None


def test_a_source_that_comes_back_is_waited_for_again() -> None:
    back_ms = FAULT_MS - 10_000
    late = Partition(1, right, lambda at: at - 180_000 * (at < back_ms))
    boards = dict(live(Partition(0, right), late))

    assert [one.source for one in boards[back_ms - 1_000].kinds[0].behind] == ["orders/1"]
    assert boards[back_ms + 1_000].kinds[0].behind == ()


@pytest.mark.parametrize("caught_up_ago_ms", [None, 30_000])
def test_a_source_whose_records_wait_to_be_read_is_waited_for(
    caught_up_ago_ms: int | None,
) -> None:
    """A worker that starts over a backlog: judging without it would look like an outage."""
    judge, now_ms = Judge(campaign()), FAULT_MS
    on_time = Partition(0, right)
    for head, rows in on_time.publish(now_ms):
        judge.see(head, rows, 0)
    behind = Head(
        *("order", Source("log", "orders", 1), 0, 10, 500, now_ms - 60_000, now_ms - 70_000),
        *(now_ms, now_ms, False, Tally()),
        None if caught_up_ago_ms is None else now_ms - caught_up_ago_ms,
    )
    judge.see(behind, no_rows("order", ["version"]), 1)
    board, _ = judge.grade(now_ms, 2)

    assert board.as_of_ms == now_ms - 60_000
    assert board.kinds[0].behind == ()


def test_a_dead_workers_partition_is_not_called_late() -> None:
    """It had read everything when it died; what has come since nobody has read."""

    class Dead(Partition):
        def publish(self, now_ms: int) -> list[tuple[Head, Rows]]:
            return [] if now_ms >= FAULT_MS - 20_000 else super().publish(now_ms)

    _, board = live(Partition(0, right), Dead(1, right))[-1]

    assert (board.as_of_ms or 0) < FAULT_MS - 19_000
    assert board.kinds[0].behind == ()


def test_an_idle_kind_goes_with_the_sources_that_are_on_time() -> None:
    """Orders have stopped; one source of traffic is late: the rate of orders is zero now."""
    silent = Partition(0, right, ends_ms=BEGIN_MS + 10_000)
    on_time, late = Partition(1, right), Partition(2, right, lambda at: at - 150_000)
    judge, offset = Judge(campaign()), 0
    for now_ms in range(BEGIN_MS, BEGIN_MS + 40_000, TICK_MS):
        for partition in (silent, on_time, late):
            for head, rows in partition.publish(now_ms):
                if partition is not silent:
                    source = Source("log", "traffic", head.source.partition)
                    lone = no_rows("traffic", ["version"])
                    judge.see(_as_traffic(head, source), lone, offset)
                else:
                    judge.see(head, rows, offset)
                offset += 1
        board, _ = judge.grade(now_ms, offset)

    assert board.kinds[0].as_of_ms == board.kinds[1].as_of_ms
    assert board.overview.orders_per_s == 0.0


def _as_traffic(head: Head, source: Source) -> Head:
    return replace(head, kind="traffic", source=source)
