"""Counting again under other terms replaces everything; replayed dead letters count once."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire.position import Position
from fenghuo.schemas.wire.pulse import Head
from fenghuo.streams.archive.held import Pulses, late_block
from fenghuo.streams.decode.codec import Codec
from fenghuo.streams.decode.codes import Coder
from fenghuo.streams.gather import taken
from fenghuo.streams.gather.gather import Gather
from fenghuo.streams.gather.places import begin
from fenghuo.streams.gather.taken import Taken, Terms
from tests.laws.archive.table import Table
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.gather.test_gather_laws import STEPS, Step, drive
from tests.laws.judge.duty import campaign
from tests.laws.model import CUTS, count, total
from tests.laws.river import TERMS, Worker, beginning, fetch_of, source_of
from tests.strategies import (
    FUTURE_MS,
    LABELS,
    LATENESS_MS,
    START_MS,
    Message,
    Record,
    kinds_and_logs,
    single,
)

Log = tuple[str, list[Record]]
OTHER_LABELS: Mapping[str, Sequence[str]] = {**LABELS, "region": ("Mars", "west"), "channel": ()}


def store(table: Table, kind: str, taken: Taken) -> None:
    """What a worker published, as the archive brings it into the table."""
    archive = Pulses()
    source = source_of(kind)
    head = Head(kind, source, 0, 0, 0, None, None, 0, None, False, taken.tally)
    archive.see(head, taken.pulses, 0, now_ms=0)
    table.insert(archive.due(now_ms=10**9))
    if len(taken.late):
        table.insert([late_block(kind, [(source, taken.late)])])


def counted(
    table: Table,
    kind: str,
    records: list[Record],
    *,
    epoch: int,
    labels: Mapping[str, Sequence[str]],
    terms: Terms,
) -> None:
    """The log counted under these terms, a record at a time, all of it stored."""
    codec = Codec(Coder(kind, labels, CUTS[kind]))
    gather = Gather(source_of(kind), codec, terms, beginning(kind, epoch=epoch, terms=terms))
    for record in records:
        gather.add(fetch_of([record]))
        store(table, kind, gather.take())


@given(kinds_and_logs(), st.booleans(), st.booleans())
def test_counting_again_under_other_labels_replaces_everything(
    log: Log, is_zombie: bool, is_cut_short: bool
) -> None:
    """Also while a worker with the old labels goes on publishing, and when the old count was never
    finished.
    """
    kind, records = log
    table = Table()
    old = records[: len(records) // 2] if is_cut_short else records
    counted(table, kind, old, epoch=0, labels=LABELS, terms=TERMS)
    counted(table, kind, records, epoch=1, labels=OTHER_LABELS, terms=TERMS)
    if is_zombie:
        counted(table, kind, records, epoch=0, labels=LABELS, terms=TERMS)
    model = count(kind, records, labels=OTHER_LABELS)

    assert {place[3]: rows for place, (_, rows) in table.seconds().items()} == {
        second: rows for second, (_, rows) in model.pulses.items()
    }
    if not is_zombie:
        late = {
            (offset, idx, series): values
            for (offset, idx, series), (_, values) in model.late.items()
        }
        stored = {
            (offset, idx, series): values
            for (_, offset, idx, _), (series, values) in table.late_rows.items()
        }
        assert stored == late


@pytest.mark.parametrize(
    ("before_ms", "after_ms"), [(10_000, 2_000), (2_000, 10_000)], ids=["shorter", "longer"]
)
def test_another_lateness_counts_every_event_once_or_is_refused(
    before_ms: int, after_ms: int
) -> None:
    """One event is late under one lateness and on time under the other, alone in its second.

    Counted again, it must not be found both among the late rows and in a pulse.
    """
    records = [
        Record(i, START_MS + 6_000, single({**SAMPLES["complaint"], "ts": START_MS + ts}))
        for i, ts in enumerate((6_000, 500))
    ]
    table, found = Table(), list[Position]()
    for lateness_ms in (before_ms, after_ms):
        terms = taken.terms(Settings(lateness_ms=lateness_ms), campaign())
        begun = begin(source_of("complaint"), found, (0, 2), terms)
        if begun.stopped:
            return
        place = begun.place
        counted(table, "complaint", records, epoch=place.epoch, labels=LABELS, terms=terms)
        found = [replace(place, offset=2)]
    everything = [rows for _, rows in table.seconds().values()]
    everything += [{series: values} for series, values in table.late_rows.values()]

    assert total(everything)["", "", ""] == (2, 2)


def replays(again: list[tuple[int, int]]) -> list[Record]:
    """A log of letters sent again, each marked with its name; now and then a second closes."""
    made = []
    for i, letter in enumerate(again):
        record_ms = START_MS + i // 2 * 15_000
        event = {**SAMPLES["order"], "ts": record_ms, "amount_fen": 1 + letter[0]}
        made.append(Record(i, record_ms, single(event), letter))
    return made


LETTERS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), max_size=10)


@given(LETTERS, STEPS)
def test_a_replayed_letter_counts_once_restarts_included(
    again: list[tuple[int, int]], steps: list[Step]
) -> None:
    records = replays(again)
    merged = drive(Worker("order", records), steps)

    assert merged.tally.accepted == len(set(again))
    assert merged.tally.refused == len(again) - len(set(again))
    assert set(merged.letters.values()) <= {"already_replayed"}
    merged.check(count("order", records))


@given(kinds_and_logs(size_max=6), LETTERS, STEPS)
def test_replays_inside_any_log_are_a_function_of_the_log(
    log: Log, again: list[tuple[int, int]], steps: list[Step]
) -> None:
    """Any message may carry the header: whole arrays and frames, broken ones, late ones."""
    kind, records = log
    marked = [
        Record(r.offset, r.record_ms, r.message, letter)
        for r, letter in zip(records, again, strict=False)
    ]
    records = [*marked, *records[len(marked) :]]

    drive(Worker(kind, records), steps).check(count(kind, records))


@pytest.mark.parametrize("lateness_ms", [0, LATENESS_MS])
def test_a_letter_that_is_still_broken_stays_replayable(lateness_ms: int) -> None:
    """A replay that is refused again was not counted: the next one of the same letter may be."""
    past = {**SAMPLES["order"], "ts": 1}
    records = [
        Record(0, START_MS, Message(b"{", ("not_json",)), (7, 0)),
        Record(1, START_MS, single(past), (7, 0)),
        Record(2, START_MS, single({**SAMPLES["order"], "ts": START_MS}), (7, 0)),
        Record(3, START_MS, single({**SAMPLES["order"], "ts": START_MS}), (7, 0)),
    ]
    terms = Terms(lateness_ms, FUTURE_MS, 0, 2**60, "t")
    merged = Worker("order", records, terms=terms).finish()

    assert merged.letters == {
        (0, 0): "not_json",
        (1, 0): "time_past",
        (3, 0): "already_replayed",
    }
