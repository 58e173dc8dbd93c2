"""Laws of the proof: whatever was lost, doubled or changed at any hop is found; else it closes."""

from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest.books.books import Books, Fate
from fenghuo.loadtest.books.census import Census
from fenghuo.loadtest.proof.proof import prove
from fenghuo.loadtest.proof.seen import stretches
from fenghuo.loadtest.send.ledger import added, ranges
from fenghuo.loadtest.verdict.result import Missing, Produced, Proof, Totals
from tests.loadtest.runs import produced

KINDS = ("order", "traffic", "complaint")
SUMS = st.fixed_dictionaries(
    {
        kind: st.builds(
            Totals,
            *(st.integers(1, 10**6), st.integers(1, 10**9)),
            *((st.integers(0, 10**6), st.integers(0, 10**12)) if kind == "order" else ()),
        )
        for kind in KINDS
    }
)
BEFORE = st.integers(0, 10**9)


def total(sums: dict[str, Totals]) -> Totals:
    found = Totals()
    for one in sums.values():
        found = found.plus(one)
    return found


def books(sums: dict[str, Totals], more: int) -> Books:
    """So much of each kind had been counted before, and these sums came."""
    old = Totals(0, more, 0, more)
    told = {kind: old.plus(Totals(0, *one_(sums.get(kind)))) for kind in KINDS}
    shown = {kind: Fate(told[kind].events - 3, 1, 2) for kind in KINDS}
    return Books(shown, dict(told), dict(told))


def one_(totals: Totals | None) -> tuple[int, int, int]:
    return (totals.events, totals.paid, totals.paid_amount_fen) if totals else (0, 0, 0)


def case(sums: dict[str, Totals], more: int) -> tuple[Produced, Census, Books, Books]:
    whole = total(sums)
    made = produced(planned=whole, sent=whole, acknowledged=whole, by_kind=sums)
    return made, Census(found=dict(sums)), books({}, more), books(sums, more)


@given(SUMS, BEFORE)
def test_books_that_agree_close(sums: dict[str, Totals], more: int) -> None:
    found = prove(*case(sums, more))

    assert found.closed is True
    assert (found.lost, found.duplicates, found.problems) == (0, 0, ())
    assert {hop.events for hop in found.hops} == {total(sums).events}
    assert sum(fate.log for fate in found.fates) == total(sums).events


@given(
    SUMS,
    BEFORE,
    st.sampled_from(["stored", "told"]),
    st.sampled_from(KINDS),
    st.sampled_from(["events", "paid", "paid_amount_fen"]),
    st.integers(-5, 5).filter(bool),
)
def test_one_fen_of_difference_at_any_hop_is_found(  # noqa: PLR0917
    sums: dict[str, Totals], more: int, where: str, kind: str, what: str, by: int
) -> None:
    made, census, before, after = case(sums, more)
    table = getattr(after, where)
    values = {"events": 0, "paid": 0, "paid_amount_fen": 0, what: by}
    table[kind] = table[kind].plus(Totals(0, *values.values()))

    found = prove(made, census, before, after)

    assert found.closed is False
    assert len(found.problems) == 1
    assert f"({by:+d})" in found.problems[0]
    assert found.lost == (-by if what == "events" and by < 0 else 0)


@given(SUMS, BEFORE, st.sampled_from(KINDS), st.integers(1, 5))
def test_what_the_view_does_not_count_is_lost(
    sums: dict[str, Totals], more: int, kind: str, by: int
) -> None:
    made, census, before, after = case(sums, more)
    assert after.shown is not None
    shown = after.shown[kind]
    after.shown[kind] = Fate(shown.accepted - by, shown.late, shown.refused)

    found = prove(made, census, before, after)

    assert (found.closed, found.lost) == (False, by)


@given(SUMS, BEFORE, st.integers(1, 9))
def test_what_is_not_in_the_log_is_named(sums: dict[str, Totals], more: int, gone: int) -> None:
    made, census, before, after = case(sums, more)
    gap = Missing(0, 7, 6 + gone, "orders/0/7")
    census = msgspec.structs.replace(census, unread=gone, missing=(gap,))

    found = prove(made, census, before, after)

    assert found.closed is False
    assert found.lost is not None
    assert found.lost >= gone
    assert f"0: 7 to {6 + gone}" in found.problems[0]


@given(SUMS, BEFORE, st.integers(1, 9))
def test_a_record_that_is_there_twice_is_found(
    sums: dict[str, Totals], more: int, twice: int
) -> None:
    made, census, before, after = case(sums, more)
    census = msgspec.structs.replace(census, duplicates=twice)

    found = prove(made, census, before, after)

    assert (found.closed, found.duplicates) == (False, twice)


@given(SUMS, BEFORE)
def test_where_others_write_nothing_is_claimed(sums: dict[str, Totals], more: int) -> None:
    made, census, before, after = case(sums, more)
    census = msgspec.structs.replace(census, foreign=3)

    found = prove(made, census, before, after)

    assert found.closed is None
    assert "--real" in found.problems[0]
    assert [hop.events for hop in found.hops[4:]] == [None] * 3


def proof_of(sums: dict[str, Totals], **planted: int) -> Proof:
    made, census, before, after = case(sums, 0)
    assert after.shown is not None
    first = after.shown["order"]
    fate = Fate(first.accepted - 5, first.late + 2, first.refused + 3)
    after.shown["order"] = fate
    changed: Any = {"planted": planted}
    return prove(produced(**{**fields(made), **changed}), census, before, after)


def fields(made: Produced) -> dict[str, Any]:
    return {name: getattr(made, name) for name in made.__struct_fields__}


@given(SUMS)
def test_what_was_spoilt_on_purpose_must_be_refused(sums: dict[str, Totals]) -> None:
    assert proof_of(sums, malformed=3, late=2).closed is True
    assert "3 events were refused, 4 were malformed" in proof_of(sums, malformed=4).problems[0]
    assert "2 events were late, 3 were sent late" in proof_of(sums, malformed=3, late=3).problems[0]


@given(st.sets(st.integers(0, 300)), st.integers(0, 300))
def test_ranges_are_exactly_what_is_missing(seen: set[int], size: int) -> None:
    flags = np.array([number not in seen for number in range(size)], np.bool_)
    missing = set(range(size)) - seen

    named = [number for first, last in stretches(flags) for number in range(first, last + 1)]
    assert named == sorted(missing)
    assert list(ranges(missing)) == stretches(flags)


@given(SUMS, st.integers(1, 5))
def test_books_of_several_producers_add_up(sums: dict[str, Totals], count: int) -> None:
    one = case(sums, 0)[0]
    whole = added([one] * count)

    assert whole.acknowledged.events == count * one.acknowledged.events
    assert whole.acknowledged.paid_amount_fen == count * one.acknowledged.paid_amount_fen
    assert {second.planned for second in whole.seconds} == {1_000 * count}
    assert whole.by_kind["order"].events == count * sums["order"].events
    assert whole.producers == count
