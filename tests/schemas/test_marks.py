"""Marks: written and read back, and never mistaken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.marks import RUN_HEADER, SHADOW_HEADER, Mark, header, is_shadow, mark_of

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
