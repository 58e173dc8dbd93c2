"""A store that lets its user do little: what is not needed is not asked for, what lacks is told
in one line and waited for, and no password is in anything that is told.
"""

import logging
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given

from fenghuo.api.history.stores import Stores
from fenghuo.schemas import settings
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.made import ensure
from fenghuo.schemas.store.port import Store, StoreError, connect
from tests.api.boards import FakeSource
from tests.api.server import running
from tests.contract.store.blocks import blocks
from tests.contract.store.waiting import until
from tests.parts.clickhouse import ClickHouse, User
from tests.parts.clickhouse import clickhouse as clickhouse_part
from tests.parts.process import Process, free_port
from tests.schemas.test_addresses import HEAD, PASSWORDS, TAIL

pytestmark = pytest.mark.real

SECRET = f"{HEAD}#1/@?%41&<;'\" {TAIL}"
USERS = {
    "reader": User(SECRET, {"readonly": 1}),
    "asker": User(SECRET, {"readonly": 2}),
    "writer": User(SECRET, {"allow_ddl": 0}),
}
BASE_MS = 1_760_000_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[[], ClickHouse]]:
    context = clickhouse_part(USERS)
    made: list[ClickHouse] = []

    def start() -> ClickHouse:
        if not made:
            made.append(context.__enter__())
        return made[0]

    yield start
    if made:
        context.__exit__(None, None, None)


@pytest.fixture
def owner(server: Callable[[], ClickHouse], need: Callable[[str], None]) -> Iterator[Store]:
    """Who may do everything, over an empty store."""
    need("clickhouse")
    store = connect(server().url)
    for row in store.query("SHOW TABLES"):
        store.execute(f"DROP TABLE {row['name']}")
    yield store
    store.close()


def login(server: ClickHouse, user: str) -> str:
    found = settings.read(
        {"FENGHUO_STORE": server.url_of(user), "FENGHUO_STORE_PASSWORD": USERS[user].password}
    )
    return found.store_login


@pytest.mark.parametrize("user", ["reader", "asker"])
def test_the_api_answers_as_a_user_who_may_only_read(
    owner: Store, server: Callable[[], ClickHouse], user: str
) -> None:
    ensure(owner, "real")
    for name, block in blocks("log-1", BASE_MS).items():
        owner.insert(name, block.columns)
    stores = Stores(lambda: connect(login(server(), user)), "store")
    with running(FakeSource(), stores=stores) as run:
        run.push(60.0)
        at = f"http://127.0.0.1:{run.port}"
        totals = httpx.get(f"{at}/api/v1/totals?kind=order", timeout=30)
        ready = httpx.get(f"{at}/readyz", timeout=30)

    assert totals.status_code == 200, totals.text
    assert totals.json()["rows"][0]["events"] > 0
    assert ready.json()["store"] in ("up", "behind")


def test_ready_tells_whether_history_is_up_to_date(
    owner: Store, server: Callable[[], ClickHouse]
) -> None:
    url = server().url
    with running(FakeSource(), stores=Stores(lambda: connect(url), "store")) as run:
        run.push(60.0)
        at = f"http://127.0.0.1:{run.port}"

        def ready() -> dict[str, Any]:
            found: dict[str, Any] = httpx.get(f"{at}/readyz", timeout=30).json()
            return found

        assert (ready()["store"], ready()["why"]) == ("behind", "archive has made no tables yet")
        ensure(owner, "real")
        assert (ready()["store"], ready()["behind_ms"]) == ("behind", None)
        kinds = httpx.get(f"{at}/api/v1/status", timeout=30).json()["kinds"]
        clock_ms = max(kind["watermark_ms"] for kind in kinds)
        columns = dict(blocks("log-1", BASE_MS)["pulses_order"].columns)
        for behind_ms, state in ((40_000, "behind"), (4_000, "up")):
            columns["second_ms"] = [clock_ms - behind_ms] * len(columns["log"])
            owner.insert("pulses_order", columns)
            assert (ready()["store"], ready()["behind_ms"]) == (state, behind_ms)


