"""Bytes of source messages to batches. Three wire formats on the same topics, told apart by their
first bytes: one JSON object; NDJSON or a JSON array of objects; an Arrow IPC frame (see frame).

What a message becomes never depends on its neighbours. The fast way (see scan) reads messages of
the plain form and is silent about others; those are decoded one by one.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

import msgspec
import numpy as np

from fenghuo.schemas.batch import DETAIL_CHARS_MAX, Batch, Refusal
from fenghuo.schemas.coding import Coder, buckets_of
from fenghuo.schemas.events import EVENT_BYTES_MAX, EVENT_OF, EVENTS_PER_MESSAGE_MAX, FIELDS, Event
from fenghuo.schemas.frame import FRAME_MAGIC, Frame, FrameReader
from fenghuo.schemas.messages import Messages
from fenghuo.schemas.plain import OUT_TS, OUT_UNKNOWN, OUT_USER, OUT_X
from fenghuo.schemas.scan import Scan
from fenghuo.schemas.tokens import hash_of

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
                yield self._json(messages[begin:at], begin)
            yield self._frames.read(messages.view(at), at)
            begin = at + 1
        if begin < len(messages):
            yield self._json(messages[begin:], begin)

    def split(self, value: bytes) -> Callable[[int], bytes]:
        """A message that `decode` accepted, split once; the function gives the bytes of one of its
        events, to go to the dead letters with.
        """
        if value[:4] == FRAME_MAGIC:
            return self._frames.split(value)
        parts = self._split(value)
        return lambda idx: value if isinstance(parts, Refusal) else bytes(parts[idx])

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
            run.refusals.append(msgspec.structs.replace(parts, message=message))
            return
        for idx, part in enumerate(parts):
            self._event(message, idx, bytes(part), run)

    def _split(self, value: bytes) -> Sequence[bytes | msgspec.Raw] | Refusal:
        """A message as the texts of its events: one, one a line, or one an element."""
        head = value.lstrip()[:1]
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

    def _event(self, message: int, idx: int, text: bytes, run: "_Run") -> None:
        if len(text) > EVENT_BYTES_MAX:
            detail = f"{len(text)} bytes, most are {EVENT_BYTES_MAX}"
            run.refusals.append(Refusal(message, idx, "too_large", detail, text))
            return
        if is_deep(text):
            run.refusals.append(
                Refusal(message, idx, "too_deep", f"more than {DEPTH_MAX} brackets deep", text)
            )
            return
        try:
            event = self._one.decode(text)
            run.unknown_fields += sum(
                1 for name in self._names.decode(text) if name not in self._known
            )
        except msgspec.ValidationError as error:
            reason = "not_an_event" if "Expected `object`, got" in str(error) else "schema"
            run.refusals.append(_refusal(reason, error, text, message, idx))
        except _BROKEN as error:
            run.refusals.append(_refusal("not_json", error, text, message, idx))
        else:
            run.message.append(message)
            run.idx.append(idx)
            run.events.append(event)
            self._scan.learn(event)

    def _batch(self, run: "_Run", first: int) -> Batch:
        """What was decoded one by one; its messages are numbered from first."""
        events, size = run.events, len(run.events)
        ts = np.fromiter(map(attrgetter("ts"), events), np.int64, size)
        cell = self.coder.codes(list(map(self._key, events)))
        x = np.zeros(size, np.int64)
        if self.coder.kind == "order":
            x = np.fromiter(map(attrgetter("amount_fen"), events), np.int64, size)
        elif self.coder.kind == "traffic":
            weights = map(attrgetter("count"), events)
            x = np.fromiter((count or 1 for count in weights), np.int64, size)
            latency = np.fromiter(map(attrgetter("latency_ms"), events), np.int64, size)
            cell = cell * self.coder.buckets + buckets_of(latency)
        users = map(attrgetter("user_id"), events)
        user = np.fromiter(map(_user, users), np.int64, size)
        refusals = tuple(
            msgspec.structs.replace(refusal, message=refusal.message + first)
            for refusal in run.refusals
        )
        message, idx = (np.array(column, np.int64) for column in (run.message, run.idx))
        return Batch(message + first, idx, ts, cell, x, user, refusals, run.unknown_fields)


class EventBytes:
    """The bytes of single events of some messages; each message is split once, however many are
    asked.
    """

    def __init__(self, codec: Codec, values: Sequence[bytes | None]) -> None:
        self._codec = codec
        self._values = values
        self._split: dict[int, Callable[[int], bytes]] = {}

    def of(self, message: int, idx: int) -> bytes:
        """One event as bytes that mean it alone."""
        if message not in self._split:
            self._split[message] = self._codec.split(self._values[message] or b"")
        return self._split[message](idx)


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


def _refusal(reason: str, error: Exception, data: bytes, message: int = 0, idx: int = 0) -> Refusal:
    return Refusal(message, idx, reason, str(error)[:DETAIL_CHARS_MAX], data)
