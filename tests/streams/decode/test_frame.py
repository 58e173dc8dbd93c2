"""Frames a reader can follow: every width of integers, every way to be refused, and two thousand
broken ones.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fenghuo.schemas.kinds.bounds import EVENTS_PER_MESSAGE_MAX
from fenghuo.streams.decode.arrow import frame, frame_codes
from fenghuo.streams.decode.codec import Codec
from tests.laws.decode.test_codec_laws import SAMPLES, outcomes
from tests.laws.river import codec_of
from tests.strategies import KINDS, START_MS, frame_bytes, frame_columns, text_of

ORDERS = [
    {**SAMPLES["order"], "amount_fen": amount, "region": region, "ts": START_MS + i}
    for i, (amount, region) in enumerate([(5, "east"), (7, "west"), (11, "Mars")])
]
ROWS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "order": ORDERS,
    "traffic": [{**SAMPLES["traffic"], "count": 2, "latency_ms": 70}],
    "complaint": [SAMPLES["complaint"]],
}
PROFILE = {
    "region": "east",
    "category": "food",
    "channel": "app",
    "payment": "card",
    "promotion": None,
    "status": "paid",
    "new_user": True,
    "repeat": False,
}


def columns(**changes: Any) -> dict[str, Any]:
    """The columns of a good frame of three orders, some changed; None takes one away."""
    made = {**frame_columns("order", ORDERS), **changes}
    return {name: column for name, column in made.items() if column is not None}


def code_of(table: pa.Array, indexes: Sequence[int] = (0, 0, 0)) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(indexes, pa.int8()), table)


def read(codec: Codec, value: bytes) -> tuple[int, list[tuple[int, str, str]]]:
    """Events and refusals of a frame between two good messages, which must come through."""
    good = text_of(SAMPLES[codec.coder.kind])
    batch = codec.decode([good, value, good])
    found = batch.message.tolist()
    assert (found[0], found[-1]) == (0, 2)
    return len(found) - 2, [(r.idx, r.reason, r.detail) for r in batch.refusals]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [8, 16, 32, 64])
def test_a_frame_says_what_its_rows_say_as_json(kind: str, width: int) -> None:
    codec = codec_of(kind)
    rows = ROWS[kind]
    whole = outcomes(codec, codec.decode([frame_bytes(kind, frame_columns(kind, rows, width))]))
    single = outcomes(codec, codec.decode([text_of(row) for row in rows]))

    assert [rest for _, _, rest in whole] == [rest for _, _, rest in single]
    assert [(message, idx) for message, idx, _ in whole] == [(0, i) for i in range(len(rows))]


@pytest.mark.parametrize("made", [pa.uint8(), pa.int16(), pa.uint16(), pa.uint32(), pa.int64()])
def test_times_and_codes_may_be_narrow(made: pa.DataType) -> None:
    code = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], made), pa.array([PROFILE] * 2))
    dt = pa.array([0, 9, 100], made)
    batch = codec_of("order").decode([frame_bytes("order", columns(dt=dt, code=code))])

    assert batch.ts.tolist() == [START_MS, START_MS + 9, START_MS + 100]


REFUSED: list[tuple[str, Callable[[], bytes], str]] = [
    ("not a frame", lambda: b"\xff\xff\xff\xff hello", "not an Arrow stream"),
    ("another kind", lambda: frame_bytes("traffic", columns()), "expected kind 'order'"),
    ("no mark", lambda: frame_bytes("order", columns(), {"fenghuo": "2"}), "expected fenghuo = 1"),
    ("no base time", lambda: frame_bytes("order", columns(), {"base_ts": ""}), "invalid literal"),
    ("base before 1970", lambda: frame_bytes("order", columns(), {"base_ts": "-1"}), "base_ts -1"),
    ("no dt", lambda: frame_bytes("order", columns(dt=None)), "expected one column dt"),
    ("no code", lambda: frame_bytes("order", columns(code=None)), "expected one column code"),
    ("no amounts", lambda: frame_bytes("order", columns(amount_fen=None)), "one column amount_fen"),
    (
        "null amounts",
        lambda: frame_bytes("order", columns(amount_fen=pa.array([1, None, 3]))),
        "integers without nulls",
    ),
    (
        "float amounts",
        lambda: frame_bytes("order", columns(amount_fen=pa.array([1.0, 2.0, 3.0]))),
        "integers without nulls, got double",
    ),
    (
        "unsigned 64 bit amounts",
        lambda: frame_bytes("order", columns(amount_fen=pa.array([1, 2, 2**63], pa.uint64()))),
        "at most 63 bits",
    ),
    (
        "times out of bounds",
        lambda: frame_bytes("order", columns(dt=pa.array([0, 1, 2**62 + 1]))),
        "column dt: out of bounds",
    ),
    (
        "codes that are no dictionary",
        lambda: frame_bytes("order", columns(code=pa.array([0, 1, 2]))),
        "expected a dictionary without nulls, got int64",
    ),
    (
        "a dictionary of strings",
        lambda: frame_bytes("order", columns(code=code_of(pa.array(["a"])))),
        "expected a dictionary of structs",
    ),
    (
        "null codes",
        lambda: frame_bytes(
            "order",
            columns(
                code=pa.DictionaryArray.from_arrays(
                    pa.array([0, None, 0], pa.int8()), pa.array([PROFILE])
                )
            ),
        ),
        "without nulls",
    ),
    (
        "no rows",
        lambda: frame_bytes("order", {name: column[:0] for name, column in columns().items()}),
        "a frame without rows",
    ),
    (
        "too many rows",
        lambda: frame_bytes("order", many(EVENTS_PER_MESSAGE_MAX + 1)),
        f"{EVENTS_PER_MESSAGE_MAX + 1} rows, most are {EVENTS_PER_MESSAGE_MAX}",
    ),
]


def many(rows: int) -> dict[str, Any]:
    zeros = np.zeros(rows, np.int8)
    code = pa.DictionaryArray.from_arrays(pa.array(zeros), pa.array([PROFILE]))
    return {"dt": pa.array(zeros), "code": code, "amount_fen": pa.array(zeros)}


@pytest.mark.parametrize(("make", "detail"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_a_frame_that_cannot_be_read_is_refused_whole(
    make: Callable[[], bytes], detail: str
) -> None:
    value = make()
    codec = codec_of("order")
    events, refusals = read(codec, value)

    assert events == 0
    ((idx, reason, found),) = refusals
    assert (idx, reason) == (0, "frame")
    assert detail in found
    assert codec.decode([value]).refusals[0].data == value


ENTRIES: list[tuple[str, dict[str, Any] | None]] = [
    ("no entry", None),
    ("no region", {**PROFILE, "region": None}),
    ("an unknown status", {**PROFILE, "status": "PAID"}),
    ("a long label", {**PROFILE, "payment": "x" * 257}),
]


@pytest.mark.parametrize("entry", [e[1] for e in ENTRIES], ids=[e[0] for e in ENTRIES])
def test_a_row_with_a_bad_code_is_refused_alone(entry: dict[str, Any] | None) -> None:
    code = code_of(pa.array([PROFILE, entry]), (0, 1, 0))
    value = frame_bytes("order", columns(code=code))

    assert read(codec_of("order"), value) == (
        2,
        [(1, "schema", "row 1: column code: its entry is no valid combination of labels")],
    )


@pytest.mark.parametrize("amount", [-1, 10**11 + 1, -(2**63), 2**63 - 1])
def test_a_row_with_a_bad_amount_is_refused_alone_and_can_be_read_again(amount: int) -> None:
    codec = codec_of("order")
    amounts = pa.array([5, amount, 7])
    batch = codec.decode([frame_bytes("order", columns(amount_fen=amounts))])
    (refusal,) = batch.refusals

    assert batch.x.tolist() == [5, 7]
    assert batch.idx.tolist() == [0, 2]
    again = codec.decode([refusal.data])
    assert [r.reason for r in again.refusals] == ["schema"]
    assert frame._open(refusal.data)[0].to_pylist()[0]["amount_fen"] == amount


def test_further_columns_are_ignored_and_counted() -> None:
    value = frame_bytes(
        "order", columns(weather=pa.array(["sun"] * 3), user_id=pa.array([1, 2, 3]))
    )
    batch = codec_of("order").decode([value])

    assert len(batch) == 3
    assert batch.unknown_fields == 3


def test_a_stream_without_a_batch_is_refused() -> None:
    """It must not end the worker: whoever sent it would stop the partition for good."""
    batch = pa.RecordBatch.from_pydict(columns())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema):
        pass
    events, refusals = read(codec_of("order"), sink.getvalue().to_pybytes())

    assert (events, [reason for _, reason, _ in refusals]) == (0, ["frame"])


def test_a_stream_of_two_batches_is_not_half_counted() -> None:
    """All of its events are counted or all are refused; none is lost without a word."""
    batch = pa.RecordBatch.from_pydict(columns()).replace_schema_metadata(
        {"fenghuo": "1", "kind": "order", "base_ts": str(START_MS)}
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
        writer.write_batch(batch)
    events, refusals = read(codec_of("order"), sink.getvalue().to_pybytes())

    assert events == 6 or [reason for _, reason, _ in refusals] == ["frame"]


def nested(regions: Sequence[str]) -> pa.StructArray:
    """A code table whose regions are a dictionary themselves, as some writers of categories do."""
    region = pa.DictionaryArray.from_arrays(pa.array(range(len(regions)), pa.int8()), regions)
    rest = {name: pa.array([value] * len(regions)) for name, value in PROFILE.items()}
    return pa.StructArray.from_arrays([region, *list(rest.values())[1:]], names=list(PROFILE))


def test_a_frame_is_never_read_with_the_labels_of_another() -> None:
    """The reader remembers code tables by their bytes; labels may lie outside of them."""
    codec = codec_of("order")
    known = set()
    for regions in (["east", "west"], ["west", "east"], ["Mars", "east"]):
        value = frame_bytes("order", columns(code=code_of(nested(regions), (0, 0, 0))))
        found = outcomes(codec, codec.decode([value]))
        if found[0][2][0] == "frame":
            return  # refused, and says so: also right
        known.add(str([series for series, _ in found[0][2][2]]))
    assert len(known) == 3


def test_tables_of_the_same_bytes_and_another_length_are_not_mixed_up() -> None:
    """A column of nulls has no bytes at all."""
    codec = codec_of("order")
    for size in (1, 3):
        table = pa.StructArray.from_arrays([pa.nulls(size)] * len(PROFILE), names=list(PROFILE))
        code = code_of(table, (0, size - 1, 0))
        events, refusals = read(codec, frame_bytes("order", columns(code=code)))
        assert events == 0
        assert {reason for _, reason, _ in refusals} <= {"schema", "frame"}


def test_the_size_of_a_code_table_is_bounded() -> None:
    size = frame_codes.CODES_MAX + 1
    names = pa.array(["east"]).take(pa.array(np.zeros(size, np.int32)))
    code = pa.DictionaryArray.from_arrays(
        pa.array([0, 0, size - 1], pa.int32()),
        pa.StructArray.from_arrays([names], names=["region"]),
    )
    events, ((_, reason, detail),) = read(
        codec_of("order"), frame_bytes("order", columns(code=code))
    )

    assert (events, reason) == (0, "frame")
    assert detail == f"column code: {size} entries, most are {frame_codes.CODES_MAX}"


def test_the_memory_of_code_tables_is_bounded() -> None:
    """A producer that writes a new table into every frame is only slower."""
    codec = codec_of("order")
    for i in range(frame_codes._REMEMBERED_MAX + 10):
        code = code_of(pa.array([{**PROFILE, "payment": f"coin {i}"}]))
        assert len(codec.decode([frame_bytes("order", columns(code=code))])) == 3
    assert len(codec._frames._codes._remembered) <= frame_codes._REMEMBERED_MAX


def test_a_boolean_is_no_severity() -> None:
    """True equals 1 in Python: what it counts as must not depend on which of the two came first."""
    table = pa.array(
        [{name: SAMPLES["complaint"].get(name) for name in _COMPLAINT} | {"severity": True}]
    )
    value = frame_bytes("complaint", {"dt": pa.array([0]), "code": code_of(table, (0,))})
    codec = codec_of("complaint")

    assert read(codec, value) == (
        0,
        [(0, "schema", "row 0: column code: its entry is no valid combination of labels")],
    )
    one = outcomes(codec, codec.decode([text_of({**SAMPLES["complaint"], "severity": 1})]))
    assert any(series == ("severity", "1", "") for series, _ in one[0][2][2])


_COMPLAINT = ("region", "category", "channel", "type")


def test_a_frame_of_rows_that_are_all_refused_is_opened_a_few_times_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Opening it for every row would take hours for one message, and the partition would stand
    still.
    """
    opened = opened_by(monkeypatch)
    made = many(300)
    amounts = pa.array(np.full(300, -1, np.int8))
    batch = codec_of("order").decode([frame_bytes("order", {**made, "amount_fen": amounts})])

    assert [(r.count, r.rows) for r in batch.refusals] == [(300, "0-299")]
    assert len(opened) <= 3


