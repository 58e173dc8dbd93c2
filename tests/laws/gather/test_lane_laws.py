"""A lane is what it would be alone: whatever the other lane's records are, and wherever they lie
between its own, what comes out is the same.
"""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.schemas.lane import LANES, REAL, SHADOW, Lane
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.records.marks import RUN_HEADER, SHADOW_HEADER
from fenghuo.schemas.wire.letters import Headers
from fenghuo.schemas.wire.pulse import Rows
from fenghuo.streams.gather import lanes
from fenghuo.streams.gather.taken import Taken
from tests.laws.gather.test_gather_laws import STEPS, Step, drive
from tests.laws.model import count
from tests.laws.river import Worker, fetch_of, rows_by_second
from tests.strategies import KINDS, Record, cut, cuts_of, logs

Log = tuple[str, list[Record]]
LETTERS = ((3, 0), (4, 1))
"""Dead letters that records of both lanes claim to replay."""
AWAY_MS = 3_600_000
"""So far from the other's the clock of a lane may be: a leak would close every second."""


@st.composite
def shared_logs(draw: st.DrawFn) -> Log:
    """A log in which two lanes lie between each other, each with a life of its own."""
    kind = draw(st.sampled_from(KINDS))
    away_ms = draw(st.sampled_from((0, 0, AWAY_MS, -AWAY_MS)))
    real = draw(logs(kind, 10))
    shadow = [replace(record, shadow=True) for record in draw(logs(kind, 10, away_ms=away_ms))]
    order = draw(st.permutations([False] * len(real) + [True] * len(shadow)))
    waiting = {False: iter(real), True: iter(shadow)}
    offset, made = draw(st.sampled_from((0, 10**9))), []
    for is_shadow in order:
        offset += draw(st.sampled_from((1, 1, 3)))
        letter = draw(st.sampled_from((None, None, None, None, *LETTERS)))
        made.append(replace(next(waiting[is_shadow]), offset=offset, replay=letter))
    return kind, made


def of_lane(records: list[Record], lane: Lane) -> list[Record]:
    return [record for record in records if record.shadow == (lane == SHADOW)]


@pytest.mark.parametrize("lane", LANES)
@given(shared_logs(), STEPS)
def test_a_lane_is_the_model_of_its_own_records_however_it_is_read(
    lane: Lane, log: Log, steps: list[Step]
) -> None:
    """Versions and offsets included; read, published and restarted from any position."""
    kind, records = log

    worker = Worker(kind, records, lane=lane)
    drive(worker, steps).check(count(kind, of_lane(records, lane)))


@pytest.mark.parametrize("lane", LANES)
@given(st.data())
def test_every_publication_is_what_it_would_be_without_the_other_lane(
    lane: Lane, data: st.DataObject
) -> None:
    """Pulses, late rows, letters, totals, clocks and positions, at every moment."""
    kind, records = data.draw(shared_logs())
    takes = data.draw(st.sets(st.integers(0, len(records))))
    beside = Worker(kind, records, lane=lane)
    alone = Worker(kind, [], lane=lane)
    for i, part in enumerate(cut(records, data.draw(cuts_of(len(records))))):
        beside.gather.add(lanes.only(fetch_of(part), lane))
        if mine := of_lane(part, lane):
            alone.gather.add(lanes.only(fetch_of(mine), lane))
        if i in takes:
            assert seen(beside.gather.take()) == seen(alone.gather.take())

    assert seen(beside.gather.take()) == seen(alone.gather.take())


def seen(taken: Taken) -> dict[str, Any]:
    """What a reader sees of a publication, without offsets and the versions made of them."""
    return {
        "pulses": {second: series for second, (_, series) in rows_by_second(taken.pulses).items()},
        "late": late_rows(taken.late),
        "letters": [replace_offset(letter) for letter in taken.letters],
        "position": replace_offset(taken.position),
        "clocks": (taken.frontier_ms, taken.watermark_ms),
        "tally": taken.tally,
    }


def late_rows(rows: Rows) -> list[tuple[int, int, tuple[str, str, str], list[int]]]:
    return [
        (second, idx, rows.series[code], values)
        for second, idx, code, values in zip(
            rows.second_ms.tolist(),
            rows.stamp["idx"].tolist(),
            rows.code.tolist(),
            rows.values.tolist(),
            strict=True,
        )
    ]


def replace_offset(found: Any) -> Any:
    return msgspec.structs.replace(found, offset=0)


@settings(max_examples=40)
@given(shared_logs())
def test_both_lanes_together_are_the_whole_log(log: Log) -> None:
    kind, records = log
    tallies = [Worker(kind, records, lane=lane).finish().tally for lane in LANES]

    outcomes = sum(len(record.message.outcomes) for record in records)
    assert sum(tally.events for tally in tallies) == outcomes


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_each_record_of_a_fetch_is_in_one_lane_and_as_it_was(shadow: list[bool]) -> None:
    headers: dict[int, Headers] = {
        i: [(SHADOW_HEADER, None)] for i, flag in enumerate(shadow) if flag
    }
    size = len(shadow)
    values = [b"%d" % i for i in range(size)]
    marked = lanes.marked(headers, size)
    fetch = Fetch(np.arange(size) + 50, values, np.arange(size) + 900, 40, 60, headers, marked)
    found = {}
    for lane in LANES:
        mine = lanes.only(fetch, lane)
        assert (mine.start_offset, mine.next_offset) == (40, 60)
        for at, value in enumerate(mine.values):
            row = (lane, int(mine.record_ms[at]) - 900, mine.replays.get(at))
            found[int(mine.offsets[at]) - 50, value] = row
        assert lanes.only(mine, lane) is mine or not mine.values

    assert found == {
        (i, b"%d" % i): (SHADOW if flag else REAL, i, headers.get(i))
        for i, flag in enumerate(shadow)
    }


@pytest.mark.parametrize("lane", LANES)
def test_a_fetch_of_one_lane_is_handed_on_and_not_copied(lane: Lane) -> None:
    all_marked: dict[int, Headers] = {i: [(SHADOW_HEADER, b"r.0.1")] for i in range(3)}
    headers = all_marked if lane == SHADOW else {}
    marked = lanes.marked(headers, 3)
    fetch = Fetch(np.arange(3), [b"{}"] * 3, np.arange(3), 0, 3, headers, marked)

    assert lanes.only(fetch, lane) is fetch
    assert (marked is None) == (lane == REAL)
    assert not lanes.only(fetch, REAL if lane == SHADOW else SHADOW).values


def test_the_header_decides_whatever_it_holds_and_wherever_it_stands() -> None:
    headers: dict[int, Headers] = {
        0: [(SHADOW_HEADER, None)],
        1: [("trace", b"1"), (SHADOW_HEADER, b"\xff")],
        2: [(RUN_HEADER, b"run.0.1")],
        4: [(RUN_HEADER, b"run.0.2"), (SHADOW_HEADER, b"run.0.2")],
        5: [("Fenghuo-Shadow", b"run.0.3")],
    }
    flags = lanes.marked(headers, 6)

    assert flags is not None
    assert np.flatnonzero(flags).tolist() == [0, 1, 4]
    assert lanes.marked({2: headers[2]}, 6) is None
