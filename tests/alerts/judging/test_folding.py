"""What explains what: groups with one root, nothing under something milder."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fenghuo.alerts.judging.folding import CAUSE_MIN, fold
from fenghuo.schemas.campaign.parts import Fold
from fenghuo.schemas.wire.status import Verdict
from fenghuo.schemas.wire.warning import State

RULES = ("capacity", "errors", "latency", "silent")
SCOPES = ("total", "region=east", "region=west")
FOLDS = (Fold("capacity", ("errors", "latency"), "total"), Fold("silent", ("errors",), "same"))


def verdict(rule: str, scope: str, level: int | None, opened_ms: int = 0) -> Verdict:
    memory = State(level=level, opened_ms=opened_ms, incident=1 if level else 0)
    return Verdict(
        *(rule, scope, "ratio", 1.0, 1, "graded", level, None, False, "", None, None, memory)
    )


@st.composite
def boards(draw: st.DrawFn) -> list[Verdict]:
    levels = st.sampled_from((None, 0, 1, 2, 3, 4, 5))
    return [
        verdict(rule, scope, draw(levels), draw(st.integers(0, 3)))
        for rule in RULES
        for scope in SCOPES
    ]


@st.composite
def declared(draw: st.DrawFn) -> list[Fold]:
    """Folds without circles: a rule is explained by earlier ones only."""
    return [
        Fold(RULES[cause], (RULES[hidden],), draw(st.sampled_from(("total", "same"))))
        for hidden in range(1, len(RULES))
        for cause in range(hidden)
        if draw(st.booleans())
    ]


@given(boards(), declared())
def test_a_root_has_no_cause_and_is_never_milder_than_what_it_explains(
    board: list[Verdict], folds: list[Fold]
) -> None:
    found = {f"{one.rule}|{one.scope}": one for one in fold(board, folds)}
    for name, one in found.items():
        if one.cause is None:
            continue
        root = found[one.cause]
        assert one.level
        assert root.cause is None
        assert (root.level or 0) >= one.level, name


@given(boards(), declared())
def test_each_group_of_several_has_one_first_out_and_none_came_before_it(
    board: list[Verdict], folds: list[Fold]
) -> None:
    groups: dict[str, list[Verdict]] = {}
    for one in fold(board, folds):
        if one.level:
            groups.setdefault(one.cause or f"{one.rule}|{one.scope}", []).append(one)
        else:
            assert (one.cause, one.first_out) == (None, False)
    for group in groups.values():
        first = [one for one in group if one.first_out]
        assert len(first) == (len(group) > 1)
        for one in first:
            assert one.memory.opened_ms == min(other.memory.opened_ms for other in group)


@given(boards(), declared())
def test_folding_again_changes_nothing_and_levels_stay(
    board: list[Verdict], folds: list[Fold]
) -> None:
    once = fold(board, folds)
    assert fold(once, folds) == once
    assert [replace(one, cause=None, first_out=False) for one in once] == board


@given(boards(), declared(), st.permutations(range(len(RULES) * len(SCOPES))))
def test_causes_do_not_depend_on_the_order(
    board: list[Verdict], folds: list[Fold], order: Sequence[int]
) -> None:
    plain = {(one.rule, one.scope): one.cause for one in fold(board, folds)}
    mixed = {(one.rule, one.scope): one.cause for one in fold([board[i] for i in order], folds)}
    assert mixed == plain


@pytest.mark.parametrize(
    ("open_", "cause", "why"),
    [
        ({("errors", "region=east"): 3}, None, "nothing else is open"),
        (
            {("errors", "region=east"): 3, ("errors", "total"): 3},
            "errors|total",
            "the total of its rule is as bad",
        ),
        (
            {("errors", "region=east"): 4, ("errors", "total"): 3},
            None,
            "it is worse than the total",
        ),
        (
            {("errors", "region=east"): 3, ("errors", "total"): 3, ("capacity", "total"): 4},
            "capacity|total",
            "the cause of the cause",
        ),
        (
            {("errors", "region=east"): 1, ("capacity", "total"): CAUSE_MIN - 1},
            None,
            "a cause below yellow explains nothing",
        ),
        (
            {("errors", "region=east"): 3, ("silent", "region=east"): 5},
            "silent|region=east",
            "a cause of the same scope",
        ),
        (
            {("errors", "region=east"): 3, ("silent", "region=west"): 5},
            None,
            "another scope explains nothing",
        ),
    ],
)
def test_what_explains_the_errors_of_the_east(
    open_: dict[tuple[str, str], int], cause: str | None, why: str
) -> None:
    board = [
        verdict(rule, scope, int(open_.get((rule, scope), 0))) for rule in RULES for scope in SCOPES
    ]
    found = {(one.rule, one.scope): one.cause for one in fold(board, FOLDS)}
    assert found["errors", "region=east"] == cause, why


def test_a_category_of_a_region_lies_in_both_and_in_the_total() -> None:
    inside = "region=east,category=food"
    scopes = (inside, "region=east", "category=food", "region=west", "total")

    def cause(rule: str, *open_: tuple[str, str, int]) -> str | None:
        levels = {(name, scope): level for name, scope, level in open_}
        board = [
            verdict(name, scope, levels.get((name, scope), 0)) for name in RULES for scope in scopes
        ]
        return next(o.cause for o in fold(board, FOLDS) if (o.rule, o.scope) == (rule, inside))

    mine = ("errors", inside, 3)
    assert cause("errors", mine) is None
    assert cause("errors", mine, ("errors", "region=west", 5)) is None
    assert cause("errors", mine, ("errors", "region=east", 3)) == "errors|region=east"
    assert cause("errors", mine, ("errors", "category=food", 3)) == "errors|category=food"
    assert cause("errors", mine, ("errors", "total", 4)) == "errors|total"
    assert cause("errors", mine, ("silent", "region=east", 4)) == "silent|region=east"
    assert cause("errors", mine, ("capacity", "region=east", 4)) is None  # declared of totals only


def test_rules_that_explain_each_other_in_a_circle_end_somewhere() -> None:
    folds = (Fold("errors", ("latency",), "total"), Fold("latency", ("errors",), "total"))
    found = fold([verdict("errors", "total", 4), verdict("latency", "total", 4)], folds)
    assert {one.cause for one in found} == {"errors|total", "latency|total"}
