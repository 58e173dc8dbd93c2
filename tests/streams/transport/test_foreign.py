"""Foreign records on our own topics: every reader passes them over, counts them and goes on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from faust.types import TP

from fenghuo.api.live.follower import Reader
from fenghuo.api.live.users import Crowd
from fenghuo.api.view.latest import Latest
from fenghuo.schemas.log.foreign import FOREIGN
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import letters, pulse, skips, topics
from fenghuo.schemas.wire.letters import Letter
from fenghuo.schemas.wire.skips import Skip
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams.archive.worker import ArchivePart
from fenghuo.streams.judge.judge import Judge
from fenghuo.streams.judge.worker import see, see_users
from tests.laws.judge.duty import campaign
from tests.laws.river import source_of
from tests.schemas.records.test_records import batch, read
from tests.schemas.wire.test_pulse import head_of, rows_of

LETTER = Letter(source_of("order"), 7, 0, "not_json", "expected {", 5, b"x")
MOVED = Transition("r", "total", 1, 1, 0, 2, 5, 1.0, 9, None, "why")
(FRAME,) = pulse.encode(head_of(), rows_of())


def frame(**changes: Any) -> bytes:
    """A frame with another head or other columns, as somebody else might write one."""
    with pa.ipc.open_stream(FRAME) as reader:
        table = reader.read_all()
    metadata = dict(table.schema.metadata)
    head = msgspec.json.decode(metadata[b"head"]) | changes.pop("head", {})
    metadata[b"head"] = msgspec.json.encode(head)
    for name, column in changes.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    sink = pa.BufferOutputStream()
    table = table.replace_schema_metadata(metadata)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def record(value: bytes | None, offset: int, headers: Any = (), *, key: bytes = b"") -> Any:
    """A record as the log's reader gives it."""
    return SimpleNamespace(value=value, offset=offset, headers=headers, key=key)


SIZE = len(rows_of())
(LATE,) = pulse.encode(
    head_of(),
    msgspec.structs.replace(rows_of(), stamp={"offset": np.arange(SIZE), "idx": np.arange(SIZE)}),
)
GARBAGE: dict[str, bytes | None] = {
    "tombstone": None,
    "object": b'{"id": 7}',
    "bytes": b"\xff\x00\xfe",
    "deep": b'{"source":' + b"[" * 200_000,
    "list": b"[]",
}
BAD_FRAMES: dict[str, bytes | None] = GARBAGE | {
    "late rows": LATE,
    "a kind there is not": frame(head={"kind": "refund"}),
    "a topic there is not": frame(head={"source": {"log": "x", "topic": "y", "partition": 0}}),
    "a partition below 0": frame(head={"source": {"log": "x", "topic": "orders", "partition": -1}}),
    "an offset below 0": frame(head={"next_offset": -1}),
    "an epoch no version holds": frame(head={"epoch": 1 << 20}),
    "seconds with nulls": frame(second_ms=pa.array([None] * SIZE, pa.int64())),
    "seconds in words": frame(second_ms=pa.array(["now"] * SIZE)),
    "versions that are fractions": frame(version=pa.array([0.5] * SIZE)),
}


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    FOREIGN.passed.clear()
    yield
    FOREIGN.passed.clear()


def fetch_of(*values: bytes | None) -> Fetch:
    many = len(values)
    return Fetch(np.arange(many), values, np.zeros(many, np.int64), 0, many)


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_the_judge_passes_over_what_is_no_pulse(name: str) -> None:
    judge = Judge(campaign())
    see(judge, record(BAD_FRAMES[name], 5))
    see(judge, record(FRAME, 6))

    assert FOREIGN.passed == {"pulses": 1}
    assert len(judge.grade(1_794_326_402_000, 7)[0].heads) == 1


@pytest.mark.parametrize("name", GARBAGE)
def test_the_judge_passes_over_what_is_no_sketch(name: str) -> None:
    see_users(Judge(campaign()), fetch_of(GARBAGE[name]))

    assert FOREIGN.passed == ({} if GARBAGE[name] is None else {"users": 1})


