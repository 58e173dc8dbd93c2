"""The ring by example: windows over merged seconds, a newer pulse in place of an older, limits."""

import numpy as np
import pytest

from fenghuo.schemas.wire.pulse import Rows, Source
from fenghuo.streams.judge import ring as ring_module
from fenghuo.streams.judge.ring import Ring

A, B = (Source("log", "complaints", partition) for partition in (0, 1))
TOTAL, EAST, WEST = ("", "", ""), ("region", "east", ""), ("region", "west", "")


def rows(second: int, version: int, **events: int) -> Rows:
    """One second: events of the total, and of regions."""
    series = [TOTAL, *(("region", name, "") for name in events if name != "total")]
    values = [
        [n, 0]
        for n in ([events["total"]] if "total" in events else [0])
        + [n for name, n in events.items() if name != "total"]
    ]
    size = len(series)
    return Rows(
        np.full(size, second * 1000, np.int64),
        np.arange(size, dtype=np.int64),
        tuple(series),
        np.array(values, np.int64),
        {"version": np.full(size, version, np.int64)},
    )


def events(ring: Ring, end_s: int, seconds: int, series: tuple[str, str, str] = TOTAL) -> int:
    return int(ring.row(ring.window(end_s, seconds), series)[0])


def test_partitions_add_and_a_newer_pulse_replaces() -> None:
    ring = Ring("complaint", 10)
    ring.see(A, rows(100, 1, total=3, east=3), 0)
    ring.see(B, rows(100, 7, total=4, west=4), 1)
    assert (events(ring, 101, 1), events(ring, 101, 1, EAST), events(ring, 101, 1, WEST)) == (
        7,
        3,
        4,
    )

    ring.see(A, rows(100, 2, total=5, west=5), 2)  # newer: without the east of before
    ring.see(A, rows(100, 1, total=99), 3)  # older: nothing
    assert (events(ring, 101, 1), events(ring, 101, 1, EAST), events(ring, 101, 1, WEST)) == (
        9,
        0,
        9,
    )


def test_a_window_excludes_its_end_and_reaches_back() -> None:
    ring = Ring("complaint", 10)
    for second in (100, 101, 103):
        ring.see(A, rows(second, second, total=1 << (second - 100)), second)

    assert events(ring, 103, 2) == 2
    assert events(ring, 104, 1) == 8
    assert events(ring, 104, 4) == 11
    assert events(ring, 104, 100) == 11
    assert events(ring, 200, 100) == 11
    assert events(ring, 200, 5) == 0
    assert events(ring, 100, 5) == 0


def test_a_series_that_never_occurred_is_zero() -> None:
    assert events(Ring("complaint", 10), 5, 5, ("region", "north", "")) == 0


def test_what_lies_behind_the_span_is_forgotten_and_stays_so() -> None:
    ring = Ring("complaint", 10)
    ring.see(A, rows(100, 1, total=1), 5)
    ring.see(A, rows(110, 2, total=2), 6)
    ring.see(B, rows(100, 9, total=9), 7)

    assert events(ring, 111, 11) == 2
    assert ring.rewind_offset() == 6


def test_a_jump_of_weeks_empties_the_ring() -> None:
    ring = Ring("complaint", 10)
    for second in range(90, 101):
        ring.see(A, rows(second, second, total=1), second)
    ring.see(A, rows(100 + 3_000_000, 999, total=4), 999)

    assert events(ring, 3_000_101, 10) == 4
    assert ring.rewind_offset() == 999


def test_rewinding_goes_to_the_oldest_offset_still_in_use() -> None:
    ring = Ring("complaint", 10)
    assert ring.rewind_offset() is None
    ring.see(A, rows(100, 1, total=1), 40)
    ring.see(B, rows(101, 1, total=1), 41)
    assert ring.rewind_offset() == 40
    ring.see(A, rows(100, 2, total=1), 42)
    assert ring.rewind_offset() == 41


def test_series_beyond_the_limit_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "SERIES_MAX", 2)
    ring = Ring("complaint", 10)
    ring.see(A, rows(100, 1, total=7, east=3, west=4), 0)

    assert (events(ring, 101, 1), events(ring, 101, 1, EAST), events(ring, 101, 1, WEST)) == (
        7,
        3,
        0,
    )
    assert ring.left_out == 1


def test_many_series_make_room_for_themselves() -> None:
    ring = Ring("complaint", 10)
    names = {f"r{i}": i for i in range(300)}
    ring.see(A, rows(100, 1, total=1, east=2), 0)
    ring.see(A, rows(101, 2, total=1, **names), 1)

    assert events(ring, 102, 2, ("region", "r299", "")) == 299
    assert events(ring, 102, 2, EAST) == 2
