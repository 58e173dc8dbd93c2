"""Laws of the distinct users: what is given to the library makes the sketch that all of them would
make; unions do not mind order, repeats, restarts or who wrote what.
"""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from datasketches import update_theta_sketch
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.schemas.wire import visitors
from fenghuo.schemas.wire.pulse import Source
from fenghuo.schemas.wire.visitors import (
    ACTIVE,
    LG_K,
    NEW,
    RELATIVE_ERROR,
    Part,
    Sketches,
    VisitorsError,
    united,
)
from fenghuo.streams.counting.users import Users
from fenghuo.streams.gather import left

REGIONS = ("east", "south")
REGION = np.array([0, 1, 0, 1], np.int64)
IS_NEW = np.array([False, False, True, True], np.bool_)
"""By code: 0 and 1 are old users, 2 and 3 new ones."""
SPAN_MS = (1_000, 2_000)
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(0, 60_000)


def drawn(seed: int, rows: int, users: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, rows), rng.integers(0, users, rows)


def now(rows: np.ndarray) -> np.ndarray:
    return np.full(len(rows), 1_500)


def added(
    code: np.ndarray, user: np.ndarray, cuts: Sequence[int], found: Sketches | None = None
) -> Sketches:
    users = Users(REGIONS, SPAN_MS, found)
    for part, who in zip(np.split(code, cuts), np.split(user, cuts), strict=True):
        users.add((REGION, IS_NEW), now(part), part, who)
    return users.whole().sketches


def by_the_library(code: np.ndarray, user: np.ndarray) -> Sketches:
    """Every user given to the library one by one."""
    found = {}
    for number, region in enumerate(REGIONS):
        for measure in (ACTIVE, NEW):
            sketch = update_theta_sketch(LG_K)
            mine = (REGION[code] == number) & (user != 0)
            for who in user[mine & (IS_NEW[code] | (measure == ACTIVE))].tolist():
                sketch.update(who)
            if not sketch.is_empty():
                found[measure, region] = united([sketch.compact().serialize()])
    return found


def count(sketches: Sketches, name: tuple[str, str]) -> int:
    part = Part(Source("log", "orders", 0), 0, 0, sketches)
    return next(e.users for e in visitors.estimates([part]) if (e.measure, e.region) == name)


@settings(max_examples=15)
@given(SEEDS, SIZES, st.sampled_from([3, 900, 9_000, 10**9]), st.lists(st.integers(0, 60_000)))
def test_the_short_way_gives_the_librarys_own_sketch(
    seed: int, rows: int, users: int, cuts: list[int]
) -> None:
    code, user = drawn(seed, rows, users)

    assert added(code, user, sorted(cuts)) == by_the_library(code, user)


@settings(max_examples=10)
@given(SEEDS, st.integers(1, 30_000), st.integers(0, 30_000), st.integers(0, 30_000))
def test_a_restart_anywhere_counts_nobody_twice_and_forgets_nobody(
    seed: int, rows: int, died: int, began: int
) -> None:
    """A worker dies; the next one has what it published and reads from an older place."""
    code, user = drawn(seed, rows, 20_000)
    died, began = died % (rows + 1), min(began, died) % (rows + 1)
    before = added(code[:died], user[:died], [])
    after = added(code[min(began, died) :], user[min(began, died) :], [], before)
    whole = added(code, user, [])

    for name in whole:
        assert count(after, name) == pytest.approx(count(whole, name), rel=4 * RELATIVE_ERROR)
        if count(whole, name) < 2_000:  # not sampled yet: exact
            assert count(after, name) == count(whole, name)


@settings(max_examples=10)
@given(SEEDS, st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=4))
def test_unions_mind_neither_order_nor_repeats(
    seed: int, order: list[int], again: list[int]
) -> None:
    parts = [added(*drawn(seed + i, 12_000, 30_000), [])[ACTIVE, "east"] for i in range(4)]

    assert united([parts[i] for i in [*order, *again]]) == united(parts)
    assert united([united(parts[:2]), united(parts[2:])]) == united(parts)


@pytest.mark.parametrize("users", [100, 4_000, 300_000])
def test_estimates_lie_within_their_error(users: int) -> None:
    code = np.zeros(users, np.int64)
    sketches = added(code, np.arange(1, users + 1), [])
    estimate = visitors.estimates([Part(Source("log", "orders", 0), 0, 0, sketches)])[0]

    assert estimate.users == pytest.approx(users, rel=3 * RELATIVE_ERROR)
    assert estimate.low <= users <= estimate.high
    if users < 2**LG_K:
        assert (estimate.low, estimate.high) == (users, users)


def test_few_users_of_many_events_are_asked_about_once() -> None:
    """Else a shop of a thousand regulars would cost a call for every event."""
    users = Users(REGIONS, SPAN_MS)
    code, user = drawn(1, 50_000, 500)

    first = users.add((REGION, IS_NEW), now(code), code, user)
    again = users.add((REGION, IS_NEW), now(code), code, user)

    assert first < 10_000
    assert again < 2_500  # those whose places in the table of the seen meet


def test_of_a_source_the_highest_epoch_counts() -> None:
    one, two = added(*drawn(1, 500, 90), []), added(*drawn(2, 10, 90), [])
    here, there = Source("log", "orders", 0), Source("log", "orders", 1)

    def active(*parts: Part) -> int:
        return next(e.users for e in visitors.estimates(parts) if e.measure == ACTIVE)

    assert active(Part(here, 0, 9, one), Part(here, 1, 2, two)) == active(Part(here, 1, 2, two))
    assert active(Part(here, 0, 9, one), Part(there, 1, 2, two)) >= active(Part(here, 0, 9, one))


