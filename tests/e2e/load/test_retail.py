"""370 931 real order lines, replayed at full speed: totals equal an independent computation, to the
row and the fen, on both pairs of broker and store, undisturbed and with everything killed that can
be killed.
"""

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fenghuo.schemas.store.port import connect
from tests.e2e.river import River, replay
from tests.loadtest.recordings import polars_truth
from tests.loadtest.recordings.sets import files
from tests.parts.clickhouse import clickhouse as clickhouse_part
from tests.parts.kafka import kafka as kafka_part
from tests.parts.tansu import tansu as tansu_part

pytestmark = [pytest.mark.real, pytest.mark.timeout(1_200)]
SET = "online-retail-uci"
COLUMNS = ("events", "paid", "paid_amount_fen", "cancelled")


def truth(columns: tuple[str, ...] = COLUMNS) -> dict[tuple[str, int], tuple[int, ...]]:
    """{(region, second_ms): totals} by the ten-line script."""
    rows = polars_truth.totals([str(path) for path in files(SET)]).to_dicts()
    return {
        (row["region"], row["second"] * 1000): tuple(row[name] for name in columns) for row in rows
    }


def shown(river: River) -> dict[tuple[str, int], tuple[int, ...]]:
    """The same as the api shows it."""
    answer = river.get("api/v1/totals?kind=order&by=region,second")
    return {
        (row["region"], row["second_ms"]): tuple(row[name] for name in COLUMNS)
        for row in answer["rows"]
    }


def check(river: River) -> dict[str, Any]:
    """Books closed, and totals as they have to be."""
    code, books = river.audit()
    assert (code, books["closed"]) == (0, True), (books["differences"][:3], river.logs())
    assert sum(book["log"] for book in books["partitions"]) == 370_931
    expected = truth()
    found = shown(river)
    assert found == expected
    assert sum(row[0] for row in found.values()) == 370_931
    return books


def test_on_the_embedded_pair(need: Callable[[str], None], tmp_path: Path) -> None:
    """Tansu and chdb."""
    need("tansu")
    recorded = files(SET)
    with (
        tansu_part() as broker,
        River(broker.bootstrap, f"chdb:{tmp_path}/store", tmp_path) as river,
    ):
        replay(river, recorded, SET)
        check(river)


def test_on_the_real_pair_and_a_block_lost(need: Callable[[str], None], tmp_path: Path) -> None:
    """Apache Kafka and ClickHouse; then one block of rows is deleted, and the audit says which."""
    need("kafka")
    need("clickhouse")
    recorded = files(SET)
    with (
        kafka_part() as broker,
        clickhouse_part() as server,
        River(broker.bootstrap, server.url, tmp_path) as river,
    ):
        replay(river, recorded, SET)
        check(river)
        river.parts["archive"].stop()  # nothing shall write while rows are being lost
        lost = _lose_a_block(server.url)
        river.start("archive")
        code, books = river.audit()
        assert code == 1
        named = {(d["topic"], d["partition"], d["second_ms"]) for d in books["differences"]}
        assert named == {("orders", lost["partition"], lost["second_ms"])}
        (difference,) = books["differences"][:1]
        first, last = difference["offsets"]
        assert 0 <= first <= last
        assert difference["expected"]["events"] == lost["events"] > 0
        assert difference["found"]["events"] == 0


def test_with_everything_killed(need: Callable[[str], None], tmp_path: Path) -> None:
    """Gather killed five times, judge and archive twice, the broker once, ClickHouse away for 20 s,
    and a second and third gather worker that join and leave, all in mid-replay: identical totals,
    books closed.
    """
    need("kafka")
    need("clickhouse")
    recorded = files(SET)
    with (
        kafka_part() as broker,
        clickhouse_part() as server,
        River(broker.bootstrap, server.url, tmp_path) as river,
    ):
        sending = river.begin("replay", SET, *map(str, recorded), "--json")
        time.sleep(4)
        river.kill("gather")
        river.start("gather-2")
        server.stop()
        stopped_s = time.monotonic()
        river.kill("judge")
        time.sleep(3)
        river.kill("gather")
        river.kill("archive")
        river.start("gather-3")
        time.sleep(3)
        river.kill("gather")
        broker.kill()
        broker.start()
        time.sleep(2)
        river.parts["gather-2"].stop()
        river.kill("gather")
        time.sleep(max(0.0, stopped_s + 20 - time.monotonic()))
        server.start()
        river.kill("judge")
        river.kill("archive")
        river.parts["gather-3"].stop()
        river.kill("gather")
        out, err = sending.communicate(timeout=900)
        assert sending.returncode == 0, err
        assert json.loads(out)["acknowledged"] == 370_931
        check(river)
        river.wait_ready()
        with urllib.request.urlopen(
            f"http://127.0.0.1:{river.port}/api/v1/status", timeout=10
        ) as answer:
            kinds = json.load(answer)["kinds"]
        assert sum(kind["accepted"] + kind["late"] for kind in kinds) == 370_931


def _lose_a_block(url: str) -> dict[str, Any]:
    """Drop every row of the fullest second of one partition from the store, as a lost block would
    be.
    """
    store = connect(url)
    (found,) = store.query(
        "SELECT `partition`, second_ms, argMax(events, version) AS events FROM pulses_order "
        "WHERE cut = '' GROUP BY `partition`, second_ms ORDER BY events DESC, second_ms LIMIT 1"
    )
    where = f"`partition` = {found['partition']} AND second_ms = {found['second_ms']}"
    store.execute(f"ALTER TABLE pulses_order DELETE WHERE {where}")
    deadline = time.monotonic() + 60
    while store.query(f"SELECT count() AS c FROM pulses_order WHERE {where}")[0]["c"]:
        assert time.monotonic() < deadline, "the rows are still there"
        time.sleep(0.2)
    store.close()
    return found
