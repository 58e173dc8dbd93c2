"""What the scan says of a message is what the full decoder says; of others it is silent."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.kinds.events import EVENT_OF, FIELDS
from fenghuo.schemas.records.messages import Messages
from fenghuo.streams.decode.batch import Batch
from fenghuo.streams.decode.plain import OUT_TS, OUT_UNKNOWN, OUT_USER, OUT_X
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.river import codec_of
from tests.strategies import KINDS, events

numbers = st.sampled_from(
    [
        *("0", "-0", "01", "-1", "1.0", "1e3", "1E+2", "1.", ".5", "-", "999999999999999999"),
        *("9999999999999999999", "9223372036854775808", "-9223372036854775808", "599", "600"),
    ]
)
words = st.sampled_from(["true", "false", "null", "True", "nul", "nulll", "[]", "{}", '["a"]'])
texts = st.text(max_size=12).map(lambda text: json.dumps(text, ensure_ascii=False))
quoted = st.one_of(texts, texts.map(lambda text: json.dumps(json.loads(text))), st.just('""'))
values = st.one_of(numbers, words, quoted, quoted.map(lambda text: text[:-1]))
blanks = st.sampled_from(["", "", "", " ", "\n", "\t", "\r\n", "  ", "\x0b", "\x00"])


@st.composite
def texts_of(draw: st.DrawFn, kind: str) -> bytes:
    """An event as a producer may write it, with some of it changed."""
    known = draw(st.sampled_from([SAMPLES[kind], draw(events(kind))]))
    pairs = [
        (json.dumps(name), json.dumps(value, ensure_ascii=draw(st.booleans())))
        for name, value in known.items()
    ]
    pairs = draw(st.permutations(pairs)) if draw(st.booleans()) else pairs
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(pairs) - 1))
        name = st.sampled_from([*FIELDS[kind], "trace", "x", "é", "user_id "]).map(json.dumps)
        match draw(st.integers(0, 4)):
            case 0:
                pairs[at] = (pairs[at][0], draw(values))
            case 1:
                pairs.insert(at, (draw(name), draw(values)))
            case 2:
                del pairs[at]
            case 3:
                pairs[at] = (draw(name), pairs[at][1])
            case _:
                pairs.append(draw(st.sampled_from(pairs)))
    around = [draw(blanks) for _ in range(4)]
    body = f"{around[0]},{around[1]}".join(
        f"{name}{around[2]}:{around[3]}{value}" for name, value in pairs
    )
    text = f"{draw(blanks)}{{{draw(blanks)}{body}{draw(blanks)}}}{draw(blanks)}".encode()
    cut = draw(st.integers(0, 30))
    if cut == 0:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.binary(max_size=2)) + text[at + draw(st.integers(0, 2)) :]
    return text


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_what_the_scan_reads_is_what_the_decoder_says(kind: str, data: st.DataObject) -> None:
    found = data.draw(st.lists(texts_of(kind), min_size=1, max_size=6))
    codec = codec_of(kind)
    scan = codec._scan
    decoder = msgspec.json.Decoder(EVENT_OF[kind])
    for text in [json.dumps(SAMPLES[kind]).encode(), *found]:
        try:
            scan.learn(decoder.decode(text))
        except (msgspec.MsgspecError, ValueError):
            continue
    messages = Messages.of(found)
    out, cell, read = scan.read(messages.buffer, messages.start, messages.length)

    for i in np.flatnonzero(read):
        event: Any = decoder.decode(found[i])  # raises where the scan should have been silent
        names = msgspec.json.decode(found[i], type=dict[str, msgspec.Raw])
        code = codec.coder.code(tuple(getattr(event, name) for name in codec.coder.fields))
        x = {"order": "amount_fen", "traffic": "count"}.get(kind, "")
        assert out[OUT_TS, i] == event.ts
        assert out[OUT_X, i] == (getattr(event, x, 0) or int(kind == "traffic"))
        assert cell[i] // codec.coder.buckets == code
        assert out[OUT_UNKNOWN, i] == len(names.keys() - FIELDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_a_batch_is_what_its_messages_are_alone(kind: str, data: st.DataObject) -> None:
    """Labels learned from one message change nothing in what another becomes."""
    found = data.draw(st.lists(texts_of(kind), min_size=1, max_size=6))
    codec, alone = codec_of(kind), codec_of(kind)
    codec.decode(found)  # everything that can be learned is
    together = codec.decode(found)
    apart = Batch.join([alone.decode([text]) for text in found])

    assert together.ts.tolist() == apart.ts.tolist()
    assert together.x.tolist() == apart.x.tolist()
    assert together.user.tolist() == apart.user.tolist()
    assert together.unknown_fields == apart.unknown_fields
    assert [(r.reason, r.detail, r.data) for r in together.refusals] == [
        (r.reason, r.detail, r.data) for r in apart.refusals
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", [{"separators": (",", ":")}, {}, {"indent": 1}])
def test_what_producers_write_is_read_by_the_scan(kind: str, style: dict[str, Any]) -> None:
    """The scan must not be right by being silent."""
    codec = codec_of(kind)
    known = {**SAMPLES[kind], "trace_id": "4bf92f35", "weight": -1.5e3, "sampled": True}
    texts = [json.dumps({**known, "ts": known["ts"] + i}, **style).encode() for i in range(200)]
    codec.decode(texts[:1])
    messages = Messages.of(texts)
    out, _, read = codec._scan.read(messages.buffer, messages.start, messages.length)

    assert read.all()
    assert out[OUT_TS].tolist() == [known["ts"] + i for i in range(200)]
    assert set(out[OUT_UNKNOWN].tolist()) == {3}
    assert codec.decode(texts).unknown_fields == 600


@pytest.mark.parametrize("kind", KINDS)
def test_any_field_may_be_the_last_of_a_buffer(kind: str) -> None:
    """What reads eight bytes at once must not mistake the last field for an unknown one."""
    codec = codec_of(kind)
    known = {**SAMPLES[kind], **({"count": 10} if kind == "traffic" else {})}
    orders = [{name: known[name] for name in [*known.keys() - {last}, last]} for last in known]
    texts = [json.dumps(event, separators=(",", ":")).encode() for event in orders]
    alone = [codec.decode([text]) for text in (*texts, *texts)]

    assert {batch.unknown_fields for batch in alone} == {0}
    assert len({(*batch.cell.tolist(), *batch.x.tolist()) for batch in alone}) == 1
    for text in texts:
        buffer = np.frombuffer(text, np.uint8)
        _, _, read = codec._scan.read(buffer, np.array([0]), np.array([len(text)]))
        assert read[0], text


@pytest.mark.parametrize(
    ("value", "user"),
    [("123", 123), (123, 123), ("0", 0), ("007", None), ("-5", -5), ("u1", None), ("用户", None)],
)
def test_a_user_is_the_same_as_number_and_as_text(value: object, user: int | None) -> None:
    codec = codec_of("traffic")
    raw = [json.dumps({**SAMPLES["traffic"], "user_id": value}, ensure_ascii=False).encode()]
    slow = codec.decode([raw[0].replace(b"cart", b"\\u0063art")])
    codec.decode(raw)

    assert user is None or slow.user[0] == user
    messages = Messages.of(raw)
    out, _, read = codec._scan.read(messages.buffer, messages.start, messages.length)
    assert read[0]
    assert out[OUT_USER, 0] == slow.user[0]


def test_labels_beyond_the_memory_are_forgotten_and_learned_again() -> None:
    codec = codec_of("order")
    texts = [
        json.dumps({**SAMPLES["order"], "region": f"planet {i}", "category": f"c{i}"}).encode()
        for i in range(9_000)
    ]
    first, again = codec.decode(texts), codec.decode(texts)

    assert len(first) == len(again) == 9_000
    assert first.cell.tolist() == again.cell.tolist()
    assert codec._scan._label_count <= 4_096
