"""The archive by example: what is due when, one block a table, columns as the tables want them."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from fenghuo.schemas.store import tables
from fenghuo.schemas.wire.pulse import Head, Rows, Source, Tally
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams.archive import held
from fenghuo.streams.archive.held import (
    HOLD_MS,
    Pulses,
    late_block,
    pulse_block,
    refused_block,
    transition_block,
)
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.river import Worker
from tests.schemas.wire.test_letters import LETTER
from tests.strategies import KINDS, START_MS, Record, single

SOURCE = Source("log", "complaints", 2)


def head_of(watermark_s: int | None = None, source: Source = SOURCE) -> Head:
    watermark = None if watermark_s is None else watermark_s * 1000
    return Head("complaint", source, 0, 0, 0, watermark, watermark, 0, None, False, Tally())


def rows(second: int, version: int, size: int = 1) -> Rows:
    return Rows(
        np.full(size, second * 1000, np.int64),
        np.arange(size, dtype=np.int64),
        tuple(("region", f"r{i}", "") for i in range(size)),
        np.full((size, 2), version, np.int64),
        {"version": np.full(size, version, np.int64)},
    )


def versions(pulses: Pulses, now_ms: int) -> list[int]:
    return [
        v for block in pulses.due(now_ms) for v in np.asarray(block.columns["version"]).tolist()
    ]


def test_a_pulse_waits_until_its_second_closed_or_two_seconds_passed() -> None:
    pulses = Pulses()
    pulses.see(head_of(), rows(100, 1), 0, now_ms=5_000)
    assert versions(pulses, 5_000 + HOLD_MS - 1) == []
    assert versions(pulses, 5_000 + HOLD_MS) == [1]

    pulses.see(head_of(watermark_s=101), rows(100, 2), 1, now_ms=5_000)
    assert versions(pulses, 5_000) == [2]


def test_the_wait_is_that_of_the_first_pulse_of_a_second() -> None:
    """Else a second that changes at every tick would never be stored."""
    pulses = Pulses()
    for tick in range(9):
        pulses.see(head_of(), rows(100, tick + 1), tick, now_ms=tick * 250)

    assert versions(pulses, HOLD_MS) == [9]


def test_the_watermark_of_one_partition_closes_no_second_of_another() -> None:
    pulses = Pulses()
    pulses.see(head_of(watermark_s=200, source=Source("log", "complaints", 9)), rows(50, 1), 0, 0)
    pulses.see(head_of(), rows(100, 2), 1, now_ms=0)

    assert versions(pulses, 0) == [1]


def test_what_is_due_stays_held_until_it_is_stored() -> None:
    pulses = Pulses()
    pulses.see(head_of(watermark_s=200), rows(100, 1), 7, now_ms=0)
    assert versions(pulses, 0) == [1]
    assert versions(pulses, 0) == [1]
    assert pulses.safe_offset(8) == 7
    pulses.stored()
    assert versions(pulses, 0) == []
    assert pulses.safe_offset(8) == 8
    assert pulses.rows == 0


def test_one_block_holds_no_more_rows_than_an_insert_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "INSERT_ROWS_MAX", 25)
    pulses = Pulses()
    for second in range(10):
        pulses.see(
            head_of(watermark_s=999), rows(100 + second, second + 1, size=10), second, now_ms=0
        )
    stored = 0
    while blocks := pulses.due(0):
        assert sum(map(len, blocks)) <= 25
        stored += sum(map(len, blocks))
        pulses.stored()

    assert (stored, pulses.rows) == (100, 0)


def test_a_second_halved_between_two_frames_is_held_whole() -> None:
    pulses = Pulses()
    whole = rows(100, 1, size=4)
    pulses.see(head_of(watermark_s=200), whole.only(slice(0, 2)), 7, now_ms=0)
    pulses.see(head_of(watermark_s=200), whole.only(slice(2, 4)), 8, now_ms=0)
    (block,) = pulses.due(0)

    assert list(block.columns["k1"]) == ["r0", "r1", "r2", "r3"]
    assert pulses.safe_offset(9) == 7


def test_the_half_that_comes_during_the_insert_is_stored_by_the_next_one() -> None:
    pulses = Pulses()
    whole = rows(100, 1, size=4)
    pulses.see(head_of(watermark_s=200), whole.only(slice(0, 2)), 7, now_ms=0)
    pulses.due(0)
    pulses.see(head_of(watermark_s=200), whole.only(slice(2, 4)), 8, now_ms=0)
    pulses.stored()

    assert pulses.safe_offset(9) == 7
    (block,) = pulses.due(0)
    assert list(block.columns["k1"]) == ["r0", "r1", "r2", "r3"]


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_have_the_columns_of_their_tables(kind: str) -> None:
    records = [
        Record(i, START_MS + ts, single({**SAMPLES[kind], "ts": START_MS + ts}))
        for i, ts in enumerate((0, 60_000, 0))
    ]
    worker = Worker(kind, records)
    worker.read(3)
    taken = worker.gather.take()
    made = pulse_block(kind, [(worker.start.source, taken.pulses)])
    late = late_block(kind, [(worker.start.source, taken.late)])

    assert list(made.columns) == [name for name, _ in tables.pulse_columns(kind)]
    assert sorted(late.columns) == sorted(name for name, _ in tables.late_columns(kind))
    for block in (made, late):
        assert len({len(column) for column in block.columns.values()}) == 1
        events = [
            n
            for n, cut in zip(block.columns["events"], block.columns["cut"], strict=True)
            if not cut
        ]
        assert sum(events) == (2 if block is made else 1)


def test_refused_events_and_transitions_have_the_columns_of_their_tables() -> None:
    moved = Transition(
        *("failing", "region=east", 2, 1, None, 3, START_MS, None, 7, None),
        reason="no data",
    )
    refused = refused_block([LETTER])
    changes = transition_block("day", "log", [moved])

    assert list(refused.columns) == [name for name, _ in tables.REFUSED_COLUMNS]
    assert list(changes.columns) == [name for name, _ in tables.TRANSITION_COLUMNS]
    row: dict[str, Any] = {name: column[0] for name, column in changes.columns.items()}
    assert (row["from_level"], row["to_level"], row["seq"]) == (-1, 3, 2)
    assert math.isnan(row["value"])
    assert math.isnan(row["threshold"])
    assert refused.columns["bytes"][0] == len(LETTER.data)
    assert msgspec.structs.asdict(moved)["scope"] == row["scope"]
    many = transition_block("day", "log", [msgspec.structs.replace(moved, samples=2**70)])
    assert many.columns["samples"].tolist() == [2**63 - 1]
