"""Frames: what is drawn comes back, by pyarrow alone, and sums agree with single messages."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from fenghuo.loadtest.commands import generated
from fenghuo.loadtest.frames import FRAME_ROWS_MAX, frame_messages
from fenghuo.loadtest.people import draw
from tests.loadtest.test_people import SCENE, START


def test_a_frame_comes_back_as_it_was_drawn() -> None:
    scene = replace(SCENE, rate_per_s=50_000)
    for drawn in draw(scene, 3):
        (message,) = frame_messages(drawn, START + 300, 300)
        with pa.ipc.open_stream(message.payload) as reader:
            (batch,) = list(reader)

        assert batch.schema.metadata == {
            b"fenghuo": b"1",
            b"kind": drawn.kind.encode(),
            b"base_ts": str(START + 300).encode(),
        }
        assert batch.schema.field("dt").type == pa.uint16()
        assert pa.types.is_struct(batch.schema.field("code").type.value_type)
        assert batch.column("dt").to_pylist() == drawn.dt_ms.tolist()
        rows = batch.column("code").to_pylist()
        for name, column in drawn.profiles.items():
            assert [row[name] for row in rows] == column[drawn.code].tolist()
        for name, values in drawn.values.items():
            assert batch.column(name).to_pylist() == values.tolist()
        assert message.due_ms == 400


def test_large_draws_are_cut_and_their_sums_hold() -> None:
    scene = replace(SCENE, rate_per_s=1_000_000)
    drawn = draw(scene, 0)[0]

    messages = frame_messages(drawn, START, 0)

    paid = (drawn.profiles["status"] == "paid")[drawn.code]
    assert len(messages) == -(-len(drawn.code) // FRAME_ROWS_MAX)
    assert sum(m.events for m in messages) == len(drawn.code)
    assert sum(m.paid for m in messages) == paid.sum()
    assert sum(m.paid_amount_fen for m in messages) == int(
        drawn.values["amount_fen"][paid].astype(np.int64).sum()
    )


@pytest.mark.parametrize("rate", [700, 20_000])
def test_frames_and_messages_of_a_seed_hold_the_same_events(rate: int) -> None:
    scene = replace(SCENE, rate_per_s=rate)
    totals = []
    for form in ("json", "frame"):
        total: Counter[str] = Counter()
        for batch in generated(scene, 2, START, form):
            for m in batch:
                total[m.topic] += m.events
                total["paid"] += m.paid
                total["fen"] += m.paid_amount_fen
        totals.append(total)

    assert totals[0] == totals[1]
