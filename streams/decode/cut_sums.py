"""Spread: from sums by cell to sums by series, over every cut. Compiled, for it runs at every tick
over everything that is open.
"""

# Compiled: numba infers the types, the signatures stand in the decorators.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: PLR0917

import numpy as np

from fenghuo.schemas.arrays import Flags, Ints
from fenghuo.schemas.compiled import FLAG_TABLE, FLAGS, INT, INTS, NOTHING, TABLE, compiled


def spread(
    rows: tuple[Ints, Ints, Ints, Ints],
    series_of: Ints,
    counted: Flags,
    weighs_x: Flags,
    *,
    series: int,
    buckets: int,
) -> tuple[Ints, Ints, Ints]:
    """(group, series, values[row, column]) of rows (group, cell, n, x), groups never falling.

    series_of[code, cut]; counted[code, measure]; weighs_x[measure]: sums x instead of counting n.
    A cell is code * buckets + bucket; buckets above 1 add their columns behind the measures.
    """
    group, cell, n, x = (np.ascontiguousarray(column) for column in rows)
    most = len(np.unique(group)) * series
    out = np.empty((2, min(most, len(group) * series_of.shape[1])), np.int64)
    row_of = np.full(series, -1, np.int64)
    count = _rows(group, cell, np.int64(buckets), series_of, row_of, out)
    width = len(weighs_x) + (buckets if buckets > 1 else 0)
    values = np.zeros((count, width), np.int64)
    _fill(
        group,
        cell,
        n,
        x,
        np.int64(buckets),
        series_of,
        counted,
        weighs_x,
        row_of,
        out[0],
        out[1],
        values,
    )
    return out[0, :count], out[1, :count], values


@compiled(INT(INTS, INTS, INT, TABLE, INTS, TABLE))
def _rows(group, cell, buckets, series_of, row_of, out):
    """The (group, series) that get a row, in rising order; how many."""
    count, i = 0, 0
    while i < len(group):
        begin = i
        while i < len(group) and group[i] == group[begin]:
            code = cell[i] // buckets
            for cut in range(series_of.shape[1]):
                row_of[series_of[code, cut]] = 1
            i += 1
        for series in range(len(row_of)):
            if row_of[series] >= 0:
                out[0, count], out[1, count] = group[begin], series
                row_of[series] = -1
                count += 1
    return count


@compiled(
    NOTHING(
        *(INTS, INTS, INTS, INTS, INT),
        *(TABLE, FLAG_TABLE, FLAGS, INTS, INTS, INTS, TABLE),
    )
)
def _fill(
    group, cell, n, x, buckets, series_of, counted, weighs_x, row_of, group_of, series, values
):
    """Add every cell to the rows of its series; row_of is scratch."""
    row, i, measures = 0, 0, len(weighs_x)
    while i < len(group):
        begin = i
        while row < len(values) and group_of[row] == group[begin]:
            row_of[series[row]] = row
            row += 1
        while i < len(group) and group[i] == group[begin]:
            code, bucket = cell[i] // buckets, cell[i] % buckets
            for cut in range(series_of.shape[1]):
                at = row_of[series_of[code, cut]]
                for k in range(measures):
                    if counted[code, k]:
                        values[at, k] += x[i] if weighs_x[k] else n[i]
                if buckets > 1:
                    values[at, measures + bucket] += x[i]
            i += 1
