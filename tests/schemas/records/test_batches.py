"""What is no batch, or lies about itself, stops nobody: it stands for its offsets, is named, and
what lies behind it counts.
"""

import struct
import zlib
from typing import Any

import pytest
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.records import records
from fenghuo.schemas.records.batches import Damaged
from fenghuo.schemas.records.fetch import Fetch
from tests import batch_bytes as made
from tests.batch_bytes import CONTROL, LZ4, SNAPPY, TRANSACTIONAL, XERIAL, ZSTD, Record, batch

GOOD = batch(made.records([b"good"]), base=100)


def read(data: bytes, start: int = 0, **options: Any) -> Fetch:
    found = records.read(data, start, "orders/0", **options)
    assert found is not None
    return found


def values(fetch: Fetch) -> list[bytes | None]:
    return list(fetch.values)


def unreadable(fetch: Fetch) -> list[tuple[int, int]]:
    return [(one.first, one.end) for one in fetch.unreadable]


@pytest.mark.parametrize("codec", made.CODECS[1:])
def test_a_batch_that_compaction_emptied_is_passed_over(codec: int) -> None:
    found = read(batch([], attributes=codec, last=7, body=b"") + GOOD)

    assert (values(found), found.unreadable) == ([b"good"], ())


def test_unpacked_bytes_end_a_fetch_and_the_rest_is_fetched_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fenghuo.schemas.records.batches.ENOUGH_BYTES", 1_000)
    data = batch(made.records([bytes(1_000)]), attributes=ZSTD) + GOOD

    assert (values(read(data)), read(data).next_offset) == ([bytes(1_000)], 1)
    assert values(read(data, 1)) == [b"good"]


def test_a_batch_of_very_many_records_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RECORDS_MAX", 4)
    data = batch(made.records([b"%d" % n for n in range(10)])) + GOOD
    found, start = [], 0
    while fetch := records.read(data, start, "orders/0"):
        assert fetch.start_offset == start
        found += values(fetch)
        start = fetch.next_offset

    assert found == [*(b"%d" % n for n in range(10)), b"good"]
    assert start == 101


BODY = made.record(Record(b"x"))
LIES = {
    "a codec nobody knows": batch([], attributes=5, count=1),
    "bytes that are no lz4": batch([], attributes=LZ4, count=1, body=b"\x04\x22\x4d\x18nothing"),
    "bytes that are no snappy": batch([], attributes=SNAPPY, count=1, body=b"\xff" * 20),
    "a block of snappy beyond the end": batch(
        [], attributes=SNAPPY, count=1, body=XERIAL + struct.pack(">i", 2**31 - 1)
    ),
    "a block of snappy of negative length": batch(
        [], attributes=SNAPPY, count=1, body=XERIAL + struct.pack(">i", -5) + b"12345"
    ),
    "fewer records than told": batch([], count=2, body=BODY),
    "more records than told": batch([], count=1, body=BODY * 2),
    "a negative number of records": batch([], count=-1, body=BODY),
    "two thousand million records": batch([], count=2**31 - 1, body=BODY),
    "a record longer than its batch": batch([], count=1, body=made.number(100) + BODY[1:]),
    "a record of negative length": batch([], count=1, body=made.number(-5) + BODY[1:]),
    "a record of 2^63 bytes": batch([], count=1, body=made.number(2**63 - 1) + BODY[1:]),
    "a key longer than its record": batch(
        [], count=1, body=made.text(b"\0" * 3 + made.number(2**62) + b"\0" * 3)
    ),
    "a value longer than its record": batch(
        [], count=1, body=made.text(b"\0" * 3 + made.number(-1) + made.number(2**62) + b"\0" * 3)
    ),
    "more headers than bytes": batch(
        [], count=1, body=made.text(b"\0" * 3 + made.number(-1) * 2 + made.number(2**40) + b"\0")
    ),
    "a header's name without an end": batch(
        [], count=1, body=made.text(b"\0" * 3 + made.number(-1) * 2 + made.number(1) + b"\x7e")
    ),
    "a header's name of negative length": batch(
        [], count=1, body=made.text(b"\0" * 3 + made.number(-1) * 2 + made.number(1) + b"\1\1")
    ),
    "a number that never ends": batch([], count=1, body=made.text(b"\0" + b"\xff" * 20)),
    "offsets that go back": batch([Record(b"a", 1), Record(b"b", 0)]),
    "an offset beyond its batch": batch([Record(b"a", 5)], last=3),
}


