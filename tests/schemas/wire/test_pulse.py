"""Frames of pulses: what is written is read back, large ones are cut, and nothing else is taken for
one.
"""

from random import Random
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.kinds.measures import MEASURES, columns
from fenghuo.schemas.wire import pulse
from fenghuo.schemas.wire.pulse import Head, PulseError, Rows, Source, Tally, no_rows
from tests.laws.river import rows_by_second
from tests.paths import GOLDEN

SERIES = (("", "", ""), ("region", "east", ""), ("region,category", "east", "food"))
TALLY = Tally(9, 1, 2, 3, 4, {"east": (5, 600), "other": (0, 0)})


def head_of(kind: str = "complaint", **changes: Any) -> Head:
    head = Head(
        *(kind, Source("log-1", "complaints", 3), 1, 17, 20, 1_794_326_400_999),
        *(1_794_326_390_999, 1_794_326_401_250, 1_794_326_401_000, False, TALLY),
    )
    return msgspec.structs.replace(head, **changes)


def rows_of(kind: str = "complaint", seconds: int = 2) -> Rows:
    size = seconds * len(SERIES)
    width = len(columns(kind))
    second = np.repeat(np.arange(seconds, dtype=np.int64), len(SERIES))
    return Rows(
        1_794_326_400_000 + second * 1000,
        np.tile(np.arange(len(SERIES), dtype=np.int64), seconds),
        SERIES,
        np.arange(size * width, dtype=np.int64).reshape(size, width),
        {"version": (1 << pulse.EPOCH_SHIFT) + 10 + second},
    )


def plain(head: Head, rows: Rows) -> dict[str, Any]:
    """A frame as values that a person can read in a golden file."""
    return {
        "head": msgspec.json.decode(msgspec.json.encode(head)),
        "rows": [
            {
                "second_ms": int(rows.second_ms[i]),
                "series": list(rows.series[int(rows.code[i])]),
                "values": rows.values[i].tolist(),
                **{name: int(column[i]) for name, column in rows.stamp.items()},
            }
            for i in range(len(rows))
        ],
    }


@pytest.mark.parametrize("kind", ["order", "traffic", "complaint"])
def test_a_frame_reads_back_as_it_was_written(kind: str) -> None:
    (data,) = pulse.encode(head_of(kind), rows_of(kind))

    assert plain(*pulse.decode(data)) == plain(head_of(kind), rows_of(kind))


@pytest.mark.parametrize("stamps", [["version"], ["offset", "idx"]])
def test_a_frame_without_rows_only_says_how_far_the_source_is(stamps: list[str]) -> None:
    head = head_of("order", frontier_ms=None, watermark_ms=None, record_ms=None)
    (data,) = pulse.encode(head, no_rows("order", stamps))
    found, rows = pulse.decode(data)

    assert found == head
    assert len(rows) == 0
    assert list(rows.stamp) == stamps


@given(st.integers(1, 12), st.integers(1, 9))
def test_frames_cut_anywhere_hold_together_what_one_would(seconds: int, rows_max: int) -> None:
    rows = rows_of(seconds=seconds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulse, "ROWS_MAX", rows_max)
        frames = [pulse.decode(data) for data in pulse.encode(head_of(), rows)]

    assert all(head == head_of() and len(part) <= rows_max for head, part in frames)
    found = [row for head, part in frames for row in plain(head, part)["rows"]]
    assert found == plain(head_of(), rows)["rows"]


def test_a_pulse_frame_stays_small_and_its_limit_is_kept() -> None:
    rows = rows_of("traffic", seconds=pulse.ROWS_MAX // len(SERIES) + 1)
    frames = pulse.encode(head_of("traffic"), rows)

    assert [len(pulse.decode(data)[1]) for data in frames] == [pulse.ROWS_MAX, 1]
    assert len(frames[0]) < 8 * 1024 * 1024


def test_broken_frames_are_pulse_errors_and_nothing_else() -> None:
    random = Random(3)
    (good,) = pulse.encode(head_of(), rows_of())
    for _ in range(500):
        data = bytearray(good)
        match random.randrange(3):
            case 0:
                data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            case 1:
                del data[random.randrange(len(data)) :]
            case _:
                data[random.randrange(len(data)) :] = random.randbytes(40)
        try:
            head, rows = pulse.decode(bytes(data))
        except PulseError:
            continue
        assert len(rows) == len(rows.values) == len(rows.second_ms)
        assert head.kind in ("order", "traffic", "complaint")


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xff\xff\xff", b"null", b"\x00" * 64])
def test_other_bytes_are_no_frame(data: bytes) -> None:
    with pytest.raises(PulseError, match="not a frame of pulses"):
        pulse.decode(data)


def test_a_stream_without_a_batch_is_no_frame() -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("second_ms", pa.int64())])):
        pass
    with pytest.raises(PulseError):
        pulse.decode(sink.getvalue().to_pybytes())


