"""The observer: what it makes of progress, of the pulses' heads, and of nobody to ask."""

import json

import msgspec
import pyarrow as pa
import pytest

from fenghuo.loadtest.verdict.result import Progress, Sample
from fenghuo.loadtest.watch import observe
from fenghuo.loadtest.watch.observe import Observer
from tests.loadtest.runs import produced


def pulse(partition: int, accepted: int, late: int = 0, refused: int = 0) -> bytes:
    """The head of a pulse, without rows."""
    source = {"log": "l", "topic": "orders", "partition": partition}
    tally = {"accepted": accepted, "late": late, "refused": refused}
    metadata = {"head": json.dumps({"source": source, "tally": tally})}
    schema = pa.schema([], metadata=metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema):
        pass
    return bytes(sink.getvalue().to_pybytes())


def pulses() -> observe._Pulses:
    found = observe._Pulses.__new__(observe._Pulses)
    found._totals, found._first, found._began = {}, {}, False
    found._head = msgspec.json.Decoder(observe._Head)
    return found


def test_what_was_counted_before_the_run_is_not_the_runs() -> None:
    seen = pulses()
    assert seen.grown() is None
    seen._read(pulse(0, 100, 5, 1))
    seen.begin()
    assert seen.grown() == 0
    seen._read(pulse(0, 130, 6, 2))
    seen._read(pulse(1, 7))  # a partition that was empty before
    seen._read(pulse(0, 110))  # an old one, told again
    seen._read(b"no pulse")

    assert seen.grown() == 32 + 7


def test_producers_are_added_up_and_the_last_word_is_the_books() -> None:
    shown: list[Sample] = []
    observer = Observer(None, None, "127.0.0.1:1", lane="real")
    observer.begin(0, 10_000, "order")
    observer.look({0: Progress(0, 10, 9, 8, 1, 0), 1: Progress(1, 20, 20, 19, 0, 1)}, shown.append)
    observer.look({}, shown.append)  # too soon after the last one
    observer.sent(produced())
    observer._next_s = 0.0
    observer.again(shown.append)

    assert [(s.planned, s.sent, s.acknowledged, s.missed) for s in shown] == [
        (30, 29, 27, 1),
        (10_000, 10_000, 10_000, 0),
    ]
    assert (shown[0].shown, shown[0].gathered, shown[0].archived) == (None, None, None)
    assert observer.watched(None).why == "not watched"


@pytest.mark.parametrize(
    ("then", "now", "share"), [((10, 100), (60, 200), 0.5), ((1, 1), (1, 1), None)]
)
def test_the_machine_is_told_as_a_share(
    then: tuple[int, int], now: tuple[int, int], share: float | None
) -> None:
    assert observe._busy(then, now) == share
