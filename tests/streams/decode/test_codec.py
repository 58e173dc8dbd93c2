"""Messages a reader can follow: what each kind of bad message is refused for, and that its
neighbours are unharmed.
"""

import gzip
import json
import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fenghuo.schemas.kinds.bounds import EVENT_BYTES_MAX, EVENTS_PER_MESSAGE_MAX
from fenghuo.schemas.wire.letters import REASONS
from fenghuo.streams.decode.batch import Refusal
from fenghuo.streams.decode.codec import DEPTH_MAX
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.river import codec_of
from tests.paths import ROOT
from tests.strategies import KINDS, text_of

DATA = Path(os.environ.get("FENGHUO_TEST_DATA") or ROOT.parent / "shared" / "data")
GOOD = text_of(SAMPLES["order"])


def refused(value: bytes | None, kind: str = "order") -> list[Refusal]:
    """Why a message is refused, decoded between two good ones that must come through."""
    good = text_of(SAMPLES[kind])
    batch = codec_of(kind).decode([good, value, good])
    outer = [int(m) for m in batch.message if m != 1]
    assert outer == [0, 2]
    assert all(refusal.message == 1 for refusal in batch.refusals)
    assert all(refusal.reason in REASONS for refusal in batch.refusals)
    return list(batch.refusals)


def with_(kind: str = "order", **changes: Any) -> bytes:
    """A good event with some fields changed; ... takes a field away."""
    event = {**SAMPLES[kind], **changes}
    return text_of({name: value for name, value in event.items() if value is not ...})


REFUSED: list[tuple[str, bytes | None, str, str]] = [
    ("order", None, "empty", "a message without bytes"),
    ("order", b"", "empty", "a message without bytes"),
    ("order", b"[]", "empty", "an array without events"),
    ("order", b"{", "not_json", "Input data was truncated"),
    ("order", b"hello", "not_json", "JSON is malformed: invalid character (byte 0)"),
    ("order", b"[1", "not_json", "Input data was truncated"),
    ("order", b"7", "not_an_event", "Expected `object`, got `int`"),
    ("order", b'"order"', "not_an_event", "Expected `object`, got `str`"),
    ("order", b"{}", "schema", "Object missing required field `kind`"),
    ("order", with_(ts=...), "schema", "Object missing required field `ts`"),
    ("order", with_(kind="traffic"), "schema", "Invalid enum value 'traffic' - at `$.kind`"),
    ("order", with_(ts="now"), "schema", "Expected `int`, got `str` - at `$.ts`"),
    ("order", with_(ts=1.5), "schema", "Expected `int`, got `float` - at `$.ts`"),
    ("order", with_(ts=2**63), "schema", "Expected `int` <= 9223372036854775807 - at `$.ts`"),
    ("order", with_(region=None), "schema", "Expected `str`, got `null` - at `$.region`"),
    ("order", with_(region="x" * 257), "schema", "Expected `str` of length <= 256 - at `$.region`"),
    ("order", with_(event_id=""), "schema", "Expected `str` of length >= 1 - at `$.event_id`"),
    ("order", with_(amount_fen=-1), "schema", "Expected `int` >= 0 - at `$.amount_fen`"),
    ("order", with_(amount_fen=True), "schema", "Expected `int`, got `bool` - at `$.amount_fen`"),
    (
        *("order", with_(amount_fen=10**11 + 1), "schema"),
        "Expected `int` <= 100000000000 - at `$.amount_fen`",
    ),
    ("order", with_(status="PAID"), "schema", "Invalid enum value 'PAID' - at `$.status`"),
    ("order", with_(new_user=1), "schema", "Expected `bool | null`, got `int` - at `$.new_user`"),
    ("traffic", with_("traffic", status=600), "schema", "Expected `int` <= 599 - at `$.status`"),
    ("traffic", with_("traffic", count=0), "schema", "Expected `int` >= 1 - at `$.count`"),
    (
        *("traffic", with_("traffic", latency_ms=86_400_001), "schema"),
        "Expected `int` <= 86400000 - at `$.latency_ms`",
    ),
    (
        "complaint",
        with_("complaint", severity=0),
        "schema",
        "Expected `int` >= 1 - at `$.severity`",
    ),
    (
        "complaint",
        with_("complaint", text=None),
        "schema",
        "Expected `str`, got `null` - at `$.text`",
    ),
    (
        *("complaint", b" " * (EVENT_BYTES_MAX + 1), "too_large"),
        f"{EVENT_BYTES_MAX + 1} bytes, most are {EVENT_BYTES_MAX}",
    ),
    (
        *("order", b"[" + b"1," * EVENTS_PER_MESSAGE_MAX + b"1]", "too_many_events"),
        f"{EVENTS_PER_MESSAGE_MAX + 1} events in one message, most are {EVENTS_PER_MESSAGE_MAX}",
    ),
    ("order", b'{"a":' * (DEPTH_MAX + 1), "too_deep", f"more than {DEPTH_MAX} brackets"),
    ("order", b"\xff\xff\xff\xff", "frame", ""),
]


