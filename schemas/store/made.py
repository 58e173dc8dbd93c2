"""Tables in a store: looked at first, and made only as far as they lack, for the user may have no
right to make any.
"""

from fenghuo.schemas.lane import Lane
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.faults import UNKNOWN_TABLE
from fenghuo.schemas.store.port import Store, StoreError


def ensure(store: Store, lane: Lane) -> None:
    """Make the tables and columns of a lane that are not there; raises StoreError."""
    for table in tables.TABLES:
        found = _columns(store, tables.of(table.name, lane))
        for statement in tables.missing(table, found, lane):
            store.execute(statement)


def _columns(store: Store, name: str) -> set[str] | None:
    """The columns of a table; None when there is no such table."""
    try:
        return {row["name"] for row in store.query(f"DESCRIBE TABLE {name}")}
    except StoreError as error:
        if error.code == UNKNOWN_TABLE:
            return None
        raise
