"""Where a worker begins: never somewhere that would be silently wrong."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fenghuo.schemas.position import Position
from fenghuo.schemas.settings import Settings
from fenghuo.streams.part_gather import (
    HEAD_MS,
    SAFE_MS,
    StartError,
    coders,
    in_turn,
    is_due,
    start,
    terms,
)
from fenghuo.streams.windows import NEVER_MS
from tests.laws.duty import campaign
from tests.laws.river import beginning, source_of

TERMS = terms(Settings(), campaign())
SOURCE = source_of("order")
FOUND = replace(beginning("order", terms=TERMS), offset=50, frontier_ms=1, floor_ms=0)


def test_a_partition_nobody_has_read_begins_at_its_first_record() -> None:
    place = start(SOURCE, None, (7, 90), TERMS)

    assert (place.offset, place.epoch, place.frontier_ms, place.floor_ms) == (7, 0, None, NEVER_MS)
    assert place.tally.events == 0


def test_a_silent_partition_is_published_at_every_safe_tick_and_else_now_and_then() -> None:
    assert is_due(0, 0, is_safe=True), "its users and its position would never be told"
    assert is_due(1, 0, is_safe=False)
    assert is_due(0, HEAD_MS, is_safe=False)
    assert not is_due(0, HEAD_MS - 1, is_safe=False)


@given(
    of=st.integers(1, 24),
    begin_ms=st.integers(SAFE_MS, 2 * SAFE_MS),
    steps_ms=st.lists(st.integers(1, 2 * SAFE_MS), min_size=1, max_size=60),
)
def test_every_partition_has_a_safe_tick_in_time_and_none_has_two(
    of: int, begin_ms: int, steps_ms: list[int]
) -> None:
    ticks = [begin_ms]
    for step_ms in steps_ms:
        ticks.append(ticks[-1] + step_ms)
    for number in range(of):
        turns = [now for before, now in pairwise(ticks) if in_turn(number, of, before, now)]
        crossed = (ticks[-1] - begin_ms) // SAFE_MS
        if max(steps_ms) <= SAFE_MS:
            assert crossed <= len(turns) <= crossed + 1
        assert all(in_turn(number, of, before, before + SAFE_MS) for before in ticks)
        assert in_turn(number, of, 0, begin_ms), "at the first tick, and when a worker stops"


@pytest.mark.parametrize("of", [1, 4, 12, 20])
def test_partitions_take_turns_with_their_sketches(of: int) -> None:
    ticks = range(SAFE_MS, 3 * SAFE_MS + 1, 250)
    at_once = Counter(
        now for before, now in pairwise(ticks) for i in range(of) if in_turn(i, of, before, now)
    )

    assert at_once.total() == 2 * of
    assert set(at_once.values()) == {1}


@pytest.mark.parametrize("bounds", [(0, 90), (50, 50), (50, 90), (0, 50)])
def test_a_partition_goes_on_from_its_position(bounds: tuple[int, int]) -> None:
    assert start(SOURCE, FOUND, bounds, TERMS) == FOUND


def test_other_labels_count_everything_anew_under_the_next_epoch() -> None:
    place = start(SOURCE, replace(FOUND, epoch=4), (0, 90), replace(TERMS, fingerprint="other"))

    assert (place.offset, place.epoch, place.fingerprint) == (0, 5, "other")
    assert (place.frontier_ms, place.tally.events, place.replayed) == (None, 0, ())


REFUSED: list[tuple[str, dict[str, Any], tuple[int, int], str]] = [
    ("the log lost its beginning unread", {}, (51, 90), "records were deleted unread"),
    ("the log is shorter than what was read", {}, (0, 49), "was the topic made anew"),
    ("other labels, and the beginning is gone", {"fingerprint": "x"}, (1, 90), "counted anew"),
    ("another lateness", {"lateness_ms": 5}, (0, 90), "FENGHUO_LATENESS_MS"),
    ("another future", {"future_ms": 5}, (0, 90), "FENGHUO_FUTURE_MS"),
]


@pytest.mark.parametrize(
    ("changes", "bounds", "text"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_what_would_be_silently_wrong_is_an_error_with_its_cure(
    changes: dict[str, Any], bounds: tuple[int, int], text: str
) -> None:
    found: Position = replace(FOUND, **changes)

    with pytest.raises(StartError, match=text) as caught:
        start(SOURCE, found, bounds, TERMS)
    assert str(caught.value).startswith("orders/0: ")


def test_the_fingerprint_names_labels_cuts_and_times_of_the_campaign() -> None:
    assert terms(Settings(tick_ms=1, kafka="x"), campaign()) == TERMS
    assert len(TERMS.fingerprint) == 16
    assert {kind: coder.kind for kind, coder in coders(campaign()).items()} == {
        kind: kind for kind in ("order", "traffic", "complaint")
    }
