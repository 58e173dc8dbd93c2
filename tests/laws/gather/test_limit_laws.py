"""Where a topic keeps its producers' time, one producer's clock closes no second of others, and who
reads again, however late, decides as the first one did.
"""

from bisect import bisect_right
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fenghuo.schemas.kinds.bounds import TS_MIN_MS
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.wire import position
from fenghuo.schemas.wire.letters import Letter
from fenghuo.schemas.wire.position import Position
from fenghuo.streams.audit.reconcile import Ledger
from fenghuo.streams.counting.limits import merged, stated
from fenghuo.streams.gather.gather import Gather
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.model import count
from tests.laws.river import TERMS, Merged, Worker, codec_of, fetch_of
from tests.strategies import FUTURE_MS, START_MS, Message, Record, framed, single, text_of, together

HOUR_MS = 3_600_000


def order(ts: int) -> dict[str, object]:
    return {**SAMPLES["order"], "ts": ts}


def as_lines(events: list[dict[str, object]]) -> Message:
    parts = [(text_of(event), event) for event in events]
    return single(events[0]) if len(events) == 1 else together(parts, "lines")


def as_frame(events: list[dict[str, object]]) -> Message:
    return framed("order", [(event, None) for event in events])


class Reader(Worker):
    """A worker of a topic with CreateTime. Its clock goes on with the records; `theirs` says which
    of them carry their producer's time.
    """

    def __init__(self, records: list[Record], theirs: list[bool]) -> None:
        super().__init__("order", records)
        self.theirs = theirs
        self.now_ms = START_MS
        self.known: list[Position] = [self.start]
        self.letters: list[Letter] = []

    def fetch(self, records: list[Record]) -> Fetch:
        flags = np.array([self.theirs[record.offset] for record in records])
        return replace(fetch_of(records), theirs=flags if flags.any() else None)

    def read(self, size: int) -> None:
        ahead = [r for r in self.records if r.offset >= self.gather.next_offset][:size]
        if ahead:
            self.gather.add(self.fetch(ahead), self.now_ms)

    def decide(self) -> None:
        """What the next publication rests on is written down."""
        if found := self.gather.limits.news():
            self.known.append(position.decode(position.encode(found)))

    def take(self) -> None:
        self.decide()
        self.letters += self.gather._letters
        super().take()

    def send(self) -> None:
        """The last position is sent too."""
        self.take()
        place = self.merged.positions[-1]
        self.gather.limits.safe(place)
        self.known.append(place)

    def begin_again(self, back: int) -> None:
        """Another worker goes on: from any position that was ever sent, knowing all of them."""
        place = merged(self.known[-1 - back % len(self.known)], self.known)
        self.gather = Gather(place.source, self.codec, self.terms, place)

    def limits(self) -> tuple[tuple[int, int], ...]:
        return merged(self.start, self.known).limits


def as_decided(reader: Reader) -> list[Record]:
    """The log as the model takes it: each record at the time that its limit stands for."""
    steps = reader.limits()
    made = []
    for record, theirs in zip(reader.records, reader.theirs, strict=True):
        at_ms = record.record_ms
        if theirs:
            place = bisect_right(steps, (record.offset, 2**62)) - 1
            limit_ms = steps[max(place, 0)][1] if steps else 2**61
            at_ms = limit_ms - FUTURE_MS
            if record.record_ms >= TS_MIN_MS:
                at_ms = min(at_ms, record.record_ms)
        made.append(Record(record.offset, at_ms, record.message))
    return made


# how far an event time, and a record's own, lie from the clock when they are written
EVENTS = st.one_of(
    st.integers(-15_000, 15_000), st.integers(-2_000, 0), st.sampled_from((HOUR_MS, 10**11))
)
STAMPS = st.one_of(st.integers(-15_000, 15_000), st.sampled_from((0, 0, HOUR_MS, 10**13)))
GARBAGE = st.sampled_from((-1, 0, 1))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("read", "read", "take", "send", "decide", "again")), st.integers(0, 7)
    ),
    max_size=30,
)


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[Record], list[bool], list[int]]:
    """Records, which of them carry their producer's time, and when each is written."""
    now_ms, records, theirs, written = START_MS, [], [], []
    for offset in range(draw(st.integers(1, 14))):
        now_ms += draw(st.sampled_from((0, 100, 400, 1_500, 12_000)))
        is_theirs = draw(st.sampled_from((True, True, True, False)))
        events = [order(now_ms + draw(EVENTS)) for _ in range(draw(st.integers(1, 3)))]
        message = draw(st.sampled_from((as_lines, as_frame)))(events)
        stamp = now_ms if not is_theirs else draw(st.one_of(GARBAGE, STAMPS.map(now_ms.__add__)))
        records.append(Record(offset, stamp, message))
        theirs.append(is_theirs)
        written.append(now_ms)
    return records, theirs, written


def drive(
    log: tuple[list[Record], list[bool], list[int]], steps: list[tuple[str, int]]
) -> tuple[Reader, Merged]:
    """Read, publish, crash and begin again, ever later."""
    records, theirs, written = log
    reader = Reader(records, theirs)
    for what, number in steps:
        reader.now_ms += 700 * number
        if what == "read":
            at = min(reader.gather.next_offset, len(records) - 1)
            reader.now_ms = max(reader.now_ms, written[at])
            reader.read(1 + number % 4)
        elif what == "again":
            reader.begin_again(number)
        else:
            getattr(reader, what)()
    reader.now_ms += HOUR_MS // 2
    return reader, reader.finish()


