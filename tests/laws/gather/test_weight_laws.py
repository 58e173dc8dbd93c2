"""No second weighs more than its sums can hold, and which events are too heavy for it follows from
the log alone.
"""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from fenghuo.schemas.kinds.bounds import AMOUNT_FEN_MAX, SECOND_WEIGHT_MAX
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.wire import position
from fenghuo.streams.audit import reconcile
from fenghuo.streams.audit.reconcile import Ledger
from fenghuo.streams.counting import weights
from fenghuo.streams.gather.gather import Gather
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.gather.test_gather_laws import STEPS, Log, Step, drive
from tests.laws.model import count
from tests.laws.river import TERMS, Worker, beginning, codec_of, fetch_of, source_of
from tests.strategies import (
    FUTURE_MS,
    LATENESS_MS,
    START_MS,
    frame_bytes,
    frame_columns,
    kinds_and_logs,
)

FEW = {"order": 100_000, "traffic": 7, "complaint": 0}
"""So little that one or two events fill a second."""
ROWS = 100_000


@given(kinds_and_logs(), STEPS)
@settings(max_examples=50)
def test_a_restart_refuses_the_same_events_as_too_heavy(log: Log, steps: list[Step]) -> None:
    kind, records = log
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "SECOND_WEIGHT_MAX", FEW[kind])
        drive(Worker(kind, records), steps).check(count(kind, records, weight_max=FEW[kind]))


@given(kinds_and_logs())
@settings(max_examples=50)
def test_the_audit_refuses_the_same_events_as_too_heavy(log: Log) -> None:
    kind, records = log
    model = count(kind, records, weight_max=FEW[kind])
    ledger = Ledger("t", 0, codec_of(kind), lateness_ms=LATENESS_MS, future_ms=FUTURE_MS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconcile, "SECOND_WEIGHT_MAX", FEW[kind])
        if records:
            ledger.read(fetch_of(records))

    assert ledger.refused.total() == len(model.letters)
    assert {s: (one.events, one.weight) for s, one in ledger.seconds.items()} == {
        second: (sum(one == second for one, _, _ in model.on_time), weight)
        for second, weight in model.weights.items()
    }


def heavy_frame(second: int) -> bytes:
    """As many of the largest paid orders as a message holds, in one second."""
    paid = {**SAMPLES["order"], "status": "paid", "region": "east"}
    same = np.zeros(ROWS, np.int64)
    code = frame_columns("order", [paid])["code"].take(pa.array(same))
    columns = {"dt": pa.array(same + 1_000 * second), "code": code}
    return frame_bytes("order", {**columns, "amount_fen": pa.array(same + AMOUNT_FEN_MAX)})


def test_a_second_of_the_heaviest_frames_never_wraps() -> None:
    """93 million orders of a billion yuan were a negative number of fen."""
    many = SECOND_WEIGHT_MAX // (ROWS * AMOUNT_FEN_MAX) + 2
    values = [heavy_frame(0)] * many
    offsets, stamps = np.arange(many), np.full(many, START_MS + 5_000)
    gather = Gather(source_of("order"), codec_of("order"), TERMS, beginning("order"))
    gather.add(Fetch(offsets, values, stamps, 0, many))
    taken = gather.take()

    fits = SECOND_WEIGHT_MAX // AMOUNT_FEN_MAX
    paid, fen = 1, 2
    total = taken.pulses.values[[taken.pulses.series[c][0] == "" for c in taken.pulses.code]]
    assert total[0, [paid, fen]].tolist() == [fits, fits * AMOUNT_FEN_MAX]
    assert taken.tally.by_region == {"east": (fits, fits * AMOUNT_FEN_MAX)}
    assert {letter.reason for letter in taken.letters} == {"second_full"}
    assert sum(letter.count for letter in taken.letters) == many * ROWS - fits
    assert taken.tally.events == many * ROWS
    assert position.decode(position.encode(taken.position)) == taken.position


def test_what_seconds_of_one_fetch_weigh_together_never_wraps() -> None:
    many, seconds = 400, 3
    values = [heavy_frame(second) for second in range(seconds)] * many
    size = len(values)
    gather = Gather(source_of("order"), codec_of("order"), TERMS, beginning("order"))
    gather.add(Fetch(np.arange(size), values, np.full(size, START_MS + 5_000), 0, size))
    taken = gather.take()

    fen = many * seconds * ROWS * AMOUNT_FEN_MAX
    assert fen > SECOND_WEIGHT_MAX
    assert taken.tally.by_region == {"east": (many * seconds * ROWS, fen)}
    assert not taken.letters


@pytest.mark.parametrize("weight", [-1, SECOND_WEIGHT_MAX + 1])
def test_a_position_of_impossible_weights_is_none(weight: int) -> None:
    place = replace(beginning("order"), weights=((START_MS, weight),))
    with pytest.raises(ValueError, match="63 bits"):
        position.decode(position.encode(place))
