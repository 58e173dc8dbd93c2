"""Orders: each step in the life of an order, and what is counted of it."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fenghuo.schemas.kinds.bounds import AMOUNT_FEN_MAX, I64, EventId, Id, Label, Natural
from fenghuo.schemas.kinds.kind import Counter, Flags, Kind

OrderStatus = Literal["created", "paid", "failed", "cancelled", "refunded", "shipped", "delivered"]


class Order(msgspec.Struct, frozen=True, gc=False):
    """One step in the life of an order."""

    kind: Literal["order"]
    event_id: EventId
    ts: I64
    region: Label
    order_id: Id
    user_id: Id
    category: Label
    channel: Label
    amount_fen: Annotated[int, Meta(ge=0, le=AMOUNT_FEN_MAX)]
    status: OrderStatus
    payment: Label
    promotion: Label | None = None
    user_tier: Label | None = None
    new_user: bool | None = None
    acquisition: Literal["organic", "paid"] | None = None
    repeat: bool | None = None
    merchant_id: Id | None = None
    quantity: Natural | None = None
    promised_ts: I64 | None = None
    delivered_ts: I64 | None = None


def _paid(flags: Flags) -> bool:
    return flags["status"] == "paid"


ORDER = Kind(
    name="order",
    topic="orders",
    event=Order,
    dimensions=(
        *("region", "category", "channel", "payment", "promotion", "user_tier", "acquisition"),
    ),
    flags=("status", "new_user", "repeat"),
    counters=(
        Counter("events"),
        Counter("paid", _paid),
        Counter("paid_amount_fen", _paid, weighed=True),
        Counter("failed", lambda flags: flags["status"] == "failed"),
        Counter("cancelled", lambda flags: flags["status"] == "cancelled"),
        Counter("refunded", lambda flags: flags["status"] == "refunded"),
        # of every step of an order, created and paid alike: shares of buyers are of new_paid
        Counter("new_users", lambda flags: bool(flags["new_user"])),
        Counter("repeat", lambda flags: bool(flags["repeat"])),
        Counter("new_paid", lambda flags: _paid(flags) and bool(flags["new_user"])),
        Counter("repeat_paid", lambda flags: _paid(flags) and bool(flags["repeat"])),
    ),
    weight="amount_fen",
    bounds={"amount_fen": (0, AMOUNT_FEN_MAX)},
    sales=("paid", "paid_amount_fen"),
    newcomers="new_paid",
    base_cuts=((), ("region",), ("region", "category"), ("channel",), ("payment",)),
    fixed_labels={"acquisition": ("organic", "paid")},
)
