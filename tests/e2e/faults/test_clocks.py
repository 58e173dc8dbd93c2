"""Wrong clocks under the whole river: of its own hosts, of producers, and of one source of several.
Levels come in their time, what is wrong is said.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient, NewTopic

from fenghuo.schemas.level import Level
from fenghuo.schemas.wire.topics import TOPIC_OF
from tests.e2e import failing
from tests.e2e.failing import Shop
from tests.e2e.load.shadow_run import stored
from tests.e2e.river import PARTS, River
from tests.parts.kafka import kafka as kafka_part
from tests.parts.tansu import tansu as tansu_part

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # kafka-python leaves refused sockets to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
REGIONS = ["north", "south"]
STEADY = """
[flapping]
changes = 20
within_s = 10
"""
PATIENCE_S = 120
BUSY_S = 30
"""What a machine may be late that does much else; a clock that held levels up did so for a minute
and more.
"""
HOUR_S = 3_600
FUTURE_MS = 10_000
"""The shipped setting."""
LIVE_MS = 10_000
"""The page calls data stale that is older."""


class Watch:
    """A river whose parts each have a host clock of their own."""

    def __init__(self, river: River) -> None:
        self.river = river
        for name in PARTS:
            river.host(name)

    def begin_again(self, ahead_s: Mapping[str, int]) -> None:
        """Every part anew, on hosts whose clocks are so far ahead."""
        for name, clock in self.river.clocks.items():
            clock.set(ahead_s.get(name, 0))
            self.river.kill(name)
        self.river.wait_ready()

    def set(self, ahead_s: int) -> None:
        """All clocks at once, while everything runs."""
        for clock in self.river.clocks.values():
            clock.set(ahead_s)

    def view(self) -> dict[str, Any]:
        """What the page shows."""
        found: dict[str, Any] = self.river.get("api/v1/status")
        return found

    def until(self, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first view that is as wanted."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            view = self.view()
            if done(view):
                return view
            assert time.monotonic() < deadline, (view, self.river.logs())
            time.sleep(0.05)

    def rises_after_s(self, shop: Shop) -> float:
        """How long after payments began to fail the level was red; and green again in the end."""
        self.until(lambda view: levels(view) == {0})
        begun_s = time.monotonic()
        shop.percent = dict.fromkeys(REGIONS, 100)
        self.until(lambda view: levels(view) == {Level.RED})
        after_s = time.monotonic() - begun_s
        self.until(is_live)
        shop.percent = dict.fromkeys(REGIONS, 0)
        self.until(lambda view: levels(view) == {0})
        return after_s

    def api_stays_honest(self) -> None:
        """Where the judge is gone, an api whose clock is behind does not call its board new."""
        self.begin_again({"api": -50})
        self.river.parts["judge"].kill()
        time.sleep(3)
        self.river.kill("api")
        age_ms = self.until_answers()["board_age_ms"]
        assert age_ms >= 3_000, "it hides how long the judge has been gone"

    def until_answers(self) -> dict[str, Any]:
        """The first view of an api that was just started."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.view()
            except OSError:
                assert time.monotonic() < deadline, self.river.logs()
                time.sleep(0.05)


def levels(view: dict[str, Any]) -> set[int | None]:
    return {one["level"] for one in view["verdicts"]}


def noted(view: dict[str, Any], code: str) -> set[str]:
    """What notes of a code are about."""
    return {note["where"] for note in view["notes"] if note["code"] == code}


def is_said_of(parts: set[str], view: dict[str, Any]) -> bool:
    """Whether the clocks of the hosts of these parts, and no others, are said to be wrong."""
    return {where.partition(" ")[0] for where in noted(view, "clock_skew")} == parts


def is_live(view: dict[str, Any]) -> bool:
    """Whether the page shows its orders as fresh."""
    ages = [kind["age_ms"] for kind in view["kinds"] if kind["kind"] == "order"]
    return max(view["board_age_ms"], *ages) < LIVE_MS


@contextmanager
def watched(tmp_path: Path, bootstrap: str, partitions: int) -> Iterator[Watch]:
    file = tmp_path / "failing.toml"
    file.write_text(failing.campaign(REGIONS, STEADY, failing.rule("quick")), encoding="utf-8")
    with stored(tmp_path / "store") as store:
        watch = Watch(River(bootstrap, store, tmp_path, file, partitions=partitions))
        with watch.river:
            yield watch


SKEWS = ({"gather": -5}, {"gather": 50, "judge": -5, "archive": 5})
TOLD = ({"gather": -50, "api": 50}, {"judge": 50, "api": -5}, {"api": -50})
"""For these somebody has to know the time. Where only the worker does, what lies after its own time
and FENGHUO_FUTURE_MS is of the future.
"""


