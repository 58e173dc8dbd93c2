"""Totals and history on a real store against a plain model, with every mess a store may hold."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from fenghuo.api.errors import ApiError
from fenghuo.api.history import query as history
from fenghuo.api.history import questions
from fenghuo.api.history.answers import Answers
from fenghuo.api.history.query import Span, Steps
from fenghuo.api.history.stores import Stores
from fenghuo.api.view.latest import Latest
from fenghuo.schemas.kinds.kind import Cut
from fenghuo.schemas.kinds.measures import (
    BUCKETS,
    HISTOGRAMS,
    KINDS,
    MEASURES,
    WEIGHED,
    cut_name,
    quantile,
)
from fenghuo.schemas.lane import LANES, REAL, Lane
from fenghuo.schemas.store import port as store
from fenghuo.schemas.store.tables import (
    LATE_TABLE,
    PULSE_TABLE,
    REFUSED_TABLE,
    late_columns,
    of,
    pulse_columns,
)
from fenghuo.schemas.wire.topics import TOPIC_OF
from tests.api.boards import START_MS, board, campaign
from tests.api.wall_clock import begin_there

SECONDS = 150
WEIGHTS = (10**11, 10**11, 2**61)
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
    """The measures of a few events of one cell. What they weigh may be so much that four cells are
    all that Int64 holds.
    """
    events = chance.randrange(1, 5)
    row: Row = {name: chance.randrange(0, 10**11) for name in MEASURES[kind]}
    row |= {name: chance.randrange(chance.choice(WEIGHTS)) for name in WEIGHED[kind] & row.keys()}
    row["events"] = events
    for name in HISTOGRAMS[kind]:
        row[name] = [chance.randrange(chance.choice((3, *WEIGHTS))) for _ in range(BUCKETS)]
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


def inside(span: Span, at_ms: int) -> bool:
    return (span.from_ms or 0) <= at_ms < (span.to_ms or 10**15)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.node.name)


async def totals(ask: Answers, kind: str, by: str, span: Span) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await ask.totals(kind, by, span))
    return found


async def line_of(ask: Answers, name: str, step_s: int, by: str, span: Span) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await ask.history(name, step_s, by, span))
    return found


@pytest.fixture
def stores(store_url: str) -> Iterator[Stores]:
    made = Stores(lambda: store.connect(store_url), store_url, store_url)
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
                answer = await totals(ask, kind, by, span)
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
            answer = await line_of(ask, name, 10, "region", span)
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

    sums = asyncio.run(totals(ask, "order", "", Span()))
    line = asyncio.run(line_of(ask, "order.events", 60, "", Span()))

    assert (sums["rows"], sums["as_of_ms"], sums["watermark_ms"]) == ([], None, None)
    assert (line["series"], line["from_ms"], line["as_of_ms"]) == ([], None, None)


def test_history_without_a_span_ends_at_the_newest_second(store_url: str, stores: Stores) -> None:
    chance = random.Random(3)
    world = make_world("order", chance)
    write(store_url, "order", world, chance)
    latest = Latest(0)
    latest.apply(board(60), START_MS)

    line = asyncio.run(line_of(Answers(campaign(), stores, latest), "order.paid", 1, "", Span()))

    newest = max(at_ms for at_ms, _, _ in world.truth)
    assert line["to_ms"] == line["as_of_ms"] == newest + 1000
    assert line["series"][0]["points"][-1] is not None
    assert None in line["series"][0]["points"]
    assert line["watermark_ms"] == board(60).kinds[0].watermark_ms


def test_too_many_rows_ask_to_narrow(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted by the store before anything is added up; large questions are threads here."""
    stores = Stores(lambda: store.connect(store_url), store_url)
    chance = random.Random(4)
    write(store_url, "order", make_world("order", chance), chance)
    monkeypatch.setattr(questions, "ROWS_MAX", 5)

    with pytest.raises(ApiError) as caught:
        asyncio.run(Answers(campaign(), stores, Latest(0)).totals("order", "second", Span()))

    assert (caught.value.status, caught.value.code) == (422, "too_many_rows")
    assert "at most 5 rows" in caught.value.message
    assert "narrow" in caught.value.cure


def test_a_ratio_of_nothing_is_null() -> None:
    failures = history.metrics()["failure_rate"]

    assert failures.value({"failed": 0, "paid": 0}) is None
    assert failures.value({"failed": 1, "paid": 3}) == 0.25


def test_labels_never_stand_in_the_sql() -> None:
    cut, steps, span = ("region", "category"), Steps(1000, 0), Span(1, 2)
    for sql, params in (
        history.sums_query("order", cut, ("events",), steps=steps, span=span, lane=REAL),
        history.count_query("order", cut, steps, span, lane=REAL, most=5),
    ):
        assert params == {"cut": "region,category", "from_ms": 1, "to_ms": 2}
        assert "region" not in sql


def test_a_history_adds_up_to_the_totals_of_its_span(store_url: str, stores: Stores) -> None:
    """Wherever the span begins and ends inside a step: the curve ends at the big number."""
    chance = random.Random(9)
    write(store_url, "order", make_world("order", chance), chance)
    ask = Answers(campaign(), stores, Latest(0))

    async def check() -> None:
        for first, last, step_s in ((7, 121, 60), (0, 150, 7), (59, 61, 3600), (13, 149, 86_400)):
            span = Span(ZERO + first * 1000, ZERO + last * 1000)
            line = await line_of(ask, "order.paid_amount_fen", step_s, "", span)
            rows = (await totals(ask, "order", "", span))["rows"]
            points = line["series"][0]["points"] if line["series"] else []
            total = rows[0]["paid_amount_fen"] if rows else 0
            assert sum(point or 0 for point in points) == total

    asyncio.run(check())
