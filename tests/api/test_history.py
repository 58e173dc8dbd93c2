"""Totals and history on a real store against a plain model, with every mess a store may hold."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.api import answers as module
from fenghuo.api import history
from fenghuo.api.answers import Answers
from fenghuo.api.board import Latest
from fenghuo.api.errors import ApiError
from fenghuo.api.history import DAY_MS, Span, Steps
from fenghuo.api.stores import Stores
from fenghuo.schemas import store
from fenghuo.schemas.lane import LANES, REAL, Lane
from fenghuo.schemas.measures import BUCKETS, HISTOGRAMS, KINDS, MEASURES, Cut, cut_name, quantile
from fenghuo.schemas.tables import (
    LATE_TABLE,
    PULSE_TABLE,
    REFUSED_TABLE,
    late_columns,
    of,
    pulse_columns,
)
from fenghuo.schemas.topics import TOPIC_OF
from tests.api.boards import START_MS, board, campaign

SECONDS = 150
ZERO = START_MS // 3_600_000 * 3_600_000 - 70_000  # an hour begins inside
DIMENSIONS = {
    "order": ("region", "category", "channel", "payment"),
    "traffic": ("region", "channel", "system"),
    "complaint": ("region", "category", "type", "severity"),
}

Row = dict[str, Any]
Sums = dict[tuple[Any, ...], dict[str, Any]]


@dataclass
class World:
    """What was written to the store, and what is true."""

    pulses: list[Row] = field(default_factory=list)
    late: list[Row] = field(default_factory=list)
    truth: list[tuple[int, Mapping[str, str], Mapping[str, Any]]] = field(default_factory=list)
    late_events: list[int] = field(default_factory=list)


def measures(kind: str) -> tuple[str, ...]:
    return (*MEASURES[kind], *HISTOGRAMS[kind])


def some(kind: str, chance: random.Random) -> Row:
    """The measures of a few events of one cell."""
    events = chance.randrange(1, 5)
    row: Row = {name: chance.randrange(0, 10**11) for name in MEASURES[kind]}
    row["events"] = events
    for name in HISTOGRAMS[kind]:
        row[name] = [chance.randrange(0, 3) for _ in range(BUCKETS)]
    return row


def added(kind: str, rows: Sequence[Mapping[str, Any]]) -> Row:
    made: Row = {name: sum(row[name] for row in rows) for name in MEASURES[kind]}
    for name in HISTOGRAMS[kind]:
        made[name] = [sum(parts) for parts in zip(*(row[name] for row in rows), strict=True)]
    return made


def keys(cut: Cut, labels: Mapping[str, str]) -> Row:
    k1, k2 = [labels[dimension] for dimension in cut] + [""] * (2 - len(cut))
    return {"cut": cut_name(cut), "k1": k1, "k2": k2}


def labels_of(kind: str, chance: random.Random) -> dict[str, str]:
    return {name: chance.choice(campaign().labels_of(name)[:3]) for name in DIMENSIONS[kind]}


def make_world(kind: str, chance: random.Random) -> World:
    """Seconds of four partitions; older versions stay, some with series that later vanish."""
    world = World()
    for _ in range(60):
        source = {
            "log": chance.choice(["log-a", "log-a", "log-b"]),
            "topic": TOPIC_OF[kind],
            "partition": chance.randrange(4),
        }
        second = {"second_ms": ZERO + chance.randrange(SECONDS) * 1000}
        place: Row = {**source, **second}
        if any(all(row[k] == v for k, v in place.items()) for row in world.pulses):
            continue
        version = chance.randrange(1, 2**40)
        for rank in range(chance.choice([1, 1, 2, 3])):
            cells = [(labels_of(kind, chance), some(kind, chance)) for _ in range(4 - rank)]
            version += chance.randrange(1, 99)
            for cut in campaign().cuts_of(kind):
                grouped: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
                for labels, cell in cells:
                    grouped[tuple(keys(cut, labels).items())].append(cell)
                world.pulses += [
                    {**place, "version": version, **dict(key), **added(kind, rows)}
                    for key, rows in grouped.items()
                ]
        world.truth += [(place["second_ms"], labels, cell) for labels, cell in cells]
    for number in range(12):
        labels, row = labels_of(kind, chance), some(kind, chance) | {"events": 1}
        at_ms = ZERO + chance.randrange(SECONDS) * 1000
        source = {"log": "log-a", "topic": TOPIC_OF[kind], "partition": number % 4}
        source |= {"offset": 7 + number // 8, "idx": number % 3}
        world.late += [
            {**source, "second_ms": at_ms, **keys(cut, labels), **row}
            for cut in campaign().cuts_of(kind)
        ]
        world.truth.append((at_ms, labels, row))
        world.late_events.append(at_ms)
    return world


def write(url: str, kind: str, world: World, chance: random.Random, *, lane: Lane = REAL) -> None:
    """In several blocks and any order, some rows twice."""
    made = store.connect(url)
    for table in (PULSE_TABLE[kind], LATE_TABLE[kind], REFUSED_TABLE):
        made.execute(f"TRUNCATE TABLE {of(table, lane)}")
    for table, columns, rows in (
        (PULSE_TABLE[kind], pulse_columns(kind), world.pulses),
        (LATE_TABLE[kind], late_columns(kind), world.late),
    ):
        twice = rows + chance.sample(rows, len(rows) // 2)
        chance.shuffle(twice)
        for part in range(3):
            block = twice[part::3]
            columns_of = {name: [row[name] for row in block] for name, _ in columns}
            made.insert(of(table, lane), columns_of)
    refused: dict[str, list[Any]] = {
        "log": ["log-a"] * 3,
        "topic": [TOPIC_OF[kind]] * 3,
        "partition": [0, 0, 1],
        "offset": [5, 5, 5],
        "idx": [0, 0, 0],
        "reason": ["not_json"] * 3,
        "detail": [""] * 3,
        "record_ms": [START_MS] * 3,
        "bytes": [10] * 3,
    }
    made.insert(of(REFUSED_TABLE, lane), refused)
    made.close()


def expected(kind: str, world: World, cut: Cut, unit: str | None, span: Span) -> Sums:
    found: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for at_ms, labels, row in world.truth:
        if inside(span, at_ms):
            time = () if unit is None else (begin_there(at_ms, unit),)
            found[(*time, *(labels[name] for name in cut))].append(row)
    return {key: added(kind, rows) for key, rows in found.items()}


def begin_there(at_ms: int, unit: str, utc_offset_minutes: int | None = None) -> int:
    """The beginning of the unit that holds a moment, on the campaign's wall clock."""
    if utc_offset_minutes is None:
        utc_offset_minutes = campaign().utc_offset_minutes
    zone = timezone(timedelta(minutes=utc_offset_minutes))
    there = datetime.fromtimestamp(at_ms / 1000, zone).replace(microsecond=0)
    if unit == "10s":
        there = there.replace(second=there.second // 10 * 10)
    elif unit != "second":
        there = there.replace(second=0)
    if unit in ("hour", "day", "week"):
        there = there.replace(minute=0)
    if unit in ("day", "week"):
        there = there.replace(hour=0)
    if unit == "week":
        there -= timedelta(days=there.weekday())
    return int(there.timestamp()) * 1000


def inside(span: Span, at_ms: int) -> bool:
    return (span.from_ms or 0) <= at_ms < (span.to_ms or 10**15)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.node.name)


