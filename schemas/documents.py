"""The wire in documents that other languages read, rendered from the types.

A JSON Schema of each event kind, and one AsyncAPI 3.0 document of every topic with its messages,
keys, headers and retention. What JSON Schema cannot say stands in its `$comment`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from fenghuo.schemas.kinds import measures
from fenghuo.schemas.kinds.bounds import EVENT_BYTES_MAX, EVENTS_PER_MESSAGE_MAX, TS_MIN_MS
from fenghuo.schemas.kinds.events import ALL, EVENT_OF
from fenghuo.schemas.lane import SHADOW
from fenghuo.schemas.records.marks import RUN_HEADER, SHADOW_HEADER
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import letters, status, topics
from fenghuo.schemas.wire.letters import REASONS, REPLAY_HEADER, Letter
from fenghuo.schemas.wire.position import Position
from fenghuo.schemas.wire.pulse import UNNAMED, Head, Source
from fenghuo.schemas.wire.skips import Skip
from fenghuo.schemas.wire.status import Board
from fenghuo.schemas.wire.warning import Transition

Tree = dict[str, Any]

FOLDER: Final = "deploy/schemas"
ASYNCAPI_PATH: Final = f"{FOLDER}/asyncapi.yml"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ARROW: Final = "application/vnd.apache.arrow.stream"
JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
BINDING: Final = "0.5.0"
_HEADER: Final = "# generated from schemas/ by `fenghuo generate`; do not edit"
_REF: Final = "#/components/schemas/"
_TYPES: Final = (*EVENT_OF.values(), Head, Position, Skip, Board, Transition)
_SOURCE_KEY: Final = "source partition, as topic/partition"
_KEYS: Final = {
    **dict.fromkeys(topics.KIND_OF, "any: only the partition counts, the producer chooses it"),
    **dict.fromkeys((topics.PULSES, topics.POSITIONS, topics.LATE, topics.REFUSED), _SOURCE_KEY),
    topics.USERS: "source partition and who wrote it, as topic/partition|writer; |news behind it: "
    "only who came since that writer's newest whole sketches",
    topics.SKIPS: "which record, as topic/partition/offset",
    topics.STATUS: "name of the campaign",
    **dict.fromkeys((topics.BASELINES, topics.TRANSITIONS), "rule|scope"),
    topics.CLOCK: "the part that asks",
}
_TITLES: Final = {
    **{topic: f"{kind} events; LogAppendTime" for topic, kind in topics.KIND_OF.items()},
    topics.PULSES: "what seconds of a source partition look like, read up to an offset",
    topics.POSITIONS: "where a new owner of a source partition starts: the highest (epoch, offset)",
    topics.USERS: "distinct users of a source partition, as theta sketches of Apache DataSketches",
    topics.SKIPS: "records that were passed over by hand: each counts as one refused event",
    topics.BASELINES: "what an adaptive rule has learnt of a scope",
    topics.LATE: "events whose second was closed when they came",
    topics.REFUSED: "dead letters: bytes, reason and source of what could not be counted",
    topics.STATUS: "the judge's boards: every verdict with its reading",
    topics.TRANSITIONS: "changes of level",
    topics.CLOCK: "asks the broker what time it is: each record's answer says it; LogAppendTime",
}
_BYTES: Final = {
    topics.USERS: (
        "Sketches",
        "4 bytes, big-endian: the size of a JSON head; the head; compact theta sketches",
    ),
    topics.BASELINES: ("Baseline", "MessagePack, read by the judge of the same version only"),
}
_NOTE: Final = (
    f"Held as well: at most {EVENT_BYTES_MAX} bytes; whole numbers have no fraction; ts is not "
    f"before {TS_MIN_MS} and not in the future of its own record. Unknown fields are ignored."
)
_REPLAY: Final = {
    "type": "string",
    "pattern": "^[0-9]+/[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$",
    "description": "offset/idx or offset/rows of the letter this is a replay of; it counts once",
}
_MARK: Final = {
    "type": "string",
    "description": "run.producer.number: which record of a load run this is",
}
_SHADOW: Final = {
    "type": "string",
    "description": "the same, of a run in the lane `shadow`; present with any value, it decides",
}
_MARKS: Final = {RUN_HEADER: _MARK, SHADOW_HEADER: _SHADOW}
_PLAIN: Final = {
    topics.POSITIONS: Position,
    topics.SKIPS: Skip,
    topics.STATUS: Board,
    topics.TRANSITIONS: Transition,
}


def files(partitions: int = Settings().partitions) -> dict[str, str]:
    """Relative path -> text of every document."""
    found = {f"{FOLDER}/{kind}.schema.json": _json(event_schema(kind)) for kind in EVENT_OF}
    return found | {ASYNCAPI_PATH: _yaml(asyncapi(partitions))}


def event_schema(kind: str) -> Tree:
    """The JSON Schema of one event of this kind."""
    made = EVENT_OF[kind]
    _, found = msgspec.json.schema_components([made], ref_template="#/$defs/{name}")
    root: Tree = _tidy(found.pop(made.__name__))
    head = {"$schema": DIALECT, "$id": f"{kind}.schema.json", "$comment": _NOTE}
    return head | root | ({"$defs": found} if found else {})


def asyncapi(partitions: int) -> Tree:
    """The AsyncAPI document of every topic, made with this many source partitions."""
    messages: Tree = {}
    channels: Tree = {}
    for topic, (count, config) in topics.plan(partitions).items():
        made = _messages(topic)
        messages |= made
        channels[topic] = {
            "address": topic,
            "title": _TITLES[topic],
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in made},
            "bindings": {"kafka": _channel_binding(topic, count, config)},
        }
    _, found = msgspec.json.schema_components(_TYPES, ref_template=_REF + "{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "fenghuo",
            "version": f"{status.SCHEMA}.0.0",
            "description": "Events in, pulses and boards out. Of the pulses of one (source, "
            "second) that of the higher version wins, as a whole; different sources are added. "
            "The lane of load runs has every topic but the sources once more, named "
            f"{topics.of('NAME', SHADOW)}.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "channels": channels,
        "components": {
            "messages": messages,
            "schemas": {name: _draft07(_tidy(tree)) for name, tree in sorted(found.items())},
        },
    }


def _channel_binding(topic: str, partitions: int, config: Mapping[str, str]) -> Tree:
    """The topic as it is made. Retention that is not given is the broker's own."""
    settings: Tree = {
        name: int(value) if value.lstrip("-").isdecimal() else value
        for name, value in config.items()
    }
    if policy := settings.get("cleanup.policy"):
        settings["cleanup.policy"] = [policy]
    return {
        "topic": topic,
        "partitions": partitions,
        "topicConfiguration": settings,
        "bindingVersion": BINDING,
    }


