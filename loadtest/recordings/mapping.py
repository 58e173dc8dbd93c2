"""Mapping files: text in, a frozen Mapping or all problems out. Pure; see language.py."""

import re
import tomllib
from datetime import datetime
from decimal import Decimal
from string import Formatter
from typing import Any, Final

from fenghuo.loadtest.recordings.language import (
    Bucket,
    Cases,
    Clock,
    Column,
    Condition,
    Constant,
    Field,
    FirstWord,
    Keywords,
    Mapping,
    Number,
    Prefix,
    Source,
    Stream,
    Template,
    Time,
)
from fenghuo.loadtest.recordings.tables import Problems, Table
from fenghuo.loadtest.wire import FIELDS, Slot, misfit

MAPPING_BYTES_MAX: Final = 256 * 1024
STREAMS_MAX: Final = 8
BUCKETS_MAX: Final = 200
SCALES: Final = tuple(10**power for power in range(7))
OPERATORS: Final = (
    "equals", "not_equals", "in", "not_in", "starts_with", "contains",
    "empty", "greater", "at_least", "less", "at_most",
)  # fmt: skip
ORDERED: Final = ("greater", "at_least", "less", "at_most")


class MappingError(ValueError):
    """Lists every problem of a mapping, each with file, key path, value and expectation."""


def parse(text: str, name: str) -> Mapping:
    """The mapping in `text`; `name` is the file in messages. MappingError lists all problems."""
    if len(text.encode()) > MAPPING_BYTES_MAX:
        raise MappingError(f"{name}: expected at most {MAPPING_BYTES_MAX} bytes, got more")
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"{name}: expected TOML, got {error}") from error
    problems = Problems(name)
    mapping = _mapping(Table(data, "", problems), problems)
    if problems.lines:
        raise MappingError("\n".join(problems.lines))
    return mapping


def _mapping(root: Table, problems: Problems) -> Mapping:
    head, source, clock = root.table("mapping"), root.table("source", {}), root.table("clock", {})
    streams = root.tables("events", STREAMS_MAX)
    root.done()
    mapping = Mapping(
        name=head.text("name"),
        sort=head.flag("sort", default=True),
        skip_bad_rows=head.flag("skip_bad_rows", default=False),
        format=source.word("format", ("auto", "csv", "ndjson", "parquet"), "auto"),
        header=source.flag("header", default=True),
        separator=source.text("separator", ","),
        columns=source.texts("columns", ()),
        rename=tuple((old, str(new)) for old, new in source.entries("rename").items()),
        optional=source.texts("optional", ()),
        clock=_clock(clock) if clock.data else None,
        streams=tuple(_stream(stream, timed=not clock.data) for stream in streams),
    )
    head.done()
    source.done()
    if len(mapping.separator.encode()) != 1:
        problems.add("source.separator", mapping.separator, "one ASCII character")
    if mapping.header == bool(mapping.columns):
        problems.add("source.columns", list(mapping.columns), "names exactly when header = false")
    return mapping


def _clock(table: Table) -> Clock:
    rate = table.number("rate_per_s", low=Decimal("0.001"), high=Decimal(1_000_000))
    start, start_ms = table.text("start", ""), None
    if start:
        try:
            moment = datetime.fromisoformat(start)
            if moment.tzinfo is None:
                raise ValueError("no offset")
            start_ms = int(moment.timestamp()) * 1000
        except ValueError:
            table.problem("start", start, "an RFC 3339 time with an offset")
    table.done()
    return Clock(rate, start_ms)


def _stream(table: Table, *, timed: bool) -> Stream:
    kind = table.word("kind", tuple(FIELDS))
    when = tuple(_condition(entry) for entry in table.tables("when", 16, least=0))
    fields = table.table("fields")
    table.done()
    slots = FIELDS.get(kind, {})
    found = []
    for name in fields.data:
        slot = slots.get(name)
        if slot is None:
            fields.problem(name, fields.data[name], f"a field of {kind}: {', '.join(slots)}")
        elif name == "ts" and not timed:
            fields.problem(name, fields.data[name], "no time, because [clock] makes it")
        else:
            found.append(_field(fields, name, slot))
    for name, slot in slots.items():
        if slot.required and name not in fields.data and (timed or name != "ts"):
            fields.problem(name, None, f"required for {kind}")
    return Stream(kind, when, tuple(found))


def _condition(table: Table) -> Condition:
    column = table.text("column")
    operators = [key for key in table.data if key != "column"]
    if len(operators) != 1 or operators[0] not in OPERATORS:
        table.problem("", operators, f"a column and exactly one of {', '.join(OPERATORS)}")
        return Condition(column, "empty", True)
    operator = operators[0]
    value: str | bool | Decimal | tuple[str, ...]
    if operator in ORDERED:
        value = table.number(operator, low=Decimal(-(10**12)), high=Decimal(10**12))
    elif operator in ("in", "not_in"):
        value = table.texts(operator)
    elif operator == "empty":
        value = table.flag(operator)
    else:
        value = table.text(operator)
    return Condition(column, operator, value)


