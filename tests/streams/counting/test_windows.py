"""Windows in pictures: which second an event lies in, when it closes, and sums that stay exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.kinds.bounds import TS_MIN_MS
from fenghuo.streams.counting import windows
from fenghuo.streams.counting.fates import COUNTS, LATE, sift
from fenghuo.streams.decode.batch import Batch


def ints(*values: int) -> Ints:
    return np.array(values, np.int64)


def batch_of(ts: Ints) -> Batch:
    """Events of these times in one message."""
    none = np.zeros(len(ts), np.int64)
    return Batch(none, none, ts, none, none, none)


@pytest.mark.parametrize(
    ("ts", "second"),
    [(0, 0), (999, 0), (1000, 1000), (1_794_326_400_999, 1_794_326_400_000), (-1, -1000)],
)
def test_a_second_is_named_by_its_start(ts: int, second: int) -> None:
    assert windows.second_of(ints(ts)).tolist() == [second]


def test_late_goes_event_by_event_inside_one_batch() -> None:
    """
    lateness 2 s:        event  500  3500  900  1600  2999  3000
    frontier before it          -    500   3500 3500  3500  3500
    watermark                   -    -1500 1500 1500  1500  1500
    its second ends at          1000 4000  1000 2000  3000  4000
    """
    ts = ints(500, 3500, 900, 1600, 2999, 3000)
    found = sift(batch_of(ts + TS_MIN_MS), ints(2**62), windows.NEVER_MS, 2000)

    assert found.fate.tolist() == [COUNTS, COUNTS, LATE, COUNTS, COUNTS, COUNTS]
    assert (found.counted, found.late, found.frontier_ms) == (5, 1, 3500 + TS_MIN_MS)


@pytest.mark.parametrize(
    ("frontier", "floor"), [(12_999, 2_000), (13_000, 3_000), (13_001, 3_000), (9_999, -1_000)]
)
def test_the_oldest_open_second(frontier: int, floor: int) -> None:
    assert windows.floor_of(frontier, 10_000) == floor


def test_before_the_first_event_nothing_is_late() -> None:
    found = sift(batch_of(ints(TS_MIN_MS)), ints(2**62), windows.NEVER_MS, 0)

    assert found.fate.tolist() == [COUNTS]


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 40), st.sampled_from((10**12, 10**15))),
            st.integers(1, 10**6),
            st.integers(0, 10**13),
        ),
        max_size=50,
    )
)
def test_sums_are_those_of_a_dict(rows: list[tuple[int, int, int]]) -> None:
    """Dense keys go through a table, sparse ones are sorted; both give the same."""
    meant: dict[int, tuple[int, int]] = {}
    for key, n, x in rows:
        before = meant.get(key, (0, 0))
        meant[key] = (before[0] + n, before[1] + x)
    columns = [ints(*(row[i] for row in rows)) for i in range(3)]
    sums = windows.sums(*columns)

    found = zip(*(column.tolist() for column in sums), strict=True)
    assert list(found) == [(key, *meant[key]) for key in sorted(meant)]


def test_sums_are_exact_where_floats_are_not() -> None:
    found = windows.sums(ints(0, 0, 0), ints(1, 1, 1), ints(2**53, 1, 1))

    assert [column.tolist() for column in found] == [[0], [3], [2**53 + 2]]
