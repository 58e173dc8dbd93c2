"""Archive waits for its store, whatever ails it: it never ends for that, says what would cure it,
its delay grows meanwhile, and everything is stored afterwards.
"""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fenghuo.schemas.store.port import connect
from fenghuo.schemas.store.socket import socket_path
from tests.contract.conftest import Broker
from tests.contract.store.waiting import Archive, until
from tests.parts.clickhouse import clickhouse as clickhouse_part
from tests.parts.kafka import kafka as kafka_part
from tests.parts.process import Process

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(500)]

DISK_BYTES = 96 << 20


@pytest.fixture
def broker(need: Callable[[str], None]) -> Iterator[Broker]:
    need("kafka")
    with kafka_part() as part:
        yield Broker("kafka", part)


@pytest.fixture
def archive(broker: Broker, tmp_path: Path) -> Iterator[Callable[..., Archive]]:
    made: list[Archive] = []

    def make(store: str, **settings: object) -> Archive:
        made.append(Archive(broker, store, tmp_path, **settings))
        return made[-1]

    yield make
    for one in made:
        one.process.kill()


def test_the_delay_grows_while_the_store_is_away_and_a_restart_does_not_hide_it(
    archive: Callable[..., Archive], need: Callable[[str], None]
) -> None:
    need("clickhouse")
    with clickhouse_part() as server:
        worker = archive(server.url)
        worker.start()
        worker.send()
        store = connect(server.url)
        until(lambda: worker.is_stored(store), worker.process.tail)
        until(lambda: worker.delay_s() == 0, worker.process.tail)
        assert worker.metric("fenghuo_store_up") == 1

        server.kill()
        worker.send(3)
        until(lambda: worker.metric("fenghuo_store_up") == 0, worker.process.tail)
        until(lambda: worker.delay_s() > 0, worker.process.tail)
        began_s, before_s = time.monotonic(), worker.delay_s()
        time.sleep(3)
        after_s, most_s = worker.delay_s(), time.monotonic() - began_s
        assert 3 <= after_s - before_s <= most_s

        worker.process.kill()
        worker.start()  # in the outage: it is ready, and as far behind as it was
        until(lambda: worker.delay_s() > after_s, worker.process.tail)
        assert worker.said("waits for the store") >= 2
        assert worker.metric("fenghuo_store_up") == 0

        server.start()
        until(lambda: worker.is_stored(store), worker.process.tail)
        until(lambda: worker.delay_s() == 0, worker.process.tail)
        assert worker.metric("fenghuo_store_up") == 1
        assert worker.process.alive()
        assert worker.said("Traceback") == 0
        store.close()


def test_a_metrics_port_that_is_taken_is_told_and_tried_again(
    archive: Callable[..., Archive], tmp_path: Path
) -> None:
    worker = archive(f"chdb:{tmp_path}/store")
    with socket.create_server(("127.0.0.1", worker.port)):
        worker.start()
        taken = f"works without /metrics: 127.0.0.1:{worker.port}: Address already in use"
        assert worker.said(taken) == 1
    until(lambda: worker.said(f"/metrics on port {worker.port} now") == 1, worker.process.tail)
    assert worker.metric("fenghuo_store_up") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own that can be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"SKIPPED: a disk to fill needs mount: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all room that is left."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"\1" * (64 << 10))
    with contextlib.suppress(OSError), (folder / "rest").open("wb", buffering=0) as file:
        while True:
            file.write(b"\1" * 512)
    return filler


def test_a_full_disk_is_waited_for_and_told(
    archive: Callable[..., Archive], small_disk: Path, tmp_path: Path
) -> None:
    folder = small_disk / "store"
    command = [sys.executable, "-m", "fenghuo.schemas.store.owner", str(folder)]
    owner = Process("store", command, tmp_path / "store.log")
    owner.start()
    try:
        owner.wait_ready(socket_path(folder).exists, 60)
        worker = archive(f"chdb:{folder}")
        worker.start()
        worker.send()
        store = connect(f"chdb:{folder}")
        until(lambda: worker.is_stored(store), worker.process.tail)

        filler = fill(small_disk)
        worker.send(3)
        until(lambda: worker.said("its disk is full") > 0, worker.process.tail)
        until(lambda: worker.metric("fenghuo_store_up") == 0, worker.process.tail)
        before_s = worker.delay_s()
        until(lambda: worker.delay_s() > before_s + 2, worker.process.tail)
        assert worker.process.alive()

        filler.unlink()
        until(lambda: worker.is_stored(store), worker.process.tail)
        until(lambda: worker.metric("fenghuo_store_up") == 1, worker.process.tail)
        assert worker.said(": ready") == 1, "it ended and was started again"
        store.close()
    finally:
        owner.kill()