def _field(fields: Table, name: str, slot: Slot) -> Field:
    raw = fields.data[name]
    if not isinstance(raw, dict):
        expected = misfit(slot, raw)
        if expected:
            fields.problem(name, raw, expected)
        return Field(name, Constant(raw))
    table = fields.table(name)
    verbs = [key for key in table.data if key in _VERBS]
    if len(verbs) != 1:
        table.problem("", verbs, f"exactly one of {', '.join(_VERBS)}")
        return Field(name, Constant(""))
    source = _VERBS[verbs[0]](table, verbs[0])
    entries = table.entries("table")
    default = table.data.get("default")
    table.seen.add("default")
    table.done()
    outputs: list[tuple[str, Any]] = [(f"table.{key}", value) for key, value in entries.items()]
    if default is not None:
        outputs.append(("default", default))
    if isinstance(source, Cases):
        outputs += [(f"cases[{i}].then", value) for i, (_, value) in enumerate(source.cases)]
    if isinstance(source, Keywords):
        outputs += [(f"rules.{word}", word) for word, _ in source.rules]
    for key, value in outputs:
        expected = misfit(slot, value)
        if expected:
            table.problem(key, value, expected)
    _check_type(table, slot, source, bool(entries))
    return Field(name, source, tuple(entries.items()), default)


def _check_type(table: Table, slot: Slot, source: Source, translated: bool) -> None:
    """A verb must make what the slot holds; text becomes another type only through a table."""
    makes_whole = isinstance(source, Number | Time)
    if translated and not isinstance(source, Column | Prefix | FirstWord | Number):
        table.problem("table", None, "no table with this verb")
    if translated or isinstance(source, Cases):
        return
    if slot.type == "whole" and not makes_whole:
        table.problem("", None, "a whole number: use number, product, sum, time, cases or a table")
    if slot.type == "flag":
        table.problem("", None, "true or false: use cases or a table")
    if slot.type == "text" and isinstance(source, Time):
        table.problem("", None, "text, not a time")


def _column(table: Table, verb: str) -> Source:
    replace = table.entries("replace")
    for old, new in replace.items():
        if not old or not isinstance(new, str):
            table.problem(f"replace.{old}", new, "text for a text of 1 character or more")
    return Column(table.text(verb), tuple((old, str(new)) for old, new in replace.items()))


def _template(table: Table, verb: str) -> Source:
    text = table.text(verb)
    try:
        pieces = [(literal, column, spec or convert)
                  for literal, column, spec, convert in Formatter().parse(text)]  # fmt: skip
    except ValueError:
        pieces = [("", "", "!")]
    if any(extra or column == "" for _, column, extra in pieces):
        table.problem(verb, text, "text with {column}, {file} or {row}")
    return Template(tuple((literal, column or "") for literal, column, _ in pieces))


def _number(table: Table, verb: str) -> Source:
    columns = (table.text(verb),) if verb == "number" else table.texts(verb)
    if verb != "number" and len(columns) != 2:
        table.problem(verb, list(columns), "two columns")
    scale = table.whole("scale", 1, high=SCALES[-1])
    if scale not in SCALES:
        table.problem("scale", scale, "1, 10, 100 .. 1000000")
    absolute = table.flag("absolute", default=False)
    rounding = table.word("round", ("refuse", "half_up"), "refuse")
    return Number(verb, columns, scale, absolute, rounding == "half_up")


def _time(table: Table, verb: str) -> Source:
    formats = table.texts("format")
    offset = table.whole("utc_offset_minutes", 0, low=-840, high=840)
    spread = table.word("spread", ("none", "day"), "none")
    for form in formats:
        if form not in ("epoch_s", "epoch_ms") and not re.search(r"%[YFDc]", form):
            table.problem("format", form, "epoch_s, epoch_ms or a format with %Y")
    return Time(table.text(verb), formats, offset, spread == "day")


def _keywords(table: Table, verb: str) -> Source:
    rules = table.table("rules", {})
    found = tuple((word, rules.texts(word)) for word in rules.data)
    return Keywords(table.text(verb), found)


def _prefix(table: Table, verb: str) -> Source:
    return Prefix(table.text(verb), table.whole("length", low=1, high=64))


def _first_word(table: Table, verb: str) -> Source:
    return FirstWord(table.text(verb))


def _bucket(table: Table, verb: str) -> Source:
    buckets = table.whole("buckets", low=1, high=BUCKETS_MAX)
    return Bucket(table.text(verb), buckets, table.text("name"))


def _cases(table: Table, verb: str) -> Source:
    cases = []
    for entry in table.tables(verb, 64):
        when = tuple(_condition(condition) for condition in entry.tables("when", 16))
        cases.append((when, entry.data.get("then", "")))
        entry.seen.add("then")
        entry.done()
    return Cases(tuple(cases))


_VERBS: Final = {
    "column": _column,
    "template": _template,
    "number": _number,
    "product": _number,
    "sum": _number,
    "time": _time,
    "keywords": _keywords,
    "prefix": _prefix,
    "first_word": _first_word,
    "bucket": _bucket,
    "cases": _cases,
}
