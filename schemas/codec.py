"""Bytes of source messages to batches. Three wire formats on the same topics, told apart by their
first bytes: one JSON object; NDJSON or a JSON array of objects; an Arrow IPC frame (see frame).

What a message becomes never depends on its neighbours. The fast way parses a whole fetch at once
and is taken only when it proves to give what each message gives alone; else the messages are parsed
one by one.
"""

import re
from collections.abc import Callable, Sequence
from operator import attrgetter

import msgspec
import numpy as np

from fenghuo.schemas.batch import DETAIL_CHARS_MAX, Batch, Refusal
from fenghuo.schemas.coding import Coder, buckets_of
from fenghuo.schemas.events import EVENT_BYTES_MAX, EVENT_OF, EVENTS_PER_MESSAGE_MAX, FIELDS, Event
from fenghuo.schemas.frame import FRAME_MAGIC, FrameReader

DEPTH_MAX = 200
"""Deepest nesting of brackets; far more than any event has, far less than the parser can stand from
whatever depth of calls (its own limit counts the caller's stack, so it must never be what decides).
"""
# one that never ends reaches to the end of the text: else the search begins again at each quote
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_BROKEN = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
_NEAR = b"]\n,\n["


class Codec:
    """Decoder of one kind's topic."""

    def __init__(self, coder: Coder) -> None:
        kind = coder.kind
        event = EVENT_OF[kind]
        # the strict twin knows no unknown fields, so that its text is flat: what `_together` rests
        # on
        strict = msgspec.defstruct(
            f"Strict{event.__name__}",
            [
                (field.name, field.type, field.default)
                if field.default is not msgspec.NODEFAULT
                else (field.name, field.type)
                for field in msgspec.structs.fields(event)
            ],
            frozen=True,
            gc=False,
            forbid_unknown_fields=True,
        )
        self.coder = coder
        self._all = msgspec.json.Decoder(list[tuple[strict]])  # type: ignore[valid-type]
        self._one: msgspec.json.Decoder[Event] = msgspec.json.Decoder(event)
        self._names = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self._list = msgspec.json.Decoder(list[msgspec.Raw])
        self._known = FIELDS[kind]
        self._frames = FrameReader(coder)
        self._key: Callable[[Event], tuple[object, ...]] = attrgetter(*coder.fields)

    def decode(self, values: Sequence[bytes | None]) -> Batch:
        """The events of these messages. Never raises for what is in them: what is no event is a
        Refusal.
        """
        events = self._together(values)
        if events is not None:
            order = np.arange(len(events), dtype=np.int64)
            return self._batch(events, order, np.zeros(len(events), np.int64))
        return self._each(values)

    def split(self, value: bytes) -> Callable[[int], bytes]:
        """A message that `decode` accepted, split once; the function gives the bytes of one of its
        events, to go to the dead letters with.
        """
        if value[:4] == FRAME_MAGIC:
            return self._frames.split(value)
        parts = self._split(value)
        return lambda idx: value if isinstance(parts, Refusal) else bytes(parts[idx])

    def _together(self, values: Sequence[bytes | None]) -> list[Event] | None:
        """All messages parsed as one text, or None when that could differ from parsing each alone.

        Sound because the strict structs are flat (scalars only): a message that stops inside its
        object is a syntax error at the separator (`]` in an object, a newline in a string), so no
        two messages can merge into one event, and with as many events as messages none can have
        given two.
        """
        try:
            text = _NEAR.join(values)  # type: ignore[arg-type]
            rows = self._all.decode(b"[[" + text + b"]]")
        except (TypeError, *_BROKEN):
            return None
        if len(rows) != len(values):
            return None
        if values and max(map(len, values)) > EVENT_BYTES_MAX:  # type: ignore[arg-type]
            return None
        return [row[0] for row in rows]

    def _each(self, values: Sequence[bytes | None]) -> Batch:
        """Message by message, keeping the order of the log."""
        parts: list[Batch] = []
        run = _Run()
        for message, value in enumerate(values):
            if value and value[:4] == FRAME_MAGIC:
                parts.append(self._closed(run))
                run = _Run()
                parts.append(self._frames.read(value, message))
            else:
                self._json(message, value, run)
        parts.append(self._closed(run))
        return Batch.join(parts)

    def _closed(self, run: "_Run") -> Batch:
        return self._batch(
            run.events,
            np.array(run.message, np.int64),
            np.array(run.idx, np.int64),
            refusals=tuple(run.refusals),
            unknown_fields=run.unknown_fields,
        )

    def _json(self, message: int, value: bytes | None, run: "_Run") -> None:
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

    def _batch(
        self,
        events: Sequence[Event],
        message: "np.ndarray[tuple[int], np.dtype[np.int64]]",
        idx: "np.ndarray[tuple[int], np.dtype[np.int64]]",
        *,
        refusals: tuple[Refusal, ...] = (),
        unknown_fields: int = 0,
    ) -> Batch:
        size = len(events)
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
        return Batch(message, idx, ts, cell, x, refusals, unknown_fields)


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
    """JSON events gathered between two frames."""

    def __init__(self) -> None:
        self.message: list[int] = []
        self.idx: list[int] = []
        self.events: list[Event] = []
        self.refusals: list[Refusal] = []
        self.unknown_fields = 0


def _refusal(reason: str, error: Exception, data: bytes, message: int = 0, idx: int = 0) -> Refusal:
    return Refusal(message, idx, reason, str(error)[:DETAIL_CHARS_MAX], data)
