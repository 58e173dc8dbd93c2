"""One message that somebody made badly, or on purpose: it is refused or counted for what it is, at
a bounded cost in letters, bytes and memory, and the good events beside it count.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fenghuo.schemas.kinds.bounds import EVENTS_PER_MESSAGE_MAX
from fenghuo.schemas.wire.letters import LETTER_BYTES_MAX, Letter
from fenghuo.schemas.wire.rows import RANGES_MAX, parse
from fenghuo.streams.counting.published import CROWDED_BYTES
from fenghuo.streams.decode.arrow import frame_codes, frame_sizes
from fenghuo.streams.decode.codec import Codec
from fenghuo.streams.decode.refusals import ALONE_MAX
from fenghuo.streams.gather.gather import LETTERS_BYTES_MAX
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.river import Worker, codec_of
from tests.strategies import START_MS, Message, Record, frame_columns, text_of

SAMPLE = SAMPLES["order"]
GOOD = text_of(SAMPLE)
ROWS = EVENTS_PER_MESSAGE_MAX


def columns(size: int, **changes: Any) -> dict[str, Any]:
    """The columns of a frame of as many good orders, some changed."""
    one = frame_columns("order", [SAMPLE])
    made = {name: column.take(pa.array(np.zeros(size, np.int64))) for name, column in one.items()}
    return {**made, **changes}


def packed(made: dict[str, Any], codec: str | None = "zstd") -> bytes:
    """A compressed frame."""
    batch = pa.RecordBatch.from_pydict(made).replace_schema_metadata(
        {"fenghuo": "1", "kind": "order", "base_ts": str(START_MS)}
    )
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def letters_of(*values: bytes) -> tuple[tuple[int, int], tuple[Letter, ...]]:
    """(accepted, refused) and the letters of these messages among good ones, each of which has to
    count.
    """
    log = [Record(0, START_MS, Message(GOOD, ()))]
    for value in values:
        log += [Record(len(log), START_MS, Message(value, ()))]
        log += [Record(len(log), START_MS, Message(GOOD, ()))]
    worker = Worker("order", log)
    worker.read(len(log))
    taken = worker.gather.take()
    assert taken.tally.refused == sum(letter.count for letter in taken.letters)
    return (taken.tally.accepted - len(values) - 1, taken.tally.refused), taken.letters


EXOTIC: list[tuple[str, Callable[[], pa.Array]]] = [
    ("dictionary of string views", lambda: coded(pa.array(["a", "b", "c"], pa.string_view()))),
    ("string views", lambda: pa.array(["a", "b", "c"], pa.string_view())),
    (
        "runs",
        lambda: pa.RunEndEncodedArray.from_arrays(
            pa.array([1, 3], pa.int32()), pa.array(["x", "y"])
        ),
    ),
    (
        "dense union",
        lambda: pa.UnionArray.from_dense(
            pa.array([0, 1, 0], pa.int8()),
            pa.array([0, 0, 1], pa.int32()),
            [pa.array(["a", "b"]), pa.array([1])],
        ),
    ),
    ("list views", lambda: pa.array([[1], [2], [3]], pa.list_view(pa.int32()))),
    ("decimals", lambda: pa.array([1, 2, 3], pa.decimal128(10, 2))),
    ("dates", lambda: pa.array([1, 2, 3], pa.date32())),
    ("half floats", lambda: pa.array([1.0, float("nan"), 3.0], pa.float16())),
    ("nulls", lambda: pa.nulls(3)),
    ("maps", lambda: pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int8()))),
    (
        "lists of a dictionary",
        lambda: pa.array([["a"], ["b"], ["c"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    ),
    (
        "an extension",
        lambda: pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16] * 3, pa.binary(16))),
    ),
    ("unsigned of 64 bits", lambda: pa.array([2**64 - 1] * 3, pa.uint64())),
    ("a text of a mebibyte", lambda: pa.array(["x" * (1 << 20)] * 3)),
]


def coded(table: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int8()), table)


@pytest.mark.parametrize("made", [case[1] for case in EXOTIC], ids=[case[0] for case in EXOTIC])
@pytest.mark.parametrize("codec", [None, "zstd", "lz4"])
def test_a_column_that_nobody_asks_for_may_be_anything(
    codec: str | None, made: Callable[[], pa.Array]
) -> None:
    """The row that is bad is refused, the others count."""
    value = packed({**columns(3, amount_fen=pa.array([5, -1, 7])), "more": made()}, codec)
    counts, (letter,) = letters_of(value)

    assert counts == (2, 1)
    assert (letter.idx, letter.reason) == (1, "schema")
    assert letter.detail == "row 1: amount_fen is -1, expected 0 to 100000000000"
    assert len(letter.data) < 4_096


@pytest.mark.parametrize("made", [case[1] for case in EXOTIC], ids=[case[0] for case in EXOTIC])
@pytest.mark.parametrize("name", ["dt", "code", "amount_fen"])
def test_a_column_that_is_read_and_is_something_else_refuses_its_frame(
    name: str, made: Callable[[], pa.Array]
) -> None:
    counts, (letter,) = letters_of(packed(columns(3, **{name: made()})))

    assert counts == (0, 1)
    assert letter.reason == "frame"
    assert name in letter.detail


PATTERNS = {
    "all": np.full(ROWS, -1),
    "every other": np.arange(ROWS) % 2 - 1,
    "at random": np.random.default_rng(7).integers(-1, 1, ROWS),
    "but one": np.where(np.arange(ROWS) == 77, 0, -1),
}


@pytest.mark.parametrize("amounts", PATTERNS.values(), ids=list(PATTERNS))
def test_rows_refused_for_one_reason_are_a_few_letters_that_name_them_all(
    amounts: np.ndarray[Any, np.dtype[np.int64]],
) -> None:
    value = packed(columns(ROWS, amount_fen=pa.array(amounts)))
    counts, letters = letters_of(value)
    bad = np.flatnonzero(amounts < 0).tolist()

    assert counts == (ROWS - len(bad), len(bad))
    assert [row for letter in letters for row in parse(letter.rows).tolist()] == bad
    assert len(letters) <= ROWS // 2 // RANGES_MAX
    assert sum(len(letter.data) for letter in letters) < 200_000
    again = codec_of("order").decode([letters[0].data])
    assert sum(refusal.count for refusal in again.refusals) == letters[0].count


@pytest.mark.parametrize("shift_ms", [-START_MS, 10**12])
def test_a_frame_out_of_time_is_one_letter(shift_ms: int) -> None:
    dt = pa.array(np.full(ROWS, shift_ms))
    counts, (letter,) = letters_of(packed(columns(ROWS, dt=dt)))

    assert counts == (0, ROWS)
    assert (letter.count, letter.rows) == (ROWS, f"0-{ROWS - 1}")


LINES = [("lines", b"{}"), ("lines", b"x"), ("lines", b'{"kind":'), ("lines", b"7")]


@pytest.mark.parametrize(
    ("form", "line"), [*LINES, ("array", b"{}"), ("array", b"7"), ("array", b"[]")]
)
def test_bad_lines_of_a_message_are_one_letter_beyond_a_few(form: str, line: bytes) -> None:
    """Those that are good count."""
    parts = [line] * 5_000 + [GOOD]
    value = b"\n".join(parts) if form == "lines" else b"[" + b",".join(parts) + b"]"
    counts, (letter,) = letters_of(value)

    assert counts == (1, 5_000)
    assert letter.rows == "0-4999"
    assert letter.detail.endswith("5000 like it in this message")


def test_bad_lines_are_letters_of_their_own_while_they_are_few() -> None:
    _, letters = letters_of(b"\n".join([b"{}"] * ALONE_MAX))

    assert [(letter.idx, letter.data, letter.rows) for letter in letters] == [
        (i, b"{}", "") for i in range(ALONE_MAX)
    ]


def test_bytes_of_letters_are_bounded_between_two_publications() -> None:
    big = b"x" * LETTER_BYTES_MAX
    many = LETTERS_BYTES_MAX // LETTER_BYTES_MAX + 50
    counts, letters = letters_of(*[big] * many)

    assert counts == (0, many)
    assert {letter.whole_size for letter in letters} == {LETTER_BYTES_MAX}
    assert len(letters[-1].data) == CROWDED_BYTES
    most = LETTERS_BYTES_MAX + LETTER_BYTES_MAX + many * CROWDED_BYTES
    assert sum(len(letter.data) for letter in letters) <= most


def test_a_frame_that_would_be_huge_unpacked_is_refused_before_it_is() -> None:
    big = packed({**columns(3), "more": pa.array(["x" * (30 << 20)] * 3)})
    assert len(big) < 40_000
    before = pa.total_allocated_bytes()
    counts, (letter,) = letters_of(big)

    assert counts == (0, 1)
    assert letter.reason == "frame"
    assert letter.detail.endswith(f"bytes or more unpacked, most are {frame_sizes.FRAME_BYTES_MAX}")
    assert pa.total_allocated_bytes() - before < 1 << 20


def test_a_table_of_huge_labels_is_refused_whole() -> None:
    profile = {name: SAMPLE.get(name) for name in codec_of("order").coder.fields}
    table = pa.array([profile | {"region": "x" * (frame_codes.CODES_BYTES_MAX + 1)}])
    counts, (letter,) = letters_of(packed(columns(3, code=coded(table.take(pa.array([0, 0, 0]))))))

    assert counts == (0, 1)
    assert f"most are {frame_codes.CODES_BYTES_MAX}" in letter.detail


def test_ten_thousand_columns_are_counted_and_not_looked_at() -> None:
    more = {f"c{i}": pa.array([i]) for i in range(10_000)}
    counts, letters = letters_of(packed({**columns(1), **more}))

    assert (counts, letters) == ((1, 0), ())


def test_a_column_nested_deeply_is_counted_or_refuses_its_frame() -> None:
    kind = pa.int8()
    for _ in range(60):
        kind = pa.list_(kind)
    counts, letters = letters_of(packed({**columns(1), "more": pa.array([None], kind)}))

    assert sum(counts) == 1
    assert [letter.reason for letter in letters] == ["frame"] * counts[1]


class Broken(Codec):
    """A decoder with a defect, met by one text."""

    def _decode(self, message: int, value: bytes | None, run: Any) -> None:
        if value == b"defect":
            raise ZeroDivisionError("oh")
        super()._decode(message, value, run)


def test_a_defect_of_ours_refuses_the_one_message_that_meets_it() -> None:
    values = [GOOD, b"defect", GOOD, b"{}", b"defect", GOOD]
    batch = Broken(codec_of("order").coder).decode(values)

    assert batch.message.tolist() == [0, 2, 5]
    assert [(r.message, r.reason, r.data) for r in batch.refusals] == [
        (1, "cannot_read", b"defect"),
        (3, "schema", b"{}"),
        (4, "cannot_read", b"defect"),
    ]
    assert batch.refusals[0].detail == "a defect of fenghuo: ZeroDivisionError: oh"


def mutations() -> Iterator[bytes]:
    """Every byte of a compressed frame's words turned over, one at a time."""
    good = packed(columns(3))
    for at in range(4, len(good)):
        yield good[:at] + bytes([good[at] ^ 255]) + good[at + 1 :]


def test_a_frame_with_any_byte_turned_over_harms_nobody_else() -> None:
    counts, _ = letters_of(*mutations())

    assert sum(counts) >= 100
