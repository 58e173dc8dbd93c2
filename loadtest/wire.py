"""What the load tester itself knows of the wire: kinds, fields, types and bounds.

Written down a second time on purpose: a tester that shares its definitions with what it measures
cannot see a mistake in them. A test compares both.
"""

from dataclasses import dataclass
from typing import Final, Literal

FieldType = Literal["text", "whole", "flag"]
Value = str | int | bool

WHOLE_MAX: Final = 2**63 - 1
AMOUNT_FEN_MAX: Final = 10**11
COUNT_MAX: Final = 10**9
LATENCY_MS_MAX: Final = 86_400_000
NAME_CHARS_MAX: Final = 256
TEXT_CHARS_MAX: Final = 200_000
"""A text that fits into the largest event, however it is encoded."""
TS_MIN_MS: Final = 631_152_000_000
"""1990-01-01, the earliest event time that is accepted."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One field of one kind: its type, whether it must be there, what it may hold.

    The bounds of a whole number are values, those of a text are characters.
    """

    type: FieldType
    required: bool = True
    low: int = 0
    high: int = WHOLE_MAX
    words: tuple[str, ...] = ()


_ID: Final = Slot("text", low=1, high=NAME_CHARS_MAX)
_MAYBE_ID: Final = Slot("text", required=False, low=1, high=NAME_CHARS_MAX)
_LABEL: Final = Slot("text", high=NAME_CHARS_MAX)
_MAYBE_LABEL: Final = Slot("text", required=False, high=NAME_CHARS_MAX)
_MAYBE_FLAG: Final = Slot("flag", required=False)
_MAYBE_WHOLE: Final = Slot("whole", required=False)
_COMMON: Final = {"event_id": _ID, "ts": Slot("whole", low=TS_MIN_MS), "region": _LABEL}

STATUSES: Final = ("created", "paid", "failed", "cancelled", "refunded", "shipped", "delivered")

FIELDS: Final[dict[str, dict[str, Slot]]] = {
    "order": _COMMON
    | {
        "order_id": _ID,
        "user_id": _ID,
        "category": _LABEL,
        "channel": _LABEL,
        "amount_fen": Slot("whole", high=AMOUNT_FEN_MAX),
        "status": Slot("text", words=STATUSES),
        "payment": _LABEL,
        "promotion": _MAYBE_LABEL,
        "user_tier": _MAYBE_LABEL,
        "new_user": _MAYBE_FLAG,
        "acquisition": Slot("text", required=False, words=("organic", "paid")),
        "repeat": _MAYBE_FLAG,
        "merchant_id": _MAYBE_ID,
        "quantity": _MAYBE_WHOLE,
        "promised_ts": _MAYBE_WHOLE,
        "delivered_ts": _MAYBE_WHOLE,
    },
    "traffic": _COMMON
    | {
        "system": _LABEL,
        "channel": _LABEL,
        "action": _LABEL,
        "status": Slot("whole", low=100, high=599),
        "latency_ms": Slot("whole", high=LATENCY_MS_MAX),
        "user_id": _ID,
        "count": Slot("whole", required=False, low=1, high=COUNT_MAX),
        "bytes": _MAYBE_WHOLE,
    },
    "complaint": _COMMON
    | {
        "category": _LABEL,
        "channel": _LABEL,
        "type": _LABEL,
        "severity": Slot("whole", low=1, high=5),
        "text": Slot("text", high=TEXT_CHARS_MAX),
        "order_id": _MAYBE_ID,
        "merchant_id": _MAYBE_ID,
        "user_id": _MAYBE_ID,
    },
}


def misfit(slot: Slot, value: object) -> str | None:
    """What was expected, when `value` does not fit the slot; None when it fits."""
    if slot.type == "flag":
        return None if isinstance(value, bool) else "true or false"
    if slot.type == "whole":
        fits = isinstance(value, int) and not isinstance(value, bool)
        fits = fits and slot.low <= value <= slot.high  # type: ignore[operator]
        return None if fits else f"a whole number from {slot.low} to {slot.high}"
    if slot.words:
        return None if value in slot.words else f"one of {', '.join(slot.words)}"
    fits = isinstance(value, str) and slot.low <= len(value) <= slot.high
    return None if fits else f"text of {slot.low} to {slot.high} characters"
