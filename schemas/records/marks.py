"""Marks: what a load run writes on every record it sends, so that its records can be told from all
others and each is known by its number.

One header a record. `fenghuo-run` marks a record that counts like any other; `fenghuo-shadow` marks
one that the whole path keeps in a lane of its own: no real total, level or notice sees it. The
value is `RUN.PRODUCER.NUMBER` in ASCII: the run's name, which of its producers sent it, and its
number among that producer's records, from 0 without gaps.
"""

import re
from collections.abc import Sequence

import msgspec

RUN_HEADER = "fenghuo-run"
SHADOW_HEADER = "fenghuo-shadow"
RUN_CHARS_MAX = 32
_RUN = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_VALUE = re.compile(rb"([a-z0-9][a-z0-9-]{0,31})\.([0-9]{1,4})\.([0-9]{1,15})")


class Mark(msgspec.Struct, frozen=True):
    """Which record of which run this is."""

    run: str
    producer: int
    number: int
    shadow: bool


def header(mark: Mark) -> tuple[str, bytes]:
    """The header of a record; raises ValueError for a run that has no proper name."""
    if not _RUN.fullmatch(mark.run):
        raise ValueError(
            f"run: expected up to {RUN_CHARS_MAX} of a-z 0-9 and -, got {mark.run[:100]!r}"
        )
    name = SHADOW_HEADER if mark.shadow else RUN_HEADER
    return name, f"{mark.run}.{mark.producer}.{mark.number}".encode()


def mark_of(headers: Sequence[tuple[str, bytes | None]]) -> Mark | None:
    """The mark of a record, or None when it has none; a value that is no mark is none."""
    for name, value in headers:
        if name in {RUN_HEADER, SHADOW_HEADER} and (found := _VALUE.fullmatch(value or b"")):
            run, producer, number = found.groups()
            return Mark(run.decode(), int(producer), int(number), name == SHADOW_HEADER)
    return None


def is_shadow(headers: Sequence[tuple[str, bytes | None]]) -> bool:
    """Whether a record belongs to the shadow lane: its header decides, whatever its value."""
    return any(name == SHADOW_HEADER for name, _ in headers)


def kept(headers: Sequence[tuple[str, bytes | None]]) -> tuple[str, bytes] | None:
    """The header to send a record again with, so that it stays in its lane and run; None when it
    has no mark. A value that is no mark is left out.
    """
    names = [name for name, _ in headers if name in {RUN_HEADER, SHADOW_HEADER}]
    if not names:
        return None
    name = SHADOW_HEADER if SHADOW_HEADER in names else RUN_HEADER
    values = [value for found, value in headers if found == name and value]
    return name, next((value for value in values if _VALUE.fullmatch(value)), b"")
