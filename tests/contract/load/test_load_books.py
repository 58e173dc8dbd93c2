"""A lane's books, asked from outside: api and store say the same, on both stores."""

from collections.abc import Iterator
from typing import Any

import pytest

from fenghuo.api.history.stores import Stores
from fenghuo.loadtest.books.books import Source
from fenghuo.loadtest.verdict.result import Totals
from fenghuo.schemas.lane import LANES, REAL, SHADOW, Lane
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.port import Store, connect
from tests.api.boards import FakeSource
from tests.api.server import running
from tests.contract.store.blocks import blocks

pytestmark = pytest.mark.real

BASE_MS = 1_760_000_000_000
FEN = 1_234
"""Of each order in a block."""
GOOD, LATE, REFUSED = 20, 1, 2
"""Events of each kind in a block."""
EVENTS = GOOD + LATE + REFUSED
ONCE = {
    "order": Totals(0, EVENTS, GOOD + LATE, (GOOD + LATE) * FEN),
    "traffic": Totals(0, EVENTS),
    "complaint": Totals(0, EVENTS),
}


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Empty tables of both lanes."""
    opened = connect(store_url)
    for row in opened.query("SHOW TABLES"):
        opened.execute(f"DROP TABLE {row['name']}")
    for lane in LANES:
        for statement in tables.ddl(lane):
            opened.execute(statement)
    yield opened
    opened.close()


def fill(store: Store, log: str, lane: Lane) -> dict[str, dict[str, Any]]:
    made = {name: dict(block.columns) for name, block in blocks(log, BASE_MS).items()}
    for name, columns in made.items():
        store.insert(tables.of(name, lane), columns)
    return made


@pytest.mark.parametrize("lane", LANES)
def test_every_row_counts_once_in_its_own_lane(store: Store, store_url: str, lane: Lane) -> None:
    source = Source("http://127.0.0.1:1", store_url, lane)
    assert source.stored() == dict.fromkeys(ONCE, Totals())
    for _ in range(2):  # an insert that was repeated adds nothing
        made = fill(store, "log-1", lane)
    fill(store, "log-1", SHADOW if lane == REAL else REAL)
    fill(store, "log-2", SHADOW if lane == REAL else REAL)
    assert source.stored() == ONCE
    assert source.look_stored() == 3 * EVENTS

    # a newer look at a second replaces the older one, whichever was written first
    pulses = made["pulses_order"]
    newer = {
        **pulses,
        "version": [9_000] * len(pulses["version"]),
        "events": [3] * len(pulses["events"]),
        "paid": [2] * len(pulses["paid"]),
        "paid_amount_fen": [5] * len(pulses["paid"]),
    }
    store.insert(tables.of("pulses_order", lane), newer)
    store.insert(tables.of("pulses_order", lane), pulses)
    seconds = len({*zip(pulses["second_ms"].tolist(), strict=True)})
    expected = Totals(0, 3 * seconds + LATE + REFUSED, 2 * seconds + LATE, 5 * seconds + LATE * FEN)
    assert source.stored()["order"] == expected
    source.close()


def test_the_api_tells_what_the_store_holds(store: Store, store_url: str) -> None:
    stores, boards = Stores(lambda: connect(store_url), store_url), FakeSource()
    with running(boards, stores=stores) as run:
        run.push(60.0)
        source = Source(f"http://127.0.0.1:{run.port}", store_url, REAL)
        before = source.look()
        fill(store, "log-1", REAL)
        after = source.look()
        source.close()

    assert before.why == after.why == ()
    assert before.told == before.stored == dict.fromkeys(ONCE, Totals())
    assert after.told == after.stored == ONCE
    assert after.shown is not None
    assert set(after.shown) == set(ONCE)


def test_a_store_that_is_away_is_a_reason(store: Store, store_url: str) -> None:
    store.execute("DROP TABLE refused")
    source = Source("http://127.0.0.1:1", store_url, REAL)
    books = source.look()
    again = source.again()

    assert (books.shown, books.stored, books.told) == (None, None, None)
    assert [text.partition(" could")[0] for text in books.why] == [
        "the live view",
        "the store",
        "the api's totals",
    ]
    assert again.look_stored() is None
    for statement in tables.ddl():
        store.execute(statement)
    assert again.stored() == dict.fromkeys(ONCE, Totals())  # it comes back by itself
    again.close()
    source.close()
