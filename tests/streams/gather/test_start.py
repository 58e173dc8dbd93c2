"""Where a worker begins: never somewhere that would be silently wrong."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fenghuo.schemas.campaign.campaign import parse
from fenghuo.schemas.kinds.measures import KINDS
from fenghuo.schemas.log.foreign import Foreign
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import position
from fenghuo.schemas.wire.position import Position
from fenghuo.schemas.wire.pulse import Head, Tally
from fenghuo.streams.counting.windows import NEVER_MS
from fenghuo.streams.gather.places import Begin, begin, choose, read
from fenghuo.streams.gather.taken import coders, terms
from fenghuo.streams.gather.turns import HEAD_MS, SAFE_MS, in_turn, is_due
from tests.laws.judge.duty import campaign
from tests.laws.river import beginning, source_of
from tests.schemas.campaign.campaign_texts import GOOD as CAMPAIGN_TEXT

TERMS = terms(Settings(), campaign())
SOURCE = source_of("order")
FOUND = replace(beginning("order", terms=TERMS), offset=50, frontier_ms=1, floor_ms=0)


def test_a_partition_nobody_has_read_begins_at_its_first_record() -> None:
    place = begin(SOURCE, (), (7, 90), TERMS).place

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
    assert begin(SOURCE, [FOUND], bounds, TERMS) == Begin(FOUND)


def test_other_labels_count_everything_anew_under_the_next_epoch() -> None:
    found = [replace(FOUND, epoch=4)]
    place = begin(SOURCE, found, (0, 90), replace(TERMS, fingerprint="other")).place

    assert (place.offset, place.epoch, place.fingerprint) == (0, 5, "other")
    assert (place.frontier_ms, place.tally.events, place.replayed) == (None, 0, ())


def test_only_what_concerns_a_kind_counts_its_events_anew() -> None:
    """What a position says of its own kind decides; where it says nothing, the release before wrote
    it, and the fingerprint of all kinds does.
    """
    known = replace(TERMS, fingerprint="before")  # something of complaints has changed since
    kept = replace(FOUND, fingerprint="before", own=TERMS.own("order"))
    silent = replace(FOUND, fingerprint="before")
    other = replace(kept, own="other", fingerprint=TERMS.fingerprint)

    assert begin(SOURCE, [kept], (0, 90), TERMS).place == kept
    assert begin(SOURCE, [silent], (0, 90), known).place == silent
    for anew in (silent, other):
        place = begin(SOURCE, [anew], (0, 90), TERMS).place
        assert (place.offset, place.epoch) == (0, FOUND.epoch + 1)
        assert place.own == TERMS.own("order")


def changed(old: str, new: str) -> set[str]:
    """Kinds whose fingerprint is another after this edit of the campaign file."""
    before, after = (
        parse(text, "small.toml") for text in (CAMPAIGN_TEXT, CAMPAIGN_TEXT.replace(old, new))
    )
    assert before != after
    assert before.fingerprint != after.fingerprint
    return {k for k in KINDS if before.fingerprint_of(k) != after.fingerprint_of(k)}


def test_a_change_concerns_the_kinds_that_are_cut_by_it() -> None:
    assert changed('type = ["', 'type = ["rude", "') == {"complaint"}
    assert changed('payment = ["', 'payment = ["cash", "') == {"order"}
    assert changed('system = ["', 'system = ["door", "') == {"traffic"}
    assert changed('region = ["east", "west"]', 'region = ["west", "east"]') == set(KINDS)


REFUSED: list[tuple[str, dict[str, Any], tuple[int, int], str]] = [
    ("the log is shorter than what was read", {}, (0, 49), "the log ends at 49"),
    ("other labels, and the beginning is gone", {"fingerprint": "x"}, (1, 90), "counted anew"),
    ("another lateness", {"lateness_ms": 5}, (0, 90), "FENGHUO_LATENESS_MS"),
    ("another future", {"future_ms": 5}, (0, 90), "FENGHUO_FUTURE_MS"),
]


@pytest.mark.parametrize(
    ("changes", "bounds", "text"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_what_would_be_silently_wrong_stops_the_partition_with_its_cure(
    changes: dict[str, Any], bounds: tuple[int, int], text: str
) -> None:
    found: Position = replace(FOUND, **changes)
    begun = begin(SOURCE, [found], bounds, TERMS)

    assert text in (begun.stopped or "")
    assert begun.place == found


HEAD = Head(*("order", SOURCE, 0, 70, 90), 12_345, 2_345, 0, None, idle=False, tally=Tally(7))


@pytest.mark.parametrize(
    ("first", "head", "offset", "gaps", "events"),
    [
        (60, HEAD, 70, (), 7),  # all that is gone was published
        (75, HEAD, 75, ((70, 75),), 7),
        (60, None, 60, ((50, 60),), 0),
        (60, replace(HEAD, epoch=1), 60, ((50, 60),), 0),
        (60, replace(HEAD, next_offset=40), 60, ((50, 60),), 0),
    ],
)
def test_behind_deleted_records_the_count_goes_on_and_the_gap_is_named(
    first: int, head: Head | None, offset: int, gaps: tuple[tuple[int, int], ...], events: int
) -> None:
    place = begin(SOURCE, [FOUND], (first, 90), TERMS, head=head).place

    assert (place.offset, place.gaps.newest, place.tally.events) == (offset, gaps, events)
    assert place.frontier_ms == place.floor_ms + TERMS.lateness_ms, "what was open is late now"
    seen_ms = 12_345 if events else FOUND.floor_ms + TERMS.lateness_ms
    assert place.floor_ms > seen_ms


def test_a_position_beyond_the_end_is_passed_over_for_an_older_one() -> None:
    foreign = Foreign()
    found = [replace(FOUND, offset=10**12), FOUND]

    assert begin(SOURCE, found, (0, 90), TERMS, foreign=foreign).place == FOUND
    assert foreign.passed == {"positions": 1}


def test_a_lost_position_is_no_reason_to_count_under_an_older_epoch() -> None:
    """What was published under a higher one would win for ever."""
    assert begin(SOURCE, (), (0, 90), TERMS, head=replace(HEAD, epoch=3)).place.epoch == 3


def test_of_a_topic_made_anew_nothing_that_was_known_holds() -> None:
    before = replace(FOUND, life="a")
    source, known = choose([before], SOURCE, "b")
    again = replace(FOUND, source=source, life="b", offset=3)

    assert (source, known) == (replace(SOURCE, log="log/b"), [])
    assert choose([before, again], SOURCE, "b") == (source, [again])
    assert choose([before, FOUND], SOURCE, "a") == (SOURCE, [before])


def test_positions_of_the_last_release_hold_for_the_topic_there_is() -> None:
    assert choose([FOUND], SOURCE, "a") == (SOURCE, [FOUND])
    assert begin(SOURCE, [FOUND], (0, 90), TERMS, life="a").place.life == "a"


def record(value: bytes | None, key: bytes | None = b"orders/0") -> Any:
    return SimpleNamespace(key=key, value=value, offset=7)


GOOD = position.encode(FOUND)
NONE_OF_OURS: list[tuple[str, Any]] = [
    ("a tombstone", record(None)),
    ("another object", record(b'{"id": 7}')),
    ("no JSON", record(b"\xff\x00")),
    ("deep JSON", record(b"[" * 100_000)),
    ("no key", record(GOOD, None)),
    ("a key that is no text", record(GOOD, b"\xff")),
    ("another partition's key", record(GOOD, b"orders/1")),
    ("an offset below 0", record(position.encode(replace(FOUND, offset=-1)))),
    ("an epoch no version holds", record(position.encode(replace(FOUND, epoch=1 << 15)))),
    ("counts below 0", record(position.encode(replace(FOUND, tally=Tally(-1))))),
]


def read_places(records: list[Any], foreign: Foreign) -> Any:
    async def each() -> AsyncIterator[Any]:
        for one in records:
            yield one

    return asyncio.run(read(each(), "positions", foreign))


@pytest.mark.parametrize("bad", [r[1] for r in NONE_OF_OURS], ids=[r[0] for r in NONE_OF_OURS])
def test_what_is_no_position_is_passed_over_and_counted(bad: Any) -> None:
    foreign = Foreign()
    found = read_places([record(GOOD), bad], foreign)

    assert found == {("orders", 0): [FOUND]}
    assert foreign.passed == {"positions": 1}


def test_a_position_of_a_later_release_is_read() -> None:
    later = record(GOOD[:-1] + b',"mood":"good"}')
    assert read_places([later], Foreign()) == {("orders", 0): [FOUND]}


def test_a_flood_of_foreign_records_is_said_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    foreign = Foreign()
    for offset in range(1_000):
        foreign.pass_over("users", offset, "none of ours")

    assert foreign.passed["users"] == 1_000
    assert len(caplog.records) == 4


def test_the_fingerprint_names_labels_cuts_and_times_of_the_campaign() -> None:
    assert terms(Settings(tick_ms=1, kafka="x"), campaign()) == TERMS
    assert len(TERMS.fingerprint) == 16
    assert {kind: coder.kind for kind, coder in coders(campaign()).items()} == {
        kind: kind for kind in ("order", "traffic", "complaint")
    }