def _messages(topic: str) -> Tree:
    """Name -> message of everything that travels on this topic."""
    if kind := topics.KIND_OF.get(topic):
        return _source_messages(kind)
    if made := _PLAIN.get(topic):
        return {made.__name__: _message(topic, JSON, _ref(made))}
    if topic == topics.REFUSED:
        payload = {
            "description": "the refused bytes, the first 64 KiB; rows are a frame of their own"
        }
        letter = _message(topic, "application/octet-stream", payload)
        return {"Letter": letter | {"headers": _letter_headers()}}
    if topic in _BYTES:
        name, form = _BYTES[topic]
        return {name: _message(topic, "application/octet-stream", {"description": form})}
    late = topic == topics.LATE
    stamps = ["offset", "idx"] if late else ["version"]
    return {
        f"{made.__name__}{'Late' if late else 'Pulses'}": _message(
            topic, ARROW, _pulse_frame(kind, stamps)
        )
        for kind, made in EVENT_OF.items()
    }


def _source_messages(kind: str) -> Tree:
    """The three forms of events on one topic, told apart by their first bytes."""
    made = EVENT_OF[kind]
    name, topic, event = made.__name__, topics.TOPIC_OF[kind], _ref(made)
    many = {"type": "array", "minItems": 1, "maxItems": EVENTS_PER_MESSAGE_MAX, "items": event}
    lines = {
        "type": "string",
        "description": f"one {name} a line, at most {EVENTS_PER_MESSAGE_MAX} lines",
    }
    forms = {
        name: _message(topic, JSON, event),
        f"{name}Array": _message(topic, JSON, many),
        f"{name}Lines": _message(topic, NDJSON, lines),
        f"{name}Frame": _message(topic, ARROW, _event_frame(kind)),
    }
    headers = {"type": "object", "properties": {REPLAY_HEADER: _REPLAY, **_MARKS}}
    return {form: message | {"headers": headers} for form, message in forms.items()}


def _message(topic: str, content: str, payload: Tree) -> Tree:
    key = {"type": "string", "description": _KEYS[topic]}
    return {
        "contentType": content,
        "payload": payload,
        "bindings": {"kafka": {"key": key, "bindingVersion": BINDING}},
    }


