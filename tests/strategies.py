"""Shared Hypothesis strategies: events, messages, logs, and ways to cut a log into fetches.

Everything is built from plain values beside the code under test: a Message carries the outcomes
that its maker knows by construction, so a test never asks the decoder what the right answer is.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from fenghuo.schemas.kinds.events import FIELDS

Event = dict[str, Any]
KINDS = ("order", "traffic", "complaint")
START_MS = 1_794_326_400_000
"""2026-11-11T00:00:00+08:00, the second all generated logs begin near."""
LATENESS_MS = 10_000
FUTURE_MS = 10_000
LABELS: Mapping[str, tuple[str, ...]] = {
    "region": ("east", "west"),
    "category": ("books", "food"),
    "channel": ("app", "web"),
    "payment": ("card", "wallet"),
    "system": ("cart", "pay"),
    "type": ("delivery", "quality"),
    "action": ("buy", "view"),
    "promotion": ("gift",),
}
ODD_LABELS = ("other", "", "Mars", "east ", "东", "a,b", 'q"\\', "[{", "}]", "\n")
STATUSES = ("created", "paid", "failed", "cancelled", "refunded", "shipped", "delivered")
FRAME_FIELDS: Mapping[str, tuple[str, ...]] = {
    "order": (
        *("region", "category", "channel", "payment", "promotion"),
        *("status", "new_user", "repeat"),
    ),
    "traffic": ("region", "system", "channel", "status"),
    "complaint": ("region", "category", "channel", "type", "severity"),
}
FRAME_VALUES: Mapping[str, tuple[str, ...]] = {
    "order": ("amount_fen",),
    "traffic": ("latency_ms", "count"),
    "complaint": (),
}


@dataclass(frozen=True)
class Message:
    """One message, and its outcomes in order: an event, or the reason why there is none."""

    value: bytes | None
    outcomes: tuple[Event | str, ...]
    unknown_fields: int = 0


@dataclass(frozen=True)
class Record:
    """A message in the log."""

    offset: int
    record_ms: int
    message: Message
    replay: tuple[int, int] | None = None
    shadow: bool = False


def _labels(dimension: str) -> st.SearchStrategy[str]:
    known = st.sampled_from(LABELS[dimension])
    return st.one_of(known, known, known, st.sampled_from(ODD_LABELS))


_IDS = st.one_of(st.sampled_from(("1", "u-7", "用户")), st.integers(-(2**63), 2**63 - 1))
_REQUIRED: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "order": {
        "order_id": _IDS,
        "user_id": _IDS,
        "category": _labels("category"),
        "channel": _labels("channel"),
        "amount_fen": st.one_of(st.integers(0, 99_999), st.sampled_from((0, 10**11))),
        "status": st.sampled_from(STATUSES),
        "payment": _labels("payment"),
    },
    "traffic": {
        "system": _labels("system"),
        "channel": _labels("channel"),
        "action": _labels("action"),
        "status": st.sampled_from((100, 200, 404, 499, 500, 503, 599)),
        "latency_ms": st.sampled_from((0, 1, 2, 70, 71, 65_535, 65_536, 600_001, 86_400_000)),
        "user_id": _IDS,
    },
    "complaint": {
        "category": _labels("category"),
        "channel": _labels("channel"),
        "type": _labels("type"),
        "severity": st.integers(1, 5),
        "text": st.sampled_from(("", "慢", "two\nlines", '"]\n,\n["', "[{" * 40, "\u2028")),
    },
}
_OPTIONAL: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "order": {
        "promotion": st.sampled_from((None, "gift", "unheard of")),
        "new_user": st.sampled_from((None, True, False)),
        "repeat": st.sampled_from((None, True, False)),
        "quantity": st.sampled_from((None, 0, 2**63 - 1)),
    },
    "traffic": {
        "count": st.sampled_from((None, 1, 7, 10**9)),
        "bytes": st.sampled_from((None, 0, 512)),
    },
    "complaint": {"order_id": st.one_of(st.none(), _IDS)},
}
# most events carry nothing unknown: one that does sends its whole fetch the slow way
_UNKNOWN: st.SearchStrategy[Event] = st.sampled_from(
    (*({},) * 8, {"trace": 1}, {"nested": {"a": [1, {"b": "}],[{"}]}, "x": None}, {"": "]"})
)


@st.composite
def events(draw: st.DrawFn, kind: str, ts: int = START_MS) -> Event:
    """A valid event: labels known or not, optional fields there, null or absent, fields nobody
    knows.
    """
    head = {"kind": kind, "event_id": draw(st.sampled_from(("e1", "e2"))), "ts": ts}
    required: dict[str, st.SearchStrategy[Any]] = {**_REQUIRED[kind]}
    optional: dict[str, st.SearchStrategy[Any]] = {**_OPTIONAL[kind]}
    body: Event = draw(st.fixed_dictionaries(required, optional=optional))
    more: Event = draw(_UNKNOWN)
    return {**head, "region": draw(_labels("region")), **body, **more}


def event_times(record_ms: int) -> st.SearchStrategy[int]:
    """Event times as they reach a record: on time mostly and in the same few seconds, so that these
    fill, close and are late for; some in the future, some far in both directions.
    """
    far = (LATENESS_MS, 60_000, 86_400_000, 2 * 10**12, -FUTURE_MS, -FUTURE_MS - 1, -(10**12))
    return st.one_of(
        st.integers(0, 2_000).map(lambda delay: record_ms - delay),
        st.integers(0, 2_000).map(lambda delay: record_ms - delay),
        st.sampled_from((0, 100, 1_100, 2_100)).map(lambda at: START_MS + at),
        st.integers(0, LATENESS_MS + 3_000).map(lambda delay: record_ms - delay),
        st.integers(0, FUTURE_MS).map(lambda ahead: record_ms + ahead),
        st.sampled_from(far).map(lambda delay: record_ms - delay),
    )


def text_of(event: Mapping[str, Any], style: str = "compact") -> bytes:
    """An event as JSON in one of the ways people write it."""
    match style:
        case "compact":
            return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        case "ascii":
            return json.dumps(event).encode()
        case "reversed":
            return b" " + json.dumps(dict(reversed(list(event.items())))).encode() + b"\r\n"
        case _:
            return json.dumps(event, indent=1, ensure_ascii=False).encode()


def unknown_in(event: Mapping[str, Any]) -> int:
    """How many of its fields the schema does not name."""
    return len(set(event) - FIELDS[event["kind"]])


def single(event: Event, style: str = "compact") -> Message:
    """A message that is one event."""
    return Message(text_of(event, style), (event,), unknown_in(event))


def together(parts: Sequence[tuple[bytes, Event | str]], how: str) -> Message:
    """NDJSON or an array of events and of things that are none."""
    texts = [text for text, _ in parts]
    value = b"[" + b" , ".join(texts) + b"]" if how == "array" else b"\r\n \n".join(texts) + b"\n"
    outcomes = tuple(outcome for _, outcome in parts)
    unknown = sum(unknown_in(outcome) for outcome in outcomes if isinstance(outcome, dict))
    return Message(value, outcomes, unknown)


def frame_bytes(
    kind: str, columns: Mapping[str, Any], metadata: Mapping[str, str] | None = None
) -> bytes:
    """An Arrow IPC stream of one record batch, with a frame's metadata unless told otherwise."""
    head = {"fenghuo": "1", "kind": kind, "base_ts": str(START_MS), **(metadata or {})}
    batch = pa.RecordBatch.from_pydict(dict(columns)).replace_schema_metadata(head)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def frame_columns(kind: str, rows: Sequence[Mapping[str, Any]], width: int = 64) -> dict[str, Any]:
    """The columns of a frame with these rows; integers as wide as told."""
    table = [{name: row.get(name) for name in FRAME_FIELDS[kind]} for row in rows]
    code = pa.DictionaryArray.from_arrays(pa.array(range(len(rows)), pa.int32()), pa.array(table))
    ints = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[width]
    columns = {"dt": pa.array([row["ts"] - START_MS for row in rows], pa.int64()), "code": code}
    for name in FRAME_VALUES[kind]:
        columns[name] = pa.array([row[name] for row in rows], ints)
    return columns