@pytest.mark.parametrize(
    ("kind", "value", "reason", "detail"),
    REFUSED,
    ids=[f"{reason}-{kind}-{i}" for i, (kind, _, reason, _) in enumerate(REFUSED)],
)
def test_each_refusal_names_its_reason(
    kind: str, value: bytes | None, reason: str, detail: str
) -> None:
    (refusal,) = refused(value, kind)

    assert refusal.reason == reason
    assert refusal.detail.startswith(detail)
    assert refusal.data == (value or b"")


NUMBERS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e400", "9223372036854775808"),
    *("-9223372036854775809", "-1", "1.0", "1e3", "0x10", "01", "+1", "1_000", '"5"', "true"),
    *("false", "null", "[]", "{}", "1" * 5_000, "0." + "3" * 5_000, "-0.0"),
)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:24])
@pytest.mark.parametrize(("kind", "field"), [("order", "amount_fen"), ("traffic", "latency_ms")])
def test_a_number_that_is_none_is_refused_alone(kind: str, field: str, number: str) -> None:
    text = text_of(SAMPLES[kind]).replace(
        f'"{field}":{SAMPLES[kind][field]}'.encode(), f'"{field}":{number}'.encode()
    )
    (refusal,) = refused(text, kind)

    assert refusal.reason in ("schema", "not_json")


@pytest.mark.parametrize("number", [0, -0, 10**11, 1])
def test_numbers_at_the_bounds_are_taken(number: int) -> None:
    batch = codec_of("order").decode([with_(amount_fen=number)])

    assert batch.x.tolist() == [number]


def test_a_message_cut_off_at_any_byte_is_refused_once() -> None:
    codec = codec_of("order")
    for stop in range(1, len(GOOD)):
        batch = codec.decode([GOOD, GOOD[:stop], GOOD])
        assert batch.message.tolist() == [0, 2]
        assert len(batch.refusals) == 1, GOOD[:stop]
        assert batch.refusals[0].data == GOOD[:stop]


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a":' * 100_000,
        GOOD[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        GOOD[:-1] + b',"x":' + b"[" * 100_000,
        b"\xef\xbb\xbf" + GOOD,
        GOOD.decode().encode("utf-16"),
        GOOD.decode().encode("utf-32"),
        GOOD.replace(b"east", b"\xff\xfe"),
        GOOD.replace(b"east", b"\xed\xa0\x80"),
        GOOD.replace(b"east", b'\\ud800"'),
        GOOD[:-1] + b',"\xff":1}',
        GOOD.replace(b"east", b"\x00"),
        b"\x00" * 100,
        b"{" + b" " * (2 << 20) + b"}",
        GOOD[:-1] + b',"x":"' + b"y" * (2 << 20) + b'"}',
        b"y" * (2 << 20),
    ],
    ids=lambda value: f"{value[:12]!r}+{len(value)}",
)
def test_hostile_bytes_are_refused_alone(value: bytes) -> None:
    assert len(refused(value)) == 1


