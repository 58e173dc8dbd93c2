"""ClickHouse tables: columns, keys and engines, in SQL that runs on 18.16 and on 26.x.

Every table is written idempotently: the same source gives the same key, and ReplacingMergeTree
keeps one row of it. `log` names the incarnation of the broker's log (the cluster id), so that a
broker that lost its log never overwrites what an earlier one brought in. `version` of a pulse is
the offset after the last message that changed the second, with the labels epoch above it (see
ARCHITECTURE.md): of one (log, topic, partition, second) the rows with the highest version are the
pulse, as a set. Each lane has tables of its own (`of`), so that no query can see both.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

from fenghuo.schemas.kinds.measures import HISTOGRAMS, KINDS, LATENCY_BOUNDS_MS, MEASURES
from fenghuo.schemas.lane import REAL, Lane, named

Columns = tuple[tuple[str, str], ...]
"""Name and type of each column."""
LATENCY_BUCKETS: Final = len(LATENCY_BOUNDS_MS) + 1
KEY_COLUMNS: Final = (
    ("log", "String"),
    ("topic", "String"),
    ("partition", "UInt32"),
    ("second_ms", "Int64"),
    ("cut", "String"),
    ("k1", "String"),
    ("k2", "String"),
    ("version", "UInt64"),
)
MEASURE_COLUMNS: Final = {
    kind: (
        *((name, "Int64") for name in MEASURES[kind]),
        *((name, "Array(Int64)") for name in HISTOGRAMS[kind]),
    )
    for kind in KINDS
}
PULSE_TABLE: Final = {kind: f"pulses_{kind}" for kind in MEASURE_COLUMNS}
LATE_TABLE: Final = {kind: f"late_{kind}" for kind in MEASURE_COLUMNS}
"""Late events, one row for each event and cut, so that totals add them with the same query."""
REFUSED_TABLE: Final = "refused"
TRANSITION_TABLE: Final = "transitions"

SOURCE_COLUMNS: Final = (
    ("log", "String"),
    ("topic", "String"),
    ("partition", "UInt32"),
    ("offset", "Int64"),
    ("idx", "UInt32"),
)
REFUSED_COLUMNS: Final = (
    *SOURCE_COLUMNS,
    ("reason", "String"),
    ("detail", "String"),
    ("record_ms", "Int64"),
    ("bytes", "UInt32"),
    ("count", "UInt64 DEFAULT 1"),
    ("form", "UInt8 DEFAULT 0"),
)
"""A row stands for `count` events of one message with one reason; `bytes` are theirs together. Of
the rows of a message those of the highest form count (`refused_events`).
"""
TRANSITION_COLUMNS: Final = (
    ("campaign", "String"),
    ("log", "String"),
    ("rule", "String"),
    ("scope", "String"),
    ("seq", "UInt32"),
    ("incident", "UInt32"),
    ("from_level", "Int8"),
    ("to_level", "Int8"),
    ("at_ms", "Int64"),
    ("value", "Float64"),
    ("samples", "Int64"),
    ("threshold", "Float64"),
    ("reason", "String"),
)
"""A level of -1 is "no data"; value and threshold are NaN where there is none."""


def late_columns(kind: str) -> Columns:
    """Columns of a late row: its source, its second and cut, its measures."""
    key = tuple(
        column
        for column in KEY_COLUMNS
        if column[0] not in ("log", "topic", "partition", "version")
    )
    return (*SOURCE_COLUMNS, *key, *MEASURE_COLUMNS[kind])


def pulse_columns(kind: str) -> Columns:
    """Columns of a pulse row: one series of one second of one source partition."""
    return (*KEY_COLUMNS, *MEASURE_COLUMNS[kind])


def of(name: str, lane: Lane) -> str:
    """What the table of this name is called in a lane."""
    return named(name, lane, "_")


class Table(NamedTuple):
    """One table: its name in the real lane, its columns, engine and key."""

    name: str
    columns: Columns
    engine: str
    order: str


TABLES: Final = (
    *(
        Table(
            PULSE_TABLE[kind],
            pulse_columns(kind),
            "ReplacingMergeTree(version)",
            "cut, second_ms, log, topic, partition, k1, k2",
        )
        for kind in MEASURE_COLUMNS
    ),
    *(
        Table(
            LATE_TABLE[kind],
            late_columns(kind),
            "ReplacingMergeTree()",
            "cut, second_ms, log, topic, partition, `offset`, idx",
        )
        for kind in MEASURE_COLUMNS
    ),
    Table(
        REFUSED_TABLE,
        REFUSED_COLUMNS,
        "ReplacingMergeTree()",
        "log, topic, partition, `offset`, idx",
    ),
    Table(
        TRANSITION_TABLE,
        TRANSITION_COLUMNS,
        "ReplacingMergeTree()",
        "campaign, log, rule, scope, seq",
    ),
)


def refused_events(lane: Lane, where: str, told: str = "''") -> str:
    """SQL for what was refused, message by message (log, topic, partition, offset): how many
    `events`, each letter once and of the highest form only; and the largest of `told`, a text of
    each row.
    """
    message = "`log`, `topic`, `partition`, `offset`"
    letters = (
        f"SELECT {message}, `form`, any(`count`) AS `one`, max({told}) AS `said`"
        f" FROM {of(REFUSED_TABLE, lane)} WHERE {where} GROUP BY {message}, `idx`, `form`"
    )
    forms = (
        f"SELECT {message}, `form`, sum(`one`) AS `sum`, max(`said`) AS `text`"
        f" FROM ({letters}) GROUP BY {message}, `form`"
    )
    return (
        f"SELECT {message}, argMax(`sum`, `form`) AS `events`, argMax(`text`, `form`) AS `told`"
        f" FROM ({forms}) GROUP BY {message}"
    )


def ddl(lane: Lane = REAL) -> tuple[str, ...]:
    """Statements that make every table of a lane; safe to repeat."""
    return tuple(missing(table, None, lane)[0] for table in TABLES)


def missing(table: Table, found: Collection[str] | None, lane: Lane) -> tuple[str, ...]:
    """Statements for what a table lacks: all of it where none was found, else the columns that are
    not among those found. Forward only: nothing is ever dropped or changed.
    """
    name = of(table.name, lane)
    if found is None:
        body = ", ".join(f"`{column}` {kind}" for column, kind in table.columns)
        make = f"CREATE TABLE IF NOT EXISTS {name} ({body})"
        return (f"{make} ENGINE = {table.engine} ORDER BY ({table.order})",)
    return tuple(
        f"ALTER TABLE {name} ADD COLUMN `{column}` {kind}"  # 18.16 knows no IF NOT EXISTS here
        for column, kind in table.columns
        if column not in found
    )
