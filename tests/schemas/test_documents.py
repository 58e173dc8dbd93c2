"""The JSON Schemas take and refuse what the types do; the AsyncAPI document misses no topic."""

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from fenghuo.schemas import documents
from fenghuo.schemas.kinds.events import EVENT_OF
from fenghuo.schemas.kinds.measures import FLAGS, columns
from fenghuo.schemas.records.marks import RUN_HEADER, SHADOW_HEADER
from fenghuo.schemas.wire import letters, topics
from fenghuo.schemas.wire.letters import REASONS, REPLAY_HEADER, Letter
from fenghuo.schemas.wire.pulse import Source
from fenghuo.streams.decode.arrow import frame

NEEDED = {"order": ["amount_fen"], "traffic": ["latency_ms"], "complaint": []}
COMMON = {"event_id": "e1", "ts": 1_760_000_000_000, "region": "east"}
EVENTS: dict[str, dict[str, Any]] = {
    "order": COMMON
    | {"kind": "order", "order_id": "o1", "user_id": "u1", "category": "food", "channel": "app"}
    | {"amount_fen": 100, "status": "paid", "payment": "alipay"},
    "traffic": COMMON
    | {"kind": "traffic", "system": "cart", "channel": "app", "action": "view"}
    | {"status": 200, "latency_ms": 12, "user_id": "u1"},
    "complaint": COMMON
    | {"kind": "complaint", "category": "food", "channel": "app", "type": ""}
    | {"severity": 3, "text": "too late"},
}
DOCUMENT = documents.asyncapi(partitions=4)
VALIDATORS = {kind: Draft202012Validator(documents.event_schema(kind)) for kind in EVENT_OF}

# what a field may be replaced by: every border of every field, and every wrong type
VALUES: list[Any] = [
    *(None, True, False, "", "x", "other", "1", [], {}, ["x"], {"a": 1}, 1.5),
    *("created", "paid", "failed", "cancelled", "refunded", "shipped", "delivered", "Paid"),
    *("organic", "order", "traffic", "complaint", "x" * 256, "x" * 257, "火" * 256, "火" * 257),
    *(-(2**63) - 1, -(2**63), -1, 0, 1, 5, 6, 99, 100, 599, 600, 86_400_000, 86_400_001),
    *(10**11, 10**11 + 1, 10**9, 10**9 + 1, 2**63 - 1, 2**63, 2**64),
]
FIELDS = [(kind, name) for kind, made in EVENT_OF.items() for name in made.__struct_fields__]


def agree(kind: str, event: Any) -> bool:
    """What type and schema both say of this event; they must say the same."""
    text = json.dumps(event).encode()
    try:
        msgspec.json.decode(text, type=EVENT_OF[kind])
    except msgspec.ValidationError:
        taken = False
    else:
        taken = True
    assert VALIDATORS[kind].is_valid(event) is taken, event
    return taken


@pytest.mark.parametrize("kind", EVENT_OF)
def test_schema_is_one(kind: str) -> None:
    Draft202012Validator.check_schema(documents.event_schema(kind))

    assert agree(kind, EVENTS[kind])
    assert agree(kind, EVENTS[kind] | {"colour": "red"}), "unknown fields are ignored"


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_schema_and_type_agree_on_every_field(kind: str, name: str) -> None:
    taken = [agree(kind, EVENTS[kind] | {name: value}) for value in VALUES]
    required = documents.event_schema(kind)["required"]

    assert False in taken
    assert True in taken
    without = {field: value for field, value in EVENTS[kind].items() if field != name}
    assert agree(kind, without) is (name not in required)


@pytest.mark.parametrize("value", [None, 1, "order", [], [EVENTS["order"]], {}])
def test_schema_and_type_agree_on_what_is_no_event(value: Any) -> None:
    assert not agree("order", value)


@given(st.data())
def test_schema_and_type_agree_on_anything(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(EVENT_OF)))
    names = st.sampled_from(EVENT_OF[kind].__struct_fields__)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
    anything = st.one_of(st.sampled_from(VALUES), st.integers(-(2**66), 2**66), text)
    agree(kind, EVENTS[kind] | data.draw(st.dictionaries(names, anything, max_size=4)))


