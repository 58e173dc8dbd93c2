"""Pulse: what one second of one source partition looks like, read up to an offset. A fact, not an
increment.

Of the pulses of one (source, second) the one with the higher version wins, as a whole; pulses of
different sources are added by whoever reads. So a pulse may be repeated, reordered, or written by a
worker that should be dead.

A version is `epoch << 48 | offset`: the offset after the last message that changed the second,
below the epoch of the labels it was counted with. Pulses travel in frames (Arrow IPC, LZ4): many
seconds of one source partition. A frame names its value columns and is read by these names: what a
reader does not know is left out, what a frame does not have is 0. So releases with more and with
fewer measures read one another. Readers of the releases that knew no names expect exactly the
columns of then in `values`; what came since stands in `more`, which they do not look at.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import msgspec
import numpy as np
import pyarrow as pa

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.kinds.measures import Series, columns
from fenghuo.schemas.wire.gaps import NO_GAPS, Gaps
from fenghuo.schemas.wire.topics import KIND_OF, TOPIC_OF

EPOCH_SHIFT = 48
EPOCH_MAX, OFFSET_MAX = (1 << 15) - 1, (1 << EPOCH_SHIFT) - 1
ROWS_MAX = 20_000
"""Most rows of one frame: 20 000 rows of traffic are some 6 MB before compression."""


UNNAMED: Mapping[str, tuple[str, ...]] = {
    "order": (
        *("events", "paid", "paid_amount_fen", "failed", "cancelled", "refunded"),
        *("new_users", "repeat"),
    ),
    "traffic": ("events", "requests", "errors", *(f"latency_ms_{i}" for i in range(31))),
    "complaint": ("events", "complaints"),
}
"""What column `values` holds, and all that a frame has that names none: the measures of the
releases that knew no names. Never changes.
"""
NAMES_MAX = 256
Names = tuple[str, ...]
PULSE_STAMPS, LATE_STAMPS = ("version",), ("offset", "idx")
"""What the rows of a pulse and late rows are told by."""


class PulseError(ValueError):
    """Bytes that are no frame of pulses or late rows."""


class Source(msgspec.Struct, frozen=True, order=True):
    """One partition of one topic of one life of the log (`log` is the broker's cluster id)."""

    log: str
    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class Tally(msgspec.Struct, frozen=True):
    """Running totals of a source partition over all events below an offset: a function of the log
    alone.

    by_region holds [paid, paid_amount_fen] of the orders, late ones included, whose time lies in
    the campaign.
    """

    accepted: int = 0
    late: int = 0
    refused: int = 0
    unknown_labels: int = 0
    unknown_fields: int = 0
    by_region: dict[str, tuple[int, int]] = {}

    @property
    def events(self) -> int:
        """Every event of the log so far."""
        return self.accepted + self.late + self.refused

    def plus(self, other: "Tally") -> "Tally":
        """The sum of two."""
        by_region = dict(self.by_region)
        for region, (paid, fen) in other.by_region.items():
            before = by_region.get(region, (0, 0))
            by_region[region] = (before[0] + paid, before[1] + fen)
        return Tally(
            self.accepted + other.accepted,
            self.late + other.late,
            self.refused + other.refused,
            self.unknown_labels + other.unknown_labels,
            self.unknown_fields + other.unknown_fields,
            by_region,
        )


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a frame says of its source partition besides its rows.

    next_offset: everything below was read. frontier_ms: newest event time (null: none yet).
    sent_ms: the worker's time; record_ms: when a record last came; idle: none for a while.
    end_offset: the log's end as far as the worker knows; lag = end_offset - next_offset.
    caught_up_ms: when the worker last had read everything there was, by its clock (null: never).
    skew_ms: how far the clock of the worker's host is ahead of the time that the worker goes by.
    """

    kind: str
    source: Source
    epoch: int
    next_offset: int
    end_offset: int
    frontier_ms: int | None
    watermark_ms: int | None
    sent_ms: int
    record_ms: int | None
    idle: bool
    tally: Tally
    caught_up_ms: int | None = None
    gaps: Gaps = NO_GAPS
    """What was deleted before it was read."""
    stopped: str | None = None
    """Why this partition is not read any further, at next_offset; the others go on."""
    skew_ms: int = 0
    sealed: int = 0
    """The offset at which reading went on behind deleted records and open seconds were given up."""


class Rows(msgspec.Struct, frozen=True):
    """Series of seconds. `stamp` has "version" for pulses, "offset" and "idx" for late rows."""

    second_ms: Ints
    code: Ints
    series: Sequence[Series]
    values: Ints
    stamp: Mapping[str, Ints]

    def __len__(self) -> int:
        return len(self.second_ms)

    def only(self, keep: "np.ndarray[tuple[int], np.dtype[np.bool_]] | slice") -> "Rows":
        """Some of the rows."""
        stamp = {name: column[keep] for name, column in self.stamp.items()}
        return Rows(self.second_ms[keep], self.code[keep], self.series, self.values[keep], stamp)


def no_rows(kind: str, stamps: Iterable[str]) -> Rows:
    """No rows, of the right shape."""
    none = np.empty(0, np.int64)
    return Rows(
        none, none, (), np.empty((0, len(columns(kind))), np.int64), dict.fromkeys(stamps, none)
    )


def encode(head: Head, rows: Rows) -> list[bytes]:
    """One or more frames with these rows; without rows one frame that only says how far the source
    is.
    """
    cuts = range(0, max(len(rows), 1), ROWS_MAX)
    return [_frame(head, rows.only(slice(start, start + ROWS_MAX))) for start in cuts]


def head_of(data: bytes) -> Head:
    """The head of a frame; its rows are not looked at. Raises PulseError."""
    try:
        metadata = pa.ipc.read_schema(pa.py_buffer(data)).metadata or {}
        return msgspec.json.decode(metadata[b"head"], type=Head)
    except (pa.ArrowException, OSError, KeyError, ValueError, msgspec.MsgspecError) as error:
        raise PulseError(f"not a frame of pulses: {str(error)[:300]}") from error


def decode(data: bytes, stamps: Sequence[str] | None = None) -> tuple[Head, Rows]:
    """What `encode` wrote, of rows with these stamps; raises PulseError for anything else."""
    try:
        with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
            batch = next(iter(reader), None)
            if batch is None:
                raise ValueError("a stream without a batch")
            batch.validate(full=True)
        metadata = batch.schema.metadata or {}
        head = msgspec.json.decode(metadata[b"head"], type=Head)
        found = msgspec.json.decode(metadata[b"stamps"], type=list[str])
        _expect(head, found if stamps is None else stamps, batch, found)
        named = _columns(head.kind, metadata.get(b"columns"))
        _expect_values(batch, len(named))
        flat = _flat(batch)
        series = [
            (s["cut"], s["k1"], s["k2"]) for s in batch.column("series").dictionary.to_pylist()
        ]
        values = _as_known(flat, named, columns(head.kind))
        rows = Rows(
            batch.column("second_ms").to_numpy(),
            batch.column("series").indices.to_numpy(zero_copy_only=False).astype(np.int64),
            series,
            values,
            {name: batch.column(name).to_numpy() for name in found},
        )
    except (
        pa.ArrowException,
        OSError,
        KeyError,
        ValueError,
        TypeError,
        msgspec.MsgspecError,
    ) as error:
        raise PulseError(f"not a frame of pulses: {str(error)[:300]}") from error
    return head, rows


def _expect(head: Head, stamps: Sequence[str], batch: pa.RecordBatch, found: Sequence[str]) -> None:
    """Raise ValueError for a frame that no release of ours writes."""
    if not (0 <= head.epoch <= EPOCH_MAX and 0 <= head.next_offset <= OFFSET_MAX):
        raise ValueError(f"epoch {head.epoch}, next offset {head.next_offset}")
    if not 0 <= head.source.partition < 1 << 31:
        raise ValueError(f"partition {head.source.partition}")
    if head.kind not in TOPIC_OF or head.source.topic not in KIND_OF:
        raise ValueError(f"kind {head.kind} of topic {head.source.topic}")
    if list(stamps) != list(found):
        raise ValueError(f"expected stamps {list(stamps)}, got {found}")
    types = {"second_ms": pa.int64(), "series": pa.dictionary(pa.int32(), _SERIES)}
    types |= dict.fromkeys(found, pa.int64())
    for name, expected in types.items():
        _expect_type(batch, name, expected)
    names = batch.column("series").dictionary.flatten()
    if any(one.null_count for one in names):
        raise ValueError("a name is null")


def _expect_values(batch: pa.RecordBatch, width: int) -> None:
    has_more = "more" in batch.schema.names
    more = batch.column("more").type.list_size if has_more else 0
    for name, many in (("values", width - more), ("more", more))[: 1 + has_more]:
        _expect_type(batch, name, pa.list_(pa.int64(), many))
        if batch.column(name).flatten().null_count:
            raise ValueError("a value is null")


def _flat(batch: pa.RecordBatch) -> Ints:
    """All values of a frame, in the order of its names."""
    found: list[Ints] = []
    for name in ("values", "more"):
        if name in batch.schema.names:
            lists = batch.column(name)
            flat = lists.flatten().to_numpy(zero_copy_only=False)
            found.append(flat.reshape(-1, lists.type.list_size))
    return found[0] if len(found) == 1 else np.hstack(found)


def _expect_type(batch: pa.RecordBatch, name: str, expected: pa.DataType) -> None:
    column = batch.column(name)
    if column.type != expected or column.null_count:
        raise ValueError(f"column {name}: expected {expected} without nulls, got {column.type}")


def _columns(kind: str, named: bytes | None) -> tuple[str, ...]:
    """The value columns of a frame, in its order."""
    if named is None:
        return UNNAMED[kind]
    found = msgspec.json.decode(named, type=tuple[str, ...])
    if not found or len(found) > NAMES_MAX or len(set(found)) < len(found):
        raise ValueError(f"expected 1 to {NAMES_MAX} columns, each once, got {found}"[:300])
    return found


def _as_known(values: Ints, named: Sequence[str], known: Sequence[str]) -> Ints:
    """The values in the columns that are known here."""
    if tuple(named) == tuple(known):
        return values
    at = {name: i for i, name in enumerate(named)}
    made = np.zeros((len(values), len(known)), np.int64)
    for i, name in enumerate(known):
        if name in at:
            made[:, i] = values[:, at[name]]
    return made


_SERIES = pa.struct([("cut", pa.string()), ("k1", pa.string()), ("k2", pa.string())])


def _frame(head: Head, rows: Rows) -> bytes:
    used, index = np.unique(rows.code, return_inverse=True)
    keys = zip(*(rows.series[code] for code in used.tolist()), strict=True)
    names = [pa.array(column, pa.string()) for column in keys] or [pa.array([], pa.string())] * 3
    table = pa.StructArray.from_arrays(names, fields=list(_SERIES))
    series = pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), table)
    base, more, places = _places(columns(head.kind), UNNAMED[head.kind])
    arrays = {"second_ms": pa.array(rows.second_ms), "series": series}
    arrays["values"] = _lists(rows.values, places[: len(base)])
    if more:
        arrays["more"] = _lists(rows.values, places[len(base) :])
    arrays |= {name: pa.array(column) for name, column in rows.stamp.items()}
    metadata = {
        "head": msgspec.json.encode(head),
        "stamps": msgspec.json.encode(list(rows.stamp)),
        "columns": msgspec.json.encode((*base, *more)),
    }
    batch = pa.record_batch(list(arrays.values()), names=list(arrays)).replace_schema_metadata(
        metadata
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(
        sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")
    ) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


@cache
def _places(known: Names, first: Names) -> tuple[Names, Names, tuple[int, ...]]:
    """Names for `values` and for `more`, and where each stands among those that are known here."""
    more = tuple(name for name in known if name not in first)
    if len(more) + len(first) > len(known):
        return known, (), tuple(range(len(known)))  # no release that measures less is known
    return first, more, tuple(known.index(name) for name in (*first, *more))


def _lists(values: Ints, places: tuple[int, ...]) -> pa.Array:
    first, many = places[0], len(places)
    in_a_row = places == tuple(range(first, first + many))
    some = values[:, first : first + many] if in_a_row else values[:, places]
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(some).ravel()), many)