def framed(kind: str, rows: Sequence[tuple[Event, str | None]]) -> Message:
    """A frame of events, each with the reason it is refused for, or None."""
    value = frame_bytes(kind, frame_columns(kind, [row for row, _ in rows]))
    return Message(value, tuple(row if reason is None else reason for row, reason in rows))


# (bytes, what becomes of them): none of these is an event, alone or beside any other
BROKEN: tuple[tuple[bytes | None, tuple[str, ...]], ...] = (
    (None, ("empty",)),
    (b"", ("empty",)),
    (b"[]", ("empty",)),
    (b" [ ] ", ("empty",)),
    (b"\n \n", ("not_json",)),
    (b"{", ("not_json",)),
    (b"]", ("not_json",)),
    (b"[", ("not_json",)),
    (b"}],[{", ("not_json",)),
    (b"{}],[{}", ("schema",)),
    (b"]\n,\n[", ("not_json", "not_json", "not_an_event")),
    (b"\xff\xfe{}", ("not_json",)),
    (b"\xef\xbb\xbf{}", ("not_json",)),
    (b"nonsense", ("not_json",)),
    (b"{}{}", ("schema",)),
    (b"{},{}", ("schema",)),
    (b"NaN", ("not_json",)),
    (b"{\n\n}", ("schema",)),
    (b"{}", ("schema",)),
    (b"[{},7]", ("schema", "not_an_event")),
    (b"{}\n{\n{}", ("schema", "not_json", "schema")),
    (b"null", ("not_an_event",)),
    (b'"text"', ("not_an_event",)),
    (b"[[]]", ("not_an_event",)),
    (b"[1,null]", ("not_an_event", "not_an_event")),
    (b"[{}", ("not_json",)),
    (b'{"a":' * 501 + b"1" + b"}" * 501, ("too_deep",)),
    (b"\xff\xff\xff\xff", ("frame",)),
    (b"\xff\xff\xff\xff\x10\x00\x00\x00garbage of a frame", ("frame",)),
)
_LINES: tuple[tuple[bytes, str], ...] = (
    (b"{", "not_json"),
    (b"{}", "schema"),
    (b"7", "not_an_event"),
    (b'{"kind":"order"}', "schema"),
    (b"{}{}", "schema"),
)
_ELEMENTS: tuple[tuple[bytes, str], ...] = (
    (b"{}", "schema"),
    (b"null", "not_an_event"),
    (b"[]", "not_an_event"),
)


