"""The store's port: one small interface, two adapters, so that archive, api and audit speak to
either the same way.

`clickhouse://user@host:9000/database` is a server over the native protocol (`server`).
`chdb:DIR` is ClickHouse in a process of its own that owns the folder, for only one process may
(`chdb`, `owner`). It lives in `schemas` because streams and api, which never import
each other, both need it. One insert is one block: all of it is stored, or nothing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from fenghuo.schemas import addresses
from fenghuo.schemas.store.faults import Fault, code_of, fault, in_short

Columns = Mapping[str, Sequence[Any]]
INSERT_ROWS_MAX = 200_000
"""Most rows of one insert; more would no longer be one block (ClickHouse cuts at about a million).
"""


class StoreError(RuntimeError):
    """The store could not do what it was asked; `fault` says what kind of trouble that is, `code`
    the server's number of it. One line, with the cure where one is known.
    """

    def __init__(self, message: str, fault: Fault, code: int | None = None) -> None:
        super().__init__(f"{message}: {fault.cure}" if fault.cure else message)
        self.fault = fault
        self.code = code

    @property
    def retry(self) -> bool:
        """Whether waiting alone may help."""
        return self.fault.kind == "away"


def failed(address: str, text: str, code: int | None = None) -> StoreError:
    """The error of a store at an address, from what it answered."""
    code = code_of(text) if code is None else code
    return StoreError(f"{address}: {in_short(text)}", fault(code, text), code)


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
    if place.folder:
        from fenghuo.schemas.store.chdb import Chdb

        return Chdb(Path(place.folder).expanduser())
    from fenghuo.schemas.store.server import Server

    return Server(place)


def wide_sum(column: str) -> str:
    """The SQL of a sum of Int64 that cannot wrap: of 38 digits. It comes as a plain int."""
    return f"sum(toDecimal128({column}, 0))"


def wide_sums(column: str) -> str:
    """The same of arrays, place by place."""
    return f"sumForEach(arrayMap(one -> toDecimal128(one, 0), {column}))"


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
