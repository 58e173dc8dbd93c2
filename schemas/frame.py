"""Frames: thousands of events in one message, as an Arrow IPC stream of one record batch. What
carries millions of events a second: bytes are the cost, so all low-cardinality dimensions of a row
are one integer.

Schema metadata: `fenghuo` = "1", `kind`, `base_ts` (epoch ms). Columns (any integer width, no
nulls): `dt` (event time = base_ts + dt ms); `code`, a dictionary of structs with the label and flag
fields of the kind; `amount_fen` (order) or `latency_ms` and optionally `count` (traffic). Further
columns are ignored and counted. The identity of an event is its source: topic, partition, offset,
index.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fenghuo.schemas.arrays import Ints, Letters
from fenghuo.schemas.batch import DETAIL_CHARS_MAX, Batch, Refusal
from fenghuo.schemas.coding import Coder, buckets_of
from fenghuo.schemas.events import (
    AMOUNT_FEN_MAX,
    COUNT_MAX,
    EVENTS_PER_MESSAGE_MAX,
    ID_CHARS_MAX,
    LATENCY_MS_MAX,
)

FRAME_MAGIC = b"\xff\xff\xff\xff"
"""How an Arrow IPC stream begins: the continuation mark."""
CODES_MAX = 65_536
_REMEMBERED_MAX = 64
_STATUS = frozenset({"created", "paid", "failed", "cancelled", "refunded", "shipped", "delivered"})
_VALUES: Mapping[str, tuple[str, ...]] = {
    "order": ("amount_fen",),
    "traffic": ("latency_ms",),
    "complaint": (),
}
_BOUNDS: Mapping[str, tuple[int, int]] = {
    "amount_fen": (0, AMOUNT_FEN_MAX),
    "latency_ms": (0, LATENCY_MS_MAX),
    "count": (1, COUNT_MAX),
}
_TS_MAX_MS = 2**62


class FrameError(ValueError):
    """A frame that cannot be read as a whole: says what was expected and what came."""


class FrameReader:
    """Reads frames of one kind. A frame is read whole or refused whole; a row with a bad value is
    refused alone.
    """

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._remembered: dict[tuple[bytes, ...], Ints] = {}

    def read(self, value: Letters, message: int) -> Batch:
        """The events of a frame, as message `message` of the fetch."""
        try:
            return self._rows(value, message)
        except (FrameError, pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
            detail = str(error)[:DETAIL_CHARS_MAX]
            return Batch.join([_nothing(Refusal(message, 0, "frame", detail, value.tobytes()))])

    def split(self, value: bytes) -> Callable[[int], bytes]:
        """A frame opened once; the function gives one row as a frame of its own."""
        rows, schema = _open(value)
        return partial(_alone, rows, schema)

    def _rows(self, value: Letters, message: int) -> Batch:
        rows, schema = _open(value)
        kind, base_ts = _head(schema)
        if kind != self._coder.kind:
            raise FrameError(f"expected kind {self._coder.kind!r}, got {kind!r}")
        size = rows.num_rows
        dt = _ints(rows, "dt")
        values = {name: _ints(rows, name) for name in _VALUES[kind]}
        if kind == "traffic" and "count" in schema.names:
            values["count"] = _ints(rows, "count")
        codes = rows.column(_position(schema, "code"))
        if not pa.types.is_dictionary(codes.type) or codes.null_count:
            raise FrameError(f"column code: expected a dictionary without nulls, got {codes.type}")
        table = self._codes(codes.dictionary)
        code = table[codes.indices.to_numpy(zero_copy_only=False)]
        bad = code < 0
        for name, column in values.items():
            low, high = _BOUNDS[name]
            bad |= (column < low) | (column > high)
        x = np.zeros(size, np.int64)
        cell = code
        if kind == "order":
            x = values["amount_fen"].astype(np.int64)
        elif kind == "traffic":
            x = values["count"].astype(np.int64) if "count" in values else np.ones(size, np.int64)
            cell = code * self._coder.buckets + buckets_of(values["latency_ms"])
        idx = np.arange(size, dtype=np.int64)
        unknown = (
            len(set(schema.names) - {"dt", "code", "user_id", "event_id", "count", *values}) * size
        )
        ts = dt.astype(np.int64) + base_ts
        user = np.zeros(size, np.int64)
        if "user_id" in schema.names and pa.types.is_integer(schema.field("user_id").type):
            user = _ints(rows, "user_id").astype(np.int64)
        batch = Batch(np.full(size, message, np.int64), idx, ts, cell, x, user, (), unknown)
        if not bad.any():
            return batch
        refusals = tuple(
            Refusal(
                message,
                int(i),
                "schema",
                f"row {i}: a label or value out of bounds",
                _alone(rows, schema, int(i)),
            )
            for i in np.flatnonzero(bad)
        )
        return msgspec.structs.replace(batch.only(~bad), refusals=refusals)

    def _codes(self, dictionary: pa.Array) -> Ints:
        """Codes of the frame's own table; -1 where an entry is no valid combination. Remembered by
        its bytes.
        """
        if len(dictionary) > CODES_MAX:
            raise FrameError(f"column code: {len(dictionary)} entries, most are {CODES_MAX}")
        if not pa.types.is_struct(dictionary.type):
            raise FrameError(
                f"column code: expected a dictionary of structs, got {dictionary.type}"
            )
        head = f"{dictionary.type} {len(dictionary)}".encode()
        for field in dictionary.type:
            if not _is_plain(field.type):  # what lies outside of its buffers is not compared here
                raise FrameError(
                    f"column code: expected plain fields, {field.name} is {field.type}"
                )
        head = f"{dictionary.type} {len(dictionary)} {dictionary.offset}".encode()
        mark = (head, *(_bytes(buffer) for buffer in dictionary.buffers()))
        found = self._remembered.get(mark)
        if found is None:
            entries = dictionary.to_pylist()
            found = np.array([self._code(entry) for entry in entries] or [-1], np.int64)
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[mark] = found
        return found

    def _code(self, entry: dict[str, Any] | None) -> int:
        if entry is None:
            return -1
        optional = ("promotion", "user_tier", "acquisition", "new_user", "repeat")
        key = []
        for name in self._coder.fields:
            value = entry.get(name)
            if (value is None and name not in optional) or not _valid(
                self._coder.kind, name, value
            ):
                return -1
            key.append(value)
        return self._coder.code(tuple(key))


def _valid(kind: str, name: str, value: object) -> bool:
    if value is None:
        return True
    if name in ("new_user", "repeat"):
        return isinstance(value, bool)
    if name == "severity":
        return type(value) is int and 1 <= value <= 5  # True is no severity
    if name == "status":
        if kind == "order":
            return value in _STATUS
        return isinstance(value, int) and 100 <= value <= 599
    return isinstance(value, str) and len(value) <= ID_CHARS_MAX


def _open(value: bytes | Letters) -> tuple[pa.RecordBatch, pa.Schema]:
    with pa.ipc.open_stream(pa.py_buffer(value)) as reader:
        batches = list(islice(reader, 2))
        if len(batches) != 1:
            raise FrameError(f"expected one record batch, got {len(batches) or 'none'}")
        (rows,) = batches
        if rows.num_rows > EVENTS_PER_MESSAGE_MAX:
            raise FrameError(f"{rows.num_rows} rows, most are {EVENTS_PER_MESSAGE_MAX}")
        if not rows.num_rows:
            raise FrameError("a frame without rows")
        rows.validate(full=True)
        return rows, reader.schema


def _alone(rows: pa.RecordBatch, schema: pa.Schema, idx: int) -> bytes:
    """One row as a frame of its own, with a table of its own, for the dead letters."""
    columns = [_shortened(column) for column in rows.slice(idx, 1).columns]
    sink = pa.BufferOutputStream()
    row = pa.record_batch(columns, names=schema.names).replace_schema_metadata(schema.metadata)
    with pa.ipc.new_stream(sink, row.schema) as writer:
        writer.write_batch(row)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _shortened(column: pa.Array) -> pa.Array:
    """One value without the rest of the frame's table."""
    if not pa.types.is_dictionary(column.type) or column.null_count:
        return column
    table = column.dictionary.take(pa.array([column.indices[0].as_py()]))
    return pa.DictionaryArray.from_arrays(pa.array([0], column.type.index_type), table)


