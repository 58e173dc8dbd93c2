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
from fenghuo.schemas.kinds.bounds import (
    EVENTS_PER_MESSAGE_MAX,
)
from fenghuo.schemas.kinds.events import ALL
from fenghuo.schemas.kinds.kind import Kind
from fenghuo.streams.decode.arrow.frame_codes import FrameCodes, FrameError
from fenghuo.streams.decode.arrow.frame_sizes import check_sizes
from fenghuo.streams.decode.batch import DETAIL_CHARS_MAX, Batch, Refusal
from fenghuo.streams.decode.codes import Coder, buckets_of
from fenghuo.streams.decode.refusals import refusals

FRAME_MAGIC = b"\xff\xff\xff\xff"
"""How an Arrow IPC stream begins: the continuation mark."""
BOUNDS: Mapping[str, tuple[int, int]] = {
    name: bounds for kind in ALL.values() for name, bounds in kind.bounds.items()
}
_READ = ("dt", "code", "user_id", "event_id", "count")
_TS_MAX_MS = 2**62
Column = npt.NDArray[np.integer[Any]]
"""Integers of any width, where they lie in a message: perhaps not aligned."""


class Frame(msgspec.Struct, frozen=True):
    """The events of a frame in columns as they came, of one length. Event i is at base_ms + dt[i]
    and has the code codes[index[i]]; a code of -1, or a value out of its bounds, makes no event.

    values: weight and what has a histogram, as the kind has them and the frame does; user: see
    Batch, None where nobody is named; unknown_fields: of each row; alone: some rows as a frame of
    theirs.
    """

    message: int
    base_ms: int
    dt: Column
    index: Column
    codes: Ints
    kind: Kind
    values: Mapping[str, Column]
    user: Column | None
    buckets: int
    unknown_fields: int
    alone: Callable[[Ints], bytes]

    def __len__(self) -> int:
        return len(self.dt)

    @property
    def x(self) -> Ints:
        """x of Batch, good or not."""
        weights = self.values.get(self.kind.weight)
        if weights is None:
            return np.full(len(self), self.kind.weight_if_absent, np.int64)
        return weights.astype(np.int64)

    def batch(self, start: int = 0) -> Batch:
        """The rows from `start` on as a batch: events, and refusals of what is none."""
        rows = slice(start, None)
        cell = self.codes[self.index[rows]]
        bad = cell < 0
        for name, column in self.values.items():
            low, high = BOUNDS[name]
            bad |= (column[rows] < low) | (column[rows] > high)
        if self.kind.histogram:
            cell = cell * self.buckets + buckets_of(self.values[self.kind.histogram][rows])
        size = len(cell)
        batch = Batch(
            np.full(size, self.message, np.int64),
            np.arange(start, start + size, dtype=np.int64),
            self.dt[rows].astype(np.int64) + self.base_ms,
            cell,
            self.x[rows],
            np.zeros(size, np.int64) if self.user is None else self.user[rows].astype(np.int64),
            unknown_fields=self.unknown_fields * size,
        )
        if not bad.any():
            return batch
        found = refusals(
            *(self.message, np.flatnonzero(bad) + start, "schema"),
            self._why,
            data_of=self.alone,
        )
        return msgspec.structs.replace(batch.only(~bad), refusals=tuple(found))

    def _why(self, row: int) -> str:
        """What is wrong with a row."""
        for name, column in self.values.items():
            low, high = BOUNDS[name]
            if not low <= int(column[row]) <= high:
                return f"row {row}: {name} is {column[row]}, expected {low} to {high}"
        return f"row {row}: column code: its entry is no valid combination of labels"