@pytest.mark.parametrize("data", LIES.values(), ids=list(LIES))
def test_a_batch_that_does_not_add_up_stands_for_its_offsets(data: bytes) -> None:
    before = batch(made.records([b"before"]), base=0)
    shifted = struct.pack(">q", 10) + data[8:]
    found = read(before + shifted + GOOD)

    ((first, end),) = unreadable(found)
    assert first == 10
    assert end > first
    assert (values(found), found.next_offset) == ([b"before", b"good"], 101)


def test_damaged_bytes_are_asked_for_again_and_then_passed_over() -> None:
    before = batch(made.records([b"before"]))
    damaged = bytearray(batch(made.records([b"a", b"b"]), base=1))
    damaged[-1] ^= 1
    data = before + bytes(damaged) + GOOD

    assert (values(read(data)), read(data).next_offset) == ([b"before"], 1)
    with pytest.raises(Damaged, match="offset 1: expected checksum"):
        records.read(bytes(damaged) + GOOD, 1, "orders/0")
    again = read(bytes(damaged) + GOOD, 1, is_again=True)
    assert (unreadable(again), again.next_offset) == ([(1, 3)], 101)
    assert values(again) == [b"good"]


@pytest.mark.parametrize(
    "head",
    [
        struct.pack(">qiibI", 0, -5, 0, 2, 0),
        struct.pack(">qiibI", 0, 10, 0, 2, 0),
        struct.pack(">qiibI", 2**62, 60, 0, 2, 0),
        struct.pack(">qiibI", 0, 60, 0, 9, 0),
    ],
    ids=["negative length", "too short", "an offset of far beyond", "a format to come"],
)
def test_a_damaged_head_leads_nowhere_far(head: bytes) -> None:
    data = head + b"\x7f" * 100
    with pytest.raises(Damaged):
        records.read(data, 7, "orders/0", end=1_000)
    found = records.read(data, 7, "orders/0", end=1_000, is_again=True)

    assert found is not None
    assert unreadable(found) == [(7, 8)]


def test_a_message_of_before_format_2_stands_for_its_offsets() -> None:
    body = b"\x01\0" + bytes(8) + struct.pack(">i", -1) + struct.pack(">i", 1) + b"x"
    message = struct.pack(">qiI", 5, len(body) + 4, zlib.crc32(body)) + body
    assert MemoryRecords(message).next_batch().validate_crc()
    found = read(message + GOOD, 5)

    assert unreadable(found) == [(5, 6)]
    assert values(found) == [b"good"]


@pytest.mark.parametrize("of", [made.ABORT, made.COMMIT])
def test_a_mark_that_compaction_emptied_says_nothing(of: int) -> None:
    emptied = batch([], attributes=TRANSACTIONAL | CONTROL, producer=3, last=0)
    one = batch(made.records([b"x"]), base=1, attributes=TRANSACTIONAL, producer=3)
    data = emptied + one + made.mark(of, base=2, producer=3) + GOOD
    found = read(data, aborted=[(3, 1)] if of == made.ABORT else [])

    assert values(found) == ([b"good"] if of == made.ABORT else [b"x", b"good"])
    assert found.next_offset == 101


def test_what_is_read_is_what_the_client_reads() -> None:
    sent = [
        Record(b"%d" % n, n * 2, b"k", [("traceparent", b"00-aa")] * (n % 3), n * 7)
        for n in range(50)
    ]
    data = batch(sent, base=1_000, attributes=ZSTD)
    found = read(data, 1_010)
    model = [one for one in MemoryRecords(data).next_batch() if one.offset >= 1_010]

    assert found.offsets.tolist() == [one.offset for one in model]
    assert found.record_ms.tolist() == [one.timestamp for one in model]
    assert values(found) == [one.value for one in model]
    assert [list(found.headers_of(at)) for at in range(len(model))] == [
        list(one.headers) for one in model
    ]


@given(st.data())
def test_whatever_the_bytes_only_damage_is_raised_and_only_once(data: st.DataObject) -> None:
    codecs = data.draw(st.lists(st.sampled_from(made.CODECS), min_size=1, max_size=4))
    whole, base = b"", 0
    for codec in codecs:
        whole += batch(made.records([b"x" * 50, None]), base=base, attributes=codec)
        base += 2
    bent = bytearray(whole + made.mark(made.ABORT, base=base, producer=3))
    for _ in range(data.draw(st.integers(0, 6))):
        bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(bent[: data.draw(st.integers(0, len(bent)))])
    try:
        first = records.read(cut, 0, "orders/0", [(3, 0)], end=base + 1)
    except Damaged:
        first = None
    again = records.read(cut, 0, "orders/0", [(3, 0)], end=base + 1, is_again=True)
    for found in filter(None, (first, again)):
        sizes = [None if value is None else len(value) for value in found.values]
        assert len(sizes) == len(found.offsets) == len(found.record_ms)
        for at in range(len(sizes)):
            found.headers_of(at)
