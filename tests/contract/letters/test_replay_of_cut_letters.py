"""A letter that keeps only the beginning is replayed whole from the log, while the log has it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from fenghuo.schemas.log import reading
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import letters, topics
from fenghuo.schemas.wire.letters import REPLAY_HEADER, Letter
from fenghuo.schemas.wire.pulse import Source
from fenghuo.schemas.wire.topics import MESSAGE_BYTES_MAX
from fenghuo.streams.letters import dead_letters
from fenghuo.streams.transport import kafka
from tests.contract.conftest import Broker
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.parts import kafka as kafka_part
from tests.parts import tansu as tansu_part

pytestmark = pytest.mark.real


def order(name: str) -> bytes:
    """An order that is larger than what a letter keeps."""
    return json.dumps({**SAMPLES["order"], "event_id": name, "note": name * 20_000}).encode()


LINES = [order("first"), order("second"), order("third")]
LARGEST = b"x" * (MESSAGE_BYTES_MAX - 200)
"""With its record the topic's limit: there is no room for one more header."""
MESSAGES = [order("alone"), b"\n".join(LINES), b"[" + b",".join(LINES) + b"]", LARGEST]
EXPECTED = [
    (MESSAGES[0], "0/0"),
    (LINES[1], "1/1"),
    (b"[" + b",".join(LINES[1:]) + b"]", "2/1-2"),
    (LARGEST, "3/0"),
]


@pytest.fixture(params=["tansu", "kafka"])
def made(request: pytest.FixtureRequest, need: Any) -> Iterator[tuple[Settings, Broker, str]]:
    """A broker of its own, with our topics; the name of its log."""
    need(request.param)
    with tansu_part.tansu() if request.param == "tansu" else kafka_part.kafka() as part:
        broker = Broker(request.param, part)
        settings = broker.settings(partitions=1)
        yield settings, broker, asyncio.run(kafka.prepare(settings))


def cut(log: str, offset: int, idx: int, data: bytes, **more: Any) -> Letter:
    """The letter of these bytes as gather writes it."""
    kept, size, digest = letters.cut(data)
    place = (Source(log, "orders", 0), offset, idx, "time_future", "why", 0, kept)
    return Letter(*place, size=size, hash=digest, **more)


def tell(broker: Broker, found: list[Letter]) -> None:
    producer = broker.producer()
    for letter in found:
        value, headers = letters.to_record(letter)
        producer.send(topics.REFUSED, value, headers=headers, partition=0).get(30)
    producer.close(10)


def test_what_a_letter_left_out_is_read_from_the_log_again(
    made: tuple[Settings, Broker, str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, broker, log = made
    assert broker.send("orders", 0, MESSAGES) == [0, 1, 2, 3]
    good = [
        cut(log, 0, 0, MESSAGES[0]),
        cut(log, 1, 1, LINES[1]),
        cut(log, 2, 1, EXPECTED[2][0], count=2, rows="1-2"),
        cut(log, 3, 0, LARGEST),
    ]
    lost = [
        cut(log, 0, 5, order("no such event")),
        cut(log, 1, 0, order("other bytes than the log's")),
        cut(log, 99, 0, order("beyond the end")),
    ]
    tell(broker, [*good, *lost])

    assert dead_letters.replay(settings, reason=None, source=None, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"replayed": len(good), "not_whole": len(lost)}
    records = asyncio.run(reading.read_all(settings.kafka, "orders"))[len(MESSAGES) :]
    found = [(one.value, dict(one.headers)[REPLAY_HEADER]) for one in records]
    assert found == [(value, mark.encode()) for value, mark in EXPECTED]


def test_what_the_log_has_not_any_more_is_said(
    made: tuple[Settings, Broker, str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, broker, log = made
    tell(broker, [cut(log, 0, 0, MESSAGES[0])])

    assert dead_letters.replay(settings, reason=None, source=None, as_json=False) == 0
    assert "1 letters cannot be sent again" in capsys.readouterr().out