@given(logs(), STEPS)
def test_who_reads_again_however_late_decides_as_the_first_did(
    log: tuple[list[Record], list[bool], list[int]], steps: list[tuple[str, int]]
) -> None:
    """Every pulse, late row and letter that was ever published is that of one log."""
    reader, found = drive(log, steps)

    found.check(count("order", as_decided(reader)))


@given(logs(), STEPS)
def test_a_limit_lies_no_further_ahead_than_the_clock_that_set_it_allows(
    log: tuple[list[Record], list[bool], list[int]], steps: list[tuple[str, int]]
) -> None:
    reader, _ = drive(log, steps)
    limits = [limit_ms for _, limit_ms in reader.limits()]

    assert limits == sorted(limits)
    assert all(limit_ms <= reader.now_ms + FUTURE_MS for limit_ms in limits)
    assert all(after - before >= 1_000 for before, after in pairwise(limits))


def live(*events: tuple[int, int], stamps: dict[int, int] | None = None) -> tuple[Reader, Merged]:
    """Orders as (when they are read, event time), both from START_MS on; each fetch alone."""
    stamps = stamps or {}
    records = [
        Record(i, START_MS + stamps.get(i, event), single(order(START_MS + event)))
        for i, (_, event) in enumerate(events)
    ]
    reader = Reader(records, [True] * len(records))
    for read_ms, _ in events:
        reader.now_ms = START_MS + read_ms
        reader.read(1)
        reader.send()
    return reader, reader.merged


def test_one_order_50_minutes_ahead_is_refused_and_the_others_are_unharmed() -> None:
    events = [(1_000 * i, 1_000 * i) for i in range(40)]
    events.insert(20, (20_000, 20_000 + 50 * 60_000))
    _, found = live(*events)

    assert found.letters == {(20, 0): "time_future"}
    assert (found.tally.accepted, found.tally.late) == (40, 0)


@pytest.mark.parametrize("stamp", [-1 - START_MS, -START_MS, 4_102_444_800_000 - START_MS])
def test_a_record_time_that_is_none_refuses_no_event_that_is_on_time(stamp: int) -> None:
    events = [(1_000 * i, 1_000 * i) for i in range(30)]
    _, found = live(*events, stamps=dict.fromkeys(range(30), stamp))

    assert found.letters == {}
    assert (found.tally.accepted, found.tally.late) == (30, 0)


def test_what_a_limit_refused_is_refused_by_whoever_reads_again_an_hour_later() -> None:
    """Within a second of a step, beyond it, and later in the past."""
    reader, found = live((0, 0), (900, FUTURE_MS + 500), (950, 950))
    reader.begin_again(len(reader.known) - 1)
    reader.now_ms += HOUR_MS
    reader.finish()

    assert found.letters == {(1, 0): "time_future"}
    assert (found.tally.accepted, found.tally.refused) == (2, 1)
    found.check(count("order", as_decided(reader)))


def test_positions_carry_few_steps_however_long_it_goes_on() -> None:
    events = [(500 * i, 500 * i + (HOUR_MS if i % 3 == 0 else 0)) for i in range(1_200)]
    reader, found = live(*events)

    assert max(len(place.limits) for place in found.positions) <= 20
    assert len(found.letters) == 400
    assert found.tally.late == 0
    assert len(reader.known) <= 2 * 1_200 + 1


def test_a_topic_with_the_brokers_time_has_nothing_to_write_down() -> None:
    worker = Worker("order", [Record(i, START_MS, single(order(START_MS))) for i in range(5)])
    worker.read(5)

    assert worker.gather.limits.news() is None
    worker.take()
    assert worker.merged.positions[-1].limits == ()
    assert TERMS.future_ms == FUTURE_MS


@given(logs(), STEPS)
def test_the_audit_finds_the_same_fates_by_what_the_letters_state(
    log: tuple[list[Record], list[bool], list[int]], steps: list[tuple[str, int]]
) -> None:
    reader, found = drive(log, steps)
    told = {
        letter.offset: limit_ms
        for letter in reader.letters
        if (limit_ms := stated(letter.detail)) is not None
    }
    ledger = Ledger(
        *("orders", 0, codec_of("order")),
        lateness_ms=TERMS.lateness_ms,
        future_ms=TERMS.future_ms,
        limits=told,
    )
    ledger.read(reader.fetch(reader.records))

    assert ledger.refused == Counter(offset for offset, _ in found.letters)
    assert set(ledger.late) == {key[:2] for key in found.late}
    assert {second: one.events for second, one in ledger.seconds.items()} == {
        second: series["", "", ""][0] for second, (_, series) in found.pulses.items()
    }


def test_the_audit_does_not_believe_a_letter_whose_limit_lies_after_its_event() -> None:
    reader, _ = live((0, 0))
    ledger = Ledger(
        *("orders", 0, codec_of("order")), lateness_ms=0, future_ms=0, limits={0: 2**60}
    )
    ledger.read(reader.fetch(reader.records))

    assert not ledger.refused
