"""What a message adds to the sums, by the tester's own reading, is what its maker says."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.loadtest.plan.faults import Faults
from fenghuo.loadtest.plan.people import Scene
from fenghuo.loadtest.plan.storm import Storm
from fenghuo.loadtest.proof import payload
from fenghuo.loadtest.wire import AMOUNT_FEN_MAX
from fenghuo.schemas.wire.topics import KIND_OF

CHOICES = ("region", "category", "channel", "payment", "promotion", "user_tier", "system")
LABELS = dict.fromkeys(CHOICES, ("east", "other")) | {"action": ("view",), "type": ("quality",)}
PAID = b'{"status":"paid","amount_fen":7}'


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from(["json", "frame"]))
def test_a_storm_adds_up_to_what_it_says(seed: int, form: str) -> None:
    scene = Scene(labels=LABELS, seed=seed)
    bad = Faults(late=0.1, duplicate=0.1, malformed=0.1)
    storm = Storm(scene, rate_per_s=600, seconds=1, form=form, faults=bad)
    messages = [message for batch in storm.messages(1_760_000_000_000) for message in batch]

    assert messages
    for message in messages:
        told = (message.events, message.paid, message.paid_amount_fen)
        assert payload.sums(KIND_OF[message.topic], message.payload) == told


@pytest.mark.parametrize(
    ("kind", "value", "sums", "why"),
    [
        ("order", PAID, (1, 1, 7), "one event"),
        ("order", b'{"status":"failed","amount_fen":7}', (1, 0, 0), "it was not paid"),
        ("order", PAID[:-4], (1, 0, 0), "cut off"),
        ("order", b"", (1, 0, 0), "nothing"),
        ("order", b"\xff\x00", (1, 0, 0), "no text"),
        ("order", b"[" * 100_000, (1, 0, 0), "nested too deeply"),
        ("order", b'{"status":"paid","amount_fen":"7"}', (1, 0, 0), "an amount in quotes"),
        ("order", b'{"status":"paid","amount_fen":-1}', (1, 0, 0), "an amount below nothing"),
        ("order", b'{"status":"Paid","amount_fen":7}', (1, 0, 0), "a status that is none"),
        ("order", b"\n".join([PAID, b"", PAID, b"{"]), (3, 2, 14), "lines, one is broken"),
        ("order", b"[" + PAID + b"," + PAID + b"]", (2, 2, 14), "an array"),
        ("order", b"[" + PAID + b",", (1, 0, 0), "an array that is cut off is refused whole"),
        ("traffic", PAID, (1, 0, 0), "only orders are paid"),
        ("order", b"\xff\xff\xff\xff\x10", (1, 0, 0), "a frame that is cut off"),
    ],
)
def test_text_adds_what_can_be_read(
    kind: str, value: bytes, sums: tuple[int, int, int], why: str
) -> None:
    assert payload.sums(kind, value) == sums, why


def frame(kind: str, statuses: list[str | None], amounts: list[int]) -> bytes:
    table = pa.StructArray.from_arrays([pa.array(statuses)], names=["status"])
    code = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 2]), table)
    columns: dict[str, Any] = {"dt": pa.array([0] * 4), "code": code}
    columns["amount_fen"] = pa.array(amounts)
    rows = pa.RecordBatch.from_pydict(columns, metadata={"kind": kind})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def test_rows_of_a_frame_are_paid_by_their_code() -> None:
    statuses, amounts = ["paid", "failed", None], [3, 5, 9, 11]

    assert payload.sums("order", frame("order", statuses, amounts)) == (4, 2, 12)
    assert payload.sums("traffic", frame("traffic", statuses, amounts)) == (4, 0, 0)
    assert payload.sums("order", frame("traffic", statuses, amounts)) == (1, 0, 0)
    beyond = [3, 5, AMOUNT_FEN_MAX + 1, 11]  # that row will be refused, alone
    assert payload.sums("order", frame("order", statuses, beyond)) == (4, 1, 3)


def test_sums_do_not_overflow_the_width_of_a_column() -> None:
    data = frame("order", ["paid"] * 3, [AMOUNT_FEN_MAX] * 4)

    assert payload.sums("order", data) == (4, 4, 4 * AMOUNT_FEN_MAX)
    assert json.dumps(payload.sums("order", data)) == f"[4, 4, {4 * AMOUNT_FEN_MAX}]"