def opened_by(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of every frame that is opened from now on."""
    opened: list[int] = []
    real = frame._open

    def open_counted(value: bytes) -> tuple[pa.RecordBatch, pa.Schema]:
        opened.append(len(value))
        return real(value)

    monkeypatch.setattr(frame, "_open", open_counted)
    return opened


def mutations(good: bytes, count: int, seed: int) -> list[bytes]:
    """Flipped bits, overwritten and inserted bytes, cuts and swaps; the first four bytes stay a
    frame's.
    """
    random = Random(seed)
    made = []
    for _ in range(count):
        data = bytearray(good)
        for _ in range(random.choice((1, 1, 1, 2, 8))):
            at = random.randrange(4, len(data))
            match random.randrange(5):
                case 0:
                    data[at] ^= 1 << random.randrange(8)
                case 1:
                    data[at] = random.choice((0, 1, 127, 128, 255))
                case 2:
                    del data[at:]
                case 3:
                    data[at : at + 8] = random.randbytes(8)
                case _:
                    data[at:at] = random.randbytes(random.choice((1, 4, 8)))
            if len(data) <= 5:
                break
        made.append(bytes(data))
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_broken_frames_never_end_the_process(kind: str) -> None:
    """Two thousand in all. Each gives events or refusals, and the same ones again."""
    codec = codec_of(kind)
    good = frame_bytes(kind, frame_columns(kind, [*ROWS[kind]] * 3))
    for value in mutations(good, 700, seed=7):
        events, refusals = read(codec, value)
        assert events + len(refusals) >= 1
        assert read(codec, value) == (events, refusals)


def test_a_frame_cut_off_anywhere_is_refused() -> None:
    codec = codec_of("order")
    good = frame_bytes("order", columns())
    end = len(good) - 8  # the mark that ends a stream says nothing about its rows
    for stop in range(4, end, 3):
        events, refusals = read(codec, good[:stop])
        assert (events, [reason for _, reason, _ in refusals]) == (0, ["frame"]), stop