@pytest.mark.parametrize("name", GARBAGE)
def test_the_judge_learns_anew_where_a_baseline_cannot_be_read(name: str) -> None:
    rules = [rule for rule in campaign().rules if rule.adaptive]
    left = {f"{rule.id}|total": GARBAGE[name] or b"" for rule in rules}

    assert Judge(campaign(), left=left).grade(0, 0)[0].level is None


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_the_archive_passes_over_what_is_none_of_its_rows(name: str) -> None:
    archive = ArchivePart(Settings())
    bad = BAD_FRAMES[name] or b""
    archive._take(topics.PULSES, record(bad, 1))
    archive._take(topics.PULSES, record(FRAME, 2))
    archive._take(topics.LATE, record(FRAME if name == "late rows" else bad, 3))
    archive._take(topics.LATE, record(LATE, 4))

    assert FOREIGN.passed == {"pulses": 1, "late": 1}
    assert archive._held() == 2 * SIZE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("partition", b"x"),
        ("partition", b"-1"),
        ("partition", b"99999999999"),
        ("offset", b"99999999999999999999999"),
        ("idx", b"-1"),
        ("record_ms", b"\xff"),
    ],
)
def test_the_archive_passes_over_letters_that_fit_no_table(name: str, value: bytes) -> None:
    archive = ArchivePart(Settings())
    data, headers = letters.to_record(LETTER)
    archive._take(
        topics.REFUSED, record(data, 1, [(k, value if k == name else v) for k, v in headers])
    )
    archive._take(topics.REFUSED, record(data, 2))
    archive._take(topics.REFUSED, record(data, 3, headers))

    assert FOREIGN.passed == {"refused": 2}
    assert archive._letters == [LETTER]


def test_the_archive_takes_a_letter_as_the_transport_reads_it() -> None:
    """Most headers are read when they are asked for; those of a letter are its half."""
    archive = ArchivePart(Settings())
    fetch = read(batch(0, [(None, *letters.to_record(LETTER))]))
    asyncio.run(archive.on_fetch(TP(topics.REFUSED, 0), fetch))

    assert FOREIGN.passed == {}
    assert archive._letters == [LETTER]


@pytest.mark.parametrize("changes", [{"seq": -1}, {"at_ms": 2**63}, {"to_level": 1_000}])
def test_the_archive_passes_over_transitions_that_fit_no_table(changes: dict[str, int]) -> None:
    archive = ArchivePart(Settings())
    bad = msgspec.json.encode(msgspec.to_builtins(MOVED) | changes)
    for offset, value in enumerate((bad, b"", b"[]", msgspec.json.encode(MOVED))):
        archive._take(topics.TRANSITIONS, record(value, offset))

    assert FOREIGN.passed == {"transitions": 3}
    assert archive._transitions == [MOVED]


@pytest.mark.parametrize("name", GARBAGE)
def test_the_api_passes_over_what_is_no_board_and_no_sketch(name: str) -> None:
    foreign = record(GARBAGE[name], 5, key=b"\xff")
    Reader("", Latest(0), lambda: 0).take([foreign])
    Crowd("", "users").take([foreign])

    assert FOREIGN.passed["status"] == 1
    assert FOREIGN.passed["users"] == (GARBAGE[name] is not None)


def test_a_skip_is_read_and_what_is_none_is_passed_over() -> None:
    skip = Skip(source_of("order"), 17, "poison", 5)
    good = record(skips.encode(skip), 1, key=skip.key.encode())
    others = [record(value, 2, key=b"k") for value in GARBAGE.values()]
    wrong = record(skips.encode(skip), 3, key=b"orders/0/18")

    async def each() -> AsyncIterator[Any]:
        for one in (good, *others, wrong):
            yield one

    assert asyncio.run(skips.read(each(), "skips")) == {source_of("order"): {17: "poison"}}
    assert FOREIGN.passed == {"skips": len(others) + 1}
