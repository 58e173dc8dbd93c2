"""Rows: which events of a message are meant, as ranges in a line of text: "0-99,105".

The text of a set of rows is one only, so that two letters of the same rows have the same name.
"""

import hashlib
import re
from collections.abc import Iterator

import numpy as np

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.kinds.bounds import EVENTS_PER_MESSAGE_MAX

RANGES_MAX = 1_000
"""Most ranges that one letter names; rows that lie further apart make several letters."""
RANGES_KNOWN_MAX = 4_000
"""Most ranges in any text: what is left of a letter after replays may be more scattered than it."""
_TEXT = re.compile(r"[0-9]{1,6}(?:-[0-9]{1,6})?(?:,[0-9]{1,6}(?:-[0-9]{1,6})?)*")


def texts(rows: Ints, most: int = RANGES_MAX) -> Iterator[tuple[str, Ints]]:
    """Rows in rising order as texts of at most so many ranges, each with the rows that it names."""
    ends = np.flatnonzero(np.diff(rows) != 1) + 1
    begins = np.concatenate(([0], ends))
    ends = np.append(ends, len(rows))
    for at in range(0, len(begins), most):
        begin, end = begins[at : at + most], ends[at : at + most]
        pairs = zip(rows[begin].tolist(), rows[end - 1].tolist(), strict=True)
        text = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in pairs)
        yield text, rows[begin[0] : end[-1]]


def parse(text: str) -> Ints:
    """The rows of a text, in rising order; raises ValueError when it is none."""
    if len(text) > 14 * RANGES_KNOWN_MAX or not _TEXT.fullmatch(text):
        raise ValueError(f"expected rows like 0-99,105, got {text[:100]!r}")
    before = -1
    ranges = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = int(first), int(last or first)
        if not before < begin <= end < EVENTS_PER_MESSAGE_MAX:
            raise ValueError(f"expected rising rows below {EVENTS_PER_MESSAGE_MAX}, got {part!r}")
        ranges.append(np.arange(begin, end + 1, dtype=np.int64))
        before = end
    if len(ranges) > RANGES_KNOWN_MAX:
        raise ValueError(f"expected at most {RANGES_KNOWN_MAX} ranges of rows, got {len(ranges)}")
    return np.concatenate(ranges)


def name(text: str) -> int:
    """What these rows are called beside the index of a single row, which is always less: 52 bits of
    a hash, and within what JSON's readers keep exact.
    """
    return 1 << 52 | int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") >> 4
