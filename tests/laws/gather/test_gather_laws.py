"""What gather gives out is a function of the log alone: cuts, moments, restarts and repetitions
change nothing.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.model import count
from tests.laws.river import Merged, Worker, fetch_of
from tests.strategies import START_MS, Record, cut, cuts_of, kinds_and_logs, single

Log = tuple[str, list[Record]]
Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 4)),
        st.tuples(st.just("read"), st.integers(1, 2)),
        st.tuples(st.just("take"), st.just(0)),
        st.tuples(st.just("take"), st.just(0)),
        st.tuples(st.just("restart"), st.sampled_from((0, 0, 0, 1, 2, 7))),
    ),
    max_size=25,
)


def drive(worker: Worker, steps: list[Step]) -> Merged:
    """Read, publish and crash as told; a restart begins at any position that was ever published, or
    at none.
    """
    for what, number in steps:
        if what == "read":
            worker.read(number)
        elif what == "take":
            worker.take()
        else:
            places = [worker.start, *worker.merged.positions]
            worker.restart(places[-1 - number % len(places)])
    return worker.finish()


@given(kinds_and_logs())
def test_one_fetch_gives_what_the_model_says(log: Log) -> None:
    kind, records = log

    Worker(kind, records).finish().check(count(kind, records))


@given(st.data())
def test_any_cut_into_fetches_and_any_moments_of_publishing_give_the_same(
    data: st.DataObject,
) -> None:
    kind, records = data.draw(kinds_and_logs())
    sizes = data.draw(cuts_of(len(records)))
    takes = data.draw(st.sets(st.integers(0, max(len(sizes), 1))))
    worker = Worker(kind, records)
    for i, part in enumerate(cut(records, sizes)):
        worker.gather.add(fetch_of(part))
        if i in takes:
            worker.take()

    worker.finish().check(count(kind, records))


@given(kinds_and_logs(), STEPS)
def test_a_restart_from_any_position_ever_published_gives_the_same(
    log: Log, steps: list[Step]
) -> None:
    kind, records = log

    drive(Worker(kind, records), steps).check(count(kind, records))


# event times in ms: two seconds fill, the first closes and is late for, then the next
TIMES = (100, 1_200, 500, 1_700, 11_300, 1_800, 900, 12_500, 1_900, 11_400)


def clockwork() -> list[Record]:
    return [
        Record(i, START_MS + 20_000, single({**SAMPLES["order"], "ts": START_MS + ts}))
        for i, ts in enumerate(TIMES)
    ]


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("every", [1, 2])
def test_every_restart_of_a_small_log_gives_the_same(size: int, every: int) -> None:
    """All of them: at every moment, from every position published by then, and once more."""
    records = clockwork()
    model = count("order", records)
    moments = range(1, len(records) // size + 1)
    for first in moments:
        for place in range(first // every + 1):
            for second in (1, 3):
                steps = [*rounds(first, size, every), ("restart", place)]
                steps += [*rounds(second, size, every), ("restart", 0)]
                drive(Worker("order", records), steps).check(model)


def rounds(count_: int, size: int, every: int) -> list[Step]:
    """Fetches of a size, published after every so many."""
    steps: list[Step] = []
    for i in range(1, count_ + 1):
        steps += [("read", size)] + [("take", 0)] * (i % every == 0)
    return steps


@given(kinds_and_logs(), STEPS)
def test_positions_never_skip_an_open_second(log: Log, steps: list[Step]) -> None:
    """A successor at a position reads every event of every second it may still publish."""
    kind, records = log
    model = count(kind, records)
    merged = drive(Worker(kind, records), steps)

    for place in merged.positions:
        for second, offset, _ in model.on_time:
            assert second < place.floor_ms or offset >= place.offset or place.floor_ms < 0
        before = count(kind, [record for record in records if record.offset < place.offset])
        frontier = None if before.frontier_ms < 0 else before.frontier_ms
        assert place.frontier_ms == frontier
        assert place.tally.accepted == before.accepted


@settings(max_examples=60)
@given(kinds_and_logs(), st.randoms(use_true_random=False))
def test_pulses_repeated_and_out_of_order_merge_to_the_same(log: Log, shuffle: Any) -> None:
    kind, records = log
    worker = Worker(kind, records)
    taken = []
    for _ in records:
        worker.read(1)
        taken.append(worker.gather.take())
    taken = taken * 2
    last = taken[-1:]
    shuffle.shuffle(taken)
    merged = Merged()
    for one in [*taken, *last]:
        merged.see(one)

    merged.check(count(kind, records))


@settings(max_examples=60)
@given(kinds_and_logs())
def test_the_books_close_at_every_offset(log: Log) -> None:
    kind, records = log
    worker = Worker(kind, records)
    for i in range(len(records)):
        worker.read(1)
        tally = worker.gather.tally
        outcomes = sum(len(record.message.outcomes) for record in records[: i + 1])
        assert tally.events == outcomes == tally.accepted + tally.late + tally.refused
        model = count(kind, records[: i + 1])
        assert tally.by_region == model.by_region
