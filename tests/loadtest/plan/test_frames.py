"""Frames: what is drawn comes back, by pyarrow alone; sums agree with single messages; bad data is
what it says.
"""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from fenghuo.loadtest.plan.faults import LATE_FROM_MS, LATE_MS, FaultError, Faults, faults
from fenghuo.loadtest.plan.frames import FRAME_ROWS_MAX, FRAME_ROWS_MIN
from fenghuo.loadtest.plan.plan import Message
from tests.loadtest.plan.test_people import SCENE, START, STORM, sent


def opened(message: Message) -> Any:
    with pa.ipc.open_stream(message.payload) as reader:
        (batch,) = list(reader)
    return batch


def test_a_frame_is_read_by_others() -> None:
    storm = replace(STORM, form="frame", rate_per_s=50_000, seconds=1)
    for message in sent(storm):
        batch = opened(message)
        metadata = batch.schema.metadata
        begin_ms = int(metadata[b"base_ts"]) - START

        assert metadata[b"fenghuo"] == b"1"
        assert batch.schema.field("dt").type == pa.uint16()
        assert pa.types.is_struct(batch.schema.field("code").type.value_type)
        assert batch.num_rows == message.events
        times = batch.column("dt").to_pylist()
        assert times == sorted(times)
        assert begin_ms + times[-1] + 1 == message.due_ms  # due when its last event has happened
        if metadata[b"kind"] == b"order":
            rows = zip(batch["code"].to_pylist(), batch["amount_fen"].to_pylist(), strict=True)
            paid = [fen for code, fen in rows if code["status"] == "paid"]
            assert (len(paid), sum(paid)) == (message.paid, message.paid_amount_fen)


def test_large_ticks_are_cut() -> None:
    storm = replace(STORM, form="frame", rate_per_s=12_000_000, seconds=1, partitions=1)
    batches = storm.messages(START)
    rows = [message.events for message in next(batches)]

    assert max(rows) <= FRAME_ROWS_MAX
    assert sum(rows) == 600_000


@pytest.mark.parametrize("partitions", [1, 4, 7])
@pytest.mark.parametrize("producers", [1, 2])
def test_every_partition_gets_a_frame_of_every_tick(partitions: int, producers: int) -> None:
    """A kind is as fresh as its stalest partition."""
    storm = replace(
        STORM,
        form="frame",
        rate_per_s=400 * FRAME_ROWS_MIN * partitions,
        seconds=1,
        partitions=partitions,
    )
    frames: Counter[str] = Counter()
    for number in range(producers):
        first = next(storm.part("run", number, producers).messages(START))
        frames.update(message.topic for message in first)
        assert all(message.events <= FRAME_ROWS_MAX for message in first)

    assert frames["traffic"] >= partitions
    assert frames["orders"] >= partitions


def test_a_small_tick_is_one_frame_a_kind() -> None:
    storm = replace(STORM, form="frame", rate_per_s=20 * FRAME_ROWS_MIN, seconds=1)

    assert max(Counter(m.topic for m in next(storm.messages(START))).values()) == 1


@pytest.mark.parametrize("rate", [700, 20_000])
def test_frames_and_messages_of_a_seed_hold_the_same_events(rate: int) -> None:
    totals = []
    for form in ("json", "frame"):
        total: Counter[str] = Counter()
        for m in sent(replace(STORM, rate_per_s=rate, form=form)):
            total[m.topic] += m.events
            total["paid"] += m.paid
            total["fen"] += m.paid_amount_fen
        totals.append(total)

    assert totals[0] == totals[1]


def planted(messages: list[Message]) -> Counter[str]:
    found: Counter[str] = Counter()
    for message in messages:
        found.update(dict(message.planted))
    return found


def test_bad_data_is_what_it_says_and_is_counted() -> None:
    shares = Faults(late=0.05, disorder=0.1, duplicate=0.02, malformed=0.01, brushing=0.3)
    scene = replace(SCENE, brushing=0.3)
    storm = replace(STORM, scene=scene, faults=shares, rate_per_s=5_000, seconds=5)
    found: Counter[str] = Counter()
    seen: Counter[bytes] = Counter()
    for message in sent(storm):
        try:
            event = json.loads(message.payload)
        except ValueError:
            found["malformed"] += 1
            assert (message.events, message.paid, message.paid_amount_fen) == (1, 0, 0)
            continue
        seen[message.payload] += 1
        back_ms = START + message.due_ms - event["ts"]
        found["late"] += back_ms == LATE_MS
        found["disorder"] += 0 < back_ms < LATE_MS
        assert back_ms < LATE_MS or message.due_ms >= LATE_FROM_MS
    found["duplicate"] = sum(count - 1 for count in seen.values())
    counted = planted(sent(storm))
    orders = sum(m.events for m in sent(storm) if m.topic == "orders")

    assert {name: counted[name] for name in found} == dict(found)
    assert counted["brushing"] / orders == pytest.approx(0.3, abs=0.02)
    assert counted["late"] / storm.rows == pytest.approx(0.05 * 2 / 5, abs=0.01)
    assert counted["malformed"] / storm.rows == pytest.approx(0.01, abs=0.004)


def test_frames_are_spoilt_whole() -> None:
    shares = Faults(malformed=0.5)
    messages = sent(replace(STORM, form="frame", faults=shares))
    broken = [message for message in messages if message.planted]

    assert 0.3 < len(broken) / len(messages) < 0.7
    for message in broken:
        assert message.events == 1
        with pytest.raises((pa.ArrowException, OSError)):
            opened(message)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["late"], "expected NAME=SHARE"),
        (["late=2"], "expected NAME=SHARE"),
        (["noise=0.1"], "with late, disorder, duplicate, malformed, brushing"),
        (["late=0.6", "malformed=0.6"], "at most 1 together"),
    ],
)
def test_shares_that_cannot_be_are_refused(pairs: list[str], words: str) -> None:
    with pytest.raises(FaultError, match=words):
        faults(pairs)
