"""Mapping files: the language, and errors that name file, key path, value and expectation."""

import pytest

from fenghuo.loadtest.recordings.language import Cases, Column, Number, Template, Time
from fenghuo.loadtest.recordings.mapping import MappingError, parse

GOOD = """
[mapping]
name = "shop"
[source]
separator = ";"
rename = { when = "time" }
[[events]]
kind = "order"
when = [{ column = "state", in = ["A", "B"] }, { column = "n", greater = 1.5 }]
[events.fields]
event_id = { template = "{file}-{row}" }
ts = { time = "time", format = ["%Y-%m-%d", "epoch_s"], utc_offset_minutes = -180 }
region = { column = "place", default = "unknown" }
order_id = { column = "id" }
user_id = { number = "customer" }
category = { prefix = "code", length = 2 }
channel = "web"
payment = { column = "pay", table = { 1 = "card", 2 = "cash" } }
amount_fen = { product = ["n", "price"], scale = 100, round = "half_up" }
new_user = { cases = [{ when = [{ column = "n", at_most = 1 }], then = true }], default = false }
status = { cases = [{ when = [{ column = "id", starts_with = "C" }], then = "cancelled" }] }
"""


def test_a_whole_mapping_is_read() -> None:
    mapping = parse(GOOD, "shop.toml")

    fields = {field.name: field for field in mapping.streams[0].fields}
    assert mapping.name == "shop"
    assert mapping.sort
    assert mapping.rename == (("when", "time"),)
    assert [test.operator for test in mapping.streams[0].when] == ["in", "greater"]
    assert fields["event_id"].source == Template((("", "file"), ("-", "row")))
    assert fields["ts"].source == Time("time", ("%Y-%m-%d", "epoch_s"), -180, spread_day=False)
    assert fields["payment"].source == Column("pay")
    assert fields["payment"].table == (("1", "card"), ("2", "cash"))
    assert isinstance(fields["status"].source, Cases)
    assert fields["amount_fen"].source == Number(
        "product", ("n", "price"), 100, absolute=False, half_up=True
    )


WRONG = [
    ("not TOML", "= 1", ["shop.toml: expected TOML, got Invalid statement (at line 1"]),
    ('name = "shop"', "", ["mapping.name: expected text, got nothing"]),
    ('separator = ";"', 'separator = ";;"', ["source.separator: expected one ASCII character"]),
    ('separator = ";"', "header = false", ["source.columns: expected names exactly when header"]),
    ('separator = ";"', 'seperator = ";"', ["source.seperator: expected no such key; known are"]),
    (
        'kind = "order"',
        'kind = "sale"',
        ["events[0].kind: expected one of order, traffic", "'sale'"],
    ),
    ("greater = 1.5", 'more = "1"', ["events[0].when[1]: expected a column and exactly one of"]),
    ("greater = 1.5", 'greater = "x"', ["events[0].when[1].greater: expected a number", "'x'"]),
    ('channel = "web"', "", ["events[0].fields.channel: expected required for order, got nothing"]),
    ('channel = "web"', "channel = 7", ["events[0].fields.channel: expected text", "got 7"]),
    ('channel = "web"', 'chanel = "web"', ["events[0].fields.chanel: expected a field of order"]),
    ('channel = "web"', 'channel = { upper = "x" }', ["fields.channel: expected exactly one of"]),
    (
        'channel = "web"',
        'channel = { column = "x", y = 1 }',
        ["fields.channel.y: expected no such"],
    ),
    (
        'channel = "web"',
        'channel = { template = "{a!r}" }',
        ["channel.template: expected text with"],
    ),
    ("scale = 100", "scale = 7", ["amount_fen.scale: expected 1, 10, 100 .. 1000000, got 7"]),
    ('["n", "price"]', '["n"]', ["amount_fen.product: expected two columns, got ['n']"]),
    ('"half_up"', '"up"', ["amount_fen.round: expected one of refuse, half_up, got 'up'"]),
    ('2 = "cash"', "2 = 3", ["payment.table.2: expected text of 0 to 256 characters, got 3"]),
    ('then = "cancelled"', 'then = "gone"', ["status.cases[0].then: expected one of created"]),
    ('"epoch_s"]', '"%H:%M"]', ["ts.format: expected epoch_s, epoch_ms or a format with %Y"]),
    ('{ product = ["n", "price"]', '{ column = "n"', ["amount_fen: expected a whole number: use"]),
    ("length = 2", "length = 0", ["category.length: expected a whole number from 1 to 64, got 0"]),
    ("[source]", "[clock]\nrate_per_s = 0\n[source]", ["clock.rate_per_s: expected a number from"]),
    ("[source]", "[clock]\nrate_per_s = 2\n[source]", ["ts: expected no time, because [clock]"]),
]


@pytest.mark.parametrize(("old", "new", "expected"), WRONG)
def test_an_error_names_file_key_path_value_and_expectation(
    old: str, new: str, expected: list[str]
) -> None:
    text = GOOD.replace(old, new) if old in GOOD else new

    with pytest.raises(MappingError) as error:
        parse(text, "shop.toml")

    assert all(part in str(error.value) for part in expected), str(error.value)
    assert str(error.value).startswith("shop.toml: ")


def test_all_problems_are_told_at_once() -> None:
    text = GOOD.replace('channel = "web"', "channel = 7").replace("scale = 100", "scale = 7")

    with pytest.raises(MappingError) as error:
        parse(text, "shop.toml")

    assert len(str(error.value).splitlines()) == 2


def test_a_huge_file_is_refused() -> None:
    with pytest.raises(MappingError, match="at most 262144 bytes"):
        parse("#" * 300_000, "shop.toml")
