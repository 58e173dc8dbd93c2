"""A proof closes exactly when every hop has every event and every fen of the log."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest.books.books import Books, Fate
from fenghuo.loadtest.books.census import Census
from fenghuo.loadtest.proof.proof import CURE, prove
from fenghuo.loadtest.verdict.result import HOPS, Missing, Numbers, Produced, Proof, Totals
from fenghuo.schemas.wire.topics import KINDS
from tests.loadtest.proof.proven import produced

LATER = ("counted", "store", "api")
Case = tuple[Produced, Census, Books, Books]
counts = st.integers(0, 1_000)


@st.composite
def totals(draw: st.DrawFn) -> Totals:
    messages = draw(st.integers(1, 1_000))
    events = messages + draw(counts)
    paid = draw(st.integers(0, events))
    return Totals(messages, events, paid, draw(st.integers(0, 10**15)))


some = st.one_of(st.just(Totals()), totals())


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A run in which nothing went wrong, in a lane that had its own past, with some records that
    were sent and never acknowledged, of which some are in the log.
    """
    by_kind = {kind: draw(totals()) for kind in draw(st.sets(st.sampled_from(KINDS), min_size=1))}
    unsure = {kind: draw(totals()) for kind in draw(st.sets(st.sampled_from(KINDS)))}
    books = produced(by_kind)
    failed = draw(some)
    for part in unsure.values():
        failed = failed.plus(part)
    missed = draw(some)
    sent = books.acknowledged.plus(failed)
    census = Census(found=by_kind, unsure=unsure)
    malformed = draw(counts)
    late = draw(counts)
    books = msgspec.structs.replace(
        books,
        planned=sent.plus(missed),
        sent=sent,
        missed=missed,
        failed=failed,
        planted={"malformed": malformed, "late": late},
    )
    past = {kind: draw(totals()) for kind in KINDS}
    before = Books({k: Fate(t.events, 5, 7) for k, t in past.items()}, past, past)
    return books, census, before, after(before, census, malformed, late)


def after(before: Books, census: Census, malformed: int, late: int) -> Books:
    assert before.shown is not None
    assert before.stored is not None
    shown, sums = dict(before.shown), census.sums
    for i, (kind, grown) in enumerate(sorted(sums.items())):
        then = shown[kind]
        here = (malformed if not i else 0, late if not i else 0)
        spoilt = min(here[0], grown.events)
        after_ = min(here[1], grown.events - spoilt)
        rest = grown.events - spoilt - after_
        shown[kind] = Fate(then.accepted + rest, then.late + after_, then.refused + spoilt)
    held = {kind: then.plus(sums.get(kind, Totals())) for kind, then in before.stored.items()}
    return Books(shown, held, dict(held))


@st.composite
def closing(draw: st.DrawFn) -> Case:
    """Cases whose planted data fits what was counted of it."""
    case = draw(cases())
    books, census, before, then = case
    fates = prove(*case).fates
    planted = {
        "malformed": sum(f.refused for f in fates),
        "late": draw(st.integers(0, sum(f.late for f in fates))),
    }
    return msgspec.structs.replace(books, planted=planted), census, before, then


def hop(proof: Proof, name: str) -> Any:
    return next(found for found in proof.hops if found.name == name)


@given(closing())
def test_a_run_without_a_difference_closes(case: Case) -> None:
    proof = prove(*case)
    census = case[1]

    assert proof.problems == ()
    assert proof.closed is True
    assert (proof.lost, proof.duplicates) == (0, 0)
    assert tuple(found.name for found in proof.hops) == HOPS
    events = sum(t.events for t in census.sums.values())
    assert [found.events for found in proof.hops[3:]] == [events] * 4
    assert sum(f.log for f in proof.fates) == events
    for fate in proof.fates:
        assert fate.log == fate.accepted + fate.late + fate.refused


