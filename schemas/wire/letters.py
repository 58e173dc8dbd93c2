"""Dead letters: what was refused, with its reason and source, in a form that can be read and
replayed.

The value of the record is the refused bytes themselves, the first of them where they are many; the
headers say the rest, whole size and hash included. A letter stands for one event, for several of
one message that were refused for one reason, or for a range of records that nobody can read.

A replayed letter goes back to its partition with header `fenghuo-replay` = offset/idx of its
source, or offset/rows, so that it counts once however often it is replayed; what a load run had
marked keeps its mark, so that a replay stays in the letter's lane.
"""

import hashlib
import re
from collections.abc import Sequence

import msgspec

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.records import marks
from fenghuo.schemas.wire import rows
from fenghuo.schemas.wire.pulse import Source

REASONS = (
    "empty",
    "too_large",
    "not_json",
    "too_deep",
    "not_an_event",
    "schema",
    "too_many_events",
    "frame",
    "time_past",
    "time_future",
    "second_full",
    "already_replayed",
    "cannot_read",
    "unreadable",
)
"""Every reason for refusing, each with one meaning; `detail` of a Refusal says more. `cannot_read`
is a defect of ours, met while one message was decoded; `unreadable` are records that nobody can
take out of their batch.
"""
Headers = Sequence[tuple[str, bytes | None]]
REPLAY_HEADER = "fenghuo-replay"
LETTER_BYTES_MAX = 64 << 10
"""Most refused bytes that a letter keeps: with its headers it fits a topic of Kafka's default."""
FORM = 1
"""How letters are made of a message: 0 (the first release) was one for each event, 1 is few for
many. A message that is read again after an upgrade has letters of both: those of the highest form
count, and they alone.
"""
_MARK = re.compile(rb"([0-9]{1,18})/([0-9]{1,18}|[0-9,-]{3,56000})")


class Letter(msgspec.Struct, frozen=True):
    """What was refused for one reason, identified by its source: log, topic, partition, offset,
    index in the message.
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
    count: int = 1
    """How many events it stands for."""
    rows: str = ""
    """Which events of the message they are, when there are several (see rows); idx is the first."""
    last_offset: int | None = None
    """The last record, where it stands for a range of records that begins at offset."""
    size: int | None = None
    """Bytes that were refused, where data are the first of them only."""
    hash: str = ""
    """sha256 of all that was refused, where data are the first of it only."""
    origin_rows: str = ""
    """The events of origin, when there are several."""
    form: int = FORM

    @property
    def key(self) -> tuple[Source, int, int]:
        """What makes two letters the same."""
        return (self.source, self.offset, self.idx)

    @property
    def first(self) -> tuple[int, int]:
        """Offset, and index or name of the rows, under which this was refused for the first time:
        as `replay_of` has it of a replay.
        """
        offset, idx, text = self._first()
        return offset, rows.name(text) if text else idx

    @property
    def replay_mark(self) -> str:
        """The value of the replay header."""
        offset, idx, text = self._first()
        return mark((offset, text or idx))

    @property
    def is_cut(self) -> bool:
        """Whether bytes are left out."""
        return self.whole_size > len(self.data)

    @property
    def whole_size(self) -> int:
        """How many bytes were refused, kept or not."""
        return len(self.data) if self.size is None else self.size

    def _first(self) -> tuple[int, int, str]:
        return (
            (*self.origin, self.origin_rows) if self.origin else (self.offset, self.idx, self.rows)
        )


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
        headers[REPLAY_HEADER] = mark((letter.origin[0], letter.origin_rows or letter.origin[1]))
    if letter.form:
        headers["form"] = letter.form
    if letter.count != 1:
        headers["count"] = letter.count
    more = {"rows": letter.rows, "last_offset": letter.last_offset}
    more |= {"size": letter.size, "sha256": letter.hash}
    headers |= {name: value for name, value in more.items() if value not in ("", None)}
    record = [(name, str(value).encode()) for name, value in headers.items()]
    return letter.data, record if letter.mark is None else [*record, letter.mark]


def mark(place: tuple[int, int | str]) -> str:
    """The value of the replay header: an offset, and an index or rows."""
    return f"{place[0]}/{place[1]}"


def from_record(value: bytes | None, headers: Headers) -> Letter:
    """The letter of a record; raises ValueError when a header is missing."""
    found = {name: (data or b"").decode("utf-8", "replace") for name, data in headers}
    try:
        source = Source(found["log"], found["topic"], int(found["partition"]))
        origin, origin_rows = _origin(headers)
        return Letter(
            source,
            int(found["offset"]),
            int(found["idx"]),
            found["reason"],
            found["detail"],
            int(found["record_ms"]),
            value or b"",
            origin,
            marks.kept(headers),
            int(found.get("count", 1)),
            found.get("rows", ""),
            _whole(found.get("last_offset")),
            _whole(found.get("size")),
            found.get("sha256", ""),
            origin_rows,
            int(found.get("form", 0)),
        )
    except KeyError as error:
        raise ValueError(
            f"not a dead letter: header {error} is missing, got {sorted(found)}"
        ) from error


def replay_of(headers: Headers) -> tuple[int, int] | None:
    """(offset, idx) if a record is a replayed letter of one event, (offset, name of the rows) if of
    several, else None; a header that is not one is ignored.
    """
    origin, text = _origin(headers)
    return (origin[0], rows.name(text)) if origin and text else origin


def origin_of(headers: Headers, again: Ints) -> tuple[tuple[int, int] | None, str]:
    """Where events of a replayed letter come from, by their indexes in the replay: (offset, idx)
    of the first one, and the rows when they are several.
    """
    origin, text = _origin(headers)
    if origin is None or not text:
        return origin, ""
    known = rows.parse(text)
    if int(again[-1]) >= len(known):
        return origin, text  # somebody sent other events under its name
    found = list(rows.texts(known[again], rows.RANGES_KNOWN_MAX))
    if len(found) > 1:
        return origin, text  # too scattered to be named: counted once or not at all
    ((text, meant),) = found
    return (origin[0], int(meant[0])), text if len(meant) > 1 else ""


def cut(data: bytes, most: int = LETTER_BYTES_MAX) -> tuple[bytes, int | None, str]:
    """Bytes as a letter keeps them: what is kept; size and hash of all where some are left out."""
    if len(data) <= most:
        return data, None, ""
    return data[:most], len(data), hashlib.sha256(data).hexdigest()


def _origin(headers: Headers) -> tuple[tuple[int, int] | None, str]:
    for name, data in headers:
        if name != REPLAY_HEADER or not (found := _MARK.fullmatch(data or b"")):
            continue
        offset, text = int(found[1]), found[2].decode()
        if text.isdigit():
            return (offset, int(text)), ""
        try:
            meant = rows.parse(text)
        except ValueError:
            continue
        ((text, _),) = rows.texts(meant, rows.RANGES_KNOWN_MAX)  # however it was written
        return (offset, int(meant[0])), text if len(meant) > 1 else ""
    return None, ""


def _whole(text: str | None) -> int | None:
    return None if text is None else int(text)