@st.composite
def messages(draw: st.DrawFn, kind: str, record_ms: int = START_MS) -> Message:
    """A message of any wire format, good or bad, with what has to become of it."""
    form = draw(st.sampled_from(("one", "one", "one", "ndjson", "array", "frame", "broken", "cut")))
    if form == "broken":
        value, outcomes = draw(st.sampled_from(BROKEN))
        return Message(value, outcomes)
    if form == "frame":
        return framed(kind, draw(_frame_rows(kind, record_ms)))
    if form in ("one", "cut"):
        event = draw(events(kind, draw(event_times(record_ms))))
        if form == "one":
            return single(event, draw(st.sampled_from(("compact", "ascii", "reversed", "pretty"))))
        text = text_of(event)
        stop = draw(st.integers(1, len(text) - 1))
        while text[stop - 1 : stop].isdigit():
            stop -= 1  # half a number may already break the schema
        return Message(text[:stop], ("not_json",))
    bad = st.sampled_from(_ELEMENTS if form == "array" else _LINES)
    parts: list[tuple[bytes, Event | str]] = []
    for _ in range(draw(st.integers(1 if form == "array" else 2, 4))):
        if draw(st.integers(0, 4)) == 0:
            parts.append(draw(bad))
        else:
            event = draw(events(kind, draw(event_times(record_ms))))
            parts.append((text_of(event, "pretty" if form == "array" else "compact"), event))
    return together(parts, form)


@st.composite
def _frame_rows(draw: st.DrawFn, kind: str, record_ms: int) -> list[tuple[Event, str | None]]:
    rows: list[tuple[Event, str | None]] = []
    for _ in range(draw(st.integers(1, 4))):
        event = draw(events(kind, draw(event_times(record_ms))))
        if kind == "traffic":
            event["count"] = event.get("count") or 1
        reason = None
        if draw(st.integers(0, 5)) == 0:
            event |= {"status": None} if kind != "complaint" else {"severity": 6}
            reason = "schema"
        rows.append((event, reason))
    return rows


@st.composite
def logs(draw: st.DrawFn, kind: str, size_max: int = 12, *, away_ms: int = 0) -> list[Record]:
    """A log: records of rising broker time, with gaps in their offsets, good and bad."""
    offset, record_ms = draw(st.sampled_from((0, 5, 10**9))), START_MS + away_ms
    made = []
    for _ in range(draw(st.integers(0, size_max))):
        offset += draw(st.sampled_from((1, 1, 1, 4)))
        record_ms += draw(st.sampled_from((0, 0, 1, 400, 400, 1_500, 1_500, 9_000, 15_000)))
        made.append(Record(offset, record_ms, draw(messages(kind, record_ms))))
    return made


@st.composite
def kinds_and_logs(draw: st.DrawFn, size_max: int = 12) -> tuple[str, list[Record]]:
    """A kind, and a log of it."""
    kind = draw(st.sampled_from(KINDS))
    return kind, draw(logs(kind, size_max))


def cuts_of(size: int) -> st.SearchStrategy[list[int]]:
    """Ways to cut a log of this size into fetches: how many records each takes, in all at least
    `size`.
    """
    return st.lists(st.integers(1, 4), min_size=size, max_size=size)


def cut(records: Sequence[Record], sizes: Iterable[int]) -> list[list[Record]]:
    """The fetches of a log."""
    fetches, at = [], 0
    for size in sizes:
        if at >= len(records):
            break
        fetches.append(list(records[at : at + size]))
        at += size
    return fetches
