"""Records: what a fetch brought is read as the client itself would read it, whatever the codec, the
headers and the sizes; what nobody can read is passed over and told.
"""

import gzip
from collections.abc import Sequence
from typing import Any

import cramjam
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.records import records, unpack
from fenghuo.schemas.records.batches import Damaged
from fenghuo.schemas.records.fetch import Fetch, Unreadable
from fenghuo.schemas.wire.letters import Headers
from fenghuo.streams.gather import lanes

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
Record = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]
"""Key, value, headers."""
CRC_AT, LAST_AT, PRODUCER_AT = 17, 23, 43


def batch(base: int, of: Sequence[Record], codec: str = "none", *, producer: int = -1) -> bytes:
    """A batch whose records have the offsets from `base` on; of a transaction of this producer."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=CODECS[codec],
        is_transactional=producer >= 0,
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 30,
    )
    for i, (key, value, headers) in enumerate(of):
        builder.append(i, 1_000 + i, key, value, list(headers))
    return at_offset(bytes(builder.build()), base)


def at_offset(data: bytes, base: int) -> bytes:
    """The broker's part: a base offset is no part of the checksum."""
    return base.to_bytes(8, "big") + data[8:]


def sealed(data: bytearray) -> bytes:
    """With the checksum of what it holds now."""
    data[CRC_AT : CRC_AT + 4] = crc32c(bytes(data[CRC_AT + 4 :])).to_bytes(4, "big")
    return bytes(data)


def marker(base: int, producer: int, kind: int) -> bytes:
    """A control batch: 0 takes a transaction back, 1 commits it."""
    made = bytearray(batch(base, [(b"\0\0" + bytes([0, kind]), b"\0" * 6, [])], producer=producer))
    made[22] |= 32  # attributes
    return sealed(made)


def packed(codec: int, data: bytes, count: int, base: int = 0) -> bytes:
    """A batch that says it has so many records, in these bytes."""
    made = bytearray(batch(base, [(None, b"x", [])]))[:61]
    made[22] = codec
    made[LAST_AT : LAST_AT + 4] = (count - 1).to_bytes(4, "big")
    made[57:61] = count.to_bytes(4, "big")
    made += data
    made[8:12] = (len(made) - 12).to_bytes(4, "big")
    return sealed(made)


def read(data: bytes, start: int = 0, **options: Any) -> Fetch:
    found = records.read(data, start, "orders/0", **options)
    assert found is not None
    return found


def plain(fetch: Fetch) -> list[tuple[int, int, bytes | None, list[tuple[str, bytes | None]]]]:
    return [
        (int(offset), int(ms), value, list(fetch.headers_of(i)))
        for i, (offset, ms, value) in enumerate(
            zip(fetch.offsets, fetch.record_ms, fetch.values, strict=True)
        )
    ]


def by_client(data: bytes, start: int) -> list[tuple[int, int, bytes | None, list[Any]]]:
    """The same, as the client reads it."""
    found, own = [], MemoryRecords(data)
    while own.has_next():
        found += [
            (record.offset, record.timestamp, record.value, list(record.headers))
            for record in own.next_batch()
            if record.offset >= start
        ]
    return found


_BYTES = st.one_of(st.none(), st.binary(max_size=40), st.just(b"x" * 3_000))
_NAMES = st.sampled_from(
    ("traceparent", "", "名", "fenghuo-run", "fenghuo-replay", "fenghuo-shadow")
)
_RECORD = st.tuples(_BYTES, _BYTES, st.lists(st.tuples(_NAMES, _BYTES), max_size=4))


@given(
    st.lists(
        st.tuples(st.sampled_from(list(CODECS)), st.lists(_RECORD, min_size=1, max_size=5)),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 8),
)
def test_records_are_read_as_the_client_reads_them(
    batches: list[tuple[str, list[Record]]], start: int
) -> None:
    data, end = b"", 0
    for codec, of in batches:
        data += batch(end, of, codec)
        end += len(of)
    start = min(start, end - 1)
    fetch = read(data, start)
    assert plain(fetch) == by_client(data, start)
    assert (fetch.start_offset, fetch.next_offset, fetch.unreadable) == (start, end, ())
    keys = [key for _, of in batches for key, _, _ in of][start:]
    assert [fetch.key_of(i) for i in range(len(fetch.offsets))] == keys
    every = [headers for _, _, _, headers in by_client(data, start)]
    replays = {i for i, of in enumerate(every) if "fenghuo-replay" in dict(of)}
    assert fetch.replays.keys() == replays
    shadows = [i for i, of in enumerate(every) if "fenghuo-shadow" in dict(of)]
    marked = [] if fetch.shadow is None else fetch.shadow.nonzero()[0].tolist()
    assert marked == shadows


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_counts_like_any_other(codec: str) -> None:
    of: list[Record] = [(b"k", f"value {i}".encode() * 20, []) for i in range(50)]
    assert list(read(batch(7, of, codec), 7).values) == [value for _, value, _ in of]


def test_snappy_in_blocks_as_java_writes_it() -> None:
    one = batch(0, [(None, b"a" * 100, []), (None, b"b" * 100, [])])[61:]
    blocks = b""
    for part in (one[:70], one[70:]):
        block = bytes(cramjam.snappy.compress_raw(part))
        blocks += len(block).to_bytes(4, "big") + block
    head = b"\x82SNAPPY\0" + (1).to_bytes(4, "big") * 2
    assert list(read(packed(2, head + blocks, 2)).values) == [b"a" * 100, b"b" * 100]


