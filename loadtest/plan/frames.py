"""Crowds on the wire: JSON messages or Arrow frames. Shares no code with the decoder it tests."""

import io
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fenghuo.loadtest.plan import faults
from fenghuo.loadtest.plan.people import RING_AMOUNT_FEN, USERS, Crowd, Kind, Profiles
from fenghuo.loadtest.plan.plan import Message, Planted
from fenghuo.schemas.wire.topics import TOPIC_OF

FRAME_ROWS_MAX: Final = 32_768
FRAME_ROWS_MIN: Final = 1_024
"""A tick is not cut into smaller frames for the sake of more partitions."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The rows of one kind that one producer sends in one tick, in the order of their times."""

    rows: Crowd
    dt_ms: NDArray[np.uint16]
    """After the tick's beginning."""
    due_ms: int
    """The tick's beginning, after the start of the run."""
    base_ms: int
    """The same as epoch time."""
    faults: faults.Faults
    rng: np.random.Generator
    names: str
    """What the ids of these events begin with."""
    spread: int = 1
    """Frames to cut it into at least, if there are rows enough."""


def frame_messages(tick: Tick) -> list[Message]:
    """The tick as frames; one is due when its last event has happened.

    Partitions take turns, and a kind is as fresh as its stalest partition: so each is to get a
    frame of every tick, as it would from the many producers of a real shop.
    """
    size = len(tick.rows)
    count = max(-(-size // FRAME_ROWS_MAX), min(tick.spread, size // FRAME_ROWS_MIN))
    bounds = [size * i // count for i in range(count + 1)]
    hits = tick.faults.pick(tick.rng, count, tick.due_ms).tolist()
    paid, fen = _paid(tick.rows)
    messages = []
    for begin, end, fault in zip(bounds[:-1], bounds[1:], hits, strict=True):
        part = slice(begin, end)
        payload = frame(tick, part, back_ms=faults.back_ms(fault, tick.rng))
        message = Message(
            tick.due_ms + int(tick.dt_ms[end - 1]) + 1,
            TOPIC_OF[tick.rows.kind],
            payload,
            end - begin,
            int(paid[part].sum()),
            int(fen[part].sum()),
            _planted(tick, part),
        )
        messages += _spoilt(message, fault)
    return messages


def frame(tick: Tick, part: slice, *, back_ms: int = 0) -> bytes:
    """Arrow IPC stream of one record batch: dt, code (a dictionary of structs), value columns."""
    rows = tick.rows
    table = _table(rows.profiles)
    columns = {
        "dt": pa.array(tick.dt_ms[part]),
        "code": pa.DictionaryArray.from_arrays(pa.array(rows.code[part]), table),
        **{name: pa.array(values[part]) for name, values in rows.values.items()},
    }
    base = str(tick.base_ms - back_ms)
    metadata = {"fenghuo": "1", "kind": rows.kind, "base_ts": base}
    batch = pa.RecordBatch.from_pydict(columns, metadata=metadata)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def json_messages(tick: Tick) -> list[Message]:
    """One JSON message a row, due at its event time."""
    rows, topic = tick.rows, TOPIC_OF[tick.rows.kind]
    heads = _heads(rows.kind, rows.profiles)
    paid, fen = _paid(rows)
    hits = tick.faults.pick(tick.rng, len(rows), tick.due_ms).tolist()
    columns = (tick.dt_ms, rows.code, paid, fen)
    messages: list[Message] = []
    for number, (dt, code, is_paid, amount, tail, fault) in enumerate(
        zip(*(column.tolist() for column in columns), _tails(rows), hits, strict=True)
    ):
        name = f"{tick.names}-{number}"
        ts = tick.base_ms + dt - (faults.back_ms(fault, tick.rng) if fault else 0)
        order = f',"order_id":"{name}"' if rows.kind == "order" else ""
        text = f'{heads[code]},"event_id":"{name}","ts":{ts}{order}{tail}}}'
        planted: Planted = ()
        if tick.faults.brushing or tick.faults.burst > 1:
            planted = _planted(tick, slice(number, number + 1))
        due_ms = tick.due_ms + dt
        message = Message(due_ms, topic, text.encode(), 1, is_paid, amount, planted)
        messages += _spoilt(message, fault) if fault else (message,)
    return messages


def _spoilt(message: Message, fault: int) -> list[Message]:
    """What becomes of a message by its fault."""
    if fault == faults.MALFORMED:  # refused as a whole: one event without sums
        half = message.payload[: len(message.payload) // 2]
        return [Message(message.due_ms, message.topic, half, 1, 0, 0, (("malformed", 1),))]
    if fault == faults.DUPLICATE:
        again = message._replace(planted=(*message.planted, ("duplicate", message.events)))
        return [message, again]
    if fault in (faults.LATE, faults.DISORDER):
        name = "late" if fault == faults.LATE else "disorder"
        return [message._replace(planted=(*message.planted, (name, message.events)))]
    return [message]


def _planted(tick: Tick, part: slice) -> Planted:
    """Rows of a ring, or of a burst of complaints."""
    kind, found = tick.rows.kind, []
    if kind == "order" and tick.faults.brushing:
        ring = tick.rows.values["user_id"][part] >= USERS
        ring &= tick.rows.values["amount_fen"][part] == RING_AMOUNT_FEN
        found.append(("brushing", int(ring.sum())))
    if kind == "complaint" and tick.faults.burst > 1:
        found.append(("burst", part.stop - part.start))
    return tuple((name, count) for name, count in found if count)


@lru_cache(maxsize=16)
def _table(profiles: Profiles) -> Any:
    """The profiles as the dictionary of a frame."""
    columns = [pa.array(column) for column in profiles.values()]
    return pa.StructArray.from_arrays(columns, names=list(profiles))


@lru_cache(maxsize=16)
def _heads(kind: Kind, profiles: Profiles) -> list[str]:
    """The part of the JSON text that the rows of a profile share, without the closing brace."""
    columns = [column.tolist() for column in profiles.values()]
    heads = []
    for cells in zip(*columns, strict=True):
        head: dict[str, Any] = {"kind": kind, **dict(zip(profiles, cells, strict=True))}
        if kind == "complaint":
            head["text"] = f"generated complaint about {head['type']}"
        heads.append(json.dumps(head, ensure_ascii=False, separators=(",", ":"))[:-1])
    return heads


def _tails(rows: Crowd) -> list[str]:
    """The fields that each row has for itself."""
    users = rows.values["user_id"].tolist()
    name = {"order": "amount_fen", "traffic": "latency_ms"}.get(rows.kind)
    if name is None:
        return [f',"user_id":"{user}"' for user in users]
    values = rows.values[name].tolist()
    return [
        f',"user_id":"{user}","{name}":{value}' for user, value in zip(users, values, strict=True)
    ]


def _paid(rows: Crowd) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each row: 1 if it is a paid order, and its amount then."""
    if rows.kind != "order":
        nothing = np.zeros(len(rows), dtype=np.int64)
        return nothing, nothing
    paid = (rows.profiles["status"] == "paid")[rows.code].astype(np.int64)
    return paid, paid * rows.values["amount_fen"].astype(np.int64)
