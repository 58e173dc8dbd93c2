"""A model of the store: blocks go in as sets of rows, and of each second only the highest version
counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fenghuo.schemas.kinds.measures import MEASURES
from fenghuo.schemas.store.tables import LATE_TABLE, PULSE_TABLE
from fenghuo.streams.archive.held import Block
from tests.laws.model import Series, Values

Place = tuple[str, str, int, int]
"""(log, topic, partition, second)."""
_KIND = {table: kind for made in (PULSE_TABLE, LATE_TABLE) for kind, table in made.items()}


class Table:
    """Every table of the store. Rows are keyed as ReplacingMergeTree keys them; a block is stored
    whole.
    """

    def __init__(self) -> None:
        self.pulse_rows: dict[Place, dict[int, dict[Series, Values]]] = {}
        self.late_rows: dict[tuple[Place, int, int, str], tuple[Series, Values]] = {}
        self.refused_rows: dict[tuple[str, str, int, int, int], str] = {}
        self.transition_rows: dict[tuple[str, str, int], Mapping[str, Any]] = {}
        self.blocks = 0

    def insert(self, blocks: Iterable[Block]) -> None:
        """Store blocks, one after the other."""
        for block in blocks:
            self.blocks += 1
            for row in _rows(block.columns):
                self._insert(block.table, row)

    def seconds(self, topic: str | None = None) -> dict[Place, tuple[int, dict[Series, Values]]]:
        """What a query sees of the pulses: of each second its rows with the highest version."""
        return {
            place: (max(versions), versions[max(versions)])
            for place, versions in self.pulse_rows.items()
            if topic in (None, place[1])
        }

    def _insert(self, table: str, row: Mapping[str, Any]) -> None:
        if table == "refused":
            key = (row["log"], row["topic"], row["partition"], row["offset"], row["idx"])
            self.refused_rows[key] = row["reason"]
            return
        if table == "transitions":
            self.transition_rows[row["rule"], row["scope"], row["seq"]] = row
            return
        kind = _KIND[table]
        place = (row["log"], row["topic"], row["partition"], row["second_ms"])
        series = (row["cut"], row["k1"], row["k2"])
        values = (*(row[name] for name in MEASURES[kind]), *row.get("latency_ms", ()))
        if table == LATE_TABLE[kind]:
            self.late_rows[place, row["offset"], row["idx"], row["cut"]] = (series, values)
            return
        known = self.pulse_rows.setdefault(place, {}).setdefault(row["version"], {})
        # rows of one version are facts: a second copy says the same
        assert known.get(series, values) == values, (place, row["version"], series)
        known[series] = values


def _rows(columns: Mapping[str, Sequence[Any]]) -> Iterable[Mapping[str, Any]]:
    plain = {
        name: column.tolist() if hasattr(column, "tolist") else column
        for name, column in columns.items()
    }
    sizes = {len(column) for column in plain.values()}
    assert len(sizes) == 1, f"columns differ in length: {sizes}"
    for i in range(sizes.pop()):
        yield {name: column[i] for name, column in plain.items()}