def test_the_frame_of_the_first_release_still_reads_the_same() -> None:
    """tests/golden/pulse.arrow was written by version 0.1.0; pulse.json says what it means. Never
    written anew.
    """
    meant = msgspec.json.decode((GOLDEN / "pulse.json").read_bytes())
    old = pulse.decode((GOLDEN / "pulse.arrow").read_bytes())
    (data,) = pulse.encode(*old)

    for found in (plain(*old), plain(*pulse.decode(data))):
        # a head only grows: what the release did not know has its default
        known = {name: found["head"][name] for name in meant["head"]}
        assert found | {"head": known} == meant
        grown = found["head"].keys() - known.keys()
        fields = {field.name: field for field in msgspec.structs.fields(pulse.Head)}
        assert {name: found["head"][name] for name in grown} == {
            name: msgspec.to_builtins(fields[name].default) for name in grown
        }


def test_a_frame_of_the_release_that_began_to_name_columns_reads_the_same() -> None:
    """tests/golden/pulse_named.arrow, with its meaning beside it. Never written anew."""
    found = plain(*pulse.decode((GOLDEN / "pulse_named.arrow").read_bytes()))

    assert found["rows"] == meant_by("pulse_named", columns("order"))
    meant = msgspec.json.decode((GOLDEN / "pulse_named.json").read_bytes())
    assert found["head"].items() >= meant["head"].items()


def meant_by(golden: str, known: tuple[str, ...]) -> list[dict[str, Any]]:
    """The rows of a golden frame, in the columns that are known."""
    meant = msgspec.json.decode((GOLDEN / f"{golden}.json").read_bytes())
    rows = []
    for row in meant["rows"]:
        named = dict(zip(meant["columns"], row["values"], strict=True))
        rows.append(row | {"values": [named.get(name, 0) for name in known]})
    return rows


WIDER = ("gifts", *MEASURES["order"][:3], "gift_fen", *MEASURES["order"][3:])
NARROWER = ("paid", "events", "new_paid")


@pytest.mark.parametrize("known", [WIDER, NARROWER], ids=["wider", "narrower"])
@pytest.mark.parametrize("golden", ["pulse_named", "pulse_unnamed", "pulse_more"])
def test_readers_of_other_releases_read_what_they_know(
    golden: str, known: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wider one has 0 for what the frame does not have; a narrower one leaves out the rest."""
    monkeypatch.setitem(MEASURES, "order", known)

    head, rows = pulse.decode((GOLDEN / f"{golden}.arrow").read_bytes())

    meant = "pulse_more" if golden == "pulse_more" else "pulse_named"
    assert plain(head, rows)["rows"] == meant_by(meant, known)
    (again,) = pulse.encode(head, rows)
    assert plain(*pulse.decode(again)) == plain(head, rows)


def test_a_release_that_knew_no_names_finds_its_columns_where_it_looks() -> None:
    """It takes `values` for exactly its own measures, and looks at no other column of values."""
    for kind in ("order", "traffic", "complaint"):
        rows = rows_of(kind)
        (sent,) = pulse.encode(head_of(kind), rows)
        with pa.ipc.open_stream(pa.py_buffer(sent)) as reader:
            batch = next(iter(reader))
        first = pulse.UNNAMED[kind]

        assert batch.schema.field("values").type == pa.list_(pa.int64(), len(first))
        flat = batch.column("values").flatten().to_numpy().reshape(-1, len(first))
        at = [columns(kind).index(name) for name in first]
        assert flat.tolist() == rows.values[:, at].tolist()


@given(st.data())
def test_what_two_releases_both_know_arrives_whole(data: st.DataObject) -> None:
    names = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)
    writer, reader = data.draw(names), data.draw(names)
    values = np.array([[ord(name) * 10 + i for name in writer] for i in range(3)], np.int64)
    rows = msgspec.structs.replace(rows_of("order", 1), values=values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MEASURES, "order", tuple(writer))
        (sent,) = pulse.encode(head_of("order"), rows)
        patch.setitem(MEASURES, "order", tuple(reader))
        _, found = pulse.decode(sent)

    assert found.values.tolist() == [
        [ord(name) * 10 + i if name in writer else 0 for name in reader] for i in range(3)
    ]


@pytest.mark.parametrize(
    "names", [b"[]", b'["events", "events"]', b"{}", b"[1]", b'["events"]', b"no"]
)
def test_columns_that_are_no_names_of_the_values_make_no_frame(names: bytes) -> None:
    (sent,) = pulse.encode(head_of("order"), rows_of("order"))
    with pa.ipc.open_stream(pa.py_buffer(sent)) as reader:
        batch = next(iter(reader))
    batch = batch.replace_schema_metadata({**batch.schema.metadata, b"columns": names})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)

    with pytest.raises(PulseError, match="not a frame of pulses"):
        pulse.decode(sink.getvalue().to_pybytes())


def test_versions_order_by_epoch_then_offset() -> None:
    (data,) = pulse.encode(head_of(), rows_of())
    version, _ = rows_by_second(pulse.decode(data)[1])[1_794_326_400_000]

    assert version == (1 << pulse.EPOCH_SHIFT) + 10
    assert version > (0 << pulse.EPOCH_SHIFT) + 2**47


def test_a_source_names_itself_as_its_key_does() -> None:
    assert str(Source("log", "orders", 3)) == "orders/3"
