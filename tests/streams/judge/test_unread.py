"""What waits in the log: of partitions that are read, that nobody reads, or reads yet."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fenghuo.schemas.wire.pulse import Head, Source, Tally
from fenghuo.schemas.wire.status import decode, encode
from fenghuo.streams.judge import notes
from fenghuo.streams.judge.judge import Judge
from fenghuo.streams.judge.unread import UNHEARD_MS, unread
from tests.laws.judge.duty import campaign
from tests.streams.judge.test_judge import scene_board

NOW_MS = 1_794_326_400_000


def head(partition: int, read: int, end: int, *, ago_ms: int = 0, log: str = "log") -> Head:
    source = Source(log, "orders", partition)
    at_ms = NOW_MS - ago_ms
    return Head("order", source, 0, read, end, None, None, at_ms, None, False, Tally())


def test_a_partition_that_nobody_reads_yet_counts_at_once() -> None:
    found = unread([head(0, 10, 10)], {("orders", 0): (0, 10), ("orders", 1): (0, 7)}, NOW_MS)

    assert found.by_kind == {"order": 7}
    assert found.orphans == {("orders", 1): 7}


def test_where_the_worker_is_dead_the_lag_grows_with_the_log() -> None:
    dead = head(0, 10, 12, ago_ms=UNHEARD_MS)
    found = unread([dead], {("orders", 0): (0, 500)}, NOW_MS)

    assert found.by_kind == {"order": 490}
    assert found.orphans == {("orders", 0): 490}


def test_a_worker_that_stops_for_a_moment_leaves_nothing_to_nobody() -> None:
    found = unread([head(0, 10, 12, ago_ms=UNHEARD_MS - 1)], {("orders", 0): (0, 500)}, NOW_MS)

    assert found.by_kind == {"order": 490}
    assert found.orphans == {}


def test_what_was_deleted_does_not_wait() -> None:
    assert unread([head(0, 10, 10)], {("orders", 0): (90, 100)}, NOW_MS).by_kind == {"order": 10}
    assert unread([], {("traffic", 3): (90, 100)}, NOW_MS).by_kind == {"traffic": 10}


def test_a_log_that_was_made_anew_is_the_one_that_waits() -> None:
    old, new = head(0, 10, 99, ago_ms=60_000, log="old"), head(0, 3, 5)

    assert unread([new, old], {}, NOW_MS).by_kind == {"order": 2}


def test_of_what_nobody_knows_nothing_waits_and_nothing_is_said() -> None:
    assert unread([], {}, NOW_MS).by_kind == {}


HEADS = st.lists(
    st.builds(
        lambda partition, read, more, ago: head(partition, read, read + more, ago_ms=ago),
        *(st.integers(0, 3), st.integers(0, 50), st.integers(0, 50), st.integers(0, 60_000)),
    ),
    max_size=4,
    unique_by=lambda one: one.source,
)
LOGS = st.dictionaries(
    st.tuples(st.just("orders"), st.integers(0, 5)),
    st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda at: (at[0], sum(at))),
)


@given(HEADS, LOGS)
def test_what_the_broker_said_a_moment_ago_takes_nothing_from_what_a_worker_says(
    heads: list[Head], log: dict[tuple[str, int], tuple[int, int]]
) -> None:
    """Each partition has its lag; none is negative; who is heard of is no orphan."""
    found = unread(heads, log, NOW_MS)
    each = {
        part: unread(
            [one for one in heads if one.source.partition == part],
            {("orders", part): log[key]} if (key := ("orders", part)) in log else {},
            NOW_MS,
        ).by_kind.get("order", 0)
        for part in range(6)
    }

    assert sum(each.values()) == found.by_kind.get("order", 0)
    assert all(waiting >= 0 for waiting in each.values())
    for one in heads:
        first = log.get(("orders", one.source.partition), (0, 0))[0]
        assert each[one.source.partition] >= one.end_offset - max(one.next_offset, first)
        if NOW_MS - one.sent_ms < UNHEARD_MS:
            assert ("orders", one.source.partition) not in found.orphans


def test_status_and_page_say_what_nobody_reads() -> None:
    board, _ = Judge(campaign()).grade(
        NOW_MS, 0, {("orders", 1): (0, 1200), ("traffic", 0): (4, 4)}
    )
    (note,) = notes.of(decode(encode(board)))

    assert [kind.lag_events for kind in board.kinds] == [1200, 0, None]
    assert (note.code, note.where) == ("partition_unread", "orders/1")
    assert note.en == "nobody reads orders/1: 1200 records wait"
    assert note.zh == "分区 orders/1 无人读取，积压 1200 条"
    many = {f"orders/{n}": 2 for n in range(100)}
    (note,) = notes.of(replace(scene_board(), orphans=many))
    assert note.en.endswith("orders/7, ...: 200 records wait")
