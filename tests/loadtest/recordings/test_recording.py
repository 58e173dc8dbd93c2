"""Recordings: every file format, order, clocks, re-based times, and rows that are no events."""

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fenghuo.loadtest.recordings.language import Mapping
from fenghuo.loadtest.recordings.mapping import parse
from fenghuo.loadtest.recordings.recording import Pace, Recording, RecordingError, messages, read

NOW = 1_700_000_000_000
TEXT = """
[mapping]
name = "visits"
[[events]]
kind = "traffic"
[events.fields]
event_id = { template = "{file}-{row}" }
ts = { time = "at", format = "epoch_s" }
region = { column = "place" }
system = "shop"
channel = "web"
action = "view"
status = 200
latency_ms = { number = "seconds", scale = 1000 }
user_id = "u"
bytes = { number = "size" }
"""
CSV = "at,place,seconds,size\n1700000003,b,0.25,\n1700000001,a,1.5,7\n1700000001,c,0,8\n"


def mapping(old: str = "", new: str = "") -> Mapping:
    assert old in TEXT
    return parse(TEXT.replace(old, new), "visits.toml")


def sent(found: Recording, pace: Pace, now_ms: int = NOW) -> list[tuple[int, dict[str, Any]]]:
    batches = messages(found, pace, lambda: now_ms)
    return [(m.due_ms, json.loads(m.payload)) for batch in batches for m in batch]


def kept(found: Recording) -> list[dict[str, Any]]:
    return [event for _, event in sent(found, Pace(None, "keep", 0))]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_events_come_in_order_of_time_and_absent_fields_are_left_out(tmp_path: Path) -> None:
    found = read(mapping(), [write(tmp_path, "log.csv", CSV)], NOW)

    same = {"kind": "traffic", "system": "shop", "channel": "web", "action": "view", "status": 200}
    assert kept(found) == [
        {"event_id": f"log-{row}", "ts": ts, "region": place, "latency_ms": ms, "user_id": "u"}
        | {**same, **more}
        for row, ts, place, ms, more in (
            (2, 1700000001000, "a", 1500, {"bytes": 7}),
            (3, 1700000001000, "c", 0, {"bytes": 8}),
            (1, 1700000003000, "b", 250, {}),
        )
    ]
    assert (found.rows, found.events, found.skipped) == (3, 3, {})


@pytest.mark.parametrize("name", ["log.csv.gz", "log.ndjson", "log.jsonl.gz", "log.parquet"])
def test_every_format_gives_the_same_events(tmp_path: Path, name: str) -> None:
    frame = pl.read_csv(CSV.encode())
    if name.endswith(".parquet"):
        frame.write_parquet(tmp_path / name)
    else:
        write(tmp_path, name, frame.write_ndjson() if "json" in name else CSV)

    plain = kept(read(mapping(), [write(tmp_path, "other.csv", CSV)], NOW))
    found = kept(read(mapping(), [tmp_path / name], NOW))

    assert [{**event, "event_id": ""} for event in found] == [
        {**event, "event_id": ""} for event in plain
    ]


def test_a_file_without_header_and_with_another_separator(tmp_path: Path) -> None:
    source = (
        '[source]\nheader = false\nseparator = ";"\ncolumns = ["at", "place", "seconds", "size"]\n'
    )
    path = write(tmp_path, "log.csv", "1700000001;a;1;\n")

    assert kept(read(mapping("[[events]]", source + "[[events]]"), [path], NOW))[0]["region"] == "a"


def test_other_names_and_absent_columns(tmp_path: Path) -> None:
    source = '[source]\nrename = { where = "place" }\noptional = ["size"]\n[[events]]'
    path = write(tmp_path, "log.csv", "at,where,seconds\n1700000001,a,1\n")
    lines = write(tmp_path, "lines.ndjson", '{"at":1700000002,"where":"b","seconds":1}\n')

    found = kept(read(mapping("[[events]]", source), [path, lines], NOW))

    assert [event["region"] for event in found] == ["a", "b"]
    assert not any("bytes" in event for event in found)


def test_unsorted_recordings_keep_their_order_and_send_late_events_late(tmp_path: Path) -> None:
    plan = mapping('name = "visits"', 'name = "visits"\nsort = false')
    found = read(plan, [write(tmp_path, "log.csv", CSV)], NOW)

    events = sent(found, Pace(1.0, "now", NOW))

    assert [event["region"] for _, event in events] == ["b", "a", "c"]
    assert [due for due, _ in events] == [0, 0, 0]
    assert [event["ts"] - NOW for _, event in events] == [0, -2000, -2000]


def test_rebased_event_time_follows_the_sending_clock(tmp_path: Path) -> None:
    found = read(mapping(), [write(tmp_path, "log.csv", CSV)], NOW)

    for speed, end in ((1.0, 2000), (4.0, 500), (0.5, 4000)):
        events = sent(found, Pace(speed, "now", NOW))
        assert [due for due, _ in events] == [0, 0, end]
        assert [event["ts"] - NOW for _, event in events] == [0, 0, end]
    assert {event["ts"] for _, event in sent(found, Pace(None, "now", 0), NOW + 5)} == {NOW + 5}
    assert [due for due, _ in sent(found, Pace(4.0, "keep", NOW))] == [0, 0, 500]
    assert sent(found, Pace(4.0, "keep", NOW))[0][1]["ts"] == 1700000001000


