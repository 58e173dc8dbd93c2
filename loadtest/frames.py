"""A draw on the wire: JSON messages or Arrow frames. Shares no code with the decoder it tests."""

import io
import json
from typing import Any, Final

import numpy as np
import pyarrow as pa

from fenghuo.loadtest.people import TICK_MS, Draw
from fenghuo.loadtest.plan import Message
from fenghuo.schemas.topics import TOPIC_OF

FRAME_ROWS_MAX: Final = 16_384


def frame_messages(draw: Draw, base_ms: int, due_ms: int) -> list[Message]:
    """The draw as frames; a frame is due when its tick is over, so no event lies in its future."""
    paid, fen = _paid(draw)
    messages = []
    for start in range(0, len(draw.code), FRAME_ROWS_MAX):
        rows = slice(start, start + FRAME_ROWS_MAX)
        payload = frame(draw, base_ms, rows)
        messages.append(
            Message(
                due_ms=due_ms + TICK_MS,
                topic=TOPIC_OF[draw.kind],
                payload=payload,
                events=len(draw.code[rows]),
                paid=int(paid[rows].sum()),
                paid_amount_fen=int(fen[rows].sum()),
            )
        )
    return messages


def frame(draw: Draw, base_ms: int, rows: slice) -> bytes:
    """Arrow IPC stream of one record batch: dt, code (a dictionary of structs), value columns."""
    table = pa.StructArray.from_arrays(
        [pa.array(column) for column in draw.profiles.values()], names=list(draw.profiles)
    )
    columns = {
        "dt": pa.array(draw.dt_ms[rows]),
        "code": pa.DictionaryArray.from_arrays(pa.array(draw.code[rows]), table),
        **{name: pa.array(values[rows]) for name, values in draw.values.items()},
    }
    metadata = {"fenghuo": "1", "kind": draw.kind, "base_ts": str(base_ms)}
    batch = pa.RecordBatch.from_pydict(columns, metadata=metadata)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def json_messages(draw: Draw, base_ms: int, due_ms: int, run: str) -> list[Message]:
    """One JSON message a row, due at its event time; `run` makes the ids of a run its own."""
    heads = _heads(draw)
    paid, fen = _paid(draw)
    topic = TOPIC_OF[draw.kind]
    values = {name: column.tolist() for name, column in draw.values.items()}
    user = values["user_id"]
    tail = [f',"user_id":"{number}"' for number in user]
    if draw.kind == "order":
        amounts = values["amount_fen"]
        tail = [f'{text},"amount_fen":{amount}' for text, amount in zip(tail, amounts, strict=True)]
    if draw.kind == "traffic":
        times = values["latency_ms"]
        tail = [f'{text},"latency_ms":{ms}' for text, ms in zip(tail, times, strict=True)]
    messages = []
    rows = zip(
        draw.dt_ms.tolist(), draw.code.tolist(), tail, paid.tolist(), fen.tolist(), strict=True
    )
    for number, (dt, code, text, is_paid, amount) in enumerate(rows):
        name = f"{run}-{draw.kind[0]}-{due_ms}-{number}"
        order = f',"order_id":"{name}"' if draw.kind == "order" else ""
        payload = f'{heads[code]},"event_id":"{name}","ts":{base_ms + dt}{order}{text}}}'
        messages.append(Message(due_ms + dt, topic, payload.encode(), 1, is_paid, amount))
    return messages


def _heads(draw: Draw) -> list[str]:
    """The part of the JSON text that the rows of a profile share, without the closing brace."""
    names = list(draw.profiles)
    columns = [column.tolist() for column in draw.profiles.values()]
    heads = []
    for cells in zip(*columns, strict=True):
        head: dict[str, Any] = {"kind": draw.kind, **dict(zip(names, cells, strict=True))}
        if draw.kind == "complaint":
            head["text"] = f"generated complaint about {head['type']}"
        heads.append(json.dumps(head, ensure_ascii=False, separators=(",", ":"))[:-1])
    return heads


def _paid(draw: Draw) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """For each row: 1 if it is a paid order, and its amount then."""
    if draw.kind != "order":
        nothing = np.zeros(len(draw.code), dtype=np.int64)
        return nothing, nothing
    paid = (draw.profiles["status"] == "paid")[draw.code].astype(np.int64)
    return paid, paid * draw.values["amount_fen"].astype(np.int64)
