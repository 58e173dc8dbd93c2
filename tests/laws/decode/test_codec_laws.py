"""What a message becomes never depends on its neighbours."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fenghuo.schemas.kinds.bounds import EVENT_BYTES_MAX
from fenghuo.streams.decode.batch import Batch
from fenghuo.streams.decode.codec import Codec
from tests.laws.model import Series, Values, series_of, values_of
from tests.laws.river import codec_of
from tests.strategies import BROKEN, KINDS, Message, events, messages, single, text_of

SAMPLES: dict[str, dict[str, Any]] = {
    "order": {
        "kind": "order",
        "event_id": "e",
        "ts": 1_794_326_400_000,
        "region": "east",
        "order_id": "1",
        "user_id": "u",
        "category": "food",
        "channel": "app",
        "amount_fen": 5,
        "status": "paid",
        "payment": "card",
    },
    "traffic": {
        "kind": "traffic",
        "event_id": "e",
        "ts": 1_794_326_400_000,
        "region": "east",
        "system": "cart",
        "channel": "app",
        "action": "buy",
        "status": 200,
        "latency_ms": 70,
        "user_id": "u",
    },
    "complaint": {
        "kind": "complaint",
        "event_id": "e",
        "ts": 1_794_326_400_000,
        "region": "east",
        "category": "food",
        "channel": "app",
        "type": "",
        "severity": 3,
        "text": "slow",
    },
}
A, B = (text_of({**SAMPLES["order"], "event_id": name}) for name in "ab")
# messages made to merge with, split into, or hide in their neighbours once they are joined by text
TRICKS: tuple[bytes, ...] = (
    A + b"}" + A,
    A + A,
    A + b"," + A,
    A + b"],[" + B,
    A + b"]\n,\n[" + B,
    A + b"]],[[" + B,
    b"}],[{",
    b"}],[" + A,
    A + b"],[{",
    A[:-1],
    A[: len(A) // 2],
    A[len(A) // 2 :],
    A[:-1] + b',"promotion":"',
    A[:-1] + b',"promotion":"half',
    b'half","user_tier":"x"}',
    b'","user_tier":"x"}',
    A[:-1] + b',"x":{"y":[',
    b"]}}",
    A[:-1] + b',"x":[1,{"y":"}],[{"}]}',
    A[:-1] + b',"x":["a"],"x":[]}',
    A[:-1] + b',"region":"Mars"}',
    b"[" + A + b"]",
    b"[" + A,
    A + b"]",
    b"],[",
    b"],[" + A,
    A + b"],[",
    b",",
    A + b",",
    b"," + A,
    b" ",
    b"\n",
    b"\t" + A + b"\n\n",
    A + b"\n" + B,
    A + b"\r\n" + B + b"\r\n",
    A + b"\n{",
    A.replace(b'"paid"', b'"\npaid"'),
    A.replace(b",", b"\n,\n"),
    b"\xef\xbb\xbf" + A,
    A + b"\x00",
    A.replace(b"east", b"\xff"),
    A.replace(b"east", b"]\\n,\\n["),
)

Outcome = tuple[int, int, tuple[Any, ...]]


def outcomes(codec: Codec, batch: Batch) -> list[Outcome]:
    """What came of each event, in words that do not depend on the codec's codes."""
    found: list[Outcome] = [
        (r.message, r.idx, (r.reason, r.detail, r.data)) for r in batch.refusals
    ]
    if count := len(batch):
        spread = codec.coder.spread(np.arange(count), batch.cell, np.ones(count, np.int64), batch.x)
        series: dict[int, dict[Series, Values]] = {i: {} for i in range(count)}
        for i, code, row in zip(*(part.tolist() for part in spread), strict=True):
            series[i][codec.coder.series[code]] = tuple(row)
        for i in range(count):
            rows = tuple(sorted(series[i].items()))
            place = (int(batch.message[i]), int(batch.idx[i]))
            found.append((*place, ("event", int(batch.ts[i]), rows)))
    return sorted(found, key=lambda one: one[:2])


def alone(kind: str, values: Sequence[bytes | None]) -> tuple[list[Outcome], int]:
    """Each message decoded by a codec that never saw another."""
    found: list[Outcome] = []
    unknown = 0
    for message, value in enumerate(values):
        codec = codec_of(kind)
        batch = codec.decode([value])
        found += [(message, idx, rest) for _, idx, rest in outcomes(codec, batch)]
        unknown += batch.unknown_fields
    return found, unknown


def check(kind: str, values: Sequence[bytes | None]) -> None:
    codec = codec_of(kind)
    batch = codec.decode(values)

    assert (outcomes(codec, batch), batch.unknown_fields) == alone(kind, values)
    assert batch.message.tolist() == sorted(batch.message.tolist())
    places = [one[:2] for one in outcomes(codec, batch)]
    assert len(places) == len(set(places))