@pytest.fixture
def stores(store_url: str) -> Iterator[Stores]:
    made = Stores(lambda: store.connect(store_url), store_url)
    yield made
    made.close()


def spans(chance: random.Random) -> list[Span]:
    first, last = sorted(chance.sample(range(SECONDS), 2))
    near, far = ZERO + first * 1000, ZERO + last * 1000
    return [Span(), Span(near, far), Span(near, None), Span(None, far)]


@pytest.mark.parametrize("lane", LANES)
def test_totals_equal_the_plain_model_of_their_lane(
    kind: str, lane: Lane, store_url: str, stores: Stores
) -> None:
    chance = random.Random(f"totals/{kind}")
    worlds = {each: make_world(kind, chance) for each in LANES}
    for each, made in worlds.items():
        write(store_url, kind, made, chance, lane=each)
    world = worlds[lane]

    async def check() -> None:
        ask = Answers(campaign(), stores, Latest(0), lane)
        for cut in campaign().cuts_of(kind):
            for time in (None, *history.TIME_STEPS_S):
                span = chance.choice(spans(chance))
                by = ",".join(filter(None, (*cut, time)))
                answer = await ask.totals(kind, by, span)
                names = ([f"{time}_ms"] if time else []) + list(cut)
                got = {
                    tuple(row[name] for name in names): {m: row[m] for m in measures(kind)}
                    for row in answer["rows"]
                }
                assert got == expected(kind, world, cut, time, span), (by, span)
                assert len(got) == len(answer["rows"])
                assert answer["late"] == sum(inside(span, at_ms) for at_ms in world.late_events)
                assert answer["refused"] == 2
                stored = [at_ms for at_ms, _, _ in world.truth if inside(span, at_ms)]
                assert answer["as_of_ms"] == (max(stored) + 1000 if stored else None)
                for row in answer["rows"]:
                    if kind == "traffic":
                        assert row["latency_p99_ms"] == quantile(row["latency_ms"], 0.99)

    asyncio.run(check())


