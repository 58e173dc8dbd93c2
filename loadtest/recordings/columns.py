"""Mapping fields as Polars expressions: exact, vectorised, a reason for each bad cell.

Every column of a recording is text, so nothing is guessed and money never passes through a binary
fraction: a number is parsed into millionths (int64), products are made in int128, and only the end
result is scaled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import polars as pl

from fenghuo.loadtest.recordings.language import (
    Bucket,
    Cases,
    Column,
    Condition,
    Constant,
    Field,
    FirstWord,
    Keywords,
    Number,
    Plain,
    Prefix,
    Template,
    Time,
)
from fenghuo.loadtest.wire import FIELDS, Slot, Value

PLACES: Final = 6
ONE: Final = 10**PLACES
_NUMBER: Final = r"^\s*(?P<sign>[+-]?)(?P<whole>\d{1,12})(?:\.(?P<part>\d{0,6})0*)?\s*$"
_NOT_A_NUMBER: Final = "not a number of at most 12 digits and 6 decimals"
_TYPES: Final = {"text": pl.String, "whole": pl.Int64, "flag": pl.Boolean}


@dataclass(frozen=True, slots=True)
class Cell:
    """A field's value (null = empty) and, where it cannot be used, why."""

    value: pl.Expr
    reason: pl.Expr
    """Text where the cell is unusable, else null."""


def field(kind: str, spec: Field) -> Cell:
    """The column of one field, with the checks that its slot demands."""
    slot = FIELDS[kind][spec.name]
    value, complaint = _source(spec)
    if spec.table:
        old = [key for key, _ in spec.table]
        new = [entry for _, entry in spec.table]
        translated = value.cast(pl.String).replace_strict(
            old, new, default=None, return_dtype=_TYPES[slot.type]
        )
        if spec.default is None:
            absent = value.is_not_null() & translated.is_null()
            complaint = pl.coalesce(complaint, _reason(absent, "not in the table"))
        value = translated
    if spec.default is not None:
        value = value.fill_null(_literal(spec.default))
    value = value.cast(_TYPES[slot.type], strict=False)
    reason = pl.coalesce(complaint, _bounds(slot, value))
    return Cell(value, pl.lit(f"{kind}.{spec.name}: ") + reason)


def holds(conditions: Sequence[Condition]) -> pl.Expr:
    """True where all hold; an empty cell meets only `empty`, `not_equals` and `not_in`."""
    result = pl.lit(value=True)
    for condition in conditions:
        result = result & _condition(condition)
    return result


def columns_of(conditions: Sequence[Condition], fields: Sequence[Field]) -> set[str]:
    """The columns that a stream reads."""
    found = {condition.column for condition in conditions}
    for spec in fields:
        match spec.source:
            case Constant():
                pass
            case Number(columns=columns):
                found.update(columns)
            case Template(parts=parts):
                found.update(column for _, column in parts if column)
            case Cases(cases=cases):
                found.update(test.column for when, _ in cases for test in when)
            case source:
                found.add(source.column)
    return found


def millionths(column: str) -> pl.Expr:
    """The number in a text column as a count of millionths; null where it is no plain decimal."""
    groups = pl.col(column).str.extract_groups(_NUMBER)
    part = groups.struct.field("part").fill_null("").str.pad_end(PLACES, "0")
    size = groups.struct.field("whole").cast(pl.Int64) * ONE + part.cast(pl.Int64)
    return pl.when(groups.struct.field("sign") == "-").then(-size).otherwise(size)


def _source(spec: Field) -> tuple[pl.Expr, pl.Expr]:
    """Value and complaint of the verb itself, before table and default."""
    match spec.source:
        case Number() as number:
            return _number(number)
        case Time() as time:
            return _time(time)
        case Bucket(column=column, buckets=buckets, name=name):
            whole = millionths(column) // ONE
            digits = (whole % buckets).cast(pl.String).str.zfill(len(str(buckets - 1)))
            return pl.lit(name) + digits, _reason(_unread(column, whole), _NOT_A_NUMBER)
        case source:
            return _plain(source), pl.lit(None, dtype=pl.String)


def _plain(source: Plain) -> pl.Expr:
    """The verbs that cannot fail: at worst they find nothing."""
    match source:
        case Constant(value=value):
            return _literal(value)
        case Column(column=column, replace=replace):
            text = _text(column)
            for old, new in replace:
                text = text.str.replace_all(old, new, literal=True)
            return text
        case Template(parts=parts):
            return _template(parts)
        case Keywords(column=column, rules=rules):
            return _keywords(column, rules)
        case Prefix(column=column, length=length):
            return _text(column).str.slice(0, length)
        case FirstWord(column=column):
            return _text(column).str.extract(r"^(\S+)", 1)
        case Cases(cases=cases):
            chosen = pl.lit(None)
            for when, then in reversed(cases):
                chosen = pl.when(holds(when)).then(_literal(then)).otherwise(chosen)
            return chosen