@given(closing(), st.sampled_from(["stored", "told"]), st.data())
def test_one_event_or_fen_too_few_or_too_many_is_found(
    case: Case, where: str, data: st.DataObject
) -> None:
    books, census, before, then = case
    kind = data.draw(st.sampled_from(sorted(getattr(then, where))))
    field = data.draw(st.sampled_from(["events", "paid", "paid_amount_fen"]))
    by = data.draw(st.sampled_from([-1, 1]))
    held = getattr(then, where)
    wrong = changed(held[kind], field, by)
    proof = prove(
        books, census, before, msgspec.structs.replace(then, **{where: {**held, kind: wrong}})
    )

    assert proof.closed is False
    name = {"stored": "store", "told": "api"}[where]
    assert [text.startswith(f"{name}: ") for text in proof.problems] == [True]
    assert f" of {kind}, the log has " in proof.problems[0]
    assert f"({by:+d})" in proof.problems[0]
    expected = int(field == "events" and by < 0 and kind in census.sums)
    assert proof.lost == expected


@given(closing(), st.data())
def test_one_event_not_counted_is_found(case: Case, data: st.DataObject) -> None:
    books, census, before, then = case
    assert then.shown is not None
    kind = data.draw(st.sampled_from(sorted(census.sums)))
    fate = changed(then.shown[kind], "accepted", -1)
    shown = {**then.shown, kind: fate}
    proof = prove(books, census, before, msgspec.structs.replace(then, shown=shown))

    assert proof.closed is False
    assert proof.lost == 1
    assert proof.problems[0].startswith("counted: ")
    assert f" events of {kind}, " in proof.problems[0]


@given(closing(), st.data())
def test_kinds_do_not_make_up_for_one_another(case: Case, data: st.DataObject) -> None:
    books, census, before, then = case
    assert then.stored is not None
    one, other = data.draw(st.permutations(KINDS))[:2]
    stored = dict(then.stored)
    stored[one] = changed(stored[one], "paid_amount_fen", 1)
    stored[other] = changed(stored[other], "paid_amount_fen", -1)
    proof = prove(books, census, before, msgspec.structs.replace(then, stored=stored))

    assert proof.closed is False
    assert len(proof.problems) == 2
    assert hop(proof, "store").paid_amount_fen == hop(proof, "log").paid_amount_fen


@given(closing(), st.data())
def test_an_acknowledged_record_that_is_not_in_the_log_is_lost(
    case: Case, data: st.DataObject
) -> None:
    books, census, before, _ = case
    kind = data.draw(st.sampled_from(sorted(books.by_kind)))
    whole = census.found[kind]
    gone = Totals(1, data.draw(st.integers(1, whole.events)), 0, 0)
    rest = Totals(whole.messages - 1, whole.events - gone.events, whole.paid, whole.paid_amount_fen)
    census = msgspec.structs.replace(
        census, found={**census.found, kind: rest}, unread=1, missing=(Missing(0, 5, 5, ""),)
    )
    proof = prove(books, census, before, after(before, census, 0, 0))

    assert proof.closed is False
    assert proof.lost == gone.events
    assert "1 acknowledged records are not in the log (0: 5 to 5)" in proof.problems[0]


@given(closing(), st.data())
def test_what_is_in_the_log_again_hides_no_loss(case: Case, data: st.DataObject) -> None:
    books, census, before, _ = case
    kind = data.draw(st.sampled_from(sorted(books.by_kind)))
    whole = census.found[kind]
    rest = Totals(whole.messages - 1, whole.events - 1, whole.paid, whole.paid_amount_fen)
    census = msgspec.structs.replace(
        census,
        found={**census.found, kind: rest},
        again={kind: Totals(1, 1)},
        unread=1,
        duplicates=1,
        missing=(Missing(0, 5, 5, ""),),
    )
    proof = prove(books, census, before, after(before, census, 0, 0))

    assert (proof.lost, proof.duplicates, proof.closed) == (1, 1, False)
    assert any("more than once" in text for text in proof.problems)


@given(closing())
def test_records_of_others_leave_later_hops_untold(case: Case) -> None:
    books, census, before, then = case
    census = msgspec.structs.replace(census, foreign=3)
    proof = prove(books, census, before, then)

    assert proof.closed is None
    assert [hop(proof, name).events for name in LATER] == [None] * 3
    assert proof.foreign_messages == 3
    assert CURE in proof.problems[0]
    assert proof.lost == 0  # the log itself was read


