"""Dead letters: every header travels, a replay names the letter it repeats, foreign records are
told apart.
"""

import hashlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.records.marks import RUN_HEADER, SHADOW_HEADER
from fenghuo.schemas.wire import letters, rows
from fenghuo.schemas.wire.letters import REPLAY_HEADER, Letter
from fenghuo.schemas.wire.pulse import Source
from tests.paths import GOLDEN

GOLDEN = GOLDEN / "letter.json"
MARKS = st.sampled_from((b"", b"run-7.3.120", b"a.0.0"))
LETTER = Letter(
    source=Source("log-1", "orders", 3),
    offset=17,
    idx=2,
    reason="schema",
    detail="Expected `int` >= 0 - at `$.amount_fen`",
    record_ms=1_794_326_400_999,
    data=b'{"amount_fen":-1}',
    form=0,
)


@given(
    st.builds(
        Letter,
        st.builds(Source, st.text(), st.text(), st.integers(0, 10**6)),
        st.integers(0, 2**62),
        st.integers(0, 10**5),
        st.text(),
        st.text(),
        st.integers(-1, 2**62),
        st.binary(),
        st.none() | st.tuples(st.integers(0, 10**18 - 1), st.integers(0, 10**5)),
        st.none() | st.tuples(st.sampled_from((RUN_HEADER, SHADOW_HEADER)), MARKS),
        st.integers(1, 2**62),
        st.sampled_from(("", "0-1", "3,5-99999")),
        st.none() | st.integers(0, 2**62),
        st.none() | st.integers(0, 2**62),
        st.sampled_from(("", "0" * 64)),
        st.just(""),
        st.integers(0, 3),
    )
)
def test_a_letter_reads_back_as_it_was_written(letter: Letter) -> None:
    assert letters.from_record(*letters.to_record(letter)) == letter


def test_the_record_of_the_first_release_still_reads_the_same() -> None:
    golden = msgspec.json.decode(GOLDEN.read_bytes())
    headers = [(name, text.encode()) for name, text in golden["headers"].items()]

    assert letters.from_record(golden["value"].encode(), headers) == LETTER
    assert letters.to_record(LETTER) == (golden["value"].encode(), headers)


def test_two_letters_of_one_source_are_the_same_letter() -> None:
    again = msgspec.structs.replace(LETTER, reason="not_json", data=b"")

    assert again.key == LETTER.key
    assert msgspec.structs.replace(LETTER, idx=3).key != LETTER.key


def test_a_letter_refused_again_keeps_the_name_of_the_first() -> None:
    again = msgspec.structs.replace(LETTER, offset=40, idx=0, origin=(17, 2))

    assert LETTER.first == again.first == (17, 2)
    assert letters.from_record(*letters.to_record(again)).first == (17, 2)


ROWS = st.lists(st.integers(0, 99_999), min_size=1, max_size=60, unique=True).map(sorted)


@given(ROWS, st.integers(1, 4))
def test_rows_read_back_as_they_were_written(meant: list[int], most: int) -> None:
    written = list(rows.texts(np.array(meant), most))

    assert [i for text, _ in written for i in rows.parse(text).tolist()] == meant
    assert [i for _, part in written for i in part.tolist()] == meant
    assert all(text.count(",") < most for text, _ in written)


@pytest.mark.parametrize("text", ["", "-", "3-", "5,5", "5-4", "7,3", "1,,2", "0-100000", " 1"])
def test_text_that_names_no_rows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        rows.parse(text)


@given(ROWS.filter(lambda meant: len(meant) > 1), st.data())
def test_what_is_left_of_a_replay_has_the_name_of_its_own_events(
    meant: list[int], data: st.DataObject
) -> None:
    """Letters of the same events have one name, those of other events another, however they were
    sent.
    """
    again = data.draw(st.lists(st.integers(0, len(meant) - 1), min_size=1, unique=True).map(sorted))
    whole = many(meant)
    headers = [(REPLAY_HEADER, whole.replay_mark.encode())]

    origin, origin_rows = letters.origin_of(headers, np.array(again))
    left = msgspec.structs.replace(many(again), offset=40, origin=origin, origin_rows=origin_rows)

    assert letters.replay_of(headers) == whole.first
    assert left.first == many([meant[i] for i in again]).first
    assert (left.first == whole.first) == (len(again) == len(meant))
    assert letters.from_record(*letters.to_record(left)) == left


