"""Whole numbers in JSON: what JavaScript and many others would round is said once more as text.

They read every number as a float, whose whole numbers end at 2^53. Where an object has a larger
one, it has a field `exact` beside it: the name of the number and its digits; of a list the places
and their digits. The numbers themselves stay as they always were.
"""

from typing import Any, Final

import msgspec

LARGEST: Final = 2**53 - 1
_SHAPE: Final = bytes.maketrans(b"0123456789,[-", b"0000000000:::")
_LONG: Final = b":" + b"0" * len(str(LARGEST))
"""How a number of so many digits looks; digits of a float have a dot before them."""


def encoded(value: Any) -> bytes:
    """A value as JSON."""
    data = msgspec.json.encode(value)
    if _LONG not in data.translate(_SHAPE):  # nearly always, and found out in no time
        return data
    return msgspec.json.encode(_told(msgspec.json.decode(data)))


def _told(value: Any) -> Any:
    if isinstance(value, list):
        return [_told(one) for one in value]
    if not isinstance(value, dict):
        return value
    exact = {name: digits for name, one in value.items() if (digits := _exact(one))}
    made = {name: _told(one) for name, one in value.items()}
    return {**made, "exact": exact} if exact else made


def _exact(value: Any) -> str | dict[str, str] | None:
    """The digits of a number, or of those in a list, that a float does not hold."""
    if isinstance(value, list):
        return {str(at): str(one) for at, one in enumerate(value) if _is_long(one)}
    return str(value) if _is_long(value) else None


def _is_long(value: Any) -> bool:
    return isinstance(value, int) and abs(value) > LARGEST
