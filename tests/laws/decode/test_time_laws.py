"""Time goes event by event, is judged against the record's own clock, and one wrong clock harms
nobody.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.kinds.bounds import TS_MIN_MS
from fenghuo.streams.counting.fates import LATE, sift
from fenghuo.streams.decode.batch import Batch
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.model import count
from tests.laws.river import TERMS, Worker
from tests.strategies import FUTURE_MS, LATENESS_MS, START_MS, Record, single


def log_of(*times: tuple[int, int]) -> list[Record]:
    """Orders with (record time, event time), both from START_MS on."""
    return [
        Record(i, START_MS + record, single({**SAMPLES["order"], "ts": START_MS + event}))
        for i, (record, event) in enumerate(times)
    ]


def test_one_event_of_the_far_future_closes_no_second() -> None:
    times = [(0, 0), (1, 10**9), (2, 5), (3, FUTURE_MS + 4), (4, 3)]
    merged = Worker("order", log_of(*times)).finish()

    assert merged.letters == {(1, 0): "time_future", (3, 0): "time_future"}
    assert merged.tally.accepted == 3
    assert merged.tally.late == 0


@given(
    st.lists(
        st.tuples(
            st.integers(0, 60_000),
            st.integers(-FUTURE_MS, 10**10),  # how far the event lies before (after) its record
        ),
        max_size=20,
    )
)
def test_events_of_the_future_never_make_an_event_on_time_late(
    pairs: list[tuple[int, int]],
) -> None:
    """An event not after, and at most a second before, the records so far is never late (future_ms
    <= lateness_ms).
    """
    times, now = [], 0
    for step, delay in pairs:
        now += step // 20
        times += [(now, now + abs(delay)), (now, now)]
    merged = Worker("order", log_of(*times)).finish()

    assert FUTURE_MS <= LATENESS_MS
    assert {offset for offset, _, _ in merged.late} & {
        i for i in range(len(times)) if i % 2
    } == set()


@given(
    st.lists(st.integers(0, 40_000), max_size=20), st.integers(0, 20_000), st.integers(0, 20_000)
)
def test_late_is_decided_by_every_event_before_and_nothing_else(
    times: list[int], lateness_ms: int, future_ms: int
) -> None:
    """Inside one batch too: the watermark is cumulative, event by event."""
    records = log_of(*((20_000, event) for event in times))
    terms = type(TERMS)(lateness_ms, future_ms, 0, 2**60, "t")
    merged = Worker("order", records, terms=terms).finish()

    merged.check(count("order", records, lateness_ms=lateness_ms, future_ms=future_ms))


@pytest.mark.parametrize(
    ("second_event_ms", "is_late"),
    [(LATENESS_MS + 999, False), (LATENESS_MS + 1_000, True), (LATENESS_MS + 1_001, True)],
    ids=["one ms before the end", "at the end", "after it"],
)
def test_a_second_closes_when_the_watermark_reaches_its_end(
    second_event_ms: int, is_late: bool
) -> None:
    records = log_of((0, 0), (second_event_ms, second_event_ms), (second_event_ms, 999))

    assert Worker("order", records).finish().tally.late == int(is_late)


@pytest.mark.parametrize(
    ("ts", "reason"),
    [
        (TS_MIN_MS - 1, "time_past"),
        (TS_MIN_MS, None),
        (0, "time_past"),
        (-(2**63), "time_past"),
        (START_MS // 1000, "time_past"),
        (START_MS + FUTURE_MS, None),
        (START_MS + FUTURE_MS + 1, "time_future"),
        (4_102_444_800_000, "time_future"),
        (2**63 - 1, "time_future"),
    ],
)
def test_the_bounds_of_event_time(ts: int, reason: str | None) -> None:
    record = Record(0, START_MS, single({**SAMPLES["order"], "ts": ts}))
    merged = Worker("order", [record]).finish()

    assert merged.letters == ({(0, 0): reason} if reason else {})
    merged.check(count("order", [record]))


@given(
    st.lists(st.integers(TS_MIN_MS - 10, TS_MIN_MS + 30_000), min_size=1, max_size=30),
    st.integers(TS_MIN_MS, TS_MIN_MS + 30_000),
    st.integers(0, 30),
)
def test_fate_and_frontier_do_not_depend_on_the_cut(ts: list[int], start: int, at: int) -> None:
    limit = np.array([TS_MIN_MS + 25_000])
    fates, frontier = [], start
    for part in (ts[:at], ts[at:]):
        found = sift(batch_of(part), limit, frontier, 2_000)
        fates += found.fate.tolist()
        frontier = found.frontier_ms

    whole = sift(batch_of(ts), limit, start, 2_000)
    assert whole.fate.tolist() == fates
    assert whole.frontier_ms == frontier == max([start, *(t for t in ts if in_time(t))])
    assert whole.counted + whole.late == sum(map(in_time, ts))
    for i, (t, fate) in enumerate(zip(ts, fates, strict=True)):
        newest = max([start, *(t for t in ts[:i] if in_time(t))])
        closed = t // 1000 * 1000 + 1000 <= newest - 2_000
        assert not in_time(t) or (fate == LATE) == closed


def in_time(ts: int) -> bool:
    return TS_MIN_MS <= ts <= TS_MIN_MS + 25_000


def batch_of(ts: list[int]) -> Batch:
    """Events of these times in one message."""
    none = np.zeros(len(ts), np.int64)
    return Batch(none, none, np.array(ts, np.int64), none, none, none)
