"""The store's adapter of a ClickHouse server, over its native protocol."""

import logging
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from fenghuo.schemas.addresses import StoreAddress
from fenghuo.schemas.store.faults import READONLY, Fault, in_short
from fenghuo.schemas.store.port import Columns, StoreError, bound, checked, failed


class Server:
    """A ClickHouse server over its native protocol."""

    def __init__(self, place: StoreAddress) -> None:
        from clickhouse_driver import Client

        # a server that is away is told by the one who asks, not by the driver with its stack
        logging.getLogger("clickhouse_driver").setLevel(logging.ERROR)
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
        self._is_greeted = False
        self._call("SELECT 1")
        self._is_greeted = True

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        asked = bound(sql, params)
        try:
            rows, columns = self._call(asked, with_column_types=True)
        except StoreError as error:
            # a user with readonly = 1 may ask, but not set how: then the server's own limits hold
            plain = _SETTINGS.sub("", asked)
            if error.code != READONLY or plain == asked:
                raise
            rows, columns = self._call(plain, with_column_types=True)
        names = [name for name, _ in columns]
        wide = {name: _WIDE[kind] for name, kind in columns if kind in _WIDE}
        found = [dict(zip(names, row, strict=True)) for row in rows]
        for row, (name, as_int) in product(found if wide else (), wide.items()):
            row[name] = as_int(row[name])
        return found

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
            raise failed(self.address, str(error), error.code) from error
        except (errors.TypeMismatchError, *UNSTORABLE) as error:  # found here, before it was sent
            self._client.disconnect()
            raise StoreError(f"{self.address}: {in_short(str(error))}", Fault("data")) from error
        except (errors.Error, OSError, EOFError) as error:
            self._client.disconnect()
            told = in_short(str(error)) or "connection lost"
            if isinstance(error, EOFError) and not self._is_greeted:  # as 18.16 refuses a database
                told += " (has the user a right to this database?)"
            raise StoreError(f"{self.address}: {told}", Fault("away")) from error


_SETTINGS = re.compile(r" SETTINGS [a-z_]+ = \d+\Z")
_WIDE: Mapping[str, Callable[[Any], Any]] = {
    "Decimal(38, 0)": int,
    "Array(Decimal(38, 0))": lambda found: [int(one) for one in found],
}
"""What wide sums come as, and how they are made plain."""
UNSTORABLE = (UnicodeError, OverflowError, TypeError, struct.error)
"""What a value raises that the wire has no form for."""


def _plain(column: Sequence[Any]) -> Sequence[Any]:
    """Python values of a column: the native protocol writes lists, not arrays."""
    return column.tolist() if hasattr(column, "tolist") else column
