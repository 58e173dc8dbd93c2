"""Hostile records, drawn from a seed: what strangers, bugs and enemies put on a source topic.

Each family is one way of being wrong; none of its records names the region that the good events of
a run are in, so that what was counted of these can be told apart.
"""

import gzip
import io
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cramjam
import msgspec
import pyarrow as pa

GOOD_REGION, OTHER_REGION = "north", "west"
BYTES_MAX = 7 << 20
"""Largest value drawn: a topic takes 8 MiB with key and headers."""
Header = tuple[str, bytes | None]


def order(i: int, ts: int, region: str) -> dict[str, Any]:
    """A good order of one fen, paid."""
    named = {"kind": "order", "event_id": f"e{i}", "ts": ts, "region": region, "order_id": f"o{i}"}
    bought = {"user_id": f"u{i}", "category": "food", "channel": "app", "payment": "alipay"}
    return named | bought | {"amount_fen": 1, "status": "paid"}


def text(event: object) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")


def frame(ts: list[int], amounts: list[int], region: str, codec: str | None = None) -> bytes:
    """A frame of orders; one row for each time."""
    label = {"region": region, "category": "food", "channel": "app", "payment": "alipay"}
    table = pa.array([label | {"promotion": None, "status": "paid"}])
    code = pa.DictionaryArray.from_arrays(pa.array([0] * len(ts), pa.int32()), table)
    base = min(ts)
    columns = {
        "dt": pa.array([at - base for at in ts], pa.int64()),
        "code": code,
        "amount_fen": pa.array(amounts, pa.int64()),
        "user_id": pa.array(range(len(ts)), pa.int64()),
    }
    return stream(columns, {"fenghuo": "1", "kind": "order", "base_ts": str(base)}, codec)


def stream(columns: dict[str, Any], head: dict[str, str], codec: str | None = None) -> bytes:
    """An Arrow IPC stream of one record batch."""
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    batch = batch.replace_schema_metadata(head)
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


