"""Two judges on an ordinary Kafka, both alive: one speaks, the other is ready. Whoever watches sees
one voice, whatever is joined, killed, stopped and woken.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e import failing
from tests.e2e.failing import Shop
from tests.e2e.faults.voices import Watcher, check_one_voice, deaths
from tests.e2e.load.shadow_run import stored
from tests.e2e.river import River
from tests.parts.kafka import kafka as kafka_part

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    # kafka-python leaves refused sockets to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
REGIONS = [f"r{i}" for i in range(6)]
STEADY = """
[flapping]
changes = 20
within_s = 10
"""
STALE = """
[[rules]]
id = "stale"
title = { zh = "数据年龄", en = "Data age" }
unit = "s"
direction = "rising"
scopes = ["kind"]
hold_up_s = 0
hold_down_s = 0
levels.blue = { enter = 5, leave = 4 }
levels.cyan = { enter = 6, leave = 5 }
levels.yellow = { enter = 7, leave = 6 }
levels.orange = { enter = 8, leave = 7 }
levels.red = { enter = 9, leave = 8 }
metric = "age of order"
"""
PATIENCE_S = 90
LATE_MS_MAX = 30_000
"""No measure: for a machine that does much else. Figures are in ARCHITECTURE.md."""


@contextmanager
def rivers(tmp_path: Path) -> Iterator[tuple[River, Shop]]:
    """A river with one judge, and the shop it watches."""
    file = tmp_path / "failing.toml"
    rules = (STEADY, STALE, failing.rule("quick", window=1))
    file.write_text(failing.campaign(REGIONS, *rules), encoding="utf-8")
    with (
        kafka_part() as broker,
        stored(tmp_path / "store") as store,
        River(broker.bootstrap, store, tmp_path, file, partitions=1) as river,
        Shop(broker.bootstrap, REGIONS) as shop,
    ):
        until(river, lambda levels: set(levels) == {0})
        yield river, shop


def until(river: River, done: Callable[[list[int | None]], bool]) -> None:
    """Until the levels that the api shows are as wanted."""
    deadline = time.monotonic() + PATIENCE_S
    while not done([one["level"] for one in river.get("api/v1/status")["verdicts"]]):
        assert time.monotonic() < deadline, river.logs()
        time.sleep(0.1)


def join(river: River, name: str) -> None:
    """One more judge, until it is ready."""
    river.start(name)
    log = river.folder / f"{name}.log"
    river.parts[name].wait_ready(lambda: ": ready" in log.read_text(), PATIENCE_S)


def shake(shop: Shop, seconds: float) -> None:
    """Levels rise and fall, region by region."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for region in REGIONS:
            shop.percent[region] = 100 - shop.percent[region]
            time.sleep(0.4)


def test_a_second_judge_joins_and_the_first_is_killed(
    need: Callable[[str], None], tmp_path: Path
) -> None:
    need("kafka")
    with rivers(tmp_path) as (river, shop):
        with Watcher(river) as alone:
            shake(shop, 5)
            join(river, "judge-2")
            shake(shop, 10)
            river.parts["judge-2"].kill()
            join(river, "judge-2")
            shake(shop, 5)
            river.parts["judge-2"].stop()
            join(river, "judge-2")
            shake(shop, 5)
        assert deaths(river) == []
        with Watcher(river) as watcher:
            river.parts["judge"].kill()
            shake(shop, 10)
            join(river, "judge")
            shake(shop, 5)
            river.parts["judge-2"].stop()
            shake(shop, 5)
        assert deaths(river) == []
        print(
            f"oldest board: {alone.oldest_ms} ms beside a standby, {watcher.oldest_ms} ms over a "
            "kill -9"
        )
        check_one_voice(river, alone)
        check_one_voice(river, watcher)
        assert alone.oldest_ms < LATE_MS_MAX
        assert watcher.oldest_ms < LATE_MS_MAX


def test_a_judge_that_slept_tells_nothing_of_its_own(
    need: Callable[[str], None], tmp_path: Path
) -> None:
    need("kafka")
    with rivers(tmp_path) as (river, shop):
        join(river, "judge-2")
        with Watcher(river) as watcher:
            for name in ("judge", "judge-2"):
                river.parts[name]._signal(signal.SIGSTOP)
                shake(shop, 14)
                river.parts[name]._signal(signal.SIGCONT)
                shake(shop, 4)
                shop.rests = True  # what the sleeper found old is old now, and has other numbers
                time.sleep(8)
                shop.rests = False
                shake(shop, 4)
        assert deaths(river) == []
        print(f"oldest board: {watcher.oldest_ms} ms")
        check_one_voice(river, watcher)
        assert watcher.boards > 100
