"""Large questions: answered in processes of their own, few at a time, once for all who ask the
same, refused where they are too large."""

import asyncio
import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fenghuo.api.errors import ApiError
from fenghuo.api.history import query as history
from fenghuo.api.history import questions
from fenghuo.api.history.answers import Answers
from fenghuo.api.history.asker import Asker
from fenghuo.api.history.query import Span
from fenghuo.api.history.questions import TooLarge, Totals
from fenghuo.api.history.shared import KEPT_MAX, Shared
from fenghuo.api.history.stores import ASKERS, LARGE_WAITING_MAX, Stores
from fenghuo.api.view.latest import Latest
from fenghuo.schemas.kinds.measures import BUCKETS
from fenghuo.schemas.lane import REAL
from fenghuo.schemas.store import port as store
from fenghuo.schemas.store.faults import Fault
from fenghuo.schemas.store.port import StoreError
from fenghuo.schemas.store.tables import LATE_TABLE, PULSE_TABLE, ddl
from tests.api.boards import START_MS, campaign
from tests.api.server import NoStore, wait_for

ALL = Totals("traffic", (), "second", 0, Span(), REAL)


@pytest.fixture(scope="module")
def filled(chdb_url: str) -> str:
    """Seconds of traffic, one more than an answer may have rows."""
    made, rows = store.connect(chdb_url), questions.ROWS_MAX + 1
    emptied = (PULSE_TABLE["traffic"], LATE_TABLE["traffic"])
    for statement in (*(f"DROP TABLE IF EXISTS {name}" for name in emptied), *ddl(REAL)):
        made.execute(statement)
    columns: dict[str, list[Any]] = {"second_ms": [START_MS + n * 1000 for n in range(rows)]}
    for name, value in (("log", "l"), ("topic", "traffic"), ("cut", ""), ("k1", ""), ("k2", "")):
        columns[name] = [value] * rows
    for name in ("partition", "version", "events", "requests", "errors"):
        columns[name] = [1] * rows
    columns["latency_ms"] = [[1] * BUCKETS] * rows
    made.insert(PULSE_TABLE["traffic"], columns)
    made.close()
    return chdb_url


@pytest.fixture
def asker(filled: str) -> Iterator[Asker]:
    made = Asker(filled)
    yield made
    made.interrupt()


def test_a_question_beyond_the_limit_is_refused_before_it_is_added_up(asker: Asker) -> None:
    with pytest.raises(TooLarge, match="at most 20000 rows"):
        asker.do(ALL)

    fits = Totals(
        "traffic", (), "second", 0, Span(None, START_MS + questions.ROWS_MAX * 1000), REAL
    )
    assert len(json.loads(asker.do(fits))) == questions.ROWS_MAX
    minutes = Totals("traffic", (), "minute", 0, Span(), REAL)
    assert len(json.loads(asker.do(minutes))) == pytest.approx(questions.ROWS_MAX / 60, abs=2)


def test_rows_and_json_are_not_made_in_this_process(
    filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would hold the event loop up cannot: it runs elsewhere."""
    for name in ("total_row", "series", "quantile"):
        monkeypatch.setattr(history, name, None)
    stores = Stores(lambda: store.connect(filled), filled, filled)
    ask = Answers(campaign(), stores, Latest(0))

    async def both() -> tuple[bytes, bytes]:
        span = Span(START_MS, START_MS + 600_000)
        return await asyncio.gather(
            ask.totals("traffic", "second", span), ask.history("traffic.requests", 1, "", span)
        )

    sums, line = (json.loads(answer) for answer in asyncio.run(both()))
    stores.close()

    assert [row["requests"] for row in sums["rows"]] == [1] * 600
    assert line["series"] == [{"points": [1] * 600}]


def test_a_killed_process_costs_its_question_alone(asker: Asker) -> None:
    minutes = Totals("traffic", (), "hour", 0, Span(), REAL)
    before = asker.do(minutes)
    process = asker._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(StoreError) as caught:
        asker.do(minutes)
    assert caught.value.retry
    assert asker.do(minutes) == before


def test_a_password_is_not_on_the_command_line() -> None:
    asker = Asker("clickhouse://user:s3cret@127.0.0.1:1/none")
    with pytest.raises(StoreError) as caught:
        asker.do(ALL)
    process = asker._process
    assert process is not None
    told = (Path(f"/proc/{process.pid}") / "cmdline").read_bytes()
    told += (Path(f"/proc/{process.pid}") / "environ").read_bytes()
    asker.interrupt()

    assert b"s3cret" not in told
    assert "s3cret" not in str(caught.value)


def test_an_asker_ends_with_its_owner(filled: str) -> None:
    asker = Asker(filled)
    asker.do(Totals("traffic", (), "day", 0, Span(), REAL))
    link, process = asker._link, asker._process
    assert link is not None
    assert process is not None
    link.close()  # as the kernel does for one who was killed
    wait_for(lambda: process.poll() is not None, 10)


class Held(NoStore):
    """A store that answers when it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = threading.Event()

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        self.asked += 1
        self.go.wait(10)
        return []


def test_large_questions_wait_in_a_short_line_and_small_ones_pass_them() -> None:
    held, free = Held(), NoStore()
    opened: list[NoStore] = [held] * ASKERS + [free]
    stores = Stores(lambda: opened.pop(0), "held")

    async def ask() -> None:
        spans = [Span(n, None) for n in range(ASKERS + LARGE_WAITING_MAX + 5)]
        asked = []
        for span in spans:
            question = Totals("order", (), None, 0, span, REAL)
            asked.append(asyncio.ensure_future(stores.ask(question)))
            await asyncio.sleep(0.01)
        busy = [one.exception() for one in asked if one.done()]
        assert len(busy) == 5
        for error in busy:
            assert isinstance(error, ApiError)
            assert (error.status, error.code) == (503, "store_busy")
            assert error.retry_after_s
        with pytest.raises(StoreError, match="connection refused"):
            await stores.query("SELECT 1", {})  # answered, though every asker is held
        held.go.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert answers.count(b"[]") == ASKERS + LARGE_WAITING_MAX

    asyncio.run(ask())
    stores.close()


def test_what_all_ask_at_once_is_worked_out_once_and_kept_for_a_moment() -> None:
    made: list[str] = []
    now_s = [0.0]
    shared = Shared(lambda: now_s[0])

    async def make(name: str) -> bytes:
        made.append(name)
        await asyncio.sleep(0)
        if name == "bad":
            raise StoreError("away", Fault("away"))
        return name.encode()

    async def ask() -> None:
        pages = [asyncio.ensure_future(shared.get("a", lambda: make("a"), 5)) for _ in range(60)]
        await asyncio.sleep(0)
        pages[0].cancel()  # whoever goes away takes it from nobody
        answers = await asyncio.gather(*pages, return_exceptions=True)
        assert answers[1:] == [b"a"] * 59
        assert isinstance(answers[0], asyncio.CancelledError)
        now_s[0] = 4.9
        await shared.get("a", lambda: make("a"), 5)
        assert made == ["a"]
        now_s[0] = 5.0
        await shared.get("a", lambda: make("a"), 5)
        assert made == ["a", "a"]
        for _ in range(2):
            with pytest.raises(StoreError):
                await shared.get("bad", lambda: make("bad"), 5)
        assert made == ["a", "a", "bad", "bad"]
        for number in range(KEPT_MAX + 10):
            await shared.get(number, lambda n=number: make(str(n)), 5)  # type: ignore[misc]
        assert len(shared._kept) == KEPT_MAX

    asyncio.run(ask())