def _is_plain(kind: pa.DataType) -> bool:
    """Strings, booleans and integers: all of a value lies in the array's own buffers."""
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_null(kind)
    )


def _head(schema: pa.Schema) -> tuple[str, int]:
    metadata = schema.metadata or {}
    if metadata.get(b"fenghuo") != b"1":
        raise FrameError("schema metadata: expected fenghuo = 1")
    base_ts = int(metadata.get(b"base_ts", b""))
    if not 0 <= base_ts <= _TS_MAX_MS:
        raise FrameError(f"schema metadata: base_ts {base_ts} is out of bounds")
    return metadata.get(b"kind", b"").decode(), base_ts


def _position(schema: pa.Schema, name: str) -> int:
    position: int = schema.get_field_index(name)
    if position < 0:
        raise FrameError(f"expected one column {name}, got columns {schema.names[:20]}")
    return position


def _ints(rows: pa.RecordBatch, name: str) -> npt.NDArray[Any]:
    column = rows.column(_position(rows.schema, name))
    if not pa.types.is_integer(column.type) or column.null_count:
        raise FrameError(f"column {name}: expected integers without nulls, got {column.type}")
    if pa.types.is_uint64(column.type):
        raise FrameError(f"column {name}: expected at most 63 bits, got uint64")
    found: npt.NDArray[Any] = column.to_numpy(zero_copy_only=True)
    if (
        name == "dt"
        and column.type.bit_width == 64
        and len(found)
        and abs(int(np.abs(found).max())) > _TS_MAX_MS
    ):
        raise FrameError("column dt: out of bounds")
    return found


def _bytes(buffer: pa.Buffer | None) -> bytes:
    return b"" if buffer is None else buffer.to_pybytes()


def _nothing(refusal: Refusal) -> Batch:
    none = np.empty(0, np.int64)
    return Batch(none, none, none, none, none, none, (refusal,))
