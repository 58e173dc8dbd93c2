"""Lane: which of two worlds an event counts in.

What a load run marks as shadow (see `marks`) lives in the lane `shadow`: it has workers, topics,
tables, consumer groups and metrics of its own, beside those of the lane `real`, on the same broker
and in the same store. A part serves one lane (FENGHUO_LANE), and passes over what is of the other.
"""

from typing import Final, Literal

Lane = Literal["real", "shadow"]
REAL: Final = "real"
SHADOW: Final = "shadow"
LANES: Final[tuple[Lane, ...]] = (REAL, SHADOW)


def named(name: str, lane: Lane, joint: str) -> str:
    """A name of the real lane as it is in a lane: the real lane has the plain names."""
    return name if lane == REAL else f"{lane}{joint}{name}"
