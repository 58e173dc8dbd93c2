"""Complaints: what people complain of, classified or not yet."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fenghuo.schemas.kinds.bounds import I64, EventId, Id, Label
from fenghuo.schemas.kinds.kind import Counter, Kind


class Complaint(msgspec.Struct, frozen=True, gc=False):
    """One complaint; its type is empty until somebody or something classified it."""

    kind: Literal["complaint"]
    event_id: EventId
    ts: I64
    region: Label
    category: Label
    channel: Label
    type: Label
    severity: Annotated[int, Meta(ge=1, le=5)]
    text: str
    order_id: Id | None = None
    merchant_id: Id | None = None
    user_id: Id | None = None


COMPLAINT = Kind(
    name="complaint",
    topic="complaints",
    event=Complaint,
    dimensions=("region", "category", "channel", "type", "severity"),
    counters=(Counter("events"), Counter("complaints")),
    bounds={},
    base_cuts=((), ("region",), ("region", "category"), ("type",), ("severity",)),
    fixed_labels={"severity": ("1", "2", "3", "4", "5")},
)