def _event_frame(kind: str) -> Tree:
    """One Arrow record batch of events, as the list of rows it stands for."""
    fields = _properties(kind)
    labels = dict.fromkeys((*measures.DIMENSIONS[kind], *measures.FLAGS[kind]))
    entry = ALL[kind]
    values = tuple(name for name in (entry.histogram, entry.weight) if name)
    optional = {entry.weight} if entry.weight_if_absent else set()
    needed = ["dt", "code", *(name for name in values if name not in optional)]
    rows: Tree = {
        "dt": {"type": "integer", "description": "event time = base_ts + dt, in milliseconds"},
        "code": {
            "type": "object",
            "description": "a dictionary of structs; what no cut uses may be absent",
            "properties": {name: fields[name] for name in labels},
        },
        # a column has no nulls: the bounds of the number alone
        **{name: next(iter(fields[name].get("anyOf", [fields[name]]))) for name in values},
    }
    metadata = {
        "fenghuo": {"const": "1"},
        "kind": {"const": kind},
        "base_ts": {"pattern": "^[0-9]+$"},
    }
    return _table(rows, needed, metadata, EVENTS_PER_MESSAGE_MAX)


def _pulse_frame(kind: str, stamps: list[str]) -> Tree:
    """One Arrow record batch of pulses or late rows; LZ4."""
    first = UNNAMED[kind]
    more = [name for name in measures.columns(kind) if name not in first]
    key: Tree = {"type": "string"}
    rows: Tree = {
        "second_ms": {"type": "integer"},
        "series": {"type": "object", "properties": {"cut": key, "k1": key, "k2": key}},
        "values": _integers(first),
        **({"more": _integers(more)} if more else {}),
        **{name: {"type": "integer"} for name in stamps},
    }
    metadata = {"head": _ref(Head), "stamps": {"const": stamps}}
    return _table(rows, list(rows), metadata | {"columns": {"const": [*first, *more]}}, None)


def _integers(names: Sequence[str]) -> Tree:
    size = {"minItems": len(names), "maxItems": len(names)}
    return {"type": "array", "items": {"type": "integer"}, "description": ", ".join(names)} | size


def _table(rows: Tree, needed: list[str], metadata: Tree, most: int | None) -> Tree:
    size = {"maxItems": most, "minItems": 1} if most else {}
    return {
        "type": "array",
        "description": "an Arrow IPC stream of one record batch; property: column, item: row",
        "items": {"type": "object", "properties": rows, "required": needed},
        **size,
        "x-schema-metadata": metadata,
    }


def _letter_headers() -> Tree:
    """The headers that `letters.to_record` writes; all are text."""
    fields = (*msgspec.structs.fields(Source), *msgspec.structs.fields(Letter))
    whole = {field.name for field in fields if field.type is int}
    whole |= {"last_offset", "size"}
    sample = Letter(Source("", "", 0), 0, 0, REASONS[0], "", 0, b"", form=0)
    names = [name for name, _ in letters.to_record(sample)[1]]
    more = {"form": 1, "count": 2, "rows": "0-1", "last_offset": 1, "size": 1, "hash": "0"}
    every = letters.to_record(msgspec.structs.replace(sample, **more))[1]
    properties: Tree = {name: {"type": "string"} for name, _ in every}
    for name in whole.intersection(properties):
        properties[name]["pattern"] = "^-?[0-9]+$"
    properties["reason"] = {"enum": list(REASONS)}
    properties |= {REPLAY_HEADER: _REPLAY, **_MARKS}
    return {"type": "object", "properties": properties, "required": names}


def _properties(kind: str) -> Tree:
    found: Tree = event_schema(kind)["properties"]
    return found


def _ref(made: type) -> Tree:
    return {"$ref": _REF + made.__name__}


def _tidy(node: Any) -> Any:
    """Docstrings of many lines as one."""
    if isinstance(node, dict):
        return {
            name: " ".join(value.split()) if _is_text(name, value) else _tidy(value)
            for name, value in node.items()
        }
    return [_tidy(item) for item in node] if isinstance(node, list | tuple) else node


def _is_text(name: str, value: object) -> bool:
    """A description; a field of that name would be a schema."""
    return name == "description" and isinstance(value, str)


def _draft07(node: Any) -> Any:
    """AsyncAPI speaks draft 07, where the items of a tuple are a list of schemas."""
    if isinstance(node, dict):
        if "prefixItems" in node:
            rest = {name: node[name] for name in node if name != "prefixItems"}
            node = rest | {"items": node["prefixItems"], "additionalItems": False}
        return {name: _draft07(value) for name, value in node.items()}
    return [_draft07(item) for item in node] if isinstance(node, list) else node


def _json(tree: Tree) -> str:
    return msgspec.json.format(msgspec.json.encode(tree), indent=2).decode() + "\n"


def _yaml(tree: Tree) -> str:
    # an object that stands twice would become an anchor, which few people can read
    copies = msgspec.json.decode(msgspec.json.encode(tree))
    return f"{_HEADER}\n{msgspec.yaml.encode(copies).decode()}"
