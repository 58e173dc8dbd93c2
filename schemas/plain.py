"""Plain: the compiled reading of JSON events of the plain form (see scan), eight bytes at a time
where that pays.
"""

from typing import Final

import numpy as np
from numba import types

from fenghuo.schemas.arrays import Ints, Letters
from fenghuo.schemas.compiled import (
    BYTES,
    FLAGS,
    INT,
    INTS,
    LETTERS,
    NOTHING,
    TABLE,
    apart,
    compiled,
    eight,
    inlined,
    trailing_zeros,
)
from fenghuo.schemas.events import EVENT_BYTES_MAX

INTERN_SLOTS: Final = 1 << 13
SHAPE_SLOTS: Final = 1 << 17
"""Open-addressing tables, filled to half at most; then everything is forgotten and learned anew."""
NAME_BYTES_MAX: Final = 16
"""The longest name of a field with its quotes: two words of eight bytes."""
OUT_TS, OUT_X, OUT_LATENCY, OUT_USER, OUT_UNKNOWN = range(5)
"""Rows of what is read: event time, x and user of Batch, latency in ms, unknown fields."""
UNKNOWN_MAX: Final = 8
"""Most unknown fields of an event of the plain form."""

# kinds of value a field may have, as bits
STR, WHOLE, BOOL, NULL = 1, 2, 4, 8
# columns of a field's row in the plan; MASK takes two
SIZE, TYPE, LOW, HIGH, OUT, STEP, USER, MASK = range(8)
ABSENT = 0
_DIGITS_MAX = 18
_QUOTE, _COMMA, _COLON, _OPEN, _CLOSE, _MINUS, _POINT = 34, 44, 58, 123, 125, 45, 46
_ONES, _TOPS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_QUOTES, _SLASHES, _SPACES = _ONES * np.uint64(34), _ONES * np.uint64(92), _ONES * np.uint64(32)
_TRUE, _NULL_WORD = (np.uint64(int.from_bytes(word, "little")) for word in (b"true", b"null"))
_FALSE = np.uint64(int.from_bytes(b"false", "little"))


@inlined
def _word(buffer, at, size):
    """Up to eight bytes as one integer, little-endian; places beyond `size` are 0."""
    if at + 8 <= len(buffer):
        word = eight(buffer, at)
        return word if size >= 8 else word & ((np.uint64(1) << np.uint64(size * 8)) - np.uint64(1))
    word = np.uint64(0)
    for k in range(min(size, 8)):
        word |= np.uint64(buffer[at + k]) << np.uint64(k * 8)
    return word


