"""Dead letters: what was refused, with its reason and source, in a form that can be read and
replayed.

The value of the record is the refused bytes themselves; the headers say the rest. A replayed letter
goes back to its partition with header `fenghuo-replay` = offset/idx of its source, so that it
counts once however often it is replayed; what a load run had marked keeps its mark, so that a
replay stays in the letter's lane.
"""

import re
from collections.abc import Sequence

import msgspec

from fenghuo.schemas import marks
from fenghuo.schemas.pulse import Source

Headers = Sequence[tuple[str, bytes | None]]
REPLAY_HEADER = "fenghuo-replay"
_MARK = re.compile(rb"([0-9]{1,18})/([0-9]{1,18})")


class Letter(msgspec.Struct, frozen=True):
    """One refused event, identified by its source: log, topic, partition, offset, index in the
    message.
    """

    source: Source
    offset: int
    idx: int
    reason: str
    detail: str
    record_ms: int
    data: bytes
    origin: tuple[int, int] | None = None
    """(offset, idx) of the letter that this one is a replay of, refused again."""
    mark: tuple[str, bytes] | None = None
    """The header of a load run, as `marks.kept` has it."""

    @property
    def key(self) -> tuple[Source, int, int]:
        """What makes two letters the same."""
        return (self.source, self.offset, self.idx)

    @property
    def first(self) -> tuple[int, int]:
        """(offset, idx) under which this event was refused for the first time: what a replay is
        marked with.
        """
        return self.origin or (self.offset, self.idx)


def to_record(letter: Letter) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Value and headers of the record."""
    headers = {
        "log": letter.source.log,
        "topic": letter.source.topic,
        "partition": letter.source.partition,
        "offset": letter.offset,
        "idx": letter.idx,
        "reason": letter.reason,
        "detail": letter.detail,
        "record_ms": letter.record_ms,
    }
    if letter.origin is not None:
        headers[REPLAY_HEADER] = mark(letter.origin)
    record = [(name, str(value).encode()) for name, value in headers.items()]
    return letter.data, record if letter.mark is None else [*record, letter.mark]


def mark(letter: tuple[int, int]) -> str:
    """The value of the replay header."""
    return f"{letter[0]}/{letter[1]}"


def from_record(value: bytes | None, headers: Headers) -> Letter:
    """The letter of a record; raises ValueError when a header is missing."""
    found = {name: (data or b"").decode("utf-8", "replace") for name, data in headers}
    try:
        source = Source(found["log"], found["topic"], int(found["partition"]))
        return Letter(
            source,
            int(found["offset"]),
            int(found["idx"]),
            found["reason"],
            found["detail"],
            int(found["record_ms"]),
            value or b"",
            replay_of(headers),
            marks.kept(headers),
        )
    except KeyError as error:
        raise ValueError(
            f"not a dead letter: header {error} is missing, got {sorted(found)}"
        ) from error


def replay_of(headers: Headers) -> tuple[int, int] | None:
    """(offset, idx) if a record is a replayed letter, else None; a header that is not one is
    ignored.
    """
    for name, data in headers:
        if name == REPLAY_HEADER:
            found = _MARK.fullmatch(data or b"")
            if found:
                return int(found[1]), int(found[2])
    return None