def test_history_equals_the_plain_model(kind: str, store_url: str, stores: Stores) -> None:
    chance = random.Random(f"history/{kind}")
    world = make_world(kind, chance)
    write(store_url, kind, world, chance)
    span = Span(ZERO + 3000, ZERO + 120_000)

    async def check() -> None:
        ask = Answers(campaign(), stores, Latest(0))
        for name, metric in history.metrics().items():
            if metric.kind != kind:
                continue
            answer = await ask.history(name, 10, "region", span)
            steps = range(answer["from_ms"], answer["to_ms"], 10_000)
            assert answer["from_ms"] == (ZERO + 3000) // 10_000 * 10_000
            # the first step begins before the span, and holds only what is in it
            sums = expected(kind, world, ("region",), "10s", span)
            got = {
                (at_ms, line["region"]): point
                for line in answer["series"]
                for at_ms, point in zip(steps, line["points"], strict=True)
                if point is not None
            }
            want = {key: metric.value(row) for key, row in sums.items()}
            assert got == {key: value for key, value in want.items() if value is not None}
            assert all(len(line["points"]) == len(steps) for line in answer["series"])

    asyncio.run(check())


def test_an_empty_store_answers_null_and_no_rows(store_url: str, stores: Stores) -> None:
    write(store_url, "order", World(), random.Random(0))
    ask = Answers(campaign(), stores, Latest(0))

    totals = asyncio.run(ask.totals("order", "", Span()))
    line = asyncio.run(ask.history("order.events", 60, "", Span()))

    assert (totals["rows"], totals["as_of_ms"], totals["watermark_ms"]) == ([], None, None)
    assert (line["series"], line["from_ms"], line["as_of_ms"]) == ([], None, None)


def test_history_without_a_span_ends_at_the_newest_second(store_url: str, stores: Stores) -> None:
    chance = random.Random(3)
    world = make_world("order", chance)
    write(store_url, "order", world, chance)
    latest = Latest(0)
    latest.apply(board(60), START_MS)

    line = asyncio.run(Answers(campaign(), stores, latest).history("order.paid", 1, "", Span()))

    newest = max(at_ms for at_ms, _, _ in world.truth)
    assert line["to_ms"] == line["as_of_ms"] == newest + 1000
    assert line["series"][0]["points"][-1] is not None
    assert None in line["series"][0]["points"]
    assert line["watermark_ms"] == board(60).kinds[0].watermark_ms


