"""The schema for editors: it takes what the reader takes, and knows the same keys."""

import copy
import json
import re
import tomllib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from fenghuo.schemas.campaign import schema
from fenghuo.schemas.campaign.campaign import CampaignError, parse
from fenghuo.schemas.campaign.toml_reader import Reader
from tests.paths import CAMPAIGNS
from tests.schemas.campaign.campaign_texts import BROKEN, BROKEN_MORE, FULL

SCHEMA = schema.schema()
VALIDATOR = Draft7Validator(SCHEMA)

# FULL with what it has not: together they show every key
HOLDS = "hold_down_s = { blue = 10, cyan = 10, yellow = 10, orange = 10, red = 10 }"
PLANS = """
[last_year]
file = "before.csv"

[departments]
shop = { title = { zh = "店", en = "Shop" }, channel = "war-room" }

[playbooks.look]
title = { zh = "看", en = "Look" }
owner = "shop"
within_minutes = 5
steps = [{ zh = "看", en = "Look" }]

[[duty]]
department = "shop"
people = ["Li"]
start = 2026-11-11T00:00:00+08:00
end = 2026-11-11T08:00:00+08:00
wake_from = "yellow"

[budgets]
spend_fen = 1
elastic_share = 0.1
notices_per_hour = 1
wakes_per_shift = 1
"""


WHOLE = FULL.replace("hold_down_s = 10", HOLDS) + PLANS
BY_NAME = ("labels", "titles", "cuts")
"""Tables that the reader takes by the names it finds there."""

# what a value may be replaced by
VALUES: list[Any] = [
    *(True, "", "x", "total", "2026-11-11T00:00:00+08:00", "http://a/", 0, 1, -1, 0.5, 10**18),
    *([], ["x"], [[0, 1]], {}, {"x": 1}, [{}], {"zh": "x", "en": "x"}),
]


def _beside(name: str) -> str:
    return "minute,order.paid_amount_fen\n0,0\n10,5\n"


def _plain(value: Any) -> Any:
    """What an editor's plug-in hands to the schema: moments as text."""
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case datetime():
            return value.isoformat()
    return value


def _complaints(text: str) -> list[str]:
    return [error.json_path for error in VALIDATOR.iter_errors(_plain(tomllib.loads(text)))]


def test_it_is_a_schema_and_every_reference_leads_somewhere() -> None:
    Draft7Validator.check_schema(SCHEMA)
    used = {node["$ref"] for node in _nodes(SCHEMA) if "$ref" in node}
    assert used == {f"#/definitions/{name}" for name in SCHEMA["definitions"]}


@pytest.mark.parametrize("name", ["double11.toml", "replays.toml"])
def test_the_shipped_files_fit_and_name_it(name: str) -> None:
    text = (CAMPAIGNS / name).read_text(encoding="utf-8")
    directive = text.splitlines()[0]

    assert _complaints(text) == []
    assert directive.startswith("#:schema ")
    target = (CAMPAIGNS / directive.removeprefix("#:schema ")).resolve()
    assert json.loads(target.read_text(encoding="utf-8")) == SCHEMA


def test_it_knows_the_keys_that_the_reader_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, set[str]] = {}
    done = Reader.done

    def spy(self: Reader) -> None:
        node = _node(self.path(""))
        asked.setdefault(json.dumps(node), set()).update(self._known)
        done(self)

    monkeypatch.setattr(Reader, "done", spy)
    parse(WHOLE, "whole.toml", _beside)

    for node in _nodes(SCHEMA):
        if node.get("additionalProperties") is False and node not in map(_node, BY_NAME):
            assert asked[json.dumps(node)] == set(node["properties"])


@given(st.data())
def test_it_takes_what_the_reader_takes(data: st.DataObject) -> None:
    """A good file with a few values changed, left out or added."""
    document = _plain(tomllib.loads(WHOLE))
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(list(_places(document))))
        if data.draw(st.booleans()):
            if isinstance(holder, list) or key in holder:
                del holder[key]
        else:
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
    text = _toml(document)
    try:
        parse(text, "changed.toml", _beside)
    except CampaignError:
        return
    assert _complaints(text) == []


SAYABLE = (
    *("a known key", "a number from", "an integer from", "a list of 1", "a name in snake_case"),
    *("seconds", "one line like", "a web address", "a counter", "a table", "at most", "a label"),
)
"""How the reader says what a schema can say, too."""
UNSAID = {
    "label that turns text around": "patterns know no such class of characters",
    "label with a control character": "the same",
    "bound that is no number": "JSON knows no nan",
    "channel whose port is none": "a port's range",
    "share of an unknown region": "names given elsewhere",
    "title of an unknown label": "the same",
}


@pytest.mark.parametrize(
    ("what", "old", "new"), [*BROKEN, *BROKEN_MORE], ids=[one[0] for one in (*BROKEN, *BROKEN_MORE)]
)
def test_it_refuses_what_a_schema_can_say(what: str, old: str, new: str) -> None:
    text = FULL.replace(old, new)
    with pytest.raises(CampaignError) as refused:
        parse(text, "broken.toml")
    if any(problem.expected.startswith(SAYABLE) for problem in refused.value.problems):
        assert bool(_complaints(text)) is (what not in UNSAID)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    inside = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for inner in inside:
        yield from _nodes(inner)


def _node(path: str) -> dict[str, Any]:
    """What the schema says of a table, by the reader's key path: `rules[0].levels.blue`."""
    node = SCHEMA
    for part in re.findall(r"\[\d+\]|[^.\[\]]+", path):
        if part.startswith("["):
            node = node["items"]
        else:
            node = node.get("properties", {}).get(part) or node["additionalProperties"]
        if "$ref" in node:
            node = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]]
        if "anyOf" in node and "properties" not in node:  # holds: seconds, or a table of them
            node = node["anyOf"][1]
    return node


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every table or list with each of its keys, and in tables a new one."""
    match tree:
        case dict():
            keys: list[Any] = [*tree, "red", "x"]
        case list():
            keys = list(range(len(tree)))
        case _:
            return
    for key in keys:
        yield tree, key
        if isinstance(tree, list) or key in tree:
            yield from _places(tree[key])


def _toml(document: dict[str, Any]) -> str:
    return "\n".join(f"{_word(key)} = {_inline(value)}" for key, value in document.items())


def _inline(value: Any) -> str:
    match value:
        case dict():
            pairs = (f"{_word(key)} = {_inline(inner)}" for key, inner in value.items())
            return "{ " + ", ".join(pairs) + " }"
        case list():
            return "[" + ", ".join(map(_inline, value)) + "]"
    return _word(value)


def _word(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
