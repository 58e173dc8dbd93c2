"""Sums beyond 63 bits are exact wherever the store is asked: the api, earlier logs, the tester."""

from collections.abc import Iterator
from typing import Any

import pytest

from fenghuo.api.history import query as history
from fenghuo.api.history import questions
from fenghuo.api.history.query import Span
from fenghuo.deploy.up import earlier
from fenghuo.deploy.up.up import IN_MEMORY
from fenghuo.loadtest.books.books import Source
from fenghuo.loadtest.verdict.result import Totals
from fenghuo.schemas.campaign.campaign import load
from fenghuo.schemas.kinds.measures import BUCKETS, KINDS, MEASURES
from fenghuo.schemas.lane import REAL
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.port import Store, connect, wide_sum, wide_sums
from fenghuo.schemas.wire.topics import TOPIC_OF

pytestmark = pytest.mark.real

LARGEST = 2**63 - 1
SECONDS = 3
LOG = f"{IN_MEMORY}before"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Three seconds of each kind, each as heavy as a second can be."""
    opened = connect(store_url)
    for row in opened.query("SHOW TABLES"):
        opened.execute(f"DROP TABLE {row['name']}")
    for statement in tables.ddl():
        opened.execute(statement)
    start_ms = load(Settings().campaign).start_ms
    for kind in KINDS:
        rows = [(cut, k1, i) for i in range(SECONDS) for cut, k1 in (("", ""), ("region", "east"))]
        size = len(rows)
        columns: dict[str, list[Any]] = {
            "log": [LOG] * size,
            "topic": [TOPIC_OF[kind]] * size,
            "partition": [0] * size,
        }
        columns |= {"second_ms": [start_ms + 1000 * i for _, _, i in rows], "k2": [""] * size}
        columns |= {"cut": [cut for cut, _, _ in rows], "k1": [k1 for _, k1, _ in rows]}
        columns |= {"version": [1] * size, **{name: [LARGEST] * size for name in MEASURES[kind]}}
        columns |= {name: [5] * size for name in ("events", "paid") if name in columns}
        if kind == "traffic":
            columns["latency_ms"] = [[LARGEST] * BUCKETS] * size
        if kind == "complaint":
            columns["complaints"] = [5] * size
        opened.insert(tables.PULSE_TABLE[kind], columns)
    yield opened
    opened.close()


def test_a_wide_sum_is_a_plain_int(store: Store) -> None:
    numbers = f"(SELECT arrayJoin([toInt64({LARGEST}), toInt64({LARGEST})]) AS x)"
    assert store.query(f"SELECT {wide_sum('x')} AS s FROM {numbers}") == [{"s": 2 * LARGEST}]
    assert store.query(f"SELECT {wide_sum('x')} AS s FROM {numbers} WHERE x = 1") == [{"s": 0}]
    arrays = f"(SELECT [x, toInt64(1)] AS a FROM {numbers})"
    assert store.query(f"SELECT {wide_sums('a')} AS s FROM {arrays}") == [{"s": [2 * LARGEST, 2]}]


def test_totals_do_not_wrap(store: Store) -> None:
    for kind in KINDS:
        asked = history.sums_query(
            kind, (), history.measures_of(kind), steps=None, span=Span(), lane=REAL
        )
        (row,) = store.query(*asked)
        made = history.total_row(kind, (), None, row)
        heavy = {"paid_amount_fen", "requests", "errors"} & made.keys()
        assert {made[name] for name in heavy} <= {SECONDS * LARGEST}
        assert made["events"] == SECONDS * 5
        assert made.get("latency_ms", [SECONDS * LARGEST]) == [SECONDS * LARGEST] * len(
            made.get("latency_ms", [0])
        )
    answer = questions.Totals("order", (), None, 0, Span(), REAL).answer(store)
    assert str(SECONDS * LARGEST).encode() in answer


def test_sums_of_earlier_logs_do_not_wrap(store: Store) -> None:
    found = earlier.tallies(store, REAL, load(Settings().campaign), "now")
    (orders,) = (tally for at, tally in found.items() if at.topic == "orders")
    assert orders.by_region == {"east": (SECONDS * 5, SECONDS * LARGEST)}


def test_the_tester_s_own_sums_do_not_wrap(store: Store, store_url: str) -> None:
    source = Source("http://127.0.0.1:1", store_url, REAL)
    found = source.stored()
    source.close()
    assert found["order"] == Totals(0, SECONDS * 5, SECONDS * 5, SECONDS * LARGEST)
