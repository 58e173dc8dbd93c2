"""Plain: the compiled reading of JSON events of the plain form (see scan)."""

# Compiled: numba infers the types, the signatures stand in the decorators.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: C901, PLR0912, PLR0917

from typing import Final

import numpy as np
from numba import types

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.compiled import (
    BYTES,
    FLAGS,
    INT,
    INTS,
    LETTERS,
    NOTHING,
    TABLE,
    compiled,
    eight,
    inlined,
)
from fenghuo.schemas.kinds.bounds import EVENT_BYTES_MAX
from fenghuo.streams.decode.tokens import (
    ABSENT,
    any_value,
    blank,
    hash_of,
    integer,
    literal,
    other_name,
    string,
    word_at,
)

INTERN_SLOTS: Final = 1 << 13
SHAPE_SLOTS: Final = 1 << 17
"""Open-addressing tables, filled to half at most; then everything is forgotten and learned anew."""
NAME_BYTES_MAX: Final = 16
"""The longest name of a field with its quotes: two words of eight bytes."""
OUT_TS, OUT_X, OUT_LATENCY, OUT_USER, OUT_UNKNOWN = range(5)
"""Rows of what is read: event time, x and user of Batch, latency in ms, unknown fields."""
UNKNOWN_MAX: Final = 8
"""Most unknown fields of an event of the plain form."""

# kinds of value a field may have, as bits beside BOOL and NULL
STR, WHOLE = 1, 2
# columns of a field's row in the plan; MASK takes two
SIZE, TYPE, LOW, HIGH, OUT, STEP, USER, MASK = range(8)
_QUOTE, _COMMA, _COLON, _OPEN, _CLOSE, _MINUS = 34, 44, 58, 123, 125, 45


@compiled(INT(INTS))
def slot_of(numbers: Ints) -> np.int64:
    """Where the table of shapes begins to look."""
    mark = np.uint64(0)
    for number in numbers:
        mark = (mark ^ np.uint64(number)) * np.uint64(0x9E3779B97F4A7C15)
        mark ^= mark >> np.uint64(32)
    return np.int64(mark & np.uint64(SHAPE_SLOTS - 1))


@inlined
def _label(buffer, begin, end, arena, interned):
    """The number of a label met before; -1 for others."""
    size = end - begin
    mark = hash_of(buffer, begin, size)
    at = mark & (INTERN_SLOTS - 1)
    while interned[at, 3] != 0:
        if interned[at, 0] == mark and interned[at, 2] == size:
            same, place = True, interned[at, 1]
            for k in range(0, size, 8):
                same &= word_at(buffer, begin + k, size - k) == word_at(arena, place + k, size - k)
            if same:
                return interned[at, 3]
        at = (at + 1) & (INTERN_SLOTS - 1)
    return np.int64(-1)