def _number(number: Number) -> tuple[pl.Expr, pl.Expr]:
    parts = [millionths(column) for column in number.columns]
    unread = [_unread(column, part) for column, part in zip(number.columns, parts, strict=True)]
    exact, unit = parts[0].cast(pl.Int128), ONE
    if number.operation == "sum":
        exact = exact + parts[1]
    elif number.operation == "product":
        exact, unit = exact * parts[1].cast(pl.Int128), ONE * ONE
    if number.absolute:
        exact = exact.abs()
    divisor = unit // number.scale
    size = (exact.abs() + (divisor // 2 if number.half_up else 0)) // divisor
    whole = size.cast(pl.Int64, strict=False)  # int128 cannot be negated
    value = pl.when(exact < 0).then(-whole).otherwise(whole)
    complaint = _reason(pl.any_horizontal(unread), _NOT_A_NUMBER)
    if not number.half_up:
        rest = exact.abs() - size * divisor != 0
        complaint = pl.coalesce(complaint, _reason(rest, "not whole after scaling"))
    too_large = exact.is_not_null() & value.is_null()
    return value, pl.coalesce(complaint, _reason(too_large, "too large"))


def _time(time: Time) -> tuple[pl.Expr, pl.Expr]:
    text = _text(time.column)
    found = [_moment(text, time.column, form, time.utc_offset_minutes) for form in time.formats]
    value = pl.coalesce(found)
    return value, _reason(_unread(time.column, value), "not a time of the stated format")


def _moment(text: pl.Expr, column: str, form: str, offset_minutes: int) -> pl.Expr:
    """Epoch milliseconds; a format with %z carries its own offset, an epoch has none."""
    if form in ("epoch_s", "epoch_ms"):
        return millionths(column) // (ONE // 1000 if form == "epoch_s" else ONE)
    if "%z" in form:
        moment = text.str.to_datetime(form, strict=False, time_unit="ms")
        return moment.dt.replace_time_zone(None).dt.epoch("ms")
    moment = text.str.to_datetime(form, strict=False, time_unit="ms")
    return moment.dt.epoch("ms") - offset_minutes * 60_000


def _template(parts: Sequence[tuple[str, str]]) -> pl.Expr:
    pieces: list[pl.Expr] = []
    for literal, column in parts:
        if literal:
            pieces.append(pl.lit(literal))
        if column:
            pieces.append(_text(column))
    return pl.concat_str(pieces)


def _keywords(column: str, rules: Sequence[tuple[str, tuple[str, ...]]]) -> pl.Expr:
    """The first rule of which any word occurs; Latin letters in either case."""
    value = pl.lit(None, dtype=pl.String)
    for name, words in reversed(rules):
        found = pl.col(column).str.contains_any(list(words), ascii_case_insensitive=True)
        value = pl.when(found).then(pl.lit(name)).otherwise(value)
    return value


def _condition(condition: Condition) -> pl.Expr:
    text = _text(condition.column)
    value = condition.value
    match condition.operator, value:
        case "equals", str():
            return (text == value).fill_null(value=False)
        case "not_equals", str():
            return (text != value).fill_null(value=True)
        case "in", tuple():
            return text.is_in(list(value)).fill_null(value=False)
        case "not_in", tuple():
            return (~text.is_in(list(value))).fill_null(value=True)
        case "starts_with", str():
            return text.str.starts_with(value).fill_null(value=False)
        case "contains", str():
            return text.str.contains(value, literal=True).fill_null(value=False)
        case "empty", bool():
            return text.is_null() if value else text.is_not_null()
        case operator, Decimal():
            return _ordered(millionths(condition.column), operator, int(value * ONE))
    raise AssertionError(condition)


def _ordered(number: pl.Expr, operator: str, bound: int) -> pl.Expr:
    tests = {
        "greater": number > bound,
        "at_least": number >= bound,
        "less": number < bound,
        "at_most": number <= bound,
    }
    return tests[operator].fill_null(value=False)


def _text(column: str) -> pl.Expr:
    """The cell without blanks around it; null when nothing is left."""
    trimmed = pl.col(column).str.strip_chars()
    return pl.when(trimmed != "").then(trimmed)


def _unread(column: str, value: pl.Expr) -> pl.Expr:
    return _text(column).is_not_null() & value.is_null()


def _bounds(slot: Slot, value: pl.Expr) -> pl.Expr:
    empty = value.is_null() if slot.required else pl.lit(value=False)
    reason = _reason(empty, "empty")
    if slot.type == "whole":
        outside = ~value.is_between(slot.low, slot.high)
        return pl.coalesce(reason, _reason(outside, f"not from {slot.low} to {slot.high}"))
    if slot.type == "flag":
        return reason
    if slot.words:
        return pl.coalesce(reason, _reason(~value.is_in(list(slot.words)), "not an allowed word"))
    length = value.str.len_chars()
    outside = ~length.is_between(slot.low, slot.high)
    return pl.coalesce(reason, _reason(outside, f"not {slot.low} to {slot.high} characters"))


def _reason(where: pl.Expr, text: str) -> pl.Expr:
    return pl.when(where).then(pl.lit(text))


def _literal(value: Value) -> pl.Expr:
    if isinstance(value, int) and not isinstance(value, bool):
        return pl.lit(value, dtype=pl.Int64)
    return pl.lit(value)
