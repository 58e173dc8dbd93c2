"""The census of a run finds on both brokers what was written, to the record."""

import asyncio
import json
from collections.abc import Iterator

import pyarrow as pa
import pytest

from fenghuo.loadtest.books import census
from fenghuo.loadtest.verdict.result import Missing, Numbers, Produced, Totals
from fenghuo.schemas.records.marks import Mark, header
from fenghuo.streams.transport import kafka
from tests.contract.conftest import Broker
from tests.loadtest.proof.proven import RUN, place, produced

pytestmark = pytest.mark.real

TOPICS = ("orders", "traffic", "complaints")
FRAME_ROWS = 1_000
Place = tuple[str, int]


class Writer:
    """Writes records and knows where each of them is."""

    def __init__(self, broker: Broker) -> None:
        self.at: dict[tuple[int, int], str] = {}
        """Where the first record of each (producer, number) lies."""
        self.ends: dict[Place, int] = {}
        self._producer = broker.producer(linger_ms=20)
        self._sent: list[tuple[Mark | None, Place, object]] = []

    def send(self, to: Place, value: bytes, mark: Mark | None = None) -> None:
        headers = [header(mark)] if mark else []
        future = self._producer.send(to[0], value, headers=headers, partition=to[1])
        self._sent.append((mark, to, future))

    def flush(self) -> None:
        self._producer.flush(30)
        for mark, to, future in self._sent:
            offset = future.get(30).offset  # type: ignore[attr-defined]
            self.ends[to] = max(offset + 1, self.ends.get(to, 0))
            if mark:
                self.at.setdefault((mark.producer, mark.number), f"{to[0]}/{to[1]}/{offset}")
        self._sent.clear()

    def close(self) -> None:
        self._producer.close(10)


@pytest.fixture
def writer(broker: Broker) -> Iterator[Writer]:
    asyncio.run(kafka.prepare(broker.settings(partitions=2)))
    made = Writer(broker)
    yield made
    made.close()


def order(number: int) -> bytes:
    status = "paid" if number % 2 else "created"
    return json.dumps({"kind": "order", "status": status, "amount_fen": number}).encode()


def frame() -> bytes:
    """Traffic of many rows."""
    columns = {"dt": pa.array(range(FRAME_ROWS)), "code": pa.array(range(FRAME_ROWS))}
    rows = pa.RecordBatch.from_pydict(columns, metadata={"kind": "traffic"})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as out:
        out.write_batch(rows)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def mark(producer: int, number: int, *, run: str = RUN, shadow: bool = True) -> Mark:
    return Mark(run, producer, number, shadow)


def books(writer: Writer, *numbers: Numbers) -> Produced:
    partitions = tuple(place(*to, 0, end) for to, end in sorted(writer.ends.items()))
    return produced(numbers=numbers, partitions=partitions)


def test_ends_are_where_the_log_ends(broker: Broker, writer: Writer) -> None:
    for number in range(25):  # one batch: what a broker says of its end may lie inside
        writer.send(("orders", 1), order(number))
    writer.flush()
    found = census.ends(broker.bootstrap, TOPICS)

    assert found["orders", 1] == writer.ends["orders", 1]
    assert {topic for topic, _ in found} == set(TOPICS)


def test_a_census_is_what_was_written(broker: Broker, writer: Writer) -> None:
    for number in range(25):  # others, before the run
        writer.send(("orders", number % 2), order(number))
    writer.flush()
    begin = census.ends(broker.bootstrap, TOPICS)
    gap, unsure_there, unsure_gone = {20, 21, 22}, 30, 31
    for number in set(range(50)) - gap - {unsure_gone}:
        writer.send(("orders", number % 2), order(number), mark(0, number))
    for number in range(3):
        writer.send(("traffic", 0), frame(), mark(1, number))
    for _ in range(2):
        writer.send(("orders", 0), order(7), mark(0, 7))
    writer.send(("complaints", 0), b'{"kind":"compl', mark(1, 3))
    for number in range(4):  # others, meanwhile: in the other lane, and in this one
        writer.send(("orders", 0), order(number))
        writer.send(("orders", 0), order(number), mark(0, number, shadow=False))
    writer.send(("orders", 1), order(1), mark(0, 1, run="another"))
    writer.flush()
    numbers = (Numbers(0, 50, ((unsure_there, unsure_gone),)), Numbers(1, 4))
    found = census.take(broker.bootstrap, books(writer, *numbers), begin, shadow=True)

    there = [n for n in range(50) if n not in {*gap, unsure_there, unsure_gone}]
    paid = [n for n in there if n % 2]
    assert found.found == {
        "order": Totals(len(there), len(there), len(paid), sum(paid)),
        "traffic": Totals(3, 3 * FRAME_ROWS),
        "complaint": Totals(1, 1),
    }
    assert found.unsure == {"order": Totals(1, 1)}
    assert found.again == {"order": Totals(2, 2, 2, 14)}
    assert (found.duplicates, found.foreign, found.unread) == (1, 1, 3)
    near = f"after {writer.at[0, 19]}, before {writer.at[0, 23]}"
    assert found.missing == (Missing(0, 20, 22, near),)


@pytest.mark.parametrize("lost", [1, 2])
def test_a_log_that_ends_too_soon_is_a_gap(broker: Broker, writer: Writer, lost: int) -> None:
    begin = census.ends(broker.bootstrap, TOPICS)
    for number in range(3):
        writer.send(("traffic", 1), b"{}", mark(0, number))
    writer.flush()
    writer.ends["traffic", 1] += lost  # acknowledged, and gone
    found = census.take(broker.bootstrap, books(writer, Numbers(0, 3 + lost)), begin, shadow=True)

    gap = Missing(0, 3, 2 + lost, f"after {writer.at[0, 2]}")
    assert (found.missing, found.unread) == ((gap,), lost)


def test_a_census_that_takes_too_long_says_how_far_it_came(broker: Broker, writer: Writer) -> None:
    begin = census.ends(broker.bootstrap, TOPICS)
    writer.send(("orders", 0), order(1), mark(0, 0))
    writer.flush()
    writer.ends["orders", 0] += 1
    asked = books(writer, Numbers(0, 1))
    with pytest.raises(census.CensusError, match="time for reading was over") as told:
        census.take(broker.bootstrap, asked, begin, shadow=True, limit_s=0.5)
    assert str(told.value).startswith("orders/0: expected records up to ")


def test_nothing_sent_is_nothing_found(broker: Broker, writer: Writer) -> None:
    begin = census.ends(broker.bootstrap, TOPICS)
    writer.flush()
    found = census.take(broker.bootstrap, produced(), begin, shadow=False)

    assert (found.sums, found.unread, found.foreign) == ({}, 0, 0)