def test_document_has_every_topic_as_it_is_made() -> None:
    channels = DOCUMENT["channels"]

    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert set(channels) == set(topics.plan(4))
    for topic, (partitions, config) in topics.plan(4).items():
        made = channels[topic]["bindings"]["kafka"]
        assert (channels[topic]["address"], made["partitions"]) == (topic, partitions)
        found = dict(made["topicConfiguration"])
        policy = found.pop("cleanup.policy", None)
        assert policy in (None, [config.get("cleanup.policy")])
        assert found == {
            name: int(value) if value.lstrip("-").isdecimal() else value
            for name, value in config.items()
            if name != "cleanup.policy"
        }


def test_document_refers_only_to_what_it_has() -> None:
    references = list(refs(DOCUMENT))

    assert references
    for reference in references:
        node = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
    used = {reference.rpartition("/")[2] for reference in references}
    components = DOCUMENT["components"]
    assert set(components["messages"]) <= used
    assert set(components["schemas"]) <= used | {made.__name__ for made in EVENT_OF.values()}


def test_every_message_has_key_payload_and_content_type() -> None:
    for message in DOCUMENT["components"]["messages"].values():
        assert message["contentType"]
        assert message["payload"]
        assert message["bindings"]["kafka"]["key"]["description"]
    for name, schema in DOCUMENT["components"]["schemas"].items():
        Draft7Validator.check_schema(schema)
        assert schema["title"] == name


def test_source_messages_take_the_headers_of_a_replay_and_of_a_load_run() -> None:
    for name in ("Order", "OrderArray", "TrafficLines", "ComplaintFrame"):
        headers = DOCUMENT["components"]["messages"][name]["headers"]
        assert set(headers["properties"]) == {REPLAY_HEADER, RUN_HEADER, SHADOW_HEADER}
        replayed = Draft7Validator(headers["properties"][REPLAY_HEADER])
        assert replayed.is_valid("120/3")
        assert not replayed.is_valid("-1/3")
        assert letters.replay_of([(REPLAY_HEADER, b"120/3")]) == (120, 3)


@given(st.integers(0, 2**62), st.integers(0, 2**31), st.text(), st.sampled_from(REASONS))
def test_headers_of_a_letter_fit_their_schema(
    offset: int, idx: int, detail: str, reason: str
) -> None:
    letter = Letter(Source("log", "orders", 3), offset, idx, reason, detail, -1, b"{")
    encoded = detail.encode("utf-8", "replace").decode()
    _, headers = letters.to_record(msgspec.structs.replace(letter, detail=encoded))
    schema = DOCUMENT["components"]["messages"]["Letter"]["headers"]

    Draft7Validator(schema).validate({name: value.decode() for name, value in headers})
    assert {*schema["required"], "form"} == {name for name, _ in headers}
    optional = {REPLAY_HEADER, RUN_HEADER, SHADOW_HEADER}
    optional |= {"form", "count", "rows", "last_offset", "size", "sha256"}
    assert set(schema["properties"]) == {*schema["required"], *optional}


@pytest.mark.parametrize("kind", EVENT_OF)
def test_frames_are_described_as_they_are_read(kind: str) -> None:
    name = EVENT_OF[kind].__name__
    messages = DOCUMENT["components"]["messages"]
    event = messages[f"{name}Frame"]["payload"]["items"]
    numbers = {key: event["properties"][key] for key in event["properties"].keys() - {"dt", "code"}}

    assert set(event["required"]) == {"dt", "code", *NEEDED[kind]}
    assert {key: (number["minimum"], number["maximum"]) for key, number in numbers.items()} == {
        key: bounds for key, bounds in frame.BOUNDS.items() if key in numbers
    }
    assert set(FLAGS[kind]) <= set(event["properties"]["code"]["properties"])
    pulse = messages[f"{name}Pulses"]["payload"]["items"]["properties"]
    told = [pulse[name]["description"].split(", ") for name in ("values", "more") if name in pulse]
    assert sorted(chain(*told)) == sorted(columns(kind))


def test_texts_can_be_read_back() -> None:
    files = documents.files(4)

    assert yaml.safe_load(files.pop(documents.ASYNCAPI_PATH)) == DOCUMENT
    assert {path: json.loads(text) for path, text in files.items()} == {
        f"deploy/schemas/{kind}.schema.json": documents.event_schema(kind) for kind in EVENT_OF
    }


def refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(found := node.get("$ref"), str):
            yield found
        for value in node.values():
            yield from refs(value)
    elif isinstance(node, list):
        for item in node:
            yield from refs(item)
