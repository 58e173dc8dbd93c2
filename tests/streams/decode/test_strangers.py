"""A refusal says what the bytes look like and what to do, and a foreign binary message is one."""

import gzip
import json
import pickle
from typing import Any

import cramjam
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.streams.decode.strangers import stranger
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.river import codec_of

EVENT: dict[str, Any] = SAMPLES["order"]
TEXT = json.dumps(EVENT)
PLAIN = TEXT.encode()


def with_(**fields: Any) -> bytes:
    return json.dumps(EVENT | fields).encode()


def arrow_file() -> bytes:
    sink = pa.BufferOutputStream()
    batch = pa.record_batch({"a": [1]})
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


SEEN = (
    (
        b"\0\0\0\0\x2a\x02\x06abc\n\ndef",
        "schema registry's message (Avro, Protobuf or JSON Schema, id 42",
    ),
    (
        json.dumps({"specversion": "1.0", "type": "o", "id": "1", "data": EVENT}).encode(),
        "CloudEvents",
    ),
    (json.dumps({"before": None, "after": EVENT, "op": "c"}).encode(), "Debezium"),
    (json.dumps({"payload": {"before": None, "after": EVENT, "op": "u"}}).encode(), "Debezium"),
    (json.dumps({"schema": {}, "payload": EVENT}).encode(), "Kafka Connect"),
    (TEXT.encode("utf-16"), "UTF-16"),
    (TEXT.encode("utf-16-le"), "UTF-16"),
    (TEXT.encode("utf-16-be"), "UTF-16"),
    (b"\xef\xbb\xbf" + PLAIN, "byte order mark"),
    (gzip.compress(PLAIN), "gzip"),
    (bytes(cramjam.zstd.compress(PLAIN)), "zstd"),
    (bytes(cramjam.lz4.compress(PLAIN)), "lz4"),
    (bytes(cramjam.snappy.compress(PLAIN)), "snappy"),
    (arrow_file(), "an Arrow file"),
    (b"PAR1\x15\x04\nxPAR1", "Parquet"),
    (b"\xac\xed\x00\x05sr\x00\x10java.util.HashMap", "Java"),
    (pickle.dumps(EVENT, 4), "pickle"),
    (msgspec.msgpack.encode(EVENT), "MessagePack"),
    (b"<order><id>1</id></order>", "XML"),
    (b"o1,2026-11-11 00:00:00,east,12.50", "CSV"),
    (json.dumps(TEXT).encode(), "inside of a JSON string"),
    (repr(EVENT).encode(), "Python dict"),
    (b"callback(" + PLAIN + b")", "JSONP"),
    (with_(ts="2026-11-11T00:00:00+08:00"), "a time as text"),
    (with_(ts=1_794_326_400.5), "seconds in `ts`"),
    (with_(ts=str(EVENT["ts"])), "in quotes"),
    (with_(amount_fen=12.5), "yuan"),
    (PLAIN.replace(b'"amount_fen": ', b'"amount_fen": NaN, "was": '), "a word it does not have"),
    (b"{ // note\n" + PLAIN[1:].replace(b", ", b"\n,"), "comments"),
)


@pytest.mark.parametrize(("value", "name"), SEEN, ids=[name for _, name in SEEN])
def test_a_refusal_says_what_it_looks_like_and_what_to_do(value: bytes, name: str) -> None:
    (refusal, *others) = codec_of("order").decode([value]).refusals

    assert name in refusal.detail
    assert len(refusal.detail) <= 300
    assert not others or b"//" in value  # one message, whatever its bytes; lines of text are lines
    found = stranger(value)
    assert found is not None
    assert found.advice in str(found)


@given(st.binary(max_size=300))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    stranger(data)


def test_a_good_event_is_no_stranger() -> None:
    for kind in ("order", "traffic", "complaint"):
        assert stranger(json.dumps(SAMPLES[kind]).encode()) is None
