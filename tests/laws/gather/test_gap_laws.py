"""Records deleted before they were read: the count goes on behind them, whatever was published
stays, and every event that is left counts once.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.schemas.wire.gaps import KEPT_MAX, NO_GAPS
from fenghuo.schemas.wire.pulse import Head
from fenghuo.streams.gather.gather import Gather
from fenghuo.streams.gather.places import begin
from fenghuo.streams.gather.taken import Taken
from tests.laws.model import count
from tests.laws.river import TERMS, Worker
from tests.strategies import Record, kinds_and_logs

TOTAL = ("", "", "")
RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=40)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("take"), st.just(0), st.just(0)),
        st.tuples(st.just("die"), st.integers(0, 3), st.sampled_from((0, 0, 1, 2, 5, 30))),
        st.tuples(st.just("overtaken"), st.just(0), st.integers(1, 5)),
    ),
    max_size=30,
)


class Shrinking:
    """A worker on a log whose beginning is deleted now and then."""

    def __init__(self, kind: str, records: list[Record]) -> None:
        self.worker = Worker(kind, records)
        self.end = records[-1].offset + 1 if records else 0
        self.first = 0
        self.head: Head | None = None
        self.last: Taken | None = None

    def take(self) -> None:
        self.last = self.worker.gather.take()
        self.worker.merged.see(self.last)
        of = self.last
        self.head = Head(
            *(self.worker.kind, of.position.source, of.position.epoch, of.next_offset, self.end),
            of.frontier_ms,
            of.watermark_ms,
            0,
            None,
            idle=False,
            tally=of.tally,
            gaps=of.gaps,
        )

    def delete(self, below: int) -> None:
        """Of the log and so of what a worker can read."""
        self.first = max(self.first, min(below, self.end))
        self.worker.records = [r for r in self.worker.records if r.offset >= self.first]

    def die(self, place: int, more: int) -> None:
        """Start again at a position of before, of which records are gone meanwhile."""
        if self.head is None:
            return  # the books begin with what is published first
        positions = self.worker.merged.positions[: -1 - place] or self.worker.merged.positions[:1]
        self.delete(max((p.offset for p in positions), default=0) + more)
        best = sorted(positions, key=lambda p: (p.epoch, p.offset), reverse=True)
        source = self.worker.start.source
        found = begin(source, best, (self.first, self.end), TERMS, head=self.head)
        assert found.stopped is None
        self.worker.gather = Gather(source, self.worker.codec, TERMS, found.place)

    def overtaken(self, more: int) -> None:
        """Retention overtakes a worker while it reads."""
        self.delete(self.worker.gather.next_offset + more)
        if self.worker.gather.next_offset < self.first:
            self.worker.gather.pass_gap(self.first)


@settings(max_examples=40)
@given(kinds_and_logs(), STEPS)
def test_what_is_left_counts_once_and_the_gap_is_named(
    log: tuple[str, list[Record]], steps: list[tuple[str, int, int]]
) -> None:
    # no replays: which letters were replayed just before a gap nobody knows any more
    kind, records = log[0], [replace(record, replay=None) for record in log[1]]
    shrinking = Shrinking(kind, records)
    for what, number, more in steps:
        match what:
            case "read":
                shrinking.worker.read(number)
            case "take":
                shrinking.take()
            case "die":
                shrinking.die(number, more)
            case _:
                shrinking.overtaken(more)
    shrinking.worker.read(len(records) or 1)
    shrinking.take()
    assert shrinking.last is not None
    gaps, merged = shrinking.last.gaps, shrinking.worker.merged
    gone = {offset for begin, end in gaps.newest for offset in range(begin, end)}
    left = [record for record in records if record.offset not in gone]
    model = count(kind, left)

    assert gaps.missing == len(gone)
    assert merged.letters.keys() == model.letters.keys()
    assert merged.tally.events == sum(len(record.message.outcomes) for record in left)
    assert merged.tally.refused == len(model.letters)
    assert merged.tally.by_region == model.by_region
    found = [rows[TOTAL] for _, rows in merged.pulses.values()]
    found += [values for key, (_, values) in merged.late.items() if key[2] == TOTAL]
    expected = [parts[TOTAL] for _, _, parts in model.on_time]
    expected += [values for key, (_, values) in model.late.items() if key[2] == TOTAL]
    assert [sum(column) for column in zip(*found, strict=True)] == [
        sum(column) for column in zip(*expected, strict=True)
    ]


@given(RANGES)
def test_gaps_are_a_set_of_offsets(ranges: list[tuple[int, int]]) -> None:
    gaps, offsets = NO_GAPS, set[int]()
    for start, end in ranges:
        gaps = gaps.plus(start, end)
        offsets |= set(range(start, end))

    assert {offset for start, end in gaps.newest for offset in range(start, end)} == offsets
    assert gaps.missing == len(offsets)
    assert list(gaps.newest) == sorted(gaps.newest)


def test_of_many_gaps_the_newest_are_named_and_all_are_summed() -> None:
    gaps = NO_GAPS
    for start in range(0, 10 * (KEPT_MAX + 5), 10):
        gaps = gaps.plus(start, start + 3)

    assert len(gaps.newest) == KEPT_MAX
    assert gaps.missing == 3 * (KEPT_MAX + 5)
