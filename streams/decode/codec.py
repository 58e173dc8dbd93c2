"""Bytes of source messages to batches. Three wire formats on the same topics, told apart by their
first bytes: one JSON object; NDJSON or a JSON array of objects; an Arrow IPC frame (see frame).

What a message becomes never depends on its neighbours. The fast way (see scan) reads messages of
the plain form and is silent about others; those are decoded one by one.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import attrgetter

import msgspec
import numpy as np

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.kinds.bounds import EVENT_BYTES_MAX, EVENTS_PER_MESSAGE_MAX
from fenghuo.schemas.kinds.events import ALL, EVENT_OF, FIELDS, Event
from fenghuo.schemas.records.messages import Messages
from fenghuo.streams.decode.arrow.frame import FRAME_MAGIC, Frame, FrameReader, split_frame
from fenghuo.streams.decode.batch import DETAIL_CHARS_MAX, Batch, Refusal
from fenghuo.streams.decode.codes import Coder, buckets_of
from fenghuo.streams.decode.plain import OUT_TS, OUT_UNKNOWN, OUT_USER, OUT_X
from fenghuo.streams.decode.refusals import ALONE_MAX, refusals
from fenghuo.streams.decode.scan import Scan
from fenghuo.streams.decode.strangers import binary, stranger
from fenghuo.streams.decode.tokens import hash_of

DEPTH_MAX = 200
"""Deepest nesting of brackets; far more than any event has, far less than the parser can stand from
whatever depth of calls (its own limit counts the caller's stack, so it must never be what decides).
"""
# one that never ends reaches to the end of the text: else the search begins again at each quote
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_BROKEN = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
SLOW_AT_ONCE = 64
"""Messages decoded one by one before the rest is scanned again: by then their labels are known."""
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")


class Codec:
    """Decoder of one kind's topic."""

    def __init__(self, coder: Coder) -> None:
        kind = coder.kind
        self.coder = coder
        self._scan = Scan(coder)
        self._one: msgspec.json.Decoder[Event] = msgspec.json.Decoder(EVENT_OF[kind])
        self._names = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self._list = msgspec.json.Decoder(list[msgspec.Raw])
        self._known = FIELDS[kind]
        self._frames = FrameReader(coder)
        self._key: Callable[[Event], tuple[object, ...]] = attrgetter(*coder.fields)

    def decode(self, values: Sequence[bytes | None]) -> Batch:
        """The events of these messages. Never raises for what is in them: what is no event is a
        Refusal.
        """
        parts = self.parts(values)
        return Batch.join([part.batch() if isinstance(part, Frame) else part for part in parts])

    def parts(self, values: Sequence[bytes | None]) -> Iterator[Batch | Frame]:
        """The same in pieces, in the order of the log: each frame by itself, what lies between them
        together.
        """
        messages = values if isinstance(values, Messages) else Messages.of(values)
        begin = 0
        for at in _frames(messages):
            if at > begin:
                yield self._safely(messages[begin:at], begin)
            yield self._frames.read(messages.view(at), at)
            begin = at + 1
        if begin < len(messages):
            yield self._safely(messages[begin:], begin)

    def split(self, value: bytes) -> Callable[[Ints], bytes]:
        """A message that `decode` read, split once; the function gives the bytes of some of its
        events, to go to the dead letters with.
        """
        if value[:4] == FRAME_MAGIC:
            return split_frame(value)
        parts = self._split(value)
        return (
            (lambda rows: value) if isinstance(parts, Refusal) else partial(_joined, value, parts)
        )

    def _safely(self, messages: Messages, first: int) -> Batch:
        """The same as _json. What breaks it is a defect of ours: the message that does is found by
        halves and refused, and its neighbours count.
        """
        try:
            return self._json(messages, first)
        except Exception as error:
            half = len(messages) // 2
            if half:
                parts = (self._safely(messages[:half], first),)
                return Batch.join([*parts, self._safely(messages[half:], first + half)])
            detail = f"a defect of fenghuo: {type(error).__name__}: {error}"[:DETAIL_CHARS_MAX]
            return Batch.of(Refusal(first, 0, "cannot_read", detail, messages[0] or b""))

    def _json(self, messages: Messages, first: int) -> Batch:
        """Messages without frames among them, which are numbered from first."""
        scan = self._scan
        out, cell, read = scan.read(messages.buffer, messages.start, messages.length)
        rest = np.flatnonzero(~read)
        run, some = _Run(), SLOW_AT_ONCE
        while len(rest):
            for at in rest[:some].tolist():
                self._decode(at, messages[at], run)
            rest, some = rest[some:], some * 4
            if len(rest):  # their labels may be known now
                again = scan.read(messages.buffer, messages.start[rest], messages.length[rest])
                out[:, rest], cell[rest], read[rest] = again
                rest = rest[~again[2]]
        message = np.arange(first, first + len(messages), dtype=np.int64)
        fast = Batch(
            *(message, np.zeros(len(message), np.int64), out[OUT_TS], cell, out[OUT_X]),
            out[OUT_USER],
            unknown_fields=int(out[OUT_UNKNOWN][read].sum()),
        )
        if not (run.message or run.refusals):
            return fast
        batch = Batch.join([fast.only(read), self._batch(run, first)])
        return batch.only(np.argsort(batch.message, kind="stable"))

    def _decode(self, message: int, value: bytes | None, run: "_Run") -> None:
        """One message the full way."""
        if not value:
            run.refusals.append(Refusal(message, 0, "empty", "a message without bytes", b""))
            return
        parts = self._split(value)
        if isinstance(parts, Refusal):
            detail = _hinted(parts.detail, value)
            run.refusals.append(msgspec.structs.replace(parts, message=message, detail=detail))
            return
        bad: dict[str, _Bad] = {}
        for idx, part in enumerate(parts):
            why = self._event(message, idx, bytes(part), run)
            if why is not None:
                bad.setdefault(why[0], _Bad()).add(idx, why[1])
        data_of = partial(_joined, value, parts)
        made = [
            one
            for reason, found in bad.items()
            for one in refusals(
                *(message, np.array(found.rows, np.int64), reason),
                partial(_told, found, parts),
                data_of=data_of,
            )
        ]
        run.refusals += sorted(made, key=lambda refusal: refusal.idx)

    def _split(self, value: bytes) -> Sequence[bytes | msgspec.Raw] | Refusal:
        """A message as the texts of its events: one, one a line, or one an element."""
        head = value.lstrip()[:1]
        if (head not in b"{[" or value[1:2] == b"\0") and binary(value):
            return Refusal(0, 0, "not_json", "no text", value)
        if head == b"[":
            if is_deep(value):
                return Refusal(0, 0, "too_deep", f"more than {DEPTH_MAX} brackets deep", value)
            try:
                found: Sequence[bytes | msgspec.Raw] = self._list.decode(value)
            except _BROKEN as error:
                return _refusal("not_json", error, value)
            if not found:
                return Refusal(0, 0, "empty", "an array without events", value)
        elif b"\n" in value.strip() and not self._is_one(value):
            found = [line for line in value.split(b"\n") if line.strip()]
        else:
            found = (value,)
        if len(found) > EVENTS_PER_MESSAGE_MAX:
            detail = f"{len(found)} events in one message, most are {EVENTS_PER_MESSAGE_MAX}"
            return Refusal(0, 0, "too_many_events", detail, value)
        return found

    def _is_one(self, value: bytes) -> bool:
        """Whether text with line breaks is one JSON value, laid out over lines."""
        if is_deep(value):
            return False
        try:
            msgspec.json.decode(value, type=msgspec.Raw)
        except _BROKEN:
            return False
        return True

    def _event(
        self, message: int, idx: int, text: bytes, run: "_Run"
    ) -> tuple[str, str | Exception] | None:
        """One event; else the reason why it is none, and what to say of it."""
        if len(text) > EVENT_BYTES_MAX:
            return "too_large", f"{len(text)} bytes, most are {EVENT_BYTES_MAX}"
        if is_deep(text):
            return "too_deep", f"more than {DEPTH_MAX} brackets deep"
        try:
            event = self._one.decode(text)
            run.unknown_fields += sum(
                1 for name in self._names.decode(text) if name not in self._known
            )
        except msgspec.ValidationError as error:
            return "not_an_event" if "Expected `object`, got" in str(error) else "schema", error
        except _BROKEN as error:
            return "not_json", error
        run.message.append(message)
        run.idx.append(idx)
        run.events.append(event)
        self._scan.learn(event)
        return None

    def _batch(self, run: "_Run", first: int) -> Batch:
        """What was decoded one by one; its messages are numbered from first."""
        events, size = run.events, len(run.events)
        ts = np.fromiter(map(attrgetter("ts"), events), np.int64, size)
        cell = self.coder.codes(list(map(self._key, events)))
        x, kind = np.zeros(size, np.int64), ALL[self.coder.kind]
        if kind.weight:
            weights, absent = map(attrgetter(kind.weight), events), kind.weight_if_absent
            x = np.fromiter((weight or absent for weight in weights), np.int64, size)
        if kind.histogram:
            spans = np.fromiter(map(attrgetter(kind.histogram), events), np.int64, size)
            cell = cell * self.coder.buckets + buckets_of(spans)
        users = map(attrgetter("user_id"), events)
        user = np.fromiter(map(_user, users), np.int64, size)
        refused = tuple(
            msgspec.structs.replace(refusal, message=refusal.message + first)
            for refusal in run.refusals
        )
        message, idx = (np.array(column, np.int64) for column in (run.message, run.idx))
        return Batch(message + first, idx, ts, cell, x, user, refused, run.unknown_fields)


class EventBytes:
    """The bytes of events of some messages; a message is split once, however often it is asked for
    in a row.
    """

    def __init__(self, codec: Codec, values: Sequence[bytes | None]) -> None:
        self._codec = codec
        self._values = values
        self._message = -1
        self._some: Callable[[Ints], bytes] = _nothing

    def of(self, message: int, rows: Ints) -> bytes:
        """Some events of a message as bytes that mean them alone."""
        if message != self._message:
            self._some = self._codec.split(self._values[message] or b"")
            self._message = message
        return self._some(rows)


def _nothing(rows: Ints) -> bytes:
    raise IndexError(f"no message to take events {rows} of")


def _joined(value: bytes, parts: Sequence[bytes | msgspec.Raw], rows: Ints) -> bytes:
    """Some events of a message, as a message of the same form."""
    if len(rows) == 1:
        return bytes(parts[int(rows[0])])
    some = [bytes(parts[row]) for row in rows.tolist()]
    is_array = value.lstrip()[:1] == b"["
    return b"[" + b",".join(some) + b"]" if is_array else b"\n".join(some)


def _frames(messages: Messages) -> list[int]:
    """Which messages are frames."""
    is_frame = messages.length >= len(FRAME_MAGIC)
    for k, letter in enumerate(FRAME_MAGIC):
        at = np.where(is_frame, messages.start + k, 0)
        is_frame &= (messages.buffer[at] if len(messages.buffer) else 0) == letter
    found: list[int] = np.flatnonzero(is_frame).tolist()
    return found


def _user(value: int | str | None) -> int:
    """A user as one integer: see Batch."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    if _NUMBER.fullmatch(value):
        return int(value)
    text = np.frombuffer(value.encode(), np.uint8)
    return int(hash_of(text, 0, len(text)))


def is_deep(text: bytes) -> bool:
    """Whether brackets outside of strings nest deeper than DEPTH_MAX."""
    if text.count(b"[") + text.count(b"{") <= DEPTH_MAX:
        return False
    letters = np.frombuffer(_STRINGS.sub(b"", text), np.uint8)
    opens = (letters == ord("[")) | (letters == ord("{"))
    closes = (letters == ord("]")) | (letters == ord("}"))
    depth = np.cumsum(opens.astype(np.int64) - closes)
    return bool(len(depth) and int(depth.max()) > DEPTH_MAX)


class _Run:
    """What was decoded one by one."""

    def __init__(self) -> None:
        self.message: list[int] = []
        self.idx: list[int] = []
        self.events: list[Event] = []
        self.refusals: list[Refusal] = []
        self.unknown_fields = 0


class _Bad:
    """Events of one message that were refused for one reason."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.details: dict[int, str] = {}

    def add(self, row: int, why: str | Exception) -> None:
        """The next one."""
        self.rows.append(row)
        if len(self.rows) <= ALONE_MAX:  # of more only the first is told
            self.details[row] = str(why)


def _told(bad: _Bad, parts: Sequence[bytes | msgspec.Raw], row: int) -> str:
    return _hinted(bad.details[row], bytes(parts[row]))


def _hinted(detail: str, data: bytes) -> str:
    """The detail, with what the bytes look like where that is known."""
    found = stranger(data)
    return detail if found is None else f"{detail[: DETAIL_CHARS_MAX // 2]}; {found}"


def _refusal(reason: str, error: Exception, data: bytes) -> Refusal:
    return Refusal(0, 0, reason, str(error)[:DETAIL_CHARS_MAX], data)
