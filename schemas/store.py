"""The store's port: one small interface, two adapters, so that archive, api and audit speak to
either the same way.

`clickhouse://user@host:9000/database` is a server over the native protocol
(clickhouse-driver). `chdb:DIR` is ClickHouse in a process of its own that owns the folder (only one
process may): whoever comes first starts it, everybody talks to it over a Unix socket. It lives in
`schemas` because streams and api, which never import each other, both need it. One insert is one
block: all of it is stored, or nothing.
"""

import contextlib
import datetime
import fcntl
import hashlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import msgspec
import pyarrow as pa

from fenghuo.schemas import addresses

Columns = Mapping[str, Sequence[Any]]
INSERT_ROWS_MAX = 200_000
"""Most rows of one insert; more would no longer be one block (ClickHouse cuts at about a million).
"""
START_S_MAX = 30.0
_HEAD = struct.Struct(">II")


class StoreError(RuntimeError):
    """The store could not do what it was asked: away, refused, or wrong SQL. `retry` tells whether
    waiting helps.
    """

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class Store(Protocol):
    """What every part may ask of the store. Calls block; one thread at a time may use it."""

    address: str
    """Where it is, without the password."""

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        """Rows of a SELECT as dicts; %(name)s in the SQL stands for a parameter."""

    def execute(self, sql: str) -> None:
        """Run a statement that answers nothing (DDL)."""

    def insert(self, table: str, columns: Columns) -> None:
        """Insert equally long columns as one block."""

    def close(self) -> None:
        """Give the connection back."""


def connect(url: str) -> Store:
    """A store by its address (`Settings.store_login`); raises StoreError when it cannot be reached,
    ValueError when the address is none.
    """
    place = addresses.store(url)
    return Chdb(Path(place.folder).expanduser()) if place.folder else Server(place)


def bound(sql: str, params: Mapping[str, object] | None) -> str:
    """The SQL with its %(name)s replaced by escaped literals."""
    return sql % {name: literal(value) for name, value in params.items()} if params else sql


def literal(value: object) -> str:
    """A value as a ClickHouse literal; raises TypeError for what has none here."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0")
        return f"'{escaped}'"
    if isinstance(value, Sequence):
        return "(" + ", ".join(literal(item) for item in value) + ")"
    raise TypeError(f"no literal for a {type(value).__name__}: {value!r}")


def checked(columns: Columns) -> int:
    """The number of rows; raises ValueError if columns differ in length or are too long for one
    block.
    """
    sizes = {name: len(column) for name, column in columns.items()}
    rows = next(iter(sizes.values()), 0)
    if any(size != rows for size in sizes.values()):
        raise ValueError(f"insert: columns differ in length: {sizes}")
    if rows > INSERT_ROWS_MAX:
        raise ValueError(f"insert: {rows} rows, most are {INSERT_ROWS_MAX}: cut it into blocks")
    return rows


class Server:
    """A ClickHouse server over its native protocol."""

    def __init__(self, place: addresses.StoreAddress) -> None:
        from clickhouse_driver import Client

        self.address = place.public
        self._client = Client(
            place.host.strip("[]"),
            port=place.port,
            user=place.user,
            password=place.password,
            database=place.database,
            connect_timeout=3,
            send_receive_timeout=60,
            client_name="fenghuo",
        )
        self._call("SELECT 1")

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        rows, columns = self._call(bound(sql, params), with_column_types=True)
        names = [name for name, _ in columns]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def execute(self, sql: str) -> None:
        self._call(sql)

    def insert(self, table: str, columns: Columns) -> None:
        if checked(columns):
            names = ", ".join(f"`{name}`" for name in columns)
            data = [_plain(column) for column in columns.values()]
            self._call(f"INSERT INTO {table} ({names}) VALUES", data, columnar=True)

    def close(self) -> None:
        self._client.disconnect()

    def _call(self, sql: str, *args: Any, **options: Any) -> Any:
        from clickhouse_driver import errors

        try:
            return self._client.execute(sql, *args, **options)
        except errors.ServerException as error:
            raise StoreError(f"{self.address}: {error}", retry=error.code in _PASSING) from error
        except (errors.Error, OSError, EOFError) as error:
            self._client.disconnect()
            wrong = isinstance(error, errors.TypeMismatchError)  # found here, before it was sent
            raise StoreError(f"{self.address}: {error}", retry=not wrong) from error


_PASSING = frozenset({3, 159, 202, 209, 210, 225, 241, 242, 243, 252, 279, 319, 999})
"""Server error codes that waiting may cure: timeouts, memory, disk, too many parts, keeper."""


def _plain(column: Sequence[Any]) -> Sequence[Any]:
    """Python values of a column: the native protocol writes lists, not arrays."""
    return column.tolist() if hasattr(column, "tolist") else column


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
        return [{name: _text(value) for name, value in row.items()} for row in rows]

    def execute(self, sql: str) -> None:
        self._call({"op": "execute", "sql": sql}, b"")

    def insert(self, table: str, columns: Columns) -> None:
        if checked(columns):
            rows = pa.table({name: pa.array(column) for name, column in columns.items()})
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
            raise StoreError(f"{self.address}: {error or 'connection lost'}", retry=True) from error
        if "error" in answer:
            raise StoreError(f"{self.address}: {answer['error']}", retry=False)
        return data

    def _reach(self) -> socket.socket:
        """A connection to the owner of the folder, which is started when there is none."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if (found := _dial(self._folder)) is not None:
            return found
        with open(self._folder / "starting.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (found := _dial(self._folder)) is not None:
                return found
            command = [sys.executable, "-m", "fenghuo.schemas.store_chdb", str(self._folder)]
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
                if (found := _dial(self._folder)) is not None:
                    owner.returncode = 0  # it outlives us: nobody waits for it, nobody warns
                    return found
                if owner.poll() is not None:
                    break
                time.sleep(0.05)
        raise StoreError(
            f"{self.address}: did not start; see {self._folder / 'store.log'}", retry=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _text(value: Any) -> Any:
    """Arrow gives ClickHouse's strings as bytes when they are no UTF-8, and its times aware; both
    made plain.
    """
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    return value


def socket_path(folder: Path) -> Path:
    """Where the owner of a folder listens: a short path, for socket names are limited to about 100
    bytes.
    """
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"fenghuo-{os.getuid()}-{name}.sock"


def _dial(folder: Path) -> socket.socket | None:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        link.connect(str(socket_path(folder)))
        link.settimeout(120)
        return link
    except OSError:
        link.close()
        return None


def send(link: socket.socket, head: Mapping[str, str], body: bytes) -> None:
    """One message: two lengths, a JSON head, a body."""
    packed = msgspec.json.encode(head)
    link.sendall(_HEAD.pack(len(packed), len(body)) + packed)
    if body:
        link.sendall(body)


def receive(link: socket.socket) -> tuple[dict[str, str], bytes]:
    """The next message; raises EOFError at the end."""
    head_size, body_size = _HEAD.unpack(_exactly(link, _HEAD.size))
    head = msgspec.json.decode(_exactly(link, head_size), type=dict[str, str])
    return head, _exactly(link, body_size)


def _exactly(link: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = link.recv(min(size, 1 << 20))
        if not part:
            raise EOFError("connection closed")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
