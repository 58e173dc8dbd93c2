"""A bit for each number: gaps are exactly what was not seen, whatever came in whatever order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest.proof import seen
from fenghuo.loadtest.proof.seen import Seen, first_of, within

SIZE_MAX = 300
Ranges = list[tuple[int, int]]


@st.composite
def calls(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    size = draw(st.integers(1, SIZE_MAX))
    numbers = st.lists(st.integers(0, size - 1), max_size=60)
    return size, draw(st.lists(numbers, max_size=5))


spans = st.lists(st.integers(0, SIZE_MAX), max_size=8, unique=True).map(
    lambda ends: list(zip(sorted(ends)[::2], sorted(ends)[1::2], strict=False))
)


@pytest.fixture(autouse=True, scope="module")
def short_slices() -> object:
    """Gaps are looked for slice by slice: many slices in a small run."""
    patch = pytest.MonkeyPatch()
    patch.setattr(seen, "SLICE", 16)
    yield
    patch.undo()


def ranges(numbers: set[int]) -> Ranges:
    """What gaps should be, number by number."""
    found: Ranges = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


@given(calls(), spans)
def test_gaps_are_the_complement_of_what_was_seen(
    given_calls: tuple[int, list[list[int]]], excused: Ranges
) -> None:
    size, added = given_calls
    found = Seen(size)
    for numbers in added:
        found.add(np.array(numbers, np.int64))

    known = {number for numbers in added for number in numbers}
    known |= {number for first, last in excused for number in range(first, last + 1)}
    assert list(found.gaps(excused)) == ranges(set(range(size)) - known)


@given(calls())
def test_a_number_is_new_once(given_calls: tuple[int, list[list[int]]]) -> None:
    size, added = given_calls
    found, known = Seen(size), set[int]()
    for numbers in added:
        again = found.add(np.array(numbers, np.int64)).tolist()
        for number, was_seen in zip(numbers, again, strict=True):
            assert was_seen == (number in known)
            known.add(number)

    every = np.arange(size)
    assert found.has(every).tolist() == [number in known for number in range(size)]


@given(st.lists(st.integers(0, SIZE_MAX), max_size=40), spans)
def test_within_is_what_the_ranges_say(numbers: list[int], excused: Ranges) -> None:
    expected = [any(first <= n <= last for first, last in excused) for n in numbers]

    assert within(np.array(numbers, np.int64), excused).tolist() == expected


@given(spans, st.integers(0, 5))
def test_ranges_that_are_not_kept_are_counted(found: Ranges, most: int) -> None:
    kept, numbers = first_of(iter(found), most)

    assert kept == found[:most]
    assert numbers == sum(last - first + 1 for first, last in found)


def test_a_hundred_million_numbers_take_a_bit_each() -> None:
    size = 100_000_000
    found = Seen(size)

    assert found._bits.nbytes == size // 8