def test_foreign_headers_are_read_only_by_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = [("traceparent", b"00-" + b"a" * 52)]
    many: list[tuple[str, bytes | None]] = [(f"h{i}", None) for i in range(1_000)]
    long: Headers = [("first", b"x" * 70_000), ("second", b"y")]
    data = batch(0, [(None, b"v", trace), (None, b"w", many), (None, b"z", long)])
    asked: list[bytes] = []
    whole = records.headers

    def noted(of: bytes) -> Headers:
        asked.append(of)
        return whole(of)

    monkeypatch.setattr(records, "headers", noted)
    fetch = read(data)
    assert (fetch.replays, fetch.shadow, asked) == ({}, None, [])
    assert list(fetch.headers_of(2)) == list(long)
    assert sum(map(len, asked)) < 70_100


def test_of_very_many_headers_the_first_are_looked_at() -> None:
    """Some megabytes unpack to a hundred million, each of them an object for who asks."""
    flood: Headers = [("h", b"")] * records.HEADERS_MAX
    mark = [("fenghuo-shadow", b"run.0.1")]
    fetch = read(batch(0, [(None, b"v", [*flood[1:], *mark]), (None, b"w", [*flood, *mark])]))

    assert fetch.shadow is not None
    assert fetch.shadow.tolist() == [True, False]
    assert list(fetch.headers_of(0)) == [*flood[1:], *mark]
    assert list(fetch.headers_of(1)) == list(flood)


def test_what_was_taken_back_is_no_event() -> None:
    data = batch(0, [(None, b"kept", [])])
    data += batch(1, [(None, b"gone", [])] * 2, producer=5)
    data += batch(3, [(None, b"committed", [])], "lz4", producer=6)
    data += marker(4, 5, 0) + marker(5, 6, 1)
    data += batch(6, [(None, b"the next of the same producer", [])], producer=5) + marker(7, 5, 1)
    fetch = read(data, aborted=[(5, 1)])
    assert [value for _, _, value, _ in plain(fetch)] == [
        b"kept",
        b"committed",
        b"the next of the same producer",
    ]
    assert fetch.next_offset == 8
    later = read(data, 2, aborted=[(5, 1)])  # from the middle of it: the broker still names it
    assert [int(offset) for offset in later.offsets] == [3, 6]


def test_a_batch_that_unpacks_to_too_much_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack.unpacked, "__defaults__", (1 << 20,))
    zeros = bytes(64 << 20)
    bombs = {
        1: gzip.compress(zeros, 1),
        2: bytes(cramjam.snappy.compress_raw(zeros)),
        3: bytes(cramjam.lz4.compress(zeros)),
        4: bytes(cramjam.zstd.compress(zeros)),
    }
    for codec, bomb in bombs.items():
        data = batch(0, [(None, b"before", [])]) + packed(codec, bomb, 9, base=1)
        data += batch(10, [(None, b"behind", [])])
        fetch = read(data)
        assert list(fetch.values) == [b"before", b"behind"], codec
        (lost,) = fetch.unreadable
        assert (lost.first, lost.end, lost.events, lost.size) == (1, 10, 9, len(bomb))
        assert "more than 1048576 bytes" in lost.detail


@pytest.mark.parametrize(
    ("codec", "data"),
    [(codec, noise) for codec in range(1, 8) for noise in (b"", b"\x00", b"no such bytes" * 9)],
)
def test_broken_bytes_are_passed_over(codec: int, data: bytes) -> None:
    whole = packed(codec, data, 3) + batch(3, [(None, b"behind", [])])
    fetch = read(whole)
    assert list(fetch.values) == [b"behind"]
    (lost,) = fetch.unreadable
    assert (lost.first, lost.end, lost.events) == (0, 3, 3)
    assert lanes.only(fetch, "shadow").unreadable == ()
    assert lanes.only(fetch, "real") is fetch


@given(st.data())
def test_no_bytes_are_read_beyond_a_batch(data: st.DataObject) -> None:
    """Whatever the records of a batch say of their sizes."""
    of = data.draw(st.lists(_RECORD, min_size=1, max_size=3))
    made = bytearray(batch(0, of))
    for _ in range(data.draw(st.integers(1, 4))):
        made[data.draw(st.integers(61, len(made) - 1))] = data.draw(st.integers(0, 255))
    made[57:61] = data.draw(st.sampled_from((0, 1, len(of), 1_000, 2**31 - 1))).to_bytes(4, "big")
    fetch = read(sealed(made) + batch(len(of), [(None, b"behind", [])]))
    assert fetch.values[-1] == b"behind"
    assert all(isinstance(lost, Unreadable) for lost in fetch.unreadable)
    for i in range(len(fetch.values)):
        fetch.headers_of(i)


def test_a_wrong_checksum_is_asked_again_and_then_passed_over() -> None:
    made = bytearray(batch(0, [(None, b"bent", [])] * 2))
    made[-3] ^= 1
    data = bytes(made) + batch(2, [(None, b"behind", [])])
    with pytest.raises(Damaged, match="offset 0"):
        records.read(data, 0, "orders/0")
    fetch = read(data, is_again=True)
    assert list(fetch.values) == [b"behind"]
    assert [(lost.first, lost.end) for lost in fetch.unreadable] == [(0, 2)]