@inlined
def _mixed(word):
    """A bijection of 64 bits that spreads what differs (splitmix64)."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@compiled(INT(LETTERS, INT, INT))
def hash_of(buffer: Letters, at: int, size: int) -> np.int64:
    """64 bits of the `size` bytes from `at`."""
    mark = np.uint64(size)
    for k in range(0, size, 8):
        mark = _mixed(mark ^ _word(buffer, at + k, size - k))
    return np.int64(mark)


@compiled(INT(INTS))
def slot_of(numbers: Ints) -> np.int64:
    """Where the table of shapes begins to look."""
    mark = np.uint64(0)
    for number in numbers:
        mark = (mark ^ np.uint64(number)) * np.uint64(0x9E3779B97F4A7C15)
        mark ^= mark >> np.uint64(32)
    return np.int64(mark & np.uint64(SHAPE_SLOTS - 1))


@inlined
def _blank(buffer, i, end):
    """The next place that holds no white space."""
    while i < end and buffer[i] <= 32:
        if buffer[i] != 32 and buffer[i] != 10 and buffer[i] != 13 and buffer[i] != 9:
            return i
        i += 1
    return i


@apart
def _characters(buffer, i, end):
    """Characters of UTF-8 text (RFC 3629), or -1 when it is none."""
    count = 0
    while i < end:
        lead = buffer[i]
        more, low, high = 0, 0x80, 0xBF
        if lead >= 0xF0:
            more = 3
            low = 0x90 if lead == 0xF0 else 0x80
            high = 0x8F if lead == 0xF4 else 0xBF
            if lead > 0xF4:
                return -1
        elif lead >= 0xE0:
            more = 2
            low = 0xA0 if lead == 0xE0 else 0x80
            high = 0x9F if lead == 0xED else 0xBF
        elif lead >= 0xC2:
            more = 1
        elif lead >= 0x80:
            return -1
        if i + more >= end:
            return -1
        for k in range(1, more + 1):
            if not low <= buffer[i + k] <= high:
                return -1
            low, high = 0x80, 0xBF
        count += 1
        i += more + 1
    return count


@inlined
def _special(buffer, i, end):
    """The next place from i that holds a quote, a backslash, a control character or a byte of 128
    or more: eight at a time; a byte equal to c is 0 after the xor, and the lowest 0 is found right.
    """
    while i + 8 <= len(buffer) and i < end:
        word = eight(buffer, i)
        quote, slash = word ^ _QUOTES, word ^ _SLASHES
        found = (quote - _ONES) & ~quote | (slash - _ONES) & ~slash | (word - _SPACES) & ~word
        found = (found | word) & _TOPS
        if found != np.uint64(0):
            return i + (trailing_zeros(found) >> 3)
        i += 8
    while i < end:
        letter = buffer[i]
        if letter == _QUOTE or letter < 32 or letter == 92 or letter >= 128:
            return i
        i += 1
    return i


@inlined
def _string(buffer, i, end):
    """From behind the opening quote: (place of the closing one, characters); (-1, 0) if it is not
    plain.
    """
    begin, wide = i, False
    while True:
        i = _special(buffer, i, end)
        if i >= end or buffer[i] < 32 or buffer[i] == 92:
            return -1, 0
        if buffer[i] == _QUOTE:
            count = _characters(buffer, begin, i) if wide else i - begin
            return (i, count) if count >= 0 else (-1, 0)
        wide = True
        while i < end and buffer[i] >= 128:
            i += 1


@inlined
def _integer(buffer, i, end):
    """(place behind it, value); (-1, 0) if it is no plain integer."""
    negative = i < end and buffer[i] == _MINUS
    if negative:
        i += 1
    begin, value = i, np.int64(0)
    while i < end and 48 <= buffer[i] <= 57 and i - begin <= _DIGITS_MAX:
        value = value * 10 + (np.int64(buffer[i]) - 48)
        i += 1
    digits = i - begin
    if digits == 0 or digits > _DIGITS_MAX or (buffer[begin] == 48 and (digits > 1 or negative)):
        return -1, 0
    return i, (-value if negative else value)


@apart
def _literal_word(buffer, i, end):
    """(place behind true, false or null, its kind, its number); (-1, 0, 0) if it is none."""
    word = _word(buffer, i, min(end - i, 5))
    four = word & np.uint64(0xFFFFFFFF)
    if four == _TRUE:
        return i + 4, BOOL, 2
    if four == _NULL_WORD:
        return i + 4, NULL, ABSENT
    if word == _FALSE:
        return i + 5, BOOL, 1
    return -1, 0, 0


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
                same &= _word(buffer, begin + k, size - k) == _word(arena, place + k, size - k)
            if same:
                return interned[at, 3]
        at = (at + 1) & (INTERN_SLOTS - 1)
    return np.int64(-1)


@inlined
def _is_name(buffer, i, field, plan, names):
    """Whether the quoted name of a field stands at i."""
    if i + NAME_BYTES_MAX > len(buffer):
        for k in range(plan[field, SIZE]):
            if i + k >= len(buffer) or buffer[i + k] != np.uint8(
                names[2 * field + k // 8] >> (8 * (k % 8))
            ):
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
        close, count = _string(buffer, i + 1, end)
        if close < 0 or not row[TYPE] & STR or count < row[LOW] or count > row[HIGH]:
            return -1, 0, 0, user
        number = np.int64(0)
        if row[STEP] >= 0:
            number = _label(buffer, i + 1, close, arena, interned)
        if row[USER]:
            after, whole = _integer(buffer, i + 1, close)
            user = whole if after == close else hash_of(buffer, i + 1, close - i - 1)
        return (close + 1 if number >= 0 else -1), number, np.int64(-1), user
    if letter == _MINUS or 48 <= letter <= 57:
        after, whole = _integer(buffer, i, end)
        bounded = row[TYPE] & STR or row[LOW] <= whole <= row[HIGH]
        if not row[TYPE] & WHOLE or not bounded:
            after = -1
        return after, whole + 1, whole, whole
    after, kind, number = _literal_word(buffer, i, end)
    return (after if row[TYPE] & kind else -1), np.int64(number), np.int64(-1), user


@apart
def _strange_name(buffer, i, end, strange, count):
    """Behind an unknown name that is no repetition: the place of its closing quote; else -1."""
    if count == UNKNOWN_MAX or i >= end or buffer[i] != _QUOTE:
        return -1
    close, _ = _string(buffer, i + 1, end)
    for k in range(count):
        if strange[2 * k + 1] == close - i:
            same = True
            for j in range(close - i):
                same &= buffer[strange[2 * k] + j] == buffer[i + j]
            if same:
                return -1
    strange[2 * count], strange[2 * count + 1] = i, close - i
    return close


@apart
def _digits(buffer, i, end):
    while i < end and 48 <= buffer[i] <= 57:
        i += 1
    return i


@apart
def _strange_value(buffer, i, end):
    """The place behind the value of an unknown field, a string, number or word; else -1."""
    if buffer[i] == _QUOTE:
        close, _ = _string(buffer, i + 1, end)
        return close + 1 if close >= 0 else -1
    if buffer[i] != _MINUS and not 48 <= buffer[i] <= 57:
        after, _, _ = _literal_word(buffer, i, end)
        return after
    if buffer[i] == _MINUS:
        i += 1
    begin = i
    i = _digits(buffer, i, end)
    if i == begin or (buffer[begin] == 48 and i - begin > 1):
        return -1
    if i < end and buffer[i] == _POINT:
        begin = i + 1
        i = _digits(buffer, begin, end)
        if i == begin:
            return -1
    if i < end and (buffer[i] == 69 or buffer[i] == 101):
        i += 1
        if i < end and (buffer[i] == 43 or buffer[i] == _MINUS):
            i += 1
        begin = i
        i = _digits(buffer, begin, end)
        if i == begin:
            return -1
    return i


@inlined
def _object(buffer, i, end, tables, numbers, out, at):
    """One object into column `at` of out and its labels into numbers; the fields seen, or -1."""
    plan, strange = tables[1], tables[9]
    seen, field, unknown = np.int64(0), len(plan), 0
    i = _blank(buffer, i, end)
    if i >= end or buffer[i] != _OPEN:
        return np.int64(-1)
    while True:
        i = _blank(buffer, i + 1, end)
        known = _field(buffer, i, end, field, tables)
        if known >= 0:
            if seen & (1 << known):
                return np.int64(-1)
            seen |= 1 << known
            field = known
            i += plan[field, SIZE]
        else:
            close = _strange_name(buffer, i, end, strange, unknown)
            if close < 0:
                return np.int64(-1)
            i = close + 1
            unknown += 1
        i = _blank(buffer, i, end)
        if i >= end or buffer[i] != _COLON:
            return np.int64(-1)
        i = _blank(buffer, i + 1, end)
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
            i = _strange_value(buffer, i, end)
        if i < 0:
            return np.int64(-1)
        out[OUT_UNKNOWN, at] = unknown
        i = _blank(buffer, i, end)
        if i >= end or (buffer[i] != _COMMA and buffer[i] != _CLOSE):
            return np.int64(-1)
        if buffer[i] == _CLOSE:
            return seen if _blank(buffer, i + 1, end) == end else np.int64(-1)


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
