"""A chdb folder has one owner, whoever starts it: shared, ended in time, killed without loss."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fenghuo.schemas.store import Store, StoreError
from fenghuo.schemas.store_client import Chdb
from fenghuo.schemas.store_socket import socket_path

pytestmark = pytest.mark.real

CLIENT = """
import sys
from pathlib import Path
from fenghuo.schemas.store_client import Chdb
store = Chdb(Path(sys.argv[1]), linger_s=1)
for n in range(20):
    store.insert("t", {"k": [n], "who": ["child"]})
print(store.query("SELECT count() AS n FROM t WHERE who = 'child'"))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose owner, whoever started it, is gone afterwards."""
    yield tmp_path / "store"
    if pid := owner(tmp_path / "store"):
        end(pid, signal.SIGKILL)
    socket_path(tmp_path / "store").unlink(missing_ok=True)


def owner(folder: Path) -> int | None:
    """Who listens for this folder: the kernel knows."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
        link.connect(str(socket_path(folder)))
        peer = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int(struct.unpack("3i", peer)[0])
    return None


def end(pid: int, number: signal.Signals) -> None:
    """Signal and see it gone: a child of ours is a zombie until it is waited for."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)


def alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return Path(f"/proc/{pid}").exists()


def test_two_processes_share_one_folder(folder: Path) -> None:
    with Chdb(folder, linger_s=1) as store:
        store.execute("CREATE TABLE t (k Int64, who String) ENGINE = MergeTree ORDER BY k")
        first = owner(folder)
        command = [sys.executable, "-c", CLIENT, str(folder)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for n in range(20):
            store.insert("t", {"k": [n], "who": ["parent"]})
        told, _ = child.communicate(timeout=60)

        assert told == "[{'n': 20}]\n"
        assert store.query("SELECT count() AS n FROM t") == [{"n": 40}]
        assert owner(folder) == first


def test_the_owner_ends_when_nobody_is_left(folder: Path) -> None:
    store = Chdb(folder, linger_s=1)
    store.execute("CREATE TABLE t (k Int64) ENGINE = MergeTree ORDER BY k")
    store.insert("t", {"k": [1, 2, 3]})
    first = owner(folder)
    assert first
    time.sleep(1.8)  # a client that is quiet is a client
    assert alive(first)
    store.close()
    deadline = time.monotonic() + 8
    while alive(first) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert not alive(first)
    assert not socket_path(folder).exists()
    with Chdb(folder, linger_s=1) as later:
        assert later.query("SELECT count() AS n FROM t") == [{"n": 3}]


def test_sigterm_ends_the_owner_and_keeps_the_rows(folder: Path) -> None:
    with Chdb(folder) as store:
        store.execute("CREATE TABLE t (k Int64) ENGINE = MergeTree ORDER BY k")
        store.insert("t", {"k": [1, 2, 3]})
        first = owner(folder)
        assert first
        end(first, signal.SIGTERM)
        with pytest.raises(StoreError) as caught:
            store.insert("t", {"k": [4]})
        assert caught.value.retry
        assert again(store, "SELECT count() AS n FROM t") == [{"n": 3}]
        assert owner(folder) not in (None, first)


def test_a_killed_owner_loses_no_row_it_acknowledged(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    """Killed in the middle of inserts, three times: what was acknowledged is there, once."""
    store = Chdb(folder)
    request.addfinalizer(store.close)
    store.execute("CREATE TABLE t (k Int64) ENGINE = MergeTree ORDER BY k")
    acknowledged: list[int] = []
    numbers = iter(range(1_000_000))

    def insert_for_ever() -> None:
        for number in numbers:
            store.insert("t", {"k": [number]})
            acknowledged.append(number)

    for _ in range(3):
        assert again(store, "SELECT 1 AS one") == [{"one": 1}]
        victim = owner(folder)
        assert victim
        threading.Timer(0.4, os.kill, (victim, signal.SIGKILL)).start()
        with pytest.raises(StoreError) as caught:
            insert_for_ever()
        assert caught.value.retry
        end(victim, signal.SIGKILL)

    found = {row["k"] for row in again(store, "SELECT k FROM t")}
    assert len(acknowledged) > 3
    assert set(acknowledged) <= found
    assert len(found - set(acknowledged)) <= 3  # stored, but killed before it could say so
    assert store.query("SELECT count() AS n FROM t") == [{"n": len(found)}]


def again(store: Store, sql: str) -> list[dict[str, Any]]:
    """Asked as often as the store says that it helps: a dying owner may still take a call."""
    for _ in range(10):
        try:
            return store.query(sql)
        except StoreError as error:
            if not error.retry:
                raise
    raise AssertionError("the store did not come back")


def test_two_clients_that_come_at_once_find_one_owner(folder: Path) -> None:
    found: list[Chdb] = []
    threads = [
        threading.Thread(target=lambda: found.append(Chdb(folder, linger_s=1))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)

    assert [store.query("SELECT 1 AS one") for store in found] == [[{"one": 1}]] * 4
    for store in found:
        store.close()
