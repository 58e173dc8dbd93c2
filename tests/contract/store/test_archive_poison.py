"""Rows that no store can take are passed over, one by one and said; all others are stored."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.made import ensure
from fenghuo.schemas.store.port import Store, StoreError, connect
from fenghuo.streams import metrics
from fenghuo.streams.archive import worker as part_archive
from fenghuo.streams.archive.held import Block
from fenghuo.streams.archive.worker import ArchivePart

pytestmark = pytest.mark.real

ROWS = 1_000
LONELY = "\ud800"
"""Half of a character: no bytes stand for it."""


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = connect(store_url)
    opened.execute("DROP TABLE IF EXISTS refused")
    ensure(opened, "real")
    yield opened
    opened.close()


def block(*poisoned: int) -> Block:
    numbers = list(range(ROWS))
    texts = [f"row {n}{LONELY if n in poisoned else ''}" for n in numbers]
    columns: dict[str, Any] = {name: [1] * ROWS for name, _ in tables.REFUSED_COLUMNS}
    columns |= {"log": ["l"] * ROWS, "topic": ["t"] * ROWS, "reason": ["r"] * ROWS}
    return Block("refused", columns | {"offset": numbers, "detail": texts})


def insert(url: str, *blocks: Block) -> None:
    """As a running archive does, in its thread."""
    part = ArchivePart(Settings(store=url))

    async def run() -> None:
        for one in blocks:
            await part._insert(one)

    asyncio.run(run())
    part._thread.shutdown()
    assert part._store is not None
    part._store.close()


def aside() -> float:
    return float(metrics.SET_ASIDE.labels("refused")._value.get())


def test_all_but_the_poisoned_rows_are_stored_and_each_of_these_is_told(
    store: Store, store_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    poisoned = (0, 500, 501, 999)
    before = aside()
    insert(store_url, block(*poisoned))

    found = {row["offset"] for row in store.query("SELECT offset FROM refused")}
    assert found == set(range(ROWS)) - set(poisoned)
    assert aside() - before == len(poisoned)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("passed over")[0] for line in lines] == ["fenghuo archive: "] * 4
    assert all(f"'offset': {n}," in line for n, line in zip(poisoned, lines, strict=True))


class Heard(ArchivePart):
    """Lets go once it has waited twice."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.whys: list[str] = []
        self.twice = asyncio.Event()

    def _wait(self, what: str, error: StoreError, attempt: int) -> None:
        super()._wait(what, error, attempt)
        self.whys.append(error.fault.cure)
        if len(self.whys) == 2:
            self.twice.set()


def test_a_table_that_takes_none_of_our_rows_is_waited_for_and_nothing_is_passed_over(
    store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's table of that name, say: a person must look, and no row may be lost."""
    monkeypatch.setattr(part_archive, "PAUSE_S", (0.01,))
    before = aside()

    async def run() -> Heard:
        part = Heard(Settings(store=store_url))
        inserting = asyncio.ensure_future(part._insert(block(*range(ROWS))))
        await part.twice.wait()
        assert not inserting.done()
        inserting.cancel()
        return part

    part = asyncio.run(run())
    part._thread.shutdown()
    assert part._store is not None
    part._store.close()
    assert aside() == before
    assert {why.partition(":")[0] for why in part.whys} == {
        "the table takes hardly any of our rows"
    }
