"""Both stores keep the contract of schemas/store/port.py: tables, rows, errors and returns."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fenghuo.schemas.store import tables
from fenghuo.schemas.store.port import INSERT_ROWS_MAX, Store, StoreError, connect
from tests.contract.store.blocks import blocks, ordered, rows
from tests.loadtest.recordings.sets import files
from tests.parts.clickhouse import ClickHouse, clickhouse

pytestmark = pytest.mark.real

BASE_MS = 1_760_000_000_000
TEXTS = [
    "",
    "plain",
    "it's",
    '"quoted"',
    "back\\slash",
    "\\'",
    "\\\\'",
    "100 % %s %(name)s %%",
    "a\0b\0",
    "line\nline\r\n\t\b\f\v",
    "烽火 🔥 \u202e \ufeff",
    "'; DROP TABLE refused; --",
    "\\N",
    "NULL",
    "{}[]()",
    "\x01\x1f\x7f\x80\x9f",
    "x" * 10_000,
]


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = connect(store_url)
    for name in names(opened):
        opened.execute(f"DROP TABLE {name}")
    for statement in tables.ddl():
        opened.execute(statement)
    yield opened
    opened.close()


def names(store: Store) -> list[str]:
    return [row["name"] for row in store.query("SHOW TABLES")]


def test_tables_are_made_twice(store: Store) -> None:
    for statement in tables.ddl():
        store.execute(statement)

    expected = {*tables.PULSE_TABLE.values(), *tables.LATE_TABLE.values()}
    assert set(names(store)) == expected | {"refused", "transitions"}


@pytest.mark.parametrize("table", sorted(blocks("log", BASE_MS)))
def test_blocks_of_the_archive_are_read_back(store: Store, table: str) -> None:
    block = blocks("log-1", BASE_MS)[table]
    expected = rows(block.columns)
    assert expected

    for _ in range(2):  # a restart stores again, and nothing changes
        store.insert(table, block.columns)
        found = store.query(f"SELECT * FROM {table} FINAL")
        assert ordered([row[name] for name in block.columns] for row in found) == expected
        assert set(found[0]) == set(block.columns)


def test_a_newer_pulse_replaces_an_older_one(store: Store) -> None:
    for kind, table in tables.PULSE_TABLE.items():
        old = blocks("log-2", BASE_MS)[table].columns
        newer = {**old, "version": [9_000] * len(old["log"]), "events": [7] * len(old["log"])}
        store.insert(table, newer)
        store.insert(table, old)
        found = store.query(f"SELECT events, version FROM {table} FINAL WHERE log = 'log-2'")
        assert {(row["events"], row["version"]) for row in found} == {(7, 9_000)}, kind


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_text_goes_through_unchanged(store: Store, text: str) -> None:
    sql = "SELECT %(text)s AS same, length(%(text)s) AS bytes, %(text)s IN %(list)s AS found"
    row = {"same": text, "bytes": len(text.encode()), "found": 1}

    assert store.query(sql, {"text": text, "list": ["never", text]}) == [row]
    assert store.query("SELECT 1 AS one WHERE %(text)s != %(text)s", {"text": text}) == []


def test_naughty_strings_are_stored_and_found(store: Store) -> None:
    texts = [*TEXTS, *naughty_strings()]
    size = len(texts)
    kinds = {"partition": 1, "offset": 2, "idx": 3, "record_ms": 4, "bytes": 5}
    columns: dict[str, list[Any]] = {name: [number] * size for name, number in kinds.items()}
    columns |= {"log": ["l"] * size, "topic": ["t"] * size, "reason": texts, "detail": texts}
    columns["offset"] = list(range(size))
    store.insert("refused", columns)

    found = store.query("SELECT reason, detail FROM refused ORDER BY offset")
    assert [row["reason"] for row in found] == texts
    assert [row["detail"] for row in found] == texts
    for text in texts[:: max(1, size // 40)]:
        where = "reason = %(text)s AND detail IN %(some)s"
        sql = f"SELECT min(offset) AS first FROM refused WHERE {where}"
        one = store.query(sql, {"text": text, "some": [text, "never"]})
        assert one == [{"first": texts.index(text)}]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("toInt64(-9223372036854775808)", -(2**63)),
        ("toUInt64(18446744073709551615)", 2**64 - 1),
        ("toUInt8(200)", 200),
        ("toFloat64(0.1)", 0.1),
        ("toString('火')", "火"),
        ("count()", 1),
        ("sum(toInt64(5))", 5),
        ("argMax(toInt64(3), toUInt64(1))", 3),
        ("uniqExact(1)", 1),
        ("toUInt8(1 = 1)", 1),
    ],
)
def test_values_come_as_plain_python(store: Store, sql: str, expected: Any) -> None:
    found = store.query(f"SELECT {sql} AS v")

    assert found == [{"v": expected}]
    assert type(found[0]["v"]) is type(expected)


def test_no_rows_are_an_empty_list(store: Store) -> None:
    assert store.query("SELECT log FROM refused") == []
    store.insert("refused", {name: [] for name, _ in tables.REFUSED_COLUMNS})
    assert store.query("SELECT count() AS n FROM refused") == [{"n": 0}]


def test_parameters_are_numbers_and_lists_too(store: Store) -> None:
    params = {"a": -5, "b": True, "c": (1, 2, 3), "d": 2**62}
    sql = "SELECT %(a)s AS a, %(b)s AS b, 2 IN %(c)s AS c, 10 %% 4 AS r, %(d)s AS d"

    assert store.query(sql, params) == [{"a": -5, "b": 1, "c": 1, "r": 2, "d": 2**62}]
    assert store.query("SELECT 10 % 4 AS r") == [{"r": 2}]
    with pytest.raises(TypeError, match="no literal for a float"):
        store.query("SELECT %(x)s", {"x": 1.5})


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.query("SELECT nothing FROM nowhere"),
        lambda store: store.query("SELEC 1"),
        lambda store: store.execute("CREATE TABLE"),
        lambda store: store.insert("nowhere", {"a": [1]}),
        lambda store: store.insert("refused", {"no_such_column": [1]}),
        lambda store: store.insert("refused", {"bytes": ["no number"]}),
    ],
    ids=["table", "syntax", "ddl", "insert-table", "insert-column", "insert-type"],
)
def test_what_is_wrong_stays_wrong(store: Store, act: Callable[[Store], None]) -> None:
    """Waiting does not cure it, so `retry` is false; and the connection goes on."""
    with pytest.raises(StoreError) as caught:
        act(store)

    assert not caught.value.retry
    assert store.address in str(caught.value)
    assert store.query("SELECT 1 AS one") == [{"one": 1}]


def test_a_block_is_checked_before_it_is_sent(store: Store) -> None:
    with pytest.raises(ValueError, match="columns differ in length"):
        store.insert("refused", {"log": ["a"], "topic": []})
    with pytest.raises(ValueError, match="most are 200000"):
        store.insert("refused", {"partition": range(INSERT_ROWS_MAX + 1)})


def test_the_largest_block_is_one_part(store: Store) -> None:
    """All or nothing holds because a block is one part."""
    store.execute("CREATE TABLE wide (k Int64, v Array(Int64)) ENGINE = MergeTree ORDER BY k")
    size = INSERT_ROWS_MAX
    store.insert("wide", {"k": list(range(size)), "v": [[1, 2, 3]] * size})
    found = store.query("SELECT count() AS n FROM system.parts WHERE table = 'wide' AND active")

    assert found == [{"n": 1}]
    assert store.query("SELECT count() AS n, sum(k) AS k FROM wide") == [
        {"n": size, "k": size * (size - 1) // 2}
    ]


@pytest.mark.parametrize("url", ["http://x", "chdb", "clickhouse:x", "postgres://a:secret@b/c"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected chdb:DIR or clickhouse://") as caught:
        connect(url)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_away_is_waited_for(need: Callable[[str], None]) -> None:
    need("clickhouse")
    with clickhouse() as server:
        store = connect(server.url)
        store.execute("CREATE TABLE t (k Int64) ENGINE = MergeTree ORDER BY k")
        for end in (server.stop, server.kill):
            store.insert("t", {"k": [1]})
            end()
            for _ in range(2):
                with pytest.raises(StoreError) as caught:
                    store.insert("t", {"k": [100]})
                assert caught.value.retry
            with pytest.raises(StoreError) as caught:
                connect(server.url)
            assert caught.value.retry
            server.start()
            assert store.query("SELECT max(k) AS k FROM t") == [{"k": 1}]
        assert store.query("SELECT count() AS n FROM t") == [{"n": 2}]
        store.close()


def test_a_wrong_password_is_not_waited_for(clickhouse: ClickHouse) -> None:
    for url in (clickhouse.url.replace(":@", ":wrong@"), clickhouse.url.replace("/default", "/x")):
        with pytest.raises(StoreError) as caught:
            connect(url).query("SELECT 1")
        assert not caught.value.retry
        assert "wrong" not in str(caught.value).split("default")[0]


def naughty_strings() -> list[str]:
    """The big list, where it is beside the checkout."""
    import gzip
    import json

    try:
        (path,) = files("naughty-strings", "blns.json.gz")
    except pytest.skip.Exception:
        return []
    found = [str(text) for text in json.loads(gzip.decompress(path.read_bytes()))]
    return [text for text in found if text.encode("utf-8", "replace").decode() == text]
