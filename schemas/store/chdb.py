"""The store's adapter of ClickHouse in process: asks the process that owns the folder, and starts
it if nobody has.
"""

import contextlib
import datetime
import fcntl
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from fenghuo.schemas.store.faults import Fault
from fenghuo.schemas.store.port import Columns, StoreError, bound, checked, failed
from fenghuo.schemas.store.socket import holder_of, near, receive, send

START_S_MAX = 30.0
ANSWER_S_MAX = 120.0


class Chdb:
    """ClickHouse in process, in the process that owns the folder; started here if nobody has."""

    def __init__(self, folder: Path, *, linger_s: int = 20) -> None:
        self.address = f"chdb:{folder}"
        self._folder = folder.resolve()
        self._linger_s = linger_s
        self._socket = self._reach()

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        answer = self._call({"op": "query", "sql": bound(sql, params)}, b"")
        if not answer:
            return []
        rows: list[dict[str, Any]] = (
            pa.ipc.open_file(pa.BufferReader(answer)).read_all().to_pylist()
        )
        return [{name: _plain(value) for name, value in row.items()} for row in rows]

    def execute(self, sql: str) -> None:
        self._call({"op": "execute", "sql": sql}, b"")

    def insert(self, table: str, columns: Columns) -> None:
        if checked(columns):
            try:
                rows = pa.table({name: pa.array(column) for name, column in columns.items()})
            except (pa.ArrowException, UnicodeError, OverflowError, TypeError) as error:
                raise StoreError(f"{self.address}: {error}", Fault("data")) from error
            sink = pa.BufferOutputStream()
            with pa.ipc.new_file(sink, rows.schema) as writer:
                writer.write_table(rows)
            names = ", ".join(f"`{name}`" for name in columns)
            self._call({"op": "insert", "sql": f"{table} ({names})"}, sink.getvalue().to_pybytes())

    def close(self) -> None:
        self._socket.close()

    def _call(self, head: dict[str, str], body: bytes) -> bytes:
        try:
            send(self._socket, head, body)
            answer, data = receive(self._socket)
        except (OSError, EOFError) as error:
            self._socket.close()
            with contextlib.suppress(StoreError):  # the call after this one tries again
                self._socket = self._reach()
            told = f"{self.address}: {error or 'connection lost'}"
            raise StoreError(told, Fault("away")) from error
        if "error" in answer:
            raise failed(self.address, answer["error"])
        return data

    def _reach(self) -> socket.socket:
        """A connection to the owner of the folder, which is started when there is none."""
        try:
            return self._dial() or self._start()
        except PermissionError as error:
            holder = holder_of(self._folder) or "another user"
            cure = f"it is held by {holder}: be that user, or root"
            raise StoreError(f"{self.address}: {error.strerror}", Fault("person", cure)) from error
        except OSError as error:
            raise failed(self.address, str(error)) from error

    def _start(self) -> socket.socket:
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / "starting.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (found := self._dial()) is not None:
                return found
            command = [sys.executable, "-m", "fenghuo.schemas.store.owner", str(self._folder)]
            with open(self._folder / "store.log", "ab") as log:
                owner = subprocess.Popen(
                    [*command, "--linger", str(self._linger_s)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            deadline = time.monotonic() + START_S_MAX
            while time.monotonic() < deadline:
                if (found := self._dial()) is not None:
                    owner.returncode = 0  # it outlives us: nobody waits for it, nobody warns
                    return found
                if owner.poll() is not None:
                    break
                time.sleep(0.05)
        holder = holder_of(self._folder)
        why = f"the folder is held by {holder}" if holder else f"see {self._folder / 'store.log'}"
        raise StoreError(f"{self.address}: did not start: {why}", Fault("away"))

    def _dial(self) -> socket.socket | None:
        """The owner, if it listens; raises PermissionError when it listens to another user only."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with near(self._folder) as path:
                link.connect(path)
            link.settimeout(ANSWER_S_MAX)
            return link
        except (FileNotFoundError, ConnectionRefusedError):
            link.close()
            return None
        except BaseException:
            link.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _plain(value: Any) -> Any:
    """Arrow gives ClickHouse's strings as bytes when they are no UTF-8, its times aware, and its
    wide sums as decimals; all made plain.
    """
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, list) and value and isinstance(value[0], Decimal):
        return [int(one) for one in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    return value
