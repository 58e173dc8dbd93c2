"""A whole number that JavaScript would round is there as text, too."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.api.view.latest import Latest
from fenghuo.api.view.whole_numbers import LARGEST, encoded
from tests.api.boards import START_MS, board

NUMBERS = st.one_of(
    st.integers(-(2**90), 2**90),
    st.sampled_from((LARGEST, LARGEST + 1, LARGEST + 2, -LARGEST - 2, 0, 10**15, 10**16)),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.just("9007199254740993"),
    st.none(),
)
NAMES = st.text("abc", min_size=1, max_size=2)
VALUES = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=20,
)


def as_javascript(data: bytes) -> Any:
    """As JSON.parse gives it: every number is a float."""
    return json.loads(data, parse_int=float)


def seen(value: Any) -> Any:
    """What a reader of a float and of `exact` knows of a value; the rest must be as it was."""
    if isinstance(value, list):
        return [seen(one) for one in value]
    if not isinstance(value, dict):
        return value
    exact = value.get("exact", {})
    made = {name: seen(one) for name, one in value.items() if name != "exact"}
    for name, digits in exact.items():
        if isinstance(digits, str):
            made[name] = int(digits)
        else:
            for at, one in digits.items():
                made[name][int(at)] = int(one)
    return made


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_no_whole_number_is_lost_to_who_reads_floats(value: dict[str, Any]) -> None:
    plain = {name: one for name, one in value.items() if not isinstance(one, list)}
    for made in (plain, {"rows": [plain]}):
        assert seen(as_javascript(encoded(made))) == seen(made)
        numbers = msgspec.json.decode(encoded(made))
        assert _without_exact(numbers) == _without_exact(made)


def test_places_of_a_list_are_told() -> None:
    found = json.loads(encoded({"points": [1, None, LARGEST + 2, 0.5]}))
    assert found["exact"] == {"points": {"2": "9007199254740993"}}
    assert found["points"] == [1, None, 9007199254740993, 0.5]


@pytest.mark.parametrize("value", [{"a": 1 / 3}, {"a": LARGEST}, {"a": [math.pi * 1e-9]}, [], 7])
def test_what_a_float_holds_stays_as_it_was(value: Any) -> None:
    assert encoded(value) == msgspec.json.encode(value)


def test_the_view_tells_sums_that_are_too_long() -> None:
    made = board(60)
    overview = msgspec.structs.replace(made.overview, gmv_fen=2**80 + 1)
    latest = Latest(0)
    latest.apply(msgspec.structs.replace(made, overview=overview), START_MS)
    view = json.loads(encoded(latest.snapshot(START_MS)))
    assert view["overview"]["gmv_fen"] == 2**80 + 1
    assert view["overview"]["exact"] == {"gmv_fen": str(2**80 + 1)}
    assert view["past"]["series"]["exact"]["gmv_fen"] == {"0": str(2**80 + 1)}


def _without_exact(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_exact(one) for one in value]
    if isinstance(value, dict):
        return {name: _without_exact(one) for name, one in value.items() if name != "exact"}
    return value
