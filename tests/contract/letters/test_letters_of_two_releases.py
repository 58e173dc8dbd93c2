"""A message that was refused by the first release, letter by letter, and is read again by this one,
as one letter of ranges: whoever asks the store or the topic counts its events once. On both stores.
"""

import contextlib
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from fenghuo.api.history.query import Span, books_query
from fenghuo.loadtest.books.books import Source as Books
from fenghuo.schemas.lane import REAL
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.made import ensure
from fenghuo.schemas.store.port import Store, connect
from fenghuo.schemas.wire import letters
from fenghuo.schemas.wire.letters import Headers, Letter
from fenghuo.streams.archive.held import letter_of, refused_block
from fenghuo.streams.audit.command import _stored
from fenghuo.streams.letters.dead_letters import newest_form
from tests.paths import GOLDEN

pytestmark = pytest.mark.real

GOLDEN = GOLDEN / "letter.json"
EVENTS, ALONE = 40, 3
PART = ("orders", 3)
OFFSET = 17


def first_release(idx: int, offset: int = OFFSET) -> Letter:
    """A letter as the archive reads the first release's bytes of it."""
    golden = msgspec.json.decode(GOLDEN.read_bytes())
    headers = golden["headers"] | {"idx": str(idx), "offset": str(offset)}
    found: Headers = [(name, text.encode()) for name, text in headers.items()]
    return letter_of(golden["value"].encode(), found)


def now(idx: int, **changes: object) -> Letter:
    """A letter as this release writes it, and the archive reads it."""
    changes |= {"idx": idx, "form": letters.FORM}
    return letter_of(*letters.to_record(msgspec.structs.replace(first_release(0), **changes)))


BEFORE = [first_release(idx) for idx in range(EVENTS)]
AGAIN = [
    now(0, count=EVENTS - ALONE, rows=f"0-{EVENTS - ALONE - 1}"),
    *(now(idx, reason="time_future", detail="another") for idx in range(EVENTS - ALONE, EVENTS)),
]
OTHER = [first_release(0, OFFSET + 1)]
"""A message that is not read again."""


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store whose table of letters is the first release's, with this one's columns added."""
    opened = connect(store_url)
    for one in tables.TABLES:  # what other tests left would count too
        opened.execute(f"DROP TABLE IF EXISTS {one.name}")
    (table,) = (one for one in tables.TABLES if one.name == tables.REFUSED_TABLE)
    older = [column for column in table.columns if column[0] not in ("count", "form")]
    opened.execute(tables.missing(table._replace(columns=tuple(older)), None, REAL)[0])
    yield opened
    opened.close()


def insert(store: Store, found: Sequence[Letter]) -> None:
    store.insert("refused", refused_block(found).columns)


def test_rows_of_the_first_release_count_as_before_until_their_message_is_read_again(
    store: Store, store_url: str
) -> None:
    columns = dict(refused_block([*BEFORE, *OTHER]).columns)
    for name in ("count", "form"):
        del columns[name]
    store.insert("refused", columns)
    ensure(store, REAL)
    assert refused(store, store_url) == {EVENTS + 1}

    insert(store, AGAIN)
    assert refused(store, store_url) == {EVENTS + 1}
    assert store.query("SELECT count() AS n FROM refused")[0]["n"] > len([*AGAIN, *OTHER])


@pytest.mark.parametrize("is_merged", [False, True])
def test_letters_that_the_archive_reads_again_count_once(
    store: Store, store_url: str, *, is_merged: bool
) -> None:
    """In the order of their topic, from any offset on, as often as a worker dies."""
    ensure(store, REAL)
    for block in (BEFORE, OTHER, BEFORE[9:], AGAIN, BEFORE[20:], OTHER, AGAIN):
        insert(store, block)
    if is_merged:
        store.execute("OPTIMIZE TABLE refused FINAL")
    assert refused(store, store_url) == {EVENTS + 1}


def refused(store: Store, url: str) -> set[int]:
    """What everybody who asks is told."""
    sql, params = books_query("order", Span(0, 2**60), lane=REAL)
    stored = _stored(store, REAL, {PART: "log-1"}, {PART: 2**60})[PART]
    assert stored.refused == {OFFSET: EVENTS, OFFSET + 1: 1}
    by_history = store.query(sql, params)[0]["refused"]
    with contextlib.closing(Books("http://127.0.0.1:1", url, REAL)) as books:
        by_books = books.stored()["order"].events
    return {int(by_history), by_books, sum(stored.refused.values())}


def test_letters_that_are_listed_and_replayed_are_those_of_the_newest_form() -> None:
    for found in ([*BEFORE, *OTHER, *AGAIN], [*AGAIN, *OTHER, *BEFORE]):
        chosen = newest_form([*found, *found])
        assert sorted(chosen, key=lambda one: one.key) == [*AGAIN, *OTHER]
