"""What a message adds to the sums, by the load tester's own reading of it. Pure.

By other means than those that are measured (Arrow's own reader, a JSON parser, bounds written down
a second time in `wire`), so that a mistake in one shows against the other. What cannot be read is
one event without sums: it will be refused.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fenghuo.loadtest.wire import AMOUNT_FEN_MAX, STATUSES

Sums = tuple[int, int, int]
"""Events, paid orders, fen that were paid."""
NOTHING: Final[Sums] = (1, 0, 0)
FRAME: Final = b"\xff\xff\xff\xff"
_BROKEN: Final = (
    *(msgspec.MsgspecError, pa.ArrowException, OSError, ValueError, KeyError, TypeError),
    RecursionError,
)


class _Order(msgspec.Struct, gc=False):
    amount_fen: Annotated[int, msgspec.Meta(ge=0, le=AMOUNT_FEN_MAX)]
    status: Literal[STATUSES]  # type: ignore[valid-type]


_order = msgspec.json.Decoder(_Order)
_several = msgspec.json.Decoder(list[msgspec.Raw])


def sums(kind: str, value: bytes) -> Sums:
    """Of one message of this kind's topic: one JSON event, several as lines or as an array, or a
    frame.
    """
    if value[:1] == b"{" and b"\n" not in value:  # first what there is most of
        return _event(kind, value)
    if value[:4] == FRAME:
        return _frame(kind, value)
    if value[:1] == b"[":
        try:
            return _all(kind, [bytes(part) for part in _several.decode(value)])
        except _BROKEN:
            return NOTHING
    if b"\n" in value:
        return _all(kind, [line for line in value.split(b"\n") if line.strip()])
    return _event(kind, value)


def _event(kind: str, value: bytes) -> Sums:
    if kind != "order":
        return NOTHING
    try:
        order = _order.decode(value)
    except _BROKEN:
        return NOTHING
    return (1, 1, order.amount_fen) if order.status == "paid" else NOTHING


def _all(kind: str, parts: list[bytes]) -> Sums:
    if not parts:
        return NOTHING
    events, paid, fen = zip(*(_event(kind, part) for part in parts), strict=True)
    return sum(events), sum(paid), sum(fen)


def _frame(kind: str, value: bytes) -> Sums:
    try:
        with pa.ipc.open_stream(pa.py_buffer(value)) as reader:
            (rows,) = list(reader)
            name = (reader.schema.metadata or {}).get(b"kind", b"").decode()
        if name != kind or not rows.num_rows:
            return NOTHING
        return (rows.num_rows, *_paid(rows)) if kind == "order" else (rows.num_rows, 0, 0)
    except _BROKEN:
        return NOTHING


def _paid(rows: Any) -> tuple[int, int]:
    """Paid orders and their fen; a row whose amount is out of bounds will be refused."""
    code = rows.column("code")
    is_paid = pc.fill_null(pc.equal(code.dictionary.field("status"), "paid"), False)
    amount = rows.column("amount_fen").to_numpy()
    paid = is_paid.to_numpy(zero_copy_only=False)[code.indices.to_numpy()]
    paid &= (amount >= 0) & (amount <= AMOUNT_FEN_MAX)
    return int(np.count_nonzero(paid)), int(amount[paid].sum(dtype=np.int64))