@pytest.mark.parametrize("broker", ["kafka", "tansu"])
def test_no_skew_delays_a_level_by_more_than_its_size_and_a_second(
    broker: str, need: Callable[[str], None], tmp_path: Path
) -> None:
    """Apache Kafka tells its time, Tansu does not: there workers are compared with the judge."""
    need(broker)
    with (
        kafka_part() if broker == "kafka" else tansu_part() as part,
        # of three partitions one stays empty, as in a small shop
        watched(tmp_path, part.bootstrap, 3) as watch,
        Shop(part.bootstrap, REGIONS, 2) as shop,
    ):
        usual_s = watch.rises_after_s(shop)
        for skews in SKEWS + (TOLD if broker == "kafka" else ()):
            watch.begin_again(skews)
            after_s = watch.rises_after_s(shop)
            print(f"{broker} {skews}: {after_s:.1f} s, usual {usual_s:.1f} s")
            named = skews.keys() - {"archive"}  # which tells Prometheus alone
            if broker == "tansu":  # where nobody knows the time others differ from the judge
                named = {"gather"} | ({"api"} if "judge" in skews else set())
            watch.until(partial(is_said_of, named))
            assert after_s <= usual_s + max(map(abs, skews.values())) + 1 + BUSY_S
        if broker == "kafka":
            watch.api_stays_honest()


def test_a_clock_that_jumps_an_hour_and_back_holds_nothing_up(
    need: Callable[[str], None], tmp_path: Path
) -> None:
    """All parts go by one host, whose clock is set while they run."""
    need("kafka")
    with (
        kafka_part() as part,
        watched(tmp_path, part.bootstrap, 1) as watch,
        Shop(part.bootstrap, REGIONS) as shop,
    ):
        usual_s = watch.rises_after_s(shop)
        for ahead_s in (HOUR_S, -HOUR_S, 0):
            watch.set(ahead_s)
            after_s = watch.rises_after_s(shop)
            print(f"jumped to {ahead_s} s: {after_s:.1f} s, usual {usual_s:.1f} s")
            assert after_s <= usual_s + 1 + BUSY_S
            if ahead_s:
                watch.until(lambda view: {"judge", "api"} <= noted(view, "clock_skew"))
        watch.until(lambda view: not noted(view, "clock_skew"))


def test_under_create_time_no_producers_clock_closes_the_seconds_of_others(
    need: Callable[[str], None], tmp_path: Path
) -> None:
    """Topics made before with Kafka's default, which takes times up to an hour ahead; strangers
    whose clocks are 50 minutes ahead and hours behind write to the same partition.
    """
    need("kafka")
    with kafka_part() as part:
        make_by_default(part.bootstrap, partitions=1)
        with (
            watched(tmp_path, part.bootstrap, 1) as watch,
            Shop(part.bootstrap, REGIONS) as shop,
        ):
            usual_s = watch.rises_after_s(shop)
            with (
                Shop(part.bootstrap, ["north"], ahead_ms=50 * 60_000),
                Shop(part.bootstrap, ["south"], ahead_ms=-3 * 3_600_000),
            ):
                time.sleep(5)
                after_s = watch.rises_after_s(shop)
                view = watch.until(lambda view: "orders" in noted(view, "topic_setting"))
            print(f"{after_s:.1f} s, usual {usual_s:.1f} s")
            assert after_s <= usual_s + 1 + BUSY_S
            (order,) = (kind for kind in view["kinds"] if kind["kind"] == "order")
            assert order["refused"] > 0, "what is ahead"
            assert order["late"] > 0, "what is behind"
            assert order["as_of_ms"] <= view["server_ms"] + FUTURE_MS
            code, books = watch.river.audit()
            assert code == 0, books


def test_one_source_three_minutes_behind_blinds_nobody_and_is_named(
    need: Callable[[str], None], tmp_path: Path
) -> None:
    need("kafka")
    with (
        kafka_part() as part,
        watched(tmp_path, part.bootstrap, 3) as watch,
        Shop(part.bootstrap, REGIONS, 2) as shop,
    ):
        usual_s = watch.rises_after_s(shop)
        with Shop(part.bootstrap, REGIONS, first=2, ahead_ms=-180_000):
            view = watch.until(lambda view: bool(noted(view, "source_behind")))
            assert noted(view, "source_behind") == {"orders/2"}
            after_s = watch.rises_after_s(shop)
            print(f"{after_s:.1f} s, usual {usual_s:.1f} s")
            assert after_s <= usual_s + 1 + BUSY_S
            assert b'fenghuo_source_behind_seconds{kind="order"' in watch.river.read("metrics")


def make_by_default(bootstrap: str, partitions: int) -> None:
    """The source topics as Kafka makes them: they keep the producer's time."""
    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        client.create_topics([NewTopic(name, partitions, 1) for name in TOPIC_OF.values()])
    finally:
        client.close()