class FrameReader:
    """Reads frames of one kind. A frame is read whole or refused whole; a row with a bad value is
    refused alone.
    """

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._codes = FrameCodes(coder)

    def read(self, value: Letters, message: int) -> Frame | Batch:
        """A frame, as message `message` of the fetch; a batch of one refusal when it is none."""
        try:
            return self._read(value, message)
        except Exception as error:  # Arrow has many types, and more ways to say what it lacks
            known = isinstance(error, FrameError | pa.ArrowInvalid | OSError)
            detail = str(error) if known else f"{type(error).__name__}: {error}"
            detail = detail[:DETAIL_CHARS_MAX]
            return Batch.of(Refusal(message, 0, "frame", detail, value.tobytes()))

    def _read(self, value: Letters, message: int) -> Frame:
        rows, schema = _open(value)
        kind, base_ms = _head(schema)
        if kind != self._coder.kind:
            raise FrameError(f"expected kind {self._coder.kind!r}, got {kind!r}")
        entry = ALL[kind]
        names = [name for name in (entry.histogram, entry.weight) if name]
        if entry.weight_if_absent and entry.weight not in schema.names:
            names.remove(entry.weight)
        dt, values = _ints(rows, "dt"), {name: _ints(rows, name) for name in names}
        index, codes = self._coded(rows)
        user = None
        if "user_id" in schema.names and pa.types.is_integer(schema.field("user_id").type):
            user = _ints(rows, "user_id")
        return Frame(
            *(message, base_ms, dt, index, codes, entry, values, user, self._coder.buckets),
            len(set(schema.names) - {*_READ, *names}),
            partial(_some, rows),
        )

    def _coded(self, rows: pa.RecordBatch) -> tuple[Column, Ints]:
        """The codes of the frame's own table, and the place in it of each row."""
        column = rows.column(_position(rows.schema, "code"))
        if not pa.types.is_dictionary(column.type) or column.null_count:
            raise FrameError(f"column code: expected a dictionary without nulls, got {column.type}")
        codes = self._codes.of(column.dictionary)
        index: Column = column.indices.to_numpy(zero_copy_only=True)
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= len(column.dictionary):
            raise FrameError(
                f"column code: expected places in a table of {len(column.dictionary)}, "
                f"got {low} to {high}"
            )
        return index, codes


def split_frame(value: bytes) -> Callable[[Ints], bytes]:
    """A frame that was read before, opened once; the function gives some rows as one of theirs."""
    rows, _ = _open(value)
    rows.validate(full=True)
    return partial(_some, rows)


def _open(value: bytes | Letters) -> tuple[pa.RecordBatch, pa.Schema]:
    """The columns that are read, and the schema of all: others are not looked at, whatever they
    are.
    """
    buffer = pa.py_buffer(value)
    check_sizes(memoryview(buffer))
    schema = pa.ipc.read_schema(buffer)
    wanted = [at for at, field in enumerate(schema) if _is_read(field)]
    options = pa.ipc.IpcReadOptions(included_fields=wanted)
    with pa.ipc.open_stream(buffer, options=options) as reader:
        batches = list(islice(reader, 2))
    if len(batches) != 1:
        raise FrameError(f"expected one record batch, got {len(batches) or 'none'}")
    (rows,) = batches
    if rows.num_rows > EVENTS_PER_MESSAGE_MAX:
        raise FrameError(f"{rows.num_rows} rows, most are {EVENTS_PER_MESSAGE_MAX}")
    if not rows.num_rows:
        raise FrameError("a frame without rows")
    rows.validate()  # the rest of it is looked at where it is read
    return rows, schema


def _is_read(field: pa.Field) -> bool:
    """Whether a column is looked at."""
    return field.name in {"dt", "code", *BOUNDS} or (
        field.name == "user_id" and pa.types.is_integer(field.type)
    )


def _some(rows: pa.RecordBatch, some: Ints) -> bytes:
    """Rows as a frame of their own, with a table of their own, for the dead letters."""
    taken = rows.take(pa.array(some))
    columns = [_shortened(column) for column in taken.columns]
    sink = pa.BufferOutputStream()
    made = pa.record_batch(columns, names=rows.schema.names)
    made = made.replace_schema_metadata(rows.schema.metadata)
    options = pa.ipc.IpcWriteOptions(compression="zstd" if len(some) > 1 else None)
    with pa.ipc.new_stream(sink, made.schema, options=options) as writer:
        writer.write_batch(made)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _shortened(column: pa.Array) -> pa.Array:
    """Without what nobody uses of the frame's table."""
    if not pa.types.is_dictionary(column.type) or column.null_count:
        return column
    used, index = np.unique(column.indices.to_numpy(zero_copy_only=True), return_inverse=True)
    indices = pa.array(index, column.type.index_type)
    return pa.DictionaryArray.from_arrays(indices, column.dictionary.take(pa.array(used)))


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


def _ints(rows: pa.RecordBatch, name: str) -> Column:
    column = rows.column(_position(rows.schema, name))
    if not pa.types.is_integer(column.type) or column.null_count:
        raise FrameError(f"column {name}: expected integers without nulls, got {column.type}")
    if pa.types.is_uint64(column.type):
        raise FrameError(f"column {name}: expected at most 63 bits, got uint64")
    found: Column = column.to_numpy(zero_copy_only=True)
    if (
        name == "dt"
        and column.type.bit_width == 64
        and len(found)
        and abs(int(np.abs(found).max())) > _TS_MAX_MS
    ):
        raise FrameError("column dt: out of bounds")
    return found
