"""A frame counted the short way gives what it gives row by row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fenghuo.schemas.records.fetch import Fetch
from fenghuo.streams.counting import frames
from fenghuo.streams.counting.users import Users
from fenghuo.streams.decode.batch import Batch
from fenghuo.streams.gather import gather
from fenghuo.streams.gather.gather import Gather
from fenghuo.streams.gather.taken import Taken
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.river import TERMS, beginning, codec_of, fetch_of, source_of
from tests.strategies import (
    FRAME_FIELDS,
    KINDS,
    LABELS,
    START_MS,
    Message,
    Record,
    cut,
    cuts_of,
    frame_bytes,
    messages,
)

INTEGERS = tuple(
    made()
    for made in (
        *(pa.int8, pa.uint8, pa.int16, pa.uint16),
        *(pa.int32, pa.uint32, pa.int64),
    )
)
# within a frame: the same second, the next, seconds that meet in the table, late ones, no times
STEPS_MS = (0, 0, 1, 400, 999, 1_000, 7_000, 11_000, 16_000, -1_000, -11_000, -(10**12), 10**12)
AMOUNTS = (0, 1, 5, 127, 255, 600_000, 10**9, -1, 10**12)
VALUES = {"order": ("amount_fen",), "traffic": ("latency_ms", "count"), "complaint": ()}
CAMPAIGN = replace(TERMS, start_ms=START_MS + 1_500, end_ms=START_MS + 20_250)
"""Begins and ends inside of a second."""


class LongWay(Gather):
    """Reads frames as batches, from their first row on."""

    def _count(self, fetch: Fetch, frame: Any, limit_ms: int) -> int:
        return 0


@st.composite
def integers_of(draw: st.DrawFn, values: Sequence[int]) -> pa.Array:
    """The values in any type that holds them."""
    fitting = [kind for kind in INTEGERS if _holds(kind, values)]
    return pa.array(values, draw(st.sampled_from(fitting)))


def _holds(kind: pa.DataType, values: Sequence[int]) -> bool:
    found = np.iinfo(kind.to_pandas_dtype())
    return bool(found.min <= min(values) and max(values) <= found.max)


@st.composite
def odd_frames(draw: st.DrawFn, kind: str, record_ms: int) -> Message:
    """A frame of any widths, with rows that are refused, late, or out of time among good ones."""
    size = draw(st.integers(1, 12))
    several = st.lists
    usual = draw(st.booleans())
    steps = st.sampled_from(STEPS_MS[:6] if usual else STEPS_MS)
    dt = np.cumsum(draw(several(steps, min_size=size, max_size=size))).tolist()
    entries = [{name: SAMPLES[kind].get(name) for name in FRAME_FIELDS[kind]}]
    entries.append(entries[0] | {"region": "Mars"})
    entries.append(entries[0] | {"channel": "web"} | ({} if usual else {"region": None}))
    places = several(st.integers(0, len(entries) - 1), min_size=size, max_size=size)
    columns: dict[str, Any] = {
        "dt": draw(integers_of(dt)),
        "code": pa.DictionaryArray.from_arrays(draw(integers_of(draw(places))), pa.array(entries)),
    }
    for name in VALUES[kind]:
        if name == "count" and draw(st.booleans()):
            continue
        amounts = st.sampled_from(AMOUNTS[1:5] if usual else AMOUNTS)
        columns[name] = draw(integers_of(draw(several(amounts, min_size=size, max_size=size))))
    if draw(st.booleans()):
        columns["user_id"] = draw(integers_of([7] * size))
    if draw(st.booleans()):
        columns["weather"] = pa.array(["sun"] * size)
    base_ms = str(record_ms - draw(st.sampled_from((0, 0, 3_000))))
    return Message(frame_bytes(kind, columns, {"base_ts": base_ms}), ())


@st.composite
def logs_of_frames(draw: st.DrawFn, kind: str) -> list[Record]:
    """Records that are frames mostly, now and then another message or a replayed letter."""
    offset, record_ms = draw(st.sampled_from((0, 5))), START_MS
    made = []
    for _ in range(draw(st.integers(1, 8))):
        offset += draw(st.sampled_from((1, 1, 4)))
        record_ms += draw(st.sampled_from((0, 1, 400, 1_500, 9_000, 17_000)))
        other = draw(st.integers(0, 3)) == 0
        message = draw(messages(kind, record_ms) if other else odd_frames(kind, record_ms))
        replay = draw(st.sampled_from((None, None, None, None, (0, 1))))
        made.append(Record(offset, record_ms, message, replay))
    return made


def seen(taken: Taken) -> dict[str, Any]:
    """All of a publication, the rows in words that do not depend on the codes."""
    found: dict[str, Any] = {
        name: getattr(taken, name)
        for name in taken.__struct_fields__
        if name not in {"pulses", "late"}
    }
    for name in ("pulses", "late"):
        rows = getattr(taken, name)
        stamps = [column.tolist() for column in rows.stamp.values()]
        found[name] = sorted(
            (second, rows.series[code], *stamp, tuple(values))
            for second, code, values, *stamp in zip(
                rows.second_ms.tolist(),
                rows.code.tolist(),
                rows.values.tolist(),
                *stamps,
                strict=True,
            )
        )
    return found


@given(st.data())
def test_the_short_way_gives_what_the_long_way_gives(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    records = data.draw(logs_of_frames(kind))
    sizes = data.draw(cuts_of(len(records)))
    start = beginning(kind, terms=CAMPAIGN)
    if data.draw(st.booleans()):
        start = replace(start, floor_ms=START_MS + 1_000)
    small = data.draw(st.booleans())
    with pytest.MonkeyPatch.context() as patched:
        if small:  # what needs thousands of rows, with few
            patched.setattr(gather, "ROWS_MIN", 2)
            patched.setattr(frames, "SECONDS_MAX", 2)
        met = [users_of(kind), users_of(kind)]
        short = Gather(source_of(kind), codec_of(kind), CAMPAIGN, start, users=met[0])
        long = LongWay(source_of(kind), codec_of(kind), CAMPAIGN, start, users=met[1])
        for part in cut(records, sizes):
            for one in (short, long):
                one.add(fetch_of(part))
            assert short.tally == long.tally
            if data.draw(st.booleans()):
                assert seen(short.take()) == seen(long.take())
        assert seen(short.take()) == seen(long.take())
        assert met[0].take() == met[1].take()


def users_of(kind: str) -> Users:
    regions = codec_of(kind).coder.regions(np.empty(0, np.int64))[1]
    return Users(regions, (CAMPAIGN.start_ms, CAMPAIGN.end_ms))


def large(kind: str, dt: Any, code: Any, values: dict[str, Any]) -> bytes:
    """A frame over a table of two entries."""
    entry = {name: SAMPLES[kind].get(name) for name in FRAME_FIELDS[kind]}
    table = pa.array([entry, entry | {"channel": "web"}])
    coded = pa.DictionaryArray.from_arrays(pa.array(code), table)
    return frame_bytes(kind, {"dt": pa.array(dt), "code": coded, **values})


@pytest.mark.parametrize("span_ms", [100, 5_000, 40_000, 10_000_000])
@pytest.mark.parametrize("sort", [True, False])
def test_large_frames_of_any_span_are_counted_alike(span_ms: int, sort: bool) -> None:
    rng = np.random.default_rng(span_ms)
    dt = rng.integers(0, span_ms, 9_000, dtype=np.uint32)
    values = {"latency_ms": pa.array(rng.integers(0, 9_000, len(dt), dtype=np.uint16))}
    code = rng.integers(0, 2, len(dt), dtype=np.uint16)
    value = large("traffic", np.sort(dt) if sort else dt, code, values)
    records = [Record(i, START_MS + span_ms, Message(value, ())) for i in range(2)]
    found = []
    for make in (Gather, LongWay):
        made = make(source_of("traffic"), codec_of("traffic"), TERMS, beginning("traffic"))
        made.add(fetch_of(records))
        found.append(seen(made.take()))

    assert found[0] == found[1]


def test_a_second_is_closed_for_frames_at_the_very_millisecond() -> None:
    """Second 0 closes at 11000; until then it counts."""
    made = counted_orders([0, 10_999, 1, 11_000, 999, 1_000])

    assert (made.tally.accepted, made.tally.late) == (5, 1)


def test_orders_in_the_second_in_which_the_campaign_begins_are_told_apart() -> None:
    made = counted_orders([900, 1_000, 1_499, 1_500, 1_999, 2_000])

    assert made.tally.accepted == 6
    assert made.tally.by_region == {"east": (3, 15)}


def counted_orders(dt: Sequence[int]) -> Gather:
    """After a frame of paid orders of 5 fen, at these milliseconds after midnight."""
    size = len(dt)
    value = large("order", dt, [0] * size, {"amount_fen": pa.array([5] * size)})
    made = Gather(source_of("order"), codec_of("order"), CAMPAIGN, beginning("order"))
    made.add(fetch_of([Record(0, START_MS + 2_000, Message(value, ()))]))
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_of_good_rows_is_never_made_into_a_batch(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the short way could be given up without a sign."""

    def never(*_: Any) -> Batch:
        raise AssertionError("a batch was made")

    monkeypatch.setattr("fenghuo.streams.decode.arrow.frame.Frame.batch", never)
    values = {name: pa.array([5] * 4, pa.uint16()) for name in VALUES[kind]}
    value = large(kind, np.arange(4, dtype=np.uint16), np.zeros(4, np.uint16), values)
    made = Gather(source_of(kind), codec_of(kind), TERMS, beginning(kind))
    made.add(fetch_of([Record(0, START_MS, Message(value, ()))]))

    assert made.tally.accepted == 4


def test_more_codes_than_the_table_holds_go_the_long_way() -> None:
    regions = [f"r{i}" for i in range(40)]
    labels = {**LABELS, "region": regions}
    table = pa.array(
        [
            {**{n: SAMPLES["traffic"].get(n) for n in FRAME_FIELDS["traffic"]}, "region": region}
            for region in regions
        ]
    )
    code = pa.DictionaryArray.from_arrays(pa.array(range(40), pa.int8()), table)
    columns = {"dt": pa.array([0] * 40), "code": code, "latency_ms": pa.array([9] * 40)}
    records = [Record(0, START_MS, Message(frame_bytes("traffic", columns), ()))]
    found = []
    for table_max in (frames.TABLE_MAX, 64):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(frames, "TABLE_MAX", table_max)
            codec = codec_of("traffic", labels)
            made = Gather(source_of("traffic"), codec, TERMS, beginning("traffic"))
            made.add(fetch_of(records))
            found.append(seen(made.take()))

    assert found[0] == found[1]
