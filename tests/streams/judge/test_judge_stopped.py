"""A partition that stops where its new owner begins is told, though the last one had read further;
and told no more when it goes on.
"""

from msgspec.structs import replace

from fenghuo.schemas.wire.pulse import Head, Source, Tally, no_rows
from fenghuo.streams.judge.judge import Judge
from tests.laws.judge.duty import campaign
from tests.strategies import START_MS

READ = Head(
    *("order", Source("log", "orders", 0), 0, 100, 100, START_MS, START_MS - 10_000),
    *(START_MS, START_MS),
    idle=False,
    tally=Tally(100),
)


def heads_after(*heads: Head) -> tuple[Head, ...]:
    judge = Judge(campaign())
    for offset, head in enumerate(heads):
        judge.see(head, no_rows("order", ["version"]), offset)
    return judge.grade(START_MS + 5_000, len(heads))[0].heads


def test_a_partition_that_stops_further_back_is_told_and_what_was_read_stays() -> None:
    stopped = replace(READ, next_offset=90, sent_ms=START_MS + 1_000, stopped="settings")
    (head,) = heads_after(READ, stopped)
    assert (head.stopped, head.next_offset, head.tally) == ("settings", 100, Tally(100))

    goes_on = replace(READ, next_offset=91, sent_ms=START_MS + 2_000)
    (head,) = heads_after(READ, stopped, goes_on)
    assert head.stopped is None


def test_a_late_word_of_an_owner_before_changes_nothing() -> None:
    old = replace(READ, next_offset=90, sent_ms=START_MS - 1_000, stopped="long ago")
    (head,) = heads_after(READ, old)
    assert head.stopped is None
