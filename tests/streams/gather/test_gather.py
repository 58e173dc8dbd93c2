"""Gather by example: a second fills, closes, is late for; a worker stops and another goes on."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from fenghuo.schemas.records.fetch import Fetch, Unreadable
from fenghuo.schemas.wire import position
from fenghuo.streams.counting.replays import REPLAYED_MAX
from fenghuo.streams.decode.codec import Codec
from fenghuo.streams.decode.codes import Coder
from fenghuo.streams.gather.gather import Gather
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.model import CUTS
from tests.laws.river import TERMS, Worker, beginning, fetch_of, rows_by_second
from tests.strategies import (
    LABELS,
    START_MS,
    Message,
    Record,
    frame_bytes,
    frame_columns,
    single,
    text_of,
)
from tests.streams.decode.test_frame import opened_by

TOTAL = ("", "", "")


def paid(fen: int, ts: int, **changes: Any) -> Message:
    """A paid order at this many milliseconds after midnight."""
    return single({**SAMPLES["order"], "amount_fen": fen, "ts": START_MS + ts, **changes})


def log_of(*messages: Message, record_ms: int = 60_000) -> list[Record]:
    return [Record(i, START_MS + record_ms, message) for i, message in enumerate(messages)]


def test_a_second_fills_closes_and_is_late_for() -> None:
    """
    offset    0     1     2      3     4
    ts        100   900   11500  200   1200
    watermark -     -9900 -9100  1500  1500     (lateness 10 s: second 0 closes at 11000)
    """
    worker = Worker(
        "order",
        log_of(paid(5, 100), paid(7, 900), paid(11, 11_500), paid(13, 200), paid(17, 1_200)),
    )
    worker.read(2)
    first = worker.gather.take()
    assert {s: (v, rows[TOTAL][:3]) for s, (v, rows) in rows_by_second(first.pulses).items()} == {
        START_MS: (2, (2, 2, 12))
    }
    assert (first.frontier_ms, first.watermark_ms) == (START_MS + 900, START_MS - 9_100)
    assert first.position.offset == 0  # second 0 is open, and begins there

    worker.read(3)
    second = worker.gather.take()
    assert {s: (v, rows[TOTAL][:3]) for s, (v, rows) in rows_by_second(second.pulses).items()} == {
        START_MS + 1_000: (5, (1, 1, 17)),
        START_MS + 11_000: (3, (1, 1, 11)),
    }
    late = second.late
    total = late.code.tolist().index(late.series.index(TOTAL))
    assert late.values[total].tolist()[:3] == [1, 1, 13]
    assert (late.stamp["offset"][total], late.stamp["idx"][total]) == (3, 0)
    assert late.second_ms[total] == START_MS
    assert second.tally.by_region == {"east": (5, 53)}
    assert (second.tally.accepted, second.tally.late, second.tally.refused) == (4, 1, 0)


def test_nothing_new_publishes_nothing_and_says_where_it_stands() -> None:
    worker = Worker("order", log_of(paid(5, 100)))
    worker.read(1)
    worker.gather.take()
    again = worker.gather.take()

    assert (len(again.pulses), len(again.late), again.letters) == (0, 0, ())
    assert again.next_offset == 1
    assert again.tally.accepted == 1


def test_before_any_event_there_is_no_frontier() -> None:
    taken = Worker("order", []).gather.take()

    assert (taken.frontier_ms, taken.watermark_ms) == (None, None)
    assert taken.position.frontier_ms is None


def test_a_successor_reads_the_open_seconds_again_and_publishes_no_closed_one() -> None:
    worker = Worker("order", log_of(paid(5, 100), paid(7, 12_000), paid(11, 12_500)))
    for _ in range(2):
        worker.read(1)
        worker.gather.take()
    place = worker.gather.take().position
    assert (place.offset, place.floor_ms) == (1, START_MS + 2_000)

    heir = Gather(place.source, worker.codec, TERMS, place)
    heir.add(fetch_of(worker.records[1:]))
    taken = heir.take()
    assert {s: rows[TOTAL][2] for s, (_, rows) in rows_by_second(taken.pulses).items()} == {
        START_MS + 12_000: 18
    }
    assert taken.tally.by_region == {"east": (3, 23)}


def test_pulses_name_the_offset_after_the_last_message_that_changed_the_second() -> None:
    records = log_of(paid(5, 100), paid(7, 5_000), Message(b"{", ("not_json",)), paid(1, 200))
    taken = Worker("order", records)
    taken.read(3)

    assert {s: v for s, (v, _) in rows_by_second(taken.gather.take().pulses).items()} == {
        START_MS: 1,
        START_MS + 5_000: 2,
    }
    taken.read(1)
    assert rows_by_second(taken.gather.take().pulses)[START_MS][0] == 4


@pytest.mark.parametrize(
    ("campaign", "counted"),
    [((0, 100), 0), ((0, 101), 5), ((100, 101), 5), ((101, 200), 0)],
    ids=["ends before", "ends after", "begins with it", "begins after"],
)
def test_gmv_counts_what_lies_in_the_campaign(campaign: tuple[int, int], counted: int) -> None:
    start, end = campaign
    terms = type(TERMS)(10_000, 10_000, START_MS + start, START_MS + end, "t")
    worker = Worker("order", log_of(paid(5, 100)), terms=terms)
    tally = worker.finish().tally

    assert tally.accepted == 1
    assert sum(fen for _, fen in tally.by_region.values()) == counted


def test_seconds_instead_of_milliseconds_are_told_so() -> None:
    message = single({**SAMPLES["order"], "ts": START_MS // 1000})
    worker = Worker("order", log_of(message))
    worker.read(1)
    (letter,) = worker.gather.take().letters

    assert letter.reason == "time_past"
    assert letter.detail == (
        "ts: expected at least 631152000000, got 1794326400; seconds where milliseconds belong?"
    )
    assert letter.data == message.value
    assert (letter.offset, letter.idx) == (0, 0)


class Counting(Codec):
    """Counts how often a message is split into its events."""

    def __init__(self) -> None:
        super().__init__(Coder("order", LABELS, CUTS["order"]))
        self.splits = 0

    def _split(self, value: bytes) -> Any:
        self.splits += 1
        return super()._split(value)


@pytest.mark.parametrize("how", ["array", "lines"])
def test_a_message_of_many_events_out_of_time_is_split_a_few_times_only(how: str) -> None:
    """Once for every event would take an hour for one message of 100 000: its partition would stand
    still.
    """
    text = text_of({**SAMPLES["order"], "ts": 1})
    value = b"[" + b",".join([text] * 300) + b"]" if how == "array" else b"\n".join([text] * 300)
    codec = Counting()
    gather = Gather(beginning("order").source, codec, TERMS, beginning("order"))
    gather.add(fetch_of(log_of(Message(value, ()))))

    (letter,) = gather.take().letters
    assert (letter.count, letter.rows, letter.whole_size) == (300, "0-299", len(value))
    assert codec.splits <= 4


def test_a_frame_of_many_rows_out_of_time_is_opened_a_few_times_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = opened_by(monkeypatch)
    rows = [SAMPLES["order"]] * 300
    value = frame_bytes("order", frame_columns("order", rows), {"base_ts": str(START_MS // 1000)})
    worker = Worker("order", log_of(Message(value, ())))
    worker.read(1)
    letters = worker.gather.take().letters

    assert {letter.reason for letter in letters} == {"time_past"}
    assert [(letter.count, letter.rows) for letter in letters] == [(300, "0-299")]
    assert len(opened) <= 4
    assert sum(len(letter.data) for letter in letters) <= len(value)


@pytest.mark.parametrize("header", [b"9" * 5_000 + b"/0", b"99999999999999999999/0", b"-1/0", b"x"])
def test_a_hostile_replay_header_does_not_end_the_worker(header: bytes) -> None:
    """Anybody who may produce may set it: it is counted as an event of its own or as a replay, no
    more.
    """
    worker = Worker("order", log_of(paid(5, 100)))
    fetch = fetch_of(worker.records)
    fetch.replays[0] = [("fenghuo-replay", header)]
    worker.gather.add(fetch)
    taken = worker.gather.take()

    assert taken.tally.accepted == 1
    assert position.decode(position.encode(taken.position)) == taken.position


def test_more_replays_than_are_remembered_are_refused() -> None:
    """They could count twice."""
    begin = beginning("order")
    full = replace(begin, replayed=tuple((i, 0) for i in range(REPLAYED_MAX)))
    worker = Worker("order", [Record(0, START_MS, paid(5, 0), (10**9, 0))])
    worker.restart(full)
    worker.read(1)
    taken = worker.gather.take()

    assert [letter.reason for letter in taken.letters] == ["already_replayed"]
    assert taken.tally.accepted == 0


def test_what_is_pending_bounds_the_memory_and_is_given_up_by_publishing() -> None:
    worker = Worker("order", log_of(*(paid(i, 100 + i) for i in range(20))))
    worker.read(20)
    assert 0 < worker.gather.pending <= 20
    worker.gather.take()
    assert worker.gather.pending == 0


def test_a_thousand_events_of_one_second_and_kind_are_one_row_in_memory() -> None:
    worker = Worker("order", log_of(*(paid(1, i % 1_000) for i in range(1_000))))
    worker.read(1_000)

    assert worker.gather.pending == 1


def test_a_batch_that_nobody_can_read_is_refused_with_its_offsets() -> None:
    worker = Worker("order", log_of(single(SAMPLES["order"])))
    lost = Unreadable(1, 8, 5, "orders/0: the batch at offsets 1 to 7: broken", 900, START_MS, b"?")
    fetch = replace(fetch_of(worker.records), next_offset=8, unreadable=(lost,))
    worker.gather.add(fetch)
    taken = worker.gather.take()

    (letter,) = taken.letters
    assert (letter.offset, letter.last_offset, letter.count) == (1, 7, 5)
    assert (letter.reason, letter.size) == ("unreadable", 900)
    assert (taken.tally.accepted, taken.tally.refused, taken.next_offset) == (1, 5, 8)


def test_a_fetch_of_nothing_but_what_nobody_can_read_goes_on_behind_it() -> None:
    worker = Worker("order", [])
    lost = Unreadable(0, 3, 3, "broken", 9, START_MS, b"?")
    none = np.empty(0, np.int64)
    worker.gather.add(Fetch(none, (), none, 0, 3, unreadable=(lost,)))

    assert worker.gather.pending
    assert worker.gather.take().tally.refused == 3
    assert worker.gather.next_offset == 3
