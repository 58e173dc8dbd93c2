"""Bounds of values: no sum of a second can wrap."""

from typing import Any

import numpy as np
import pyarrow as pa

from fenghuo.schemas.kinds.bounds import AMOUNT_FEN_MAX, COUNT_MAX
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.river import codec_of
from tests.strategies import frame_bytes, frame_columns, text_of


def test_no_weight_wraps_the_sums_of_a_second() -> None:
    """100 frames of 100 000 rows of 10^12 were -8 446 744 073 709 551 616 requests."""
    rows = 1_000
    made: dict[str, Any] = {
        "dt": pa.array(np.zeros(rows, np.int64)),
        "code": frame_columns("traffic", [{**SAMPLES["traffic"], "count": 1}])["code"].take(
            pa.array(np.zeros(rows, np.int64))
        ),
        "latency_ms": pa.array(np.ones(rows, np.int64)),
    }
    codec = codec_of("traffic")
    largest = pa.array(np.full(rows, COUNT_MAX, np.int64))
    batch = codec.decode([frame_bytes("traffic", {**made, "count": largest})])
    assert batch.x.sum() == rows * COUNT_MAX
    assert 50_000_000 * COUNT_MAX * 180 < 2**63
    assert 50_000_000 * AMOUNT_FEN_MAX < 2**63

    beyond = pa.array(np.full(rows, 10**12, np.int64))
    (refusal,) = codec.decode([frame_bytes("traffic", {**made, "count": beyond})]).refusals
    assert (refusal.count, refusal.reason) == (rows, "schema")
    assert f"expected 1 to {COUNT_MAX}" in refusal.detail
    text = text_of({**SAMPLES["traffic"], "count": 10**12})
    (alone,) = codec.decode([text]).refusals
    assert str(COUNT_MAX) in alone.detail
