"""Series from files: what is read, what is labelled, and what is refused in words."""

import gzip
import json
from math import isnan
from pathlib import Path

import pytest

from fenghuo.alerts.backtest.nab_score import Costs
from fenghuo.alerts.backtest.series import Series, SeriesError, files_of, is_values, read
from fenghuo.alerts.backtest.spans import Span

NOON_MS = 1_400_068_800_000  # 2014-05-14 12:00 UTC


def put(folder: Path, name: str, text: str) -> Path:
    """A file of the folder, compressed if its name says so."""
    path = folder / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def one(path: Path, labels: str = "auto") -> Series:
    """The only series of a file."""
    (found,) = read([path], labels)
    return found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2014-05-14 12:00:00", "2014-05-14 12:05:00"),
        ("2014-05-14T12:00:00Z", "2014-05-14T12:05:00Z"),
        ("1400068800", "1400069100"),
        ("1400068800.0", "1400069100.0"),
        ("1400068800000", "1400069100000"),
        ("2014-05-14 12:00:00.000000", "2014-05-14 12:05:00.000000"),
    ],
)
def test_times_are_iso_or_seconds_or_milliseconds(tmp_path: Path, first: str, second: str) -> None:
    found = one(put(tmp_path, "a.csv", f"timestamp,value\n{first},1\n{second},2.5\n"))
    assert list(found.times_ms) == [NOON_MS, NOON_MS + 300_000]
    assert list(found.values) == [1.0, 2.5]
    assert found.windows is None


def test_an_empty_value_is_no_data_and_labels_become_windows(tmp_path: Path) -> None:
    rows = "".join(
        f"{60 * i},{'' if i == 1 else i},{1 if i in (1, 2, 5) else 0}\n" for i in range(7)
    )
    found = one(put(tmp_path, "kpi.csv.gz", f"timestamp,value,label\n{rows}"))
    assert [isnan(value) for value in found.values] == [i == 1 for i in range(7)]
    assert found.windows == (Span(60_000, 120_001), Span(300_000, 300_001))
    assert (found.group, found.name, found.costs) == (tmp_path.name, "kpi", None)


def test_rows_out_of_order_are_put_in_order_with_their_labels(tmp_path: Path) -> None:
    found = one(put(tmp_path, "a.csv", "timestamp,value,label\n120,2,1\n0,0,0\n60,1,0\n"))
    assert list(found.times_ms) == [0, 60_000, 120_000]
    assert list(found.values) == [0.0, 1.0, 2.0]
    assert found.windows == (Span(120_000, 120_001),)


def test_windows_and_costs_are_found_beside_the_file(tmp_path: Path) -> None:
    path = put(tmp_path, "real__cpu.csv", "timestamp,value\n2014-05-14 12:00:00,1\n")
    windows = {"real/cpu.csv": [["2014-05-14 12:00:00.000000", "2014-05-14 12:05:00.000000"]]}
    put(tmp_path, "combined_windows.json", json.dumps(windows))
    assert (one(path).windows, one(path).costs) == ((Span(NOON_MS, NOON_MS + 300_001),), Costs())
    matrix = {"tpWeight": 1.0, "fnWeight": 2.0, "fpWeight": 0.5, "tnWeight": 1.0}
    put(tmp_path, "profiles.json", json.dumps({"standard": {"CostMatrix": matrix}}))
    assert one(path).costs == Costs(1.0, 0.5, 2.0)


def test_labels_of_another_file_are_used_when_it_is_named(tmp_path: Path) -> None:
    path = put(tmp_path, "cpu.csv", "timestamp,value\n0,1\n")
    labels = put(tmp_path, "mine.json", json.dumps({"cpu.csv": []}))
    assert one(path, str(labels)).windows == ()


def test_a_folder_stands_for_its_series_and_nothing_else(tmp_path: Path) -> None:
    put(tmp_path, "b.csv.gz", "timestamp,value\n0,1\n")
    put(tmp_path, "a.csv", "value,timestamp\n1,0\n")
    put(tmp_path, "index.csv", "file,kpi\na.csv,1\n")
    put(tmp_path, "README.md", "words")
    assert [path.name for path in files_of([tmp_path])] == ["a.csv", "b.csv.gz"]
    assert is_values([tmp_path])
    assert not is_values([tmp_path / "index.csv"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time,value\n0,1\n", "expected column 'timestamp', got time, value"),
        ("timestamp,price\n0,1\n", "expected column 'value', got timestamp, price"),
        ("timestamp,value\nsoon,1\n", "expected ISO or Unix seconds in timestamp, got 'soon'"),
        ("timestamp,value\n,1\n0,1\n", "expected a timestamp in every row, got 1 without"),
        ("timestamp,value\n0,many\n", "many"),
    ],
)
def test_a_file_that_is_no_series_is_refused_with_its_name(
    tmp_path: Path, text: str, says: str
) -> None:
    path = put(tmp_path, "bad.csv", text)
    with pytest.raises(SeriesError) as error:
        one(path)
    assert str(path) in str(error.value)
    assert says in str(error.value)


def test_missing_files_and_labels_are_named(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", "timestamp,value\n0,1\n")
    with pytest.raises(SeriesError, match="expected a file or a folder"):
        is_values([tmp_path / "none.csv"])
    with pytest.raises(SeriesError, match="expected auto or a file"):
        one(path, "none.json")
    with pytest.raises(SeriesError, match=r"expected lists of \[from, to\]"):
        one(path, str(put(tmp_path, "w.json", '{"a.csv": [["soon", "later"]]}')))
    put(tmp_path, "combined_windows.json", '{"a.csv": []}')
    put(tmp_path, "profiles.json", "{}")
    with pytest.raises(SeriesError, match=r"expected standard\.CostMatrix"):
        one(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SeriesError, match="expected CSV files"):
        files_of([tmp_path / "empty"])