CLOCKED = TEXT.replace('ts = { time = "at", format = "epoch_s" }\n', "")


def test_a_clock_gives_arrival_times_to_a_recording_without_any(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", CSV)

    found = read(parse(CLOCKED + "[clock]\nrate_per_s = 2.5\n", "m.toml"), [path], NOW)
    stated = '[clock]\nrate_per_s = 0.5\nstart = "2023-11-14T22:13:20+00:00"\n'
    fixed = read(parse(CLOCKED + stated, "m.toml"), [path], 5)

    assert [event["ts"] - NOW for event in kept(found)] == [0, 400, 800]
    assert [event["region"] for event in kept(found)] == ["b", "a", "c"]
    assert [event["ts"] - NOW for event in kept(fixed)] == [0, 2000, 4000]


def test_rows_of_a_day_are_spread_evenly_over_it(tmp_path: Path) -> None:
    day = 'ts = { time = "at", format = "%m/%d/%Y", spread = "day" }'
    rows = "".join(f"{when},{i},0,\n" for i, when in enumerate(["7/2/2013", "7/1/2013"] * 4))
    plan = mapping('ts = { time = "at", format = "epoch_s" }', day)

    found = kept(read(plan, [write(tmp_path, "log.csv", "at,place,seconds,size\n" + rows)], NOW))

    start = 1372636800000
    assert [(e["ts"] - start) // 3_600_000 for e in found] == [0, 6, 12, 18, 24, 30, 36, 42]
    assert [event["region"] for event in found] == ["1", "3", "5", "7", "0", "2", "4", "6"]


BAD = CSV + "1700000009,,1,\nyesterday,d,1,\n1700000009,e,-1,\n1700000009,f,1,\n"


def test_a_bad_row_stops_the_replay_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"log row 4: traffic.region: empty \(3 rows are bad"):
        read(mapping(), [write(tmp_path, "log.csv", BAD)], NOW)


def test_bad_rows_are_left_out_only_when_asked_and_counted_by_reason(tmp_path: Path) -> None:
    plan = mapping('name = "visits"', 'name = "visits"\nskip_bad_rows = true')

    found = read(plan, [write(tmp_path, "log.csv", BAD)], NOW)

    assert (found.rows, found.events) == (7, 4)
    assert found.skipped == {
        "traffic.region: empty": 1,
        "traffic.ts: not a time of the stated format": 1,
        "traffic.latency_ms: not from 0 to 86400000": 1,
    }


def test_rows_that_match_no_events_are_counted(tmp_path: Path) -> None:
    plan = mapping(
        'kind = "traffic"', 'kind = "traffic"\nwhen = [{ column = "place", equals = "a" }]'
    )

    found = read(plan, [write(tmp_path, "log.csv", CSV)], NOW)

    assert (found.events, found.skipped) == (1, {"row matches no events": 2})


FAULTS = [
    ("log.csv", "at,seconds,size\n1,2,3\n", "expected column 'place', got at, seconds, size"),
    ("log.csv", CSV + "1,2,3,4,5\n", "more fields"),
    ("log.txt", CSV, r"expected \.csv, \.ndjson, \.jsonl or \.parquet"),
    ("log.ndjson", "[1,2\n", "visits"),
    ("log.parquet", "no parquet", "visits"),
]


@pytest.mark.parametrize(("name", "text", "message"), FAULTS)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(RecordingError, match=message):
        read(mapping(), [write(tmp_path, name, text)], NOW)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"none\.csv: expected a file, found none"):
        read(mapping(), [tmp_path / "none.csv"], NOW)


def test_event_ids_that_clash_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    same = [write(tmp_path, "log.csv", CSV), write(tmp_path / "a", "log.csv", CSV)]
    with pytest.raises(RecordingError, match="two files are named log"):
        read(mapping(), same, NOW)
    path = write(tmp_path, "again.csv", CSV + "1700000009,c,1,\n")
    plan = mapping('"{file}-{row}"', '"u-{place}"')
    with pytest.raises(RecordingError, match="'u-c' twice"):
        read(plan, [path], NOW)


def test_a_recording_without_events_sends_nothing(tmp_path: Path) -> None:
    found = read(mapping(), [write(tmp_path, "log.csv", CSV.splitlines()[0] + "\n")], NOW)

    assert found.events == 0
    assert kept(found) == []


def test_other_times_keep_their_distance_to_the_event(tmp_path: Path) -> None:
    text = """
[mapping]
name = "orders"
[[events]]
kind = "order"
[events.fields]
event_id = { template = "{row}" }
ts = { time = "at", format = "epoch_s" }
region = "x"
order_id = "o"
user_id = "u"
category = "c"
channel = "web"
payment = "card"
status = "paid"
amount_fen = { number = "yuan", scale = 100 }
promised_ts = { time = "by", format = "epoch_s" }
"""
    rows = "at,by,yuan\n1700000001,1700086401,9.99\n1700000011,,0.01\n"
    found = read(parse(text, "m.toml"), [write(tmp_path, "o.csv", rows)], NOW)

    moved = [event for _, event in sent(found, Pace(10.0, "now", NOW))]
    sums = [m for batch in messages(found, Pace(None, "keep", 0), lambda: 0) for m in batch]

    assert moved[0]["promised_ts"] - moved[0]["ts"] == 86_400_000
    assert "promised_ts" not in moved[1]
    assert [(m.paid, m.paid_amount_fen) for m in sums] == [(1, 999), (1, 1)]
