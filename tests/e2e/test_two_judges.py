"""Two judges on an ordinary Kafka, both alive: one speaks, the other is ready. Whoever watches sees
one voice, whatever is joined, killed, stopped and woken.
"""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest

from fenghuo.schemas import topics
from fenghuo.schemas.warning import Transition
from fenghuo.streams import kafka as calls
from tests.e2e import failing
from tests.e2e.failing import Shop
from tests.e2e.river import River
from tests.e2e.shadow_run import stored
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
EVERY_S = 0.05
PATIENCE_S = 90
LATE_MS_MAX = 30_000
"""No measure: for a machine that does much else. Figures are in ARCHITECTURE.md."""
Numbered = dict[tuple[str, str, int], dict[str, Any]]


class Watcher:
    """Somebody who looks at the status all the time: how old boards became, what was told."""

    def __init__(self, river: River) -> None:
        self.oldest_ms = 0
        self.boards = 0
        self.told: Numbered = {}
        self.twice: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._river = river
        self._seq = -1
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._stop.wait(EVERY_S):
            view = self._river.get("api/v1/status")
            self.oldest_ms = max(self.oldest_ms, view["board_age_ms"])
            self.boards += view["seq"] != self._seq
            self._seq = view["seq"]
            for one in view["recent"]:
                key = (one["rule"], one["scope"], one["seq"])
                if self.told.setdefault(key, one) != one:
                    self.twice.append((self.told[key], one))


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


def deaths(river: River) -> list[str]:
    return [
        line
        for path in river.folder.glob("*.log")
        for line in path.read_text(errors="replace").splitlines()
        if "this part ends" in line
    ]


def check_one_voice(river: River, watcher: Watcher) -> None:
    """Nobody saw two contents under one number: neither on the page, nor on the topic, nor in the
    store.
    """
    assert watcher.twice == []
    told: dict[tuple[str, str, int], Transition] = {}
    for record in asyncio.run(calls.read_all(river.env["FENGHUO_KAFKA"], topics.TRANSITIONS)):
        one = msgspec.json.decode(record.value or b"", type=Transition)
        assert told.setdefault((one.rule, one.scope, one.seq), one) == one
    shown = {
        key: (one["from_level"], one["to_level"], one["at_ms"]) for key, one in watcher.told.items()
    }
    assert shown
    assert {key: (told[key].from_level, told[key].to_level, told[key].at_ms) for key in shown} == (
        shown
    )


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