@given(st.data())
def test_a_fetch_is_the_sum_of_its_messages(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))

    check(kind, [m.value for m in data.draw(st.lists(messages(kind), max_size=6))])


@given(st.lists(st.one_of(st.just(A), st.just(B), st.sampled_from(TRICKS)), max_size=5))
@example([A[:-1] + b',"promotion":"half', b'half","user_tier":"x"}', A + b"],[" + B])
@example([A[:-1] + b',"x":{"y":[', b"]}}", A + b"]\n,\n[" + B])
@example([b"", A + b"],[" + B])
@example([A + b"],[", b",", A])
def test_messages_that_would_merge_or_split_when_joined_stay_apart(values: list[bytes]) -> None:
    check("order", values)


def test_no_two_tricks_together_deceive_the_codec() -> None:
    """Every pair, beside messages that split in two: where one merges, another could make up for
    it.
    """
    codec = codec_of("order")
    values = (A, *TRICKS)
    known = {value: outcomes(codec, codec.decode([value])) for value in values}
    splits = (A + b"],[" + B, A + b"]\n,\n[" + B)
    for one, other in itertools.product(values, values):
        for parts in ([one, other], *([one, other, split] for split in splits)):
            meant = [
                (message, *rest[1:]) for message, part in enumerate(parts) for rest in known[part]
            ]
            assert outcomes(codec, codec.decode(parts)) == meant, parts


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_any_bytes_beside_good_messages_harm_nobody(one: bytes, other: bytes) -> None:
    check("order", [A, one, B, other, A])


@given(st.integers(0, len(A)), st.integers(0, len(A)), st.sampled_from((b"", b"]", b"],[", b"\n")))
def test_two_halves_never_become_one_event(stop: int, start: int, glue: bytes) -> None:
    check("order", [A[:stop], glue + A[start:], A + b"],[" + B, B])


@pytest.mark.parametrize("extra", range(-1, 8))
@pytest.mark.parametrize("neighbours", [0, 1, 8])
def test_the_limit_of_one_event_is_the_same_in_company(extra: int, neighbours: int) -> None:
    long = A + b" " * (EVENT_BYTES_MAX - len(A) + extra)
    codec = codec_of("order")
    batch = codec.decode([long, *[B] * neighbours])

    assert len(batch) == neighbours + (extra <= 0)
    assert [r.reason for r in batch.refusals] == ["too_large"] * (extra > 0)


@given(st.data())
def test_what_becomes_of_a_message_is_what_its_maker_meant(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    message: Message = data.draw(messages(kind))
    codec = codec_of(kind)
    found = outcomes(codec, batch := codec.decode([message.value]))

    assert [idx for _, idx, _ in found] == list(range(len(message.outcomes)))
    for (_, _, got), meant in zip(found, message.outcomes, strict=True):
        if isinstance(meant, str):
            assert got[0] == meant
        else:
            rows = {series: values_of(kind, meant) for series in series_of(kind, meant)}
            assert got == ("event", meant["ts"], tuple(sorted(rows.items())))
    assert batch.unknown_fields == message.unknown_fields


@given(st.data())
def test_the_refused_part_of_a_message_can_be_tried_again_alone(data: st.DataObject) -> None:
    """`split` gives bytes that decode to the same event, from every wire format."""
    kind = data.draw(st.sampled_from(KINDS))
    message: Message = data.draw(messages(kind))
    codec = codec_of(kind)
    batch = codec.decode([message.value])
    whole = {(m, i): rest for m, i, rest in outcomes(codec, batch) if rest[0] == "event"}

    if not whole:
        return
    part = codec.split(message.value or b"")
    for (_, idx), meant in whole.items():
        again = outcomes(codec, codec.decode([part(np.array([idx]))]))
        assert [rest for _, _, rest in again] == [meant]
    together = outcomes(codec, codec.decode([part(np.array([idx for _, idx in whole]))]))
    assert [rest for _, _, rest in together] == list(whole.values())


@pytest.mark.parametrize(("value", "reasons"), BROKEN, ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_broken_messages_have_their_reasons(
    kind: str, value: bytes | None, reasons: tuple[str, ...]
) -> None:
    batch = codec_of(kind).decode([text_of(SAMPLES[kind]), value, text_of(SAMPLES[kind])])

    assert tuple(refusal.reason for refusal in batch.refusals) == reasons
    assert batch.message.tolist() == [0, 2]


@given(events("order"), st.sampled_from(("compact", "ascii", "reversed", "pretty")))
def test_the_way_an_event_is_written_does_not_matter(event: dict[str, Any], style: str) -> None:
    codec = codec_of("order")
    one, other = (codec.decode([single(event, way).value]) for way in (style, "compact"))

    assert outcomes(codec, one) == outcomes(codec, other)