class Draw:
    """Values and headers of hostile records."""

    def __init__(self, seed: int, now_ms: Callable[[], int]) -> None:
        self._random = random.Random(seed)
        self._now_ms = now_ms
        self._families: dict[str, Callable[[], bytes | None]] = {
            "mutated json": lambda: self._mutated(text(self._order())),
            "mutated frame": lambda: self._mutated(self._frame()),
            "mutated lines": lambda: self._mutated(b"\n".join(self._lines())),
            "wrong value": self._wrong_value,
            "wrong column": self._wrong_column,
            "bad rows": self._bad_rows,
            "other arrow": self._other_arrow,
            "bomb": self._bomb,
            "lines": lambda: b"\n".join(self._lines()),
            "array": lambda: b"[" + b",".join(self._lines()) + b"]",
            "brackets": self._brackets,
            "stranger": self._stranger,
            "noise": lambda: self._random.randbytes(self._size(20_000)),
            "long": self._long,
            "nothing": lambda: self._random.choice([None, b"", b" ", b"\n", b"\0"]),
        }

    @property
    def families(self) -> tuple[str, ...]:
        return tuple(self._families)

    def value(self, family: str) -> bytes | None:
        """The value of a record of a family."""
        found = self._families[family]()
        return found if found is None else found[:BYTES_MAX]

    def headers(self) -> list[Header]:
        """Headers as other people's clients and tracers set them, most often none."""
        r = self._random
        match r.randrange(12):
            case 0:
                return [("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")]
            case 1:
                return [("big", b"x" * r.choice([64, 70_000, 500_000])), ("after", b"1")]
            case 2:
                return [(f"h{i}", b"v") for i in range(r.choice([2, 100, 1_000]))]
            case 3:
                return [("null", None), ("", b""), ("名", b"\xff\xfe"), ("null", None)]
            case 4:
                return [("fenghuo-run", r.randbytes(8)), ("content-type", b"application/json")]
            case 5:
                odd = [b"", b"1/2/3", b"-1/-1", b"9" * 40 + b"/0", r.randbytes(12)]
                return [("fenghuo-replay", r.choice(odd))]
            case _:
                return []

    def key(self) -> bytes | None:
        return self._random.choice([None, b"", b"k", self._random.randbytes(self._size(5_000))])

    def _size(self, most: int) -> int:
        return int(most ** self._random.random())

    def _order(self, **fields: Any) -> dict[str, Any]:
        i = self._random.randrange(10**9)
        return order(i, self._now_ms() - self._random.randrange(3_000), OTHER_REGION) | fields

    def _frame(self) -> bytes:
        rows, now = self._size(500), self._now_ms()
        codec = self._random.choice([None, "lz4", "zstd"])
        return frame([now] * rows, [1] * rows, OTHER_REGION, codec)

    def _lines(self) -> list[bytes]:
        r = self._random
        odd = [b"{}", b"{", b"7", b"null", b"[]", b'"x"', b"{}{}", b"\xff", b"NaN", b""]
        count = self._size(r.choice([10, 100, 120_000]))
        whole = text(self._order())
        return [r.choice(odd) if r.random() < 0.7 or count > 1_000 else whole for _ in range(count)]

    def _mutated(self, value: bytes) -> bytes:
        r, found = self._random, bytearray(value)
        for _ in range(r.choice([1, 1, 2, 8])):
            at = r.randrange(len(found) + 1)
            match r.randrange(5):
                case 0 if found:
                    found[at % len(found)] ^= 1 << r.randrange(8)
                case 1:
                    del found[at:]
                case 2:
                    del found[at : at + self._size(64)]
                case 3:
                    found[at:at] = r.randbytes(self._size(64))
                case _:
                    found[at:at] = found[: self._size(256)]
        return bytes(found)

    def _wrong_value(self) -> bytes:
        odd = [-1, 2**53, 2**63, 2**64, 10**30, 1.5, "1", True, None, [], {}, "", "东", "\ud800"]
        odd += ["x" * 300, "2026-11-11T00:00:00+08:00", 0, 1_700_000_000, 4_102_444_800_000]
        r = self._random
        names = ["ts", "amount_fen", "region", "status", "kind", "event_id", "user_id", "payment"]
        return text(
            self._order(**{r.choice(names): r.choice(odd) for _ in range(r.choice([1, 3]))})
        )

    def _arrays(self, rows: int) -> list[pa.Array]:
        """Columns of types that nobody expects."""
        table = pa.array(["a", "b"], pa.string_view())
        index = pa.array([0] * rows, pa.int8())
        return [
            pa.DictionaryArray.from_arrays(index, table),
            pa.array(["x" * 20] * rows, pa.string_view()),
            pa.array([{"a": [1]}] * rows),
            pa.array([None] * rows, pa.null()),
            pa.array([float("nan")] * rows),
            pa.array([2**64 - 1] * rows, pa.uint64()),
            pa.array([[1, 2]] * rows, pa.list_view(pa.int32())),
            pa.array([1] * rows, pa.duration("ns")),
            pa.array([1] * rows, pa.decimal128(20, 2)),
            pa.RunEndEncodedArray.from_arrays(pa.array([rows], pa.int32()), pa.array(["r"])),
            pa.UnionArray.from_dense(
                pa.array([0] * rows, pa.int8()),
                pa.array(range(rows), pa.int32()),
                [pa.array(range(rows))],
            ),
            pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"u" * 16] * rows, pa.binary(16))),
        ]

    def _wrong_column(self) -> bytes:
        """A frame with a column too many, too few, or of another type; perhaps with bad rows."""
        r, rows, now = self._random, self._size(300), self._now_ms()
        label = {"region": OTHER_REGION, "category": "f", "channel": "a", "payment": "p"}
        table = pa.array([label | {"promotion": None, "status": r.choice(["paid", None])}])
        columns = {
            "dt": pa.array([0] * rows, pa.int64()),
            "code": pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int16()), table),
            "amount_fen": pa.array([r.choice([1, 1, -1]) for _ in range(rows)], pa.int64()),
        }
        odd = r.choice(self._arrays(rows))
        match r.randrange(4):
            case 0:
                columns[r.choice(list(columns))] = odd
            case 1:
                del columns[r.choice(list(columns))]
            case 2:
                columns |= {f"c{i}": odd for i in range(r.choice([1, 50, 2_000]))}
            case _:
                columns["user_id"] = odd
        head = {"fenghuo": "1", "kind": "order", "base_ts": str(now)}
        head[r.choice(list(head))] = r.choice(
            ["1", "", "x", "9" * 30, str(now), "order", "traffic"]
        )
        return stream(columns, head)

    def _bad_rows(self) -> bytes:
        """Frames whose rows are out of bounds or out of time, many of them in few bytes."""
        r, now = self._random, self._now_ms()
        rows = self._size(100_000)
        ts = r.choice([now, now + 3_600_000, now - 86_400_000, 1_000])
        amount = r.choice([-1, 10**11, 10**11 + 1, 2**63 - 1, 1])
        mixed = [amount if r.random() < 0.5 else 1 for _ in range(rows)]
        amounts = r.choice([[amount] * rows, mixed])
        return frame([ts] * rows, amounts, OTHER_REGION, r.choice([None, "lz4", "zstd"]))

    def _other_arrow(self) -> bytes:
        """Arrow that is no frame: files, several batches, no batch, other byte orders."""
        r = self._random
        one = pa.record_batch({"a": pa.array(range(self._size(1_000)))})
        sink = io.BytesIO()
        make = r.choice([pa.ipc.new_stream, pa.ipc.new_file])
        with make(sink, one.schema) as writer:
            for _ in range(r.choice([0, 1, 2, 5])):
                writer.write_batch(one)
        return sink.getvalue() + r.choice([b"", sink.getvalue()])

    def _bomb(self) -> bytes:
        """Few bytes that say they are many."""
        rows = self._random.choice([100_001, 1_000_000, 8_000_000])
        zeros = pa.array(memoryview(bytes(8 * rows)).cast("q"))
        table = pa.array([{"region": OTHER_REGION, "status": "paid"}])
        index = pa.array(memoryview(bytes(rows)).cast("b"))
        code = pa.DictionaryArray.from_arrays(index, table)
        head = {"fenghuo": "1", "kind": "order", "base_ts": str(self._now_ms())}
        return stream({"dt": zeros, "code": code, "amount_fen": zeros}, head, "zstd")

    def _brackets(self) -> bytes:
        r, many = self._random, self._size(500_000)
        return r.choice([b"[", b"{", b'{"a":', b"[[]", b'"', b'\\"', b"[1,"]) * many

    def _long(self) -> bytes:
        r, size = self._random, self._size(BYTES_MAX)
        whole = text(self._order(note="x" * size))
        return r.choice(
            [b"x" * size, whole, b" " * size + b"{}", b"[" + b"1," * (size // 2) + b"1]"]
        )

    def _stranger(self) -> bytes:
        """What other systems write."""
        r, event = self._random, self._order()
        plain = text(event)
        made: list[Callable[[], bytes]] = [
            lambda: b"\0" + struct.pack(">i", r.randrange(10**5)) + r.randbytes(40),
            lambda: text(
                {"specversion": "1.0", "type": "o", "source": "/s", "id": "1", "data": event}
            ),
            lambda: text({"payload": {"before": None, "after": event, "op": "c"}, "schema": {}}),
            lambda: plain.decode().encode("utf-16"),
            lambda: b"\xef\xbb\xbf" + plain,
            lambda: plain.decode().encode("gbk"),
            lambda: gzip.compress(plain, 1),
            lambda: zlib.compress(plain),
            lambda: bytes(cramjam.zstd.compress(plain)),
            lambda: bytes(cramjam.lz4.compress(plain)),
            lambda: bytes(cramjam.snappy.compress_raw(plain)),
            lambda: msgspec.msgpack.encode(event),
            lambda: b"PAR1" + r.randbytes(100) + b"PAR1",
            lambda: b"\xac\xed\x00\x05" + r.randbytes(60),
            lambda: b"<order><id>1</id></order>",
            lambda: b"1,2026-11-11 00:00:00,east,12.50\n",
            lambda: text(json.dumps(event)),
            lambda: repr(event).encode(),
            lambda: b"\x0a\x05order\x10\x96\x01",
        ]
        return r.choice(made)()


def drawn(draw: Draw, seed: int) -> Iterator[tuple[str, bytes | None, list[Header]]]:
    """Records without end: family, value, headers; each family as often as any other."""
    chosen = random.Random(seed + 1)
    while True:
        family = chosen.choice(draw.families)
        yield family, draw.value(family), draw.headers()