def test_two_megabytes_of_good_lines_are_all_events() -> None:
    lines = b"\n".join([GOOD] * ((2 << 20) // len(GOOD)))
    batch = codec_of("order").decode([lines])

    assert len(batch) == (2 << 20) // len(GOOD)
    assert batch.refusals == ()


def test_brackets_in_a_text_are_text() -> None:
    """However many, and whatever else the event carries: an unknown field is ignored, not a reason
    to refuse.
    """
    long = {**SAMPLES["complaint"], "text": "[{" * 600}
    codec = codec_of("complaint")

    assert codec.decode([text_of(long)]).refusals == ()
    batch = codec.decode([text_of({**long, "trace": 1})])
    assert [refusal.detail for refusal in batch.refusals] == []
    assert batch.unknown_fields == 1


def test_a_text_that_never_ends_takes_no_time() -> None:
    """Looking for brackets outside of strings must be linear: one such message would stop all."""
    value = b"[" * 300 + b'"' + b'\\"' * 60_000
    began = time.process_time()

    assert len(refused(value)) == 1
    assert len(refused(value.replace(b"[", b"{"))) == 1
    assert time.process_time() - began < 5


def at_depth(frames: int, act: Callable[[], Any]) -> Any:
    return act() if frames <= 0 else at_depth(frames - 1, act)


@pytest.mark.parametrize("depth", [450, 490, 510, 700, 900, 960])
@pytest.mark.parametrize("shape", ["array", "lines", "pretty", "one"])
def test_what_a_deep_message_becomes_does_not_depend_on_the_callers_stack(
    shape: str, depth: int
) -> None:
    """Gather and audit must agree, whoever calls the codec from however deep."""
    deep = GOOD[:-1] + b',"x":' + b"[" * depth + b"]" * depth + b"}"
    value = {
        "array": b"[" + GOOD + b"," + deep + b"]",
        "lines": GOOD + b"\n" + deep,
        "pretty": deep.replace(b",", b",\n"),
        "one": deep,
    }[shape]
    codec = codec_of("order")

    def outcome() -> tuple[int, list[tuple[int, str]]]:
        batch = codec.decode([value])
        return len(batch), [(refusal.idx, refusal.reason) for refusal in batch.refusals]

    assert at_depth(0, outcome) == at_depth(350, outcome)


def need(folder: str, name: str) -> Path:
    path = DATA / folder / name
    if not path.exists():
        pytest.skip(f"SKIPPED: {path} is not there (set FENGHUO_TEST_DATA)")
    return path


def test_every_file_of_the_json_test_suite_is_refused_alone() -> None:
    with tarfile.open(need("json-test-suite", "files.tar.gz")) as archive:
        files = {
            member.name: archive.extractfile(member).read()  # type: ignore[union-attr]
            for member in archive.getmembers()
            if member.isfile()
        }
    assert len(files) > 100
    for kind in KINDS:
        good = text_of(SAMPLES[kind])
        codec = codec_of(kind)
        for name, value in files.items():
            batch = codec.decode([good, value, good])
            assert batch.message.tolist() == [0, 2], name
            assert batch.refusals, name
            idxs = [refusal.idx for refusal in batch.refusals]
            assert idxs == list(range(len(idxs))), name
            again = codec.decode([value])
            assert [r.reason for r in again.refusals] == [r.reason for r in batch.refusals], name


def naughty() -> list[str]:
    with gzip.open(need("naughty-strings", "blns.json.gz")) as file:
        found: list[str] = json.load(file)
    assert len(found) > 200
    return found


def test_every_naughty_string_as_a_message_is_refused_alone() -> None:
    codec = codec_of("order")
    for text in naughty():
        batch = codec.decode([GOOD, text.encode("utf-8", "surrogatepass"), GOOD])
        assert batch.message.tolist() == [0, 2], text
        assert batch.refusals, text


@pytest.mark.parametrize("kind", KINDS)
def test_every_naughty_string_in_every_text_field_is_one_outcome(kind: str) -> None:
    """It is an event whose label counts as another, or refused by the schema (an empty id, too
    long).
    """
    codec = codec_of(kind)
    fields = [name for name, value in SAMPLES[kind].items() if isinstance(value, str)]
    for text in naughty():
        for field in fields:
            event = text_of({**SAMPLES[kind], field: text}, "ascii")
            batch = codec.decode([event, event + b" "])
            assert len(batch) + len(batch.refusals) == 2
            refusals = {refusal.reason for refusal in batch.refusals}
            is_free = field not in ("kind", "status", "event_id", "order_id", "user_id")
            if is_free and len(text) <= 256:
                assert refusals == set(), (field, text)
            assert refusals <= {"schema"}