def test_too_many_rows_ask_to_narrow(
    store_url: str, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(4)
    write(store_url, "order", make_world("order", chance), chance)
    monkeypatch.setattr(module, "ROWS_MAX", 5)

    with pytest.raises(ApiError) as caught:
        asyncio.run(Answers(campaign(), stores, Latest(0)).totals("order", "second", Span()))

    assert caught.value.code == "too_many_rows"
    assert "narrow" in caught.value.cure


def test_a_ratio_of_nothing_is_null() -> None:
    failures = history.metrics()["failure_rate"]

    assert failures.value({"failed": 0, "paid": 0}) is None
    assert failures.value({"failed": 1, "paid": 3}) == 0.25


def test_labels_never_stand_in_the_sql() -> None:
    sql, params = history.sums_query(
        "order", ("region", "category"), Steps(1000, 0), Span(1, 2), lane="real"
    )

    assert params == {"cut": "region,category", "from_ms": 1, "to_ms": 2}
    assert "region" not in sql


@given(
    st.integers(0, 4_102_444_800),
    st.sampled_from(sorted(history.TIME_STEPS_S)),
    st.integers(-720, 840),
)
def test_steps_begin_on_the_campaigns_clock(at_s: int, unit: str, offset: int) -> None:
    steps = Steps(history.TIME_STEPS_S[unit] * 1000, offset)

    assert steps.begin(at_s * 1000) == begin_there(at_s * 1000, unit, offset)


MIDNIGHT = 1_794_153_600_000  # Monday 2026-11-09 00:00 in Shanghai, 16:00 of Sunday in UTC


@pytest.mark.parametrize(
    ("offset", "second_ms", "begins_ms"),
    [
        (480, MIDNIGHT - 1000, {"day": MIDNIGHT - DAY_MS, "week": MIDNIGHT - 7 * DAY_MS}),
        (480, MIDNIGHT, {"day": MIDNIGHT, "week": MIDNIGHT}),
        (480, MIDNIGHT + DAY_MS // 3, {"day": MIDNIGHT, "week": MIDNIGHT}),  # UTC's midnight
        (345, MIDNIGHT, {"hour": MIDNIGHT - 2_700_000, "day": MIDNIGHT - DAY_MS + 8_100_000}),
        (-720, MIDNIGHT, {"week": MIDNIGHT - 6 * DAY_MS - 4 * 3_600_000}),
    ],
)
def test_days_and_weeks_are_the_campaigns(
    offset: int, second_ms: int, begins_ms: Mapping[str, int], store_url: str, stores: Stores
) -> None:
    """Seen by totals and by history, from both engines."""
    row = dict.fromkeys(MEASURES["order"], 1) | {"paid_amount_fen": 300}
    place = {"log": "l", "topic": "orders", "partition": 0, "version": 1, "second_ms": second_ms}
    made = World(pulses=[{**place, "cut": "", "k1": "", "k2": "", **row}])
    write(store_url, "order", made, random.Random(1))
    ask = Answers(replace(campaign(), utc_offset_minutes=offset), stores, Latest(0))

    async def check() -> None:
        for unit, begin_ms in begins_ms.items():
            (found,) = (await ask.totals("order", unit, Span()))["rows"]
            assert found[f"{unit}_ms"] == begin_ms == begin_there(second_ms, unit, offset)
            step_s = history.TIME_STEPS_S[unit]
            line = await ask.history("order.paid_amount_fen", step_s, "", Span())
            assert line["series"][0]["points"][-1] == 300
            assert line["from_ms"] + (len(line["series"][0]["points"]) - 1) * step_s * 1000 == (
                begin_ms
            )

    asyncio.run(check())


def test_a_history_adds_up_to_the_totals_of_its_span(store_url: str, stores: Stores) -> None:
    """Wherever the span begins and ends inside a step: the curve ends at the big number."""
    chance = random.Random(9)
    write(store_url, "order", make_world("order", chance), chance)
    ask = Answers(campaign(), stores, Latest(0))

    async def check() -> None:
        for first, last, step_s in ((7, 121, 60), (0, 150, 7), (59, 61, 3600), (13, 149, 86_400)):
            span = Span(ZERO + first * 1000, ZERO + last * 1000)
            line = await ask.history("order.paid_amount_fen", step_s, "", span)
            rows = (await ask.totals("order", "", span))["rows"]
            points = line["series"][0]["points"] if line["series"] else []
            total = rows[0]["paid_amount_fen"] if rows else 0
            assert sum(point or 0 for point in points) == total

    asyncio.run(check())
