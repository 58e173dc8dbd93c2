"""Two releases side by side under load, one with two measures more, in one consumer group: up, and
down again. The books close all the time, and history has old and new columns.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import failing
from tests.e2e.failing import Shop
from tests.e2e.faults.schedules import log_sums
from tests.e2e.river import NO_ENV, River
from tests.parts import next_release
from tests.parts.clickhouse import clickhouse
from tests.parts.kafka import kafka
from tests.parts.next_release import MORE

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # kafka-python leaves refused sockets to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
REGIONS = ["r0", "r1"]
WORKERS = ("gather", "judge", "archive")
PATIENCE_S = 120
APART_S = 6
NEW = tuple(counter.name for counter in MORE)
SUMS = ("events", "paid", "paid_amount_fen", "failed")


def test_two_releases_share_the_work_upwards_and_downwards(
    need: Callable[[str], None], tmp_path: Path
) -> None:
    need("kafka")
    need("clickhouse")
    file = tmp_path / "failing.toml"
    file.write_text(failing.campaign(REGIONS, failing.rule("quick", window=1)), encoding="utf-8")
    with (
        kafka() as broker,
        clickhouse() as store,
        River(broker.bootstrap, store.url, tmp_path, file, partitions=2) as river,
        Shop(broker.bootstrap, REGIONS, partitions=2) as shop,
    ):
        shop.percent["r0"] = 50
        wait_red(river)

        river.of_next_release = {f"{kind}-2" for kind in (*WORKERS, "api")}
        change(river, old=[*WORKERS, "api"], new=["archive-2", "gather-2", "judge-2", "api-2"])
        upgraded = closed(river, shop, broker.bootstrap)

        shop.rests = False
        change(river, old=[f"{kind}-2" for kind in WORKERS], new=list(WORKERS))
        downgraded = closed(river, shop, broker.bootstrap)
        told = totals(river)
        river.parts["api-2"].stop()
        river.start("api")
        river.wait_ready()
        narrow = river.get("api/v1/totals?kind=order")["rows"]

    assert upgraded["failed"] > 0
    assert downgraded["events"] > upgraded["events"]
    # what the next release counted has its columns, and nobody else's work has lost any
    assert 0 < told["unpaid"] < told["failed"] == downgraded["failed"]
    assert told["unpaid_fen"] > 0
    assert {name: sum(row[name] for row in narrow) for name in SUMS} == {
        name: downgraded[name] for name in SUMS
    }
    assert not [row for row in narrow if set(NEW) & row.keys()]


def change(river: River, *, old: list[str], new: list[str]) -> None:
    """The new ones join and work beside the old ones for a while; then these leave."""
    for name in new:
        if not name.startswith("api"):
            river.start(name)
    time.sleep(APART_S)
    for name in old:
        river.parts[name].stop()
    for name in new:
        if name.startswith("api"):
            river.start(name)
    river.wait_ready()
    wait_red(river)
    time.sleep(APART_S)


def closed(river: River, shop: Shop, bootstrap: str) -> dict[str, int]:
    """Nobody orders any more: the books close for both releases, and every sum is the log's."""
    shop.rests = True
    time.sleep(1)
    for release in (NO_ENV, next_release.ENV):
        code, books = river.audit(release)
        assert code == 0, (release, books, river.logs())
    truth, told = asyncio.run(log_sums(bootstrap)), totals(river)
    assert {name: told[name] for name in truth} == truth
    return told


def totals(river: River) -> dict[str, int]:
    """Sums of all orders, as the api tells them."""
    rows: list[dict[str, Any]] = river.get("api/v1/totals?kind=order")["rows"]
    found: Counter[str] = Counter()
    for row in rows:
        found.update({name: int(row[name]) for name in (*SUMS, *NEW) if name in row})
    return dict(found)


def wait_red(river: River) -> None:
    """Until the judge, whichever it is, judges what fails."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        levels = {one["scope"]: one["level"] for one in river.get("api/v1/status")["verdicts"]}
        if levels.get("region=r0") not in (None, 0) and levels.get("region=r1") == 0:
            return
        assert time.monotonic() < deadline, (levels, river.logs())
        time.sleep(0.2)
