"""Marks: written and read back, and never mistaken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.records.marks import (
    RUN_HEADER,
    SHADOW_HEADER,
    Mark,
    header,
    is_shadow,
    kept,
    mark_of,
)

runs = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
marks = st.builds(Mark, runs, st.integers(0, 9999), st.integers(0, 10**15 - 1), st.booleans())


@given(
    marks, st.lists(st.tuples(st.sampled_from(["a", "fenghuo-replay"]), st.binary()), max_size=3)
)
def test_a_mark_is_read_back_among_other_headers(
    mark: Mark, others: list[tuple[str, bytes]]
) -> None:
    headers = [*others, header(mark)]

    assert mark == mark_of(headers)
    assert mark.shadow == is_shadow(headers)


@pytest.mark.parametrize("value", [None, b"", b"run", b"run.1", b"run.1.x", b"RUN.1.1", b"r.1.1\n"])
def test_a_value_that_is_no_mark_is_none_but_its_lane_stands(value: bytes | None) -> None:
    assert mark_of([(RUN_HEADER, value)]) is None
    assert is_shadow([(SHADOW_HEADER, value)])
    assert not is_shadow([(RUN_HEADER, value)])


@pytest.mark.parametrize("run", ["", "Upper", "with.dot", "-first", "x" * 33])
def test_a_run_without_a_proper_name_is_refused(run: str) -> None:
    with pytest.raises(ValueError, match="run: expected"):
        header(Mark(run, 0, 0, shadow=False))


@given(marks, st.lists(st.tuples(st.sampled_from(["a", "fenghuo-replay"]), st.binary())))
def test_what_is_sent_again_keeps_its_mark(mark: Mark, others: list[tuple[str, bytes]]) -> None:
    assert kept([*others, header(mark)]) == header(mark)
    assert kept(others) is None


HEADERS: list[tuple[str, list[tuple[str, bytes | None]], tuple[str, bytes]]] = [
    ("a long value is not carried along", [(RUN_HEADER, b"x" * 10**6)], (RUN_HEADER, b"")),
    ("none is none", [(SHADOW_HEADER, None)], (SHADOW_HEADER, b"")),
    ("the lane comes first", [(RUN_HEADER, b"r.1.2"), (SHADOW_HEADER, b"")], (SHADOW_HEADER, b"")),
    ("the proper one", [(RUN_HEADER, b"?"), (RUN_HEADER, b"r.1.2")], (RUN_HEADER, b"r.1.2")),
]


@pytest.mark.parametrize(
    ("headers", "expected"), [r[1:] for r in HEADERS], ids=[r[0] for r in HEADERS]
)
def test_a_mark_that_is_kept_never_changes_the_lane(
    headers: list[tuple[str, bytes | None]], expected: tuple[str, bytes]
) -> None:
    assert kept(headers) == expected
    assert is_shadow([expected]) == is_shadow(headers)
