"""Series of values from files: timestamp and value, and labels where there are any.

CSV, also .gz. timestamp: ISO, or seconds (milliseconds from 10^11 on) since 1970; without a zone it
is UTC. An empty value is no data. A folder stands for all its series; its name is the set's. Labels
are a column `label` (1: not as it should be), or a file combined_windows.json as the Numenta
Anomaly Benchmark has it: by name of the series, from and to, both inside.
"""

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from fenghuo.alerts.backtest.nab_score import Costs
from fenghuo.alerts.backtest.spans import Span, labelled

WINDOWS_FILE: Final = "combined_windows.json"
PROFILES_FILE: Final = "profiles.json"
SUFFIXES: Final = (".csv", ".csv.gz")
SAMPLES_MAX: Final = 5_000_000
BYTES_MAX: Final = 512 * 1024 * 1024
MS_FROM: Final = 10**11
"""A number of seconds this large would be of the year 5138."""


class SeriesError(ValueError):
    """A file that is no series: says which, what was expected, what came."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series in order of time. windows: None where nothing is labelled. costs: how the NAB
    score weighs, of a set that has windows in its way.
    """

    group: str
    name: str
    times_ms: Sequence[int]
    values: Sequence[float]
    windows: tuple[Span, ...] | None
    costs: Costs | None = None


def files_of(paths: Sequence[Path]) -> list[Path]:
    """The files named, and of each folder named all that are a series; SeriesError for none."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.name.endswith(SUFFIXES))
            found += [file for file in inside if _is_series(file)]
        else:
            found.append(path)
    if not found:
        names = ", ".join(map(str, paths)) or "none"
        raise SeriesError(f"{names}: expected CSV files with timestamp and value, found none")
    return found


def is_values(paths: Sequence[Path]) -> bool:
    """Whether these are series of values, and not recorded events; SeriesError for no file."""
    return all(
        path.is_dir() or (path.name.endswith(SUFFIXES) and _is_series(path)) for path in paths
    )


def read(paths: Sequence[Path], labels: str = "auto") -> Iterator[Series]:
    """The series one by one. labels: `auto`, or a file of windows by name."""
    given = None if labels == "auto" else _windows(Path(labels))
    if given is None and labels != "auto":
        raise SeriesError(f"--labels: expected auto or a file, found no {labels}")
    folders: dict[Path, tuple[Mapping[str, tuple[Span, ...]] | None, Costs]] = {}
    for path in files_of(paths):
        folder = path.parent
        if folder not in folders:
            beside = given or _windows(folder / WINDOWS_FILE)
            folders[folder] = (beside, _costs(folder / PROFILES_FILE))
        yield _series(path, *folders[folder])


def _series(path: Path, named: Mapping[str, tuple[Span, ...]] | None, costs: Costs) -> Series:
    name = path.name.removesuffix(".gz").removesuffix(".csv")
    table = _table(path)
    times_ms, values = _times(path, table["timestamp"]), table["value"].to_numpy()
    marks = table["label"].to_numpy() if "label" in table.column_names else None
    if len(times_ms) and (np.diff(times_ms) < 0).any():
        order = np.argsort(times_ms, kind="stable")
        times_ms, values = times_ms[order], values[order]
        marks = None if marks is None else marks[order]
    times, windows, scored = array("q", times_ms.tobytes()), None, None
    if marks is not None:
        windows = labelled(times, marks.tolist())
    elif named is not None:
        key = f"{name.replace('__', '/', 1)}.csv"
        if key in named:
            windows, scored = named[key], costs
    floats = array("d", values.astype(np.float64).tobytes())
    return Series(path.resolve().parent.name, name, times, floats, windows, scored)


def _table(path: Path) -> pa.Table:
    if path.stat().st_size > BYTES_MAX:
        raise SeriesError(f"{path}: expected at most {BYTES_MAX} bytes, got more: split it")
    header = _header(path)
    for column in ("timestamp", "value"):
        if column not in header:
            raise SeriesError(f"{path}: expected column {column!r}, got {', '.join(header)[:200]}")
    numbers = {"value": pa.float64(), "label": pa.float64()}
    wanted = [name for name in ("timestamp", "value", "label") if name in header]
    options = csv.ConvertOptions(column_types=numbers, include_columns=wanted)
    try:
        table = csv.read_csv(str(path), convert_options=options)
    except pa.ArrowException as error:
        raise SeriesError(f"{path}: {error}") from error
    if table.num_rows > SAMPLES_MAX:
        raise SeriesError(f"{path}: expected at most {SAMPLES_MAX} samples, got {table.num_rows}")
    return table


def _times(path: Path, column: pa.ChunkedArray) -> Any:
    """Milliseconds since 1970 of the timestamps, in the order of the file."""
    if column.null_count:
        raise SeriesError(
            f"{path}: expected a timestamp in every row, got {column.null_count} without"
        )
    kind = column.type
    if not len(column):
        return np.empty(0, np.int64)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return pc.cast(column, pa.timestamp("ms"), safe=False).cast(pa.int64()).to_numpy()
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise SeriesError(
            f"{path}: expected ISO or Unix seconds in timestamp, got {column[0].as_py()!r}"
        )
    times = column.to_numpy()
    if times.max() >= MS_FROM:
        return times.astype(np.int64)
    return np.round(times * 1000).astype(np.int64)


def _is_series(path: Path) -> bool:
    return {"timestamp", "value"} <= set(_header(path))


def _header(path: Path) -> list[str]:
    if not path.is_file():
        raise SeriesError(f"{path}: expected a file or a folder, found none")
    try:
        with pa.input_stream(str(path)) as stream:
            line = stream.read(65_536).split(b"\n", 1)[0]
    except (pa.ArrowException, OSError) as error:
        raise SeriesError(f"{path}: {error}") from error
    return [name.strip().strip('"') for name in line.decode("utf-8", "replace").split(",")]


def _windows(path: Path) -> dict[str, tuple[Span, ...]] | None:
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
        return {
            name: tuple(Span(_moment(first), _moment(last) + 1) for first, last in windows)
            for name, windows in found.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise SeriesError(
            f"{path}: expected lists of [from, to] by name of the series, got: {error}"
        ) from error


def _moment(word: str) -> int:
    found = datetime.fromisoformat(word)
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def _costs(path: Path) -> Costs:
    """The standard profile of the set; without a file the published one."""
    if not path.is_file():
        return Costs()
    try:
        weights = json.loads(path.read_bytes())["standard"]["CostMatrix"]
        return Costs(weights["tpWeight"], weights["fpWeight"], weights["fnWeight"])
    except (ValueError, KeyError, TypeError) as error:
        raise SeriesError(f"{path}: expected standard.CostMatrix, got: {error!r}") from error