@given(closing(), st.sampled_from(["shown", "stored", "told"]))
def test_a_hop_that_could_not_be_asked_leaves_it_open(case: Case, where: str) -> None:
    books, census, before, then = case
    reason = "the store could not be asked: away"
    asked: dict[str, Any] = {where: None, "why": (reason,)}
    proof = prove(books, census, before, msgspec.structs.replace(then, **asked))

    assert proof.closed is None
    assert proof.problems == (reason,)
    assert sum(found.events is None for found in proof.hops) == 1


def test_nothing_read_back_is_nothing_proven() -> None:
    proof = prove(produced({"order": Totals(1, 1)}), None, None, None, why=["the broker is away"])

    assert (proof.closed, proof.lost, proof.duplicates) == (None, None, None)
    assert proof.problems == ("the broker is away",)
    assert tuple(found.name for found in proof.hops) == HOPS


ONE = {"order": Totals(10, 10, 4, 400)}


def told(changes: Mapping[str, Any], census: Census | None = None) -> Proof:
    books = msgspec.structs.replace(produced(ONE), **changes)
    nothing = Books({}, {}, {})
    census = census or Census(found=ONE)
    return prove(books, census, nothing, Books({"order": Fate(10)}, census.sums, census.sums))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"planned": Totals(12, 12, 4, 400)}, "12 events were planned, 10 sent and 0 missed"),
        ({"planned": Totals(12, 12, 4, 400), "stopped": True}, ""),
        ({"planned": Totals(12, 12, 4, 400), "missed": Totals(2, 2)}, ""),
        ({"planned": Totals(9, 9, 4, 400), "stopped": True}, "9 events were planned, 10 sent"),
        ({"sent": Totals(10, 10, 4, 401)}, "acknowledged: 400 fen, sent has 401 (-1)"),
        ({"failed": Totals(1, 1)}, "10 events were sent, 10 acknowledged and 1 failed"),
        ({"by_kind": {"order": Totals(9, 9, 4, 400)}}, "by kind: 9 events, acknowledged has 10"),
        ({"planted": {"malformed": 1}}, "0 events were refused, 1 were malformed on purpose"),
        ({"planted": {"late": 2}}, "0 events were late, 2 were sent late on purpose"),
    ],
)
def test_books_of_producers_have_to_agree_with_themselves(
    changes: dict[str, Any], problem: str
) -> None:
    proof = told(changes)

    assert any(problem in text for text in proof.problems) if problem else not proof.problems
    assert proof.closed is (not problem)


def test_unsure_records_may_be_bad_as_well() -> None:
    census = Census(found=ONE, unsure={"order": Totals(2, 2)})
    sent = Totals(12, 12, 4, 400)
    books = produced(ONE, sent=sent, planned=sent, failed=Totals(2, 2), numbers=(Numbers(0, 12),))
    sums = census.sums
    one_refused = Books({"order": Fate(11, 0, 1)}, sums, sums)
    too_many = Books({"order": Fate(9, 0, 3)}, sums, sums)

    closed = prove(books, census, Books({}, {}, {}), one_refused)
    assert closed.closed is True
    assert hop(closed, "log").why == "2 of the records were not acknowledged"
    wrong = prove(books, census, Books({}, {}, {}), too_many)
    assert wrong.problems == ("3 events were refused, 0 were malformed on purpose",)


def changed(value: Any, field: str, by: int) -> Any:
    return msgspec.structs.replace(value, **{field: getattr(value, field) + by})


def test_losses_before_and_after_the_log_add_up_and_the_worst_hop_is_told() -> None:
    census = Census(found={"order": Totals(8, 8, 4, 400)}, unread=2)
    part = {"order": Totals(0, 5, 4, 400)}
    whole = {"order": Totals(0, 8, 4, 400)}
    proof = prove(produced(ONE), census, Books({}, {}, {}), Books({"order": Fate(7)}, part, whole))

    assert proof.lost == 2 + 3
    assert proof.closed is False