def test_who_may_only_read_cannot_write_and_is_told_so_in_one_line(
    owner: Store, server: Callable[[], ClickHouse]
) -> None:
    ensure(owner, "real")
    (name, block), *_ = blocks("log-1", BASE_MS).items()
    store = connect(login(server(), "reader"))
    with pytest.raises(StoreError, match="the user lacks a right: GRANT it") as caught:
        store.insert(name, block.columns)
    assert caught.value.fault.kind == "person"
    assert "\n" not in str(caught.value)
    assert "Stack trace" not in str(caught.value)
    store.close()


def test_a_writer_without_ddl_stores_where_the_tables_are(
    owner: Store, server: Callable[[], ClickHouse]
) -> None:
    store = connect(login(server(), "writer"))
    with pytest.raises(StoreError, match="GRANT it, or make the tables as another user"):
        ensure(store, "real")
    ensure(owner, "real")
    ensure(store, "real")
    for name, block in blocks("log-1", BASE_MS).items():
        store.insert(name, block.columns)

    columns = [name for name, _ in tables.REFUSED_COLUMNS]
    owner.execute(f"ALTER TABLE refused DROP COLUMN {columns[-1]}")
    with pytest.raises(StoreError, match="GRANT it"):
        ensure(store, "real")
    ensure(owner, "real")
    ensure(store, "real")
    assert [row["name"] for row in owner.query("DESCRIBE TABLE refused")] == columns
    store.close()


def told(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.args)


@given(password=PASSWORDS)
def test_no_error_of_a_store_that_is_away_shows_a_password(password: str) -> None:
    check_away(password, "127.0.0.1:1/d")


def test_no_error_of_a_store_whose_name_nobody_knows_shows_a_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    check_away(SECRET, "no.such.host.invalid:9000/d")


def check_away(password: str, place: str) -> None:
    logging.disable(logging.NOTSET)
    with pytest.raises(StoreError) as caught:
        connect(f"clickhouse://me:{quote(password, safe='')}@{place}")
    assert caught.value.fault.kind == "away"
    assert HEAD not in told(caught.value)
    assert TAIL not in told(caught.value)


@pytest.mark.parametrize("user", ["reader", "nobody"])
@pytest.mark.parametrize("database", ["default", "missing"])
def test_no_error_of_a_store_that_refuses_shows_a_password(
    server: Callable[[], ClickHouse], need: Callable[[str], None], user: str, database: str
) -> None:
    need("clickhouse")
    at = f"@127.0.0.1:{server().port}/{database}"
    for password in (SECRET, f"{HEAD}wrong{TAIL}"):
        if (user, database, password) == ("reader", "default", SECRET):
            continue  # the right one
        with pytest.raises(StoreError) as caught:
            connect(f"clickhouse://{user}:{quote(password, safe='')}{at}").query("SELECT 1")
        assert caught.value.fault.kind == "person"
        assert HEAD not in told(caught.value)
        assert TAIL not in told(caught.value)


def test_a_running_part_shows_its_password_nowhere(tmp_path: Path) -> None:
    """Broker and store are away: that is when parts talk most."""
    port = free_port()
    env = {
        "FENGHUO_KAFKA": f"127.0.0.1:{free_port()}",
        "FENGHUO_STORE": f"clickhouse://me:{SECRET}@127.0.0.1:{free_port()}/d",
        "FENGHUO_HTTP_PORT": str(port),
    }
    found = settings.read(env)
    assert TAIL in found.store_login
    command = [sys.executable, "-m", "fenghuo.deploy", "run", "api"]
    process = Process("api", command, tmp_path / "api.log", env)
    try:
        process.start()
        until(lambda: answers(port), process.tail)
        paths = ("healthz", "readyz", "metrics", "api/v1/totals?kind=order", "api/v1/status")
        pages = [httpx.get(f"http://127.0.0.1:{port}/{path}", timeout=30) for path in paths]
        argv = Path(f"/proc/{process.pid}/cmdline").read_text()
    finally:
        process.stop()
    assert pages[0].json()["store"].startswith("clickhouse://127.0.0.1:")
    assert pages[3].status_code == 503
    everything = argv + process.log.read_text() + "".join(page.text for page in pages)
    assert HEAD not in everything
    assert TAIL not in everything


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
