"""A chdb folder has one owner, whoever starts it: shared, ended in time, killed without loss."""

import contextlib
import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fenghuo.schemas.store.chdb import Chdb
from fenghuo.schemas.store.port import Store, StoreError
from fenghuo.schemas.store.socket import holder_of, socket_path

pytestmark = pytest.mark.real

CLIENT = """
import sys
from pathlib import Path
from fenghuo.schemas.store.chdb import Chdb
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


def test_the_owner_is_found_whatever_tmpdir_says(folder: Path, tmp_path: Path) -> None:
    """As after sudo, in tmux, or under systemd's PrivateTmp."""
    with Chdb(folder, linger_s=1) as store:
        store.execute("CREATE TABLE t (k Int64, who String) ENGINE = MergeTree ORDER BY k")
        other = tmp_path / "elsewhere"
        other.mkdir()
        env = {**os.environ, "TMPDIR": str(other)}
        command = [sys.executable, "-c", CLIENT, str(folder)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.stdout == "[{'n': 20}]\n", done.stderr


def test_a_folder_with_a_long_name_has_an_owner_too(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ("烽火" * 20)
    with Chdb(folder, linger_s=1) as store, Chdb(folder, linger_s=1) as other:
        assert store.query("SELECT 1 AS one") == other.query("SELECT 1 AS one") == [{"one": 1}]
        holder = holder_of(folder)
    assert holder.startswith("process ")
    end(int(holder.split()[1]), signal.SIGTERM)


AS_ANOTHER = """
import os, sys
from pathlib import Path
from fenghuo.schemas.store.chdb import Chdb
from fenghuo.schemas.store.port import StoreError
os.setgid(65534)
os.setuid(65534)
try:
    Chdb(Path(sys.argv[1]))
except StoreError as error:
    print(error.fault.kind, error)
"""


def test_another_user_is_told_in_one_line_who_holds_the_folder() -> None:
    if os.getuid() != 0:
        pytest.skip("SKIPPED: only root can be somebody else")
    with tempfile.TemporaryDirectory(prefix="fenghuo-") as name:
        os.chmod(name, 0o755)
        folder = Path(name) / "store"
        with Chdb(folder, linger_s=1) as store:
            assert store.query("SELECT 1 AS one") == [{"one": 1}]
            os.chmod(folder, 0o755)
            command = [sys.executable, "-c", AS_ANOTHER, str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            first = owner(folder)
        assert done.stdout.startswith(f"person chdb:{folder}: "), done.stderr
        assert f"it is held by process {first} of user root" in done.stdout
        assert done.stdout.count("\n") == 1
        assert first
        end(first, signal.SIGTERM)


def test_a_second_owner_of_a_folder_says_who_is_the_first(folder: Path) -> None:
    with Chdb(folder, linger_s=1):
        command = [sys.executable, "-m", "fenghuo.schemas.store.owner", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert done.stderr.strip() == f"{folder} is held by process {owner(folder)} of user " + (
            pwd.getpwuid(os.getuid()).pw_name
        )


def test_an_insert_does_not_wait_behind_a_question(folder: Path) -> None:
    with Chdb(folder, linger_s=1) as asking, Chdb(folder, linger_s=1) as writing:
        writing.execute("CREATE TABLE t (k Int64) ENGINE = MergeTree ORDER BY k")

        def ask() -> None:
            rows = "numbers(400) SETTINGS max_block_size = 8"  # 100 s in all, 2 s a block
            with contextlib.suppress(StoreError):
                asking.query(f"SELECT sum(sleepEachRow(0.25)) AS s FROM {rows}")

        question = threading.Thread(target=ask)
        question.start()
        time.sleep(0.3)
        writing.insert("t", {"k": [1, 2, 3]})
        assert writing.query("SELECT count() AS n FROM t") == [{"n": 3}]
        assert question.is_alive()
        asking._socket.shutdown(socket.SHUT_RDWR)
        question.join()
