"""Each alert of fenghuo about itself is fired by its cause on a real river under a real Prometheus,
and none but the watchdog fires while the river is well.

One story, told by the fixture; the tests look at what was seen.
"""

import os
import time
from collections.abc import Iterator
from functools import partial

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaProducer

from fenghuo.schemas.campaign.campaign import load
from tests.contract.store.blocks import event
from tests.contract.workers.test_parts_live import need
from tests.e2e.river import PARTS
from tests.e2e.set_up.watched import NAMES, Prometheus, Watched, wait
from tests.parts import clickhouse as clickhouse_part
from tests.parts import kafka as kafka_part
from tests.paths import CAMPAIGN

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

WELL_S = int(os.environ.get("WELL_S", "20"))
"""How long the healthy river is looked at; WELL_S=300 takes five minutes."""
BACKLOG = 150_000
"""Messages: more than may wait."""
LOAD = ("load", "--real", "--rate", "200", "--seconds", "1800", "--no-watch", "--seed", "3")


class Story:
    """What was seen."""

    def __init__(self) -> None:
        self.fired: dict[str, bool] = {}
        self.while_well: set[str] = set()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    need("kafka", kafka_part.missing())
    need("clickhouse", clickhouse_part.missing())
    folder = tmp_path_factory.mktemp("watched")
    start_ms = now_ms() - 600_000
    with (
        kafka_part.kafka() as broker,
        clickhouse_part.clickhouse() as store,
        on_hosts_of_their_own(
            Watched(*(broker.bootstrap, store.url, folder, CAMPAIGN), rehearsal_start_ms=start_ms)
        ) as river,
        Prometheus(folder / "prometheus", load(CAMPAIGN, start_ms), river.ports) as prometheus,
    ):
        yield tell(river, store, prometheus, broker.bootstrap)


def on_hosts_of_their_own(river: Watched) -> Watched:
    """Whose clocks can be set."""
    for name in PARTS:
        river.host(name)
    return river


def tell(
    river: Watched,
    store: clickhouse_part.ClickHouse,
    prometheus: Prometheus,
    broker: str,
) -> Story:
    story = Story()
    producer = KafkaProducer(bootstrap_servers=broker, acks="all")

    def see(*names: str) -> None:
        for name in names:
            story.fired[name] = prometheus.await_firing(name)

    # a complaint two minutes ago, and none since
    producer.send("complaints", event("complaint", now_ms() - 118_000)).get(30)
    see("FenghuoComplaintsStale")

    running = river.begin(*LOAD)
    try:
        assert prometheus.await_calm(), prometheus.firing()
        story.fired["Watchdog"] = True
        end_s = time.monotonic() + WELL_S
        while time.monotonic() < end_s:
            story.while_well |= prometheus.firing()
            time.sleep(0.5)

        producer.send("orders", b"no event").get(30)
        see("FenghuoRefused")

        store.kill()
        see("FenghuoStoreRefuses", "FenghuoArchiveBehind")
        store.start()

        for _ in range(3):
            begun = lives(prometheus)
            river.kill("gather")
            assert wait(partial(is_another, prometheus, begun))
        see("FenghuoPartRestarts")

        lose(river, broker)
        see("FenghuoRecordsGone")

        river.clocks["archive"].set(-5)
        see("FenghuoClockSkew")
        river.clocks["archive"].set(0)

        begin_gather(river, {"FENGHUO_LATENESS_MS": "11000"})
        see("FenghuoPartitionStopped")
        begin_gather(river, {"FENGHUO_LATENESS_MS": "10000"})

        river.parts["judge"].kill()
        see("FenghuoPartDown", "FenghuoBoardStale", "FenghuoDataStale")
        river.start("judge")

        story.fired["FenghuoLag"] = leave(river, broker, prometheus)
    finally:
        producer.close(5)
        running.kill()
        running.communicate()

    prometheus.lose_its_targets()
    see("FenghuoAbsent")
    return story


def lose(river: Watched, broker: str) -> None:
    """Records of a partition are deleted while nobody reads."""

    river.parts["gather"].kill()
    client = Producer({"bootstrap.servers": broker})
    for _ in range(100):
        client.produce("orders", event("order", now_ms()), partition=0)
    client.flush(30)
    admin = AdminClient({"bootstrap.servers": broker})
    whole = TopicPartition("orders", 0, -1)  # up to its end
    (deleted,) = admin.delete_records([whole]).values()
    deleted.result(30)
    river.parts["gather"].start()


def begin_gather(river: Watched, settings: dict[str, str]) -> None:
    """Stop gather, and start it with other settings."""
    gather = river.parts["gather"]
    gather.stop()
    gather.env = gather.env | settings
    gather.start()


def lives(prometheus: Prometheus) -> list[float]:
    """When the gather that is watched began."""
    return prometheus.ask('process_start_time_seconds{part="gather"}')


def is_another(prometheus: Prometheus, begun: list[float]) -> bool:
    return lives(prometheus) not in ([], begun)


def leave(river: Watched, broker: str, prometheus: Prometheus) -> bool:
    """More messages than is right, and nobody who reads them: a dead worker tells no lag."""
    river.parts["gather"].kill()
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 50})
    value = event("order", now_ms())
    for number in range(BACKLOG):
        while True:
            try:
                producer.produce("orders", value, partition=number % 4)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(60)
    fired = prometheus.await_firing("FenghuoLag")
    river.parts["gather"].start()
    return fired


def test_nothing_but_the_watchdog_fires_on_a_river_that_is_well(story: Story) -> None:
    assert story.while_well == {"Watchdog"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_an_alert_is_fired_by_its_cause(story: Story, name: str) -> None:
    assert story.fired[name]