def many(meant: list[int]) -> Letter:
    if len(meant) == 1:
        return msgspec.structs.replace(LETTER, idx=meant[0])
    ((text, _),) = rows.texts(np.array(meant))
    return msgspec.structs.replace(LETTER, idx=meant[0], rows=text, count=len(meant))


def test_the_longest_letter_fits_a_topic_of_kafkas_own_default() -> None:
    """Whatever was refused: the record with its headers stays far below 1 MiB."""
    data, size, digest = letters.cut(b"x" * (8 << 20))
    ((text, _),) = rows.texts(np.arange(99_000, 90_000, -5)[: rows.RANGES_MAX][::-1])
    ((old, _),) = rows.texts(np.arange(0, 16_000, 4), rows.RANGES_KNOWN_MAX)
    letter = msgspec.structs.replace(
        *(LETTER,),
        data=data,
        size=size,
        hash=digest,
        rows=text,
        detail="\U0001f525" * 300,
        origin=(10**17, 0),
        origin_rows=old,
        last_offset=2**62,
        count=2**62,
    )
    value, headers = letters.to_record(letter)

    assert (len(value), size) == (letters.LETTER_BYTES_MAX, 8 << 20)
    assert digest == hashlib.sha256(b"x" * (8 << 20)).hexdigest()
    assert len(value) + sum(len(name) + len(text) for name, text in headers) < 200_000
    assert letters.from_record(value, headers) == letter
    assert letter.is_cut
    assert not LETTER.is_cut


@pytest.mark.parametrize("missing", ["log", "topic", "partition", "offset", "idx", "reason"])
def test_a_record_without_a_header_is_no_letter(missing: str) -> None:
    value, headers = letters.to_record(LETTER)

    with pytest.raises(ValueError, match=f"header '{missing}' is missing"):
        letters.from_record(value, [pair for pair in headers if pair[0] != missing])


@pytest.mark.parametrize("name", ["partition", "offset", "idx", "record_ms"])
def test_a_number_that_is_none_makes_no_letter(name: str) -> None:
    value, headers = letters.to_record(LETTER)

    with pytest.raises(ValueError):
        letters.from_record(value, [*headers, (name, b"many")])


@pytest.mark.parametrize(
    ("headers", "letter"),
    [
        ([], None),
        ([(REPLAY_HEADER, b"17/2")], (17, 2)),
        ([("trace", b"1"), (REPLAY_HEADER, b"0/0")], (0, 0)),
        ([(REPLAY_HEADER, b"17")], None),
        ([(REPLAY_HEADER, b"17/")], None),
        ([(REPLAY_HEADER, b"-1/0")], None),
        ([(REPLAY_HEADER, b"17/2/3")], None),
        ([(REPLAY_HEADER, b"")], None),
        ([(REPLAY_HEADER, None)], None),
        ([(REPLAY_HEADER, b"\xff/1")], None),
        ([(REPLAY_HEADER, b"nonsense"), (REPLAY_HEADER, b"17/2")], (17, 2)),
    ],
)
def test_only_a_replay_header_that_names_a_letter_marks_a_replay(
    headers: list[tuple[str, bytes]], letter: tuple[int, int] | None
) -> None:
    assert letters.replay_of(headers) == letter


@pytest.mark.parametrize("digits", ["²", "１", "9" * 5_000])
def test_digits_that_are_no_number_of_ours_do_not_end_the_worker(digits: str) -> None:
    """Unicode knows many digits, and Python refuses to read very long numbers."""
    found = letters.replay_of([(REPLAY_HEADER, f"{digits}/0".encode())])

    assert found is None or found[0] >= 0
