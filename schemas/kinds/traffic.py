"""Traffic: requests to the shop's systems, alone or many in one event, and how long they took."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fenghuo.schemas.kinds.bounds import (
    COUNT_MAX,
    I64,
    LATENCY_MS_MAX,
    EventId,
    Id,
    Label,
    Natural,
)
from fenghuo.schemas.kinds.kind import Counter, Flags, Kind

_Count = Annotated[int, Meta(ge=1, le=COUNT_MAX)]


class Traffic(msgspec.Struct, frozen=True, gc=False):
    """One request, or `count` of them."""

    kind: Literal["traffic"]
    event_id: EventId
    ts: I64
    region: Label
    system: Label
    channel: Label
    action: Label
    status: Annotated[int, Meta(ge=100, le=599)]
    latency_ms: Annotated[int, Meta(ge=0, le=LATENCY_MS_MAX)]
    user_id: Id
    count: _Count | None = 1
    bytes: Natural | None = None


def _failed(flags: Flags) -> bool:
    status = flags["status"]
    return isinstance(status, int) and status >= 500


TRAFFIC = Kind(
    name="traffic",
    topic="traffic",
    event=Traffic,
    dimensions=("region", "system", "channel", "action"),
    flags=("status",),
    counters=(
        Counter("events"),
        Counter("requests", weighed=True),
        Counter("errors", _failed, weighed=True),
    ),
    weight="count",
    weight_if_absent=1,
    bounds={"count": (1, COUNT_MAX), "latency_ms": (0, LATENCY_MS_MAX)},
    histogram="latency_ms",
    base_cuts=((), ("region",), ("channel",), ("system",)),
    fixed_labels={},
)