@inlined
def _is_name(buffer, i, field, plan, names):
    """Whether the quoted name of a field stands at i."""
    if i + NAME_BYTES_MAX > len(buffer):  # at the very end they are compared byte by byte
        for k in range(plan[field, SIZE]):
            letter = (names[2 * field + k // 8] >> (8 * (k % 8))) & 255
            if i + k >= len(buffer) or buffer[i + k] != letter:
                return False
        return True
    first, second = np.int64(eight(buffer, i)), np.int64(eight(buffer, i + 8))
    return (first & plan[field, MASK]) == names[2 * field] and (
        second & plan[field, MASK + 1]
    ) == names[2 * field + 1]


@inlined
def _field(buffer, i, end, before, tables):
    """The field whose quoted name begins at i; -1 for others. Most often it is the one that came
    behind the same field the last time.
    """
    names, plan, after = tables[0], tables[1], tables[8]
    field = after[before]
    if _is_name(buffer, i, field, plan, names) and i + plan[field, SIZE] <= end:
        return field
    for field in range(len(plan)):
        if _is_name(buffer, i, field, plan, names) and i + plan[field, SIZE] <= end:
            after[before] = field
            return field
    return -1


@inlined
def _value(buffer, i, end, row, tables):
    """One value: (place behind it or -1, its number among labels, integer, user)."""
    arena, interned = tables[2], tables[3]
    letter, user = buffer[i], np.int64(0)
    if letter == _QUOTE:
        close, count = string(buffer, i + 1, end)
        if close < 0 or not row[TYPE] & STR or count < row[LOW] or count > row[HIGH]:
            return -1, 0, 0, user
        number = np.int64(0)
        if row[STEP] >= 0:
            number = _label(buffer, i + 1, close, arena, interned)
        if row[USER]:
            after, whole = integer(buffer, i + 1, close)
            user = whole if after == close else hash_of(buffer, i + 1, close - i - 1)
        return (close + 1 if number >= 0 else -1), number, np.int64(-1), user
    if letter == _MINUS or 48 <= letter <= 57:
        after, whole = integer(buffer, i, end)
        bounded = row[TYPE] & STR or row[LOW] <= whole <= row[HIGH]
        if not row[TYPE] & WHOLE or not bounded:
            after = -1
        return after, whole + 1, whole, whole
    after, kind, number = literal(buffer, i, end)
    return (after if row[TYPE] & kind else -1), np.int64(number), np.int64(-1), user


@inlined
def _object(buffer, i, end, tables, numbers, out, at):
    """One object into column `at` of out and its labels into numbers; the fields seen, or -1."""
    plan, strange = tables[1], tables[9]
    seen, field, unknown = np.int64(0), len(plan), 0
    i = blank(buffer, i, end)
    if i >= end or buffer[i] != _OPEN:
        return np.int64(-1)
    while True:
        i = blank(buffer, i + 1, end)
        known = _field(buffer, i, end, field, tables)
        if known >= 0:
            if seen & (1 << known):
                return np.int64(-1)
            seen |= 1 << known
            field = known
            i += plan[field, SIZE]
        else:
            close = other_name(buffer, i, end, strange, unknown) if unknown < UNKNOWN_MAX else -1
            if close < 0:
                return np.int64(-1)
            i = close + 1
            unknown += 1
        i = blank(buffer, i, end)
        if i >= end or buffer[i] != _COLON:
            return np.int64(-1)
        i = blank(buffer, i + 1, end)
        if i >= end:
            return np.int64(-1)
        if known >= 0:
            row = plan[field]
            i, number, whole, user = _value(buffer, i, end, row, tables)
            if row[STEP] >= 0:
                numbers[row[STEP]] = number
            if row[OUT] >= 0 and whole != -1:
                out[row[OUT], at] = whole
            if row[USER]:
                out[OUT_USER, at] = user
        else:
            i = any_value(buffer, i, end)
        if i < 0:
            return np.int64(-1)
        out[OUT_UNKNOWN, at] = unknown
        i = blank(buffer, i, end)
        if i >= end or (buffer[i] != _COMMA and buffer[i] != _CLOSE):
            return np.int64(-1)
        if buffer[i] == _CLOSE:
            return seen if blank(buffer, i + 1, end) == end else np.int64(-1)


@inlined
def _shape(numbers, slots, shapes):
    """The shape with these numbers; -1 for one that was not learned."""
    slot = slot_of(numbers)
    while slots[slot] >= 0:
        same = True
        for k in range(len(numbers)):
            same &= shapes[slots[slot], k] == numbers[k]
        if same:
            return slots[slot]
        slot = (slot + 1) & (SHAPE_SLOTS - 1)
    return np.int64(-1)


@compiled(
    NOTHING(
        *(LETTERS, INTS, INTS),
        types.Tuple((INTS, TABLE, BYTES, TABLE, INTS, TABLE, INTS, BYTES, INTS, INTS)),
        *(INTS, INTS, TABLE, INTS, FLAGS),
    )
)
def scan_plain(buffer, start, length, tables, bounds, numbers, out, cell, read):
    slots, shapes, code, bucket_of = tables[4], tables[5], tables[6], tables[7]
    required, buckets, x_default = bounds
    for at in range(len(start)):
        read[at] = False
        begin, size = start[at], length[at]
        if size <= 0 or size > EVENT_BYTES_MAX:
            continue
        numbers[:] = ABSENT
        out[OUT_TS, at], out[OUT_X, at] = -1, x_default
        out[OUT_LATENCY, at] = out[OUT_USER, at] = 0
        seen = _object(buffer, begin, begin + size, tables, numbers, out, at)
        if seen < 0 or seen & required != required:
            continue
        shape = _shape(numbers, slots, shapes)
        if shape < 0:
            continue
        bucket = bucket_of[min(out[OUT_LATENCY, at], len(bucket_of) - 1)] if buckets > 1 else 0
        cell[at] = code[shape] * buckets + bucket
        read[at] = True
