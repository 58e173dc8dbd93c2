"""Time goes event by event, is judged against the record's own clock, and one wrong clock harms
nobody.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.events import TS_MIN_MS
from fenghuo.streams import windows
from tests.laws.model import count
from tests.laws.river import TERMS, Worker
from tests.laws.test_codec_laws import SAMPLES
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
    st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=30),
    st.integers(-(2**50), 2**50),
    st.integers(0, 30),
)
def test_the_frontier_does_not_depend_on_the_cut(ts: list[int], start: int, at: int) -> None:
    import numpy as np

    whole = windows.frontier_before(np.array(ts, np.int64), start).tolist()
    head, tail = ts[:at], ts[at:]
    middle = max([start, *head])
    parts = [
        *(windows.frontier_before(np.array(head, np.int64), start).tolist() if head else []),
        *(windows.frontier_before(np.array(tail, np.int64), middle).tolist() if tail else []),
    ]

    assert whole == parts == [max([start, *ts[:i]]) for i in range(len(ts))]
