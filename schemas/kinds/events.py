"""Order, Traffic, Complaint: the events as they come over the wire, in JSON.

Evolution rules: a new field needs a default; a field never changes its type; a name is never used
twice for different things. Unknown fields are ignored and counted. Optional fields may be absent or
null.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

TS_MIN_MS = 631_152_000_000
"""1990-01-01: an earlier event time is a mistake, most often seconds where milliseconds belong."""
AMOUNT_FEN_MAX = 100_000_000_000
"""One order of a billion yuan. More is refused."""
COUNT_MAX = 1_000_000_000
"""Largest weight of a pre-aggregated traffic event. More is refused."""
SECOND_WEIGHT_MAX = 2**63 - 1
"""What a second of one source partition may weigh: the fen of its orders, paid or not, or its
requests. 50 million orders of a billion yuan are 5e18. An event that brings more is refused, for
pulses and tables have 63 bits.
"""
LATENCY_MS_MAX = 86_400_000
ID_CHARS_MAX = 256
EVENT_BYTES_MAX = 1 << 20
"""Largest single JSON event; more is refused whatever it holds."""
EVENTS_PER_MESSAGE_MAX = 100_000
"""Most events in one message (NDJSON, array, frame)."""

_I64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)] | _I64
_EventId = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
_Label = Annotated[str, Meta(max_length=ID_CHARS_MAX)]
_Count = Annotated[int, Meta(ge=1, le=COUNT_MAX)]
_Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]

OrderStatus = Literal["created", "paid", "failed", "cancelled", "refunded", "shipped", "delivered"]


class Order(msgspec.Struct, frozen=True, gc=False):
    """One step in the life of an order."""

    kind: Literal["order"]
    event_id: _EventId
    ts: _I64
    region: _Label
    order_id: _Id
    user_id: _Id
    category: _Label
    channel: _Label
    amount_fen: Annotated[int, Meta(ge=0, le=AMOUNT_FEN_MAX)]
    status: OrderStatus
    payment: _Label
    promotion: _Label | None = None
    user_tier: _Label | None = None
    new_user: bool | None = None
    acquisition: Literal["organic", "paid"] | None = None
    repeat: bool | None = None
    merchant_id: _Id | None = None
    quantity: _Natural | None = None
    promised_ts: _I64 | None = None
    delivered_ts: _I64 | None = None


class Traffic(msgspec.Struct, frozen=True, gc=False):
    """One request, or `count` of them."""

    kind: Literal["traffic"]
    event_id: _EventId
    ts: _I64
    region: _Label
    system: _Label
    channel: _Label
    action: _Label
    status: Annotated[int, Meta(ge=100, le=599)]
    latency_ms: Annotated[int, Meta(ge=0, le=LATENCY_MS_MAX)]
    user_id: _Id
    count: _Count | None = 1
    bytes: _Natural | None = None


class Complaint(msgspec.Struct, frozen=True, gc=False):
    """One complaint; its type is empty until somebody or something classified it."""

    kind: Literal["complaint"]
    event_id: _EventId
    ts: _I64
    region: _Label
    category: _Label
    channel: _Label
    type: _Label
    severity: Annotated[int, Meta(ge=1, le=5)]
    text: str
    order_id: _Id | None = None
    merchant_id: _Id | None = None
    user_id: _Id | None = None


Event = Order | Traffic | Complaint
EVENT_OF: dict[str, type[Event]] = {"order": Order, "traffic": Traffic, "complaint": Complaint}
FIELDS: dict[str, frozenset[str]] = {
    kind: frozenset(made.__struct_fields__) for kind, made in EVENT_OF.items()
}