@given(st.binary(max_size=80))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(VisitorsError):
        visitors.decode(data)


def test_a_record_comes_back() -> None:
    part = Part(Source("log", "orders", 3), 2, 77, added(*drawn(5, 5_000, 4_000), [2_000]))

    assert visitors.decode(visitors.encode(part)) == part
    with pytest.raises(VisitorsError):
        visitors.decode(visitors.encode(part)[:-1])


def test_only_the_campaign_counts() -> None:
    users = Users(REGIONS, SPAN_MS)
    ts, code = np.array([999, 1_000, 1_999, 2_000]), np.zeros(4, np.int64)
    users.add((REGION, IS_NEW), ts, code, np.array([1, 2, 3, 4]))

    assert count(users.whole().sketches, (ACTIVE, "east")) == 2


@settings(max_examples=15)
@given(SEEDS, SIZES, st.sampled_from([900, 9_000, 10**9]), st.lists(st.integers(0, 60_000)))
def test_the_newest_whole_sketches_and_the_news_behind_them_are_all_that_is_known(
    seed: int, rows: int, users: int, cuts: list[int]
) -> None:
    """As a successor reads them from a compacted topic, at whatever moment the writer dies."""
    code, user = drawn(seed, rows, users)
    writer, topic = Users(REGIONS, SPAN_MS), dict[bool, Sketches]()
    ends = [*sorted(cuts), rows]
    for start, end in zip([0, *ends], ends, strict=False):
        writer.add((REGION, IS_NEW), now(code[start:end]), code[start:end], user[start:end])
        if told := writer.take():
            topic[told.is_whole] = told.sketches
        names = {name for sketches in topic.values() for name in sketches}
        known = {
            name: united([found[name] for found in topic.values() if name in found])
            for name in names
        }
        assert known == by_the_library(code[:end], user[:end])


def test_of_many_users_little_is_told_again() -> None:
    """Bytes on the topic follow what is new, not how large the sketches are."""
    writer = Users(REGIONS, SPAN_MS)
    sent = []
    for tick in range(200):
        user = np.arange(tick * 5_000, (tick + 1) * 5_000) + 1
        code = user % 4
        writer.add((REGION, IS_NEW), now(code), code, user)
        told = writer.take()
        sent.append(sum(len(data) for data in told.sketches.values()) if told else 0)
    whole = sum(len(data) for data in writer.whole().sketches.values())

    assert sum(sent[100:]) < 100 * whole / 5


ZOMBIE_MS = 60_000
"""Whoever was silent for this long is dead."""


class Worker:
    """One life of a worker on one partition, as part_gather does it; it may be a zombie."""

    SOURCE = Source("log", "orders", 0)

    def __init__(self, name: str, topic: dict[str, SimpleNamespace], place: int, at_ms: int):
        found = left.Left("users", [str(self.SOURCE)])
        for record in topic.values():
            found.see(record)
        self.known = left.known((parts := found.parts()).values(), 0)
        self.name, self.read_to, self.told_to, self.told_ms = name, place, place, at_ms
        self.silent = [key for key in parts if found.is_silent(key, at_ms)]
        self.users = Users(REGIONS, SPAN_MS, self.known)

    def read(self, code: np.ndarray, user: np.ndarray, rows: int) -> None:
        span = slice(self.read_to, self.read_to + rows)
        self.users.add((REGION, IS_NEW), now(code[span]), code[span], user[span])
        self.read_to = min(span.stop, len(code))

    def tell(self, topic: dict[str, SimpleNamespace], at_ms: int) -> None:
        self.told_to, self.told_ms = self.read_to, at_ms
        if (told := self.users.take()) is None:
            return
        key = left.key(self.SOURCE, self.name, is_whole=told.is_whole)
        value = visitors.encode(Part(self.SOURCE, 0, self.read_to, told.sketches))
        topic[key] = SimpleNamespace(key=key.encode(), value=value, offset=0, timestamp=at_ms)
        while told.is_whole and self.silent:
            topic.pop(self.silent.pop(), None)


STEPS = st.tuples(st.integers(0, 1), st.sampled_from(["tell", "tell", "place", "begin", "wait"]))


@settings(max_examples=200)
@given(SEEDS, st.lists(STEPS, min_size=10, max_size=40))
def test_whoever_begins_knows_all_users_before_any_position(
    seed: int, steps: list[tuple[int, str]]
) -> None:
    """Two workers on one partition die at any moment, and write on when another has taken over:
    what compaction leaves of their sketches covers the furthest of their positions.
    """
    code, user = drawn(seed, 6_000, 4_000)
    topic, workers = dict[str, SimpleNamespace](), dict[int, Worker]()
    furthest, at_ms = 0, left.LEFT_MS
    for step, (who, what) in enumerate([*steps, (0, "begin")]):
        at_ms += 20_000 if what == "wait" else 1
        workers = {n: one for n, one in workers.items() if at_ms - one.told_ms < ZOMBIE_MS}
        if what == "begin":
            new = workers[who] = Worker(f"{step:08x}", topic, furthest, at_ms)
            want = by_the_library(code[:furthest], user[:furthest])
            assert want.keys() <= new.known.keys()
            assert {n: united([new.known[n], want[n]]) for n in want} == {
                n: new.known[n] for n in want
            }
        elif worker := workers.get(who):
            if what == "tell":
                worker.read(code, user, 30 if step % 2 else 600)
                worker.tell(topic, at_ms)
            elif what == "place":
                furthest = max(furthest, worker.told_to)
