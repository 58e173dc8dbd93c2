"""Tokens: strings, whole numbers and words of JSON in bytes, for compiled loops; eight bytes at a
time where that pays. What is not plain is refused, for the full decoder to look at.
"""

# Compiled: numba infers the types, the signatures stand in the decorators.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, no-check-untyped-defs
# ruff: noqa: SIM110

import numpy as np

from fenghuo.schemas.arrays import Letters
from fenghuo.schemas.compiled import INT, LETTERS, apart, compiled, eight, inlined, trailing_zeros

BOOL, NULL = 4, 8
"""Kinds of words, as bits beside those of plain."""
ABSENT = 0
"""The number of null in a shape."""
_DIGITS_MAX = 18
_QUOTE, _MINUS, _POINT = 34, 45, 46
_ONES, _TOPS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_QUOTES, _SLASHES, _SPACES = _ONES * np.uint64(34), _ONES * np.uint64(92), _ONES * np.uint64(32)
_TRUE, _NULL_WORD = (np.uint64(int.from_bytes(word, "little")) for word in (b"true", b"null"))
_FALSE = np.uint64(int.from_bytes(b"false", "little"))


@inlined
def word_at(buffer, at, size):
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
        mark = _mixed(mark ^ word_at(buffer, at + k, size - k))
    return np.int64(mark)


@inlined
def blank(buffer, i, end):
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
def string(buffer, i, end):
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
def integer(buffer, i, end):
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
def literal(buffer, i, end):
    """(place behind true, false or null, its kind, its number); (-1, 0, 0) if it is none."""
    word = word_at(buffer, i, min(end - i, 5))
    four = word & np.uint64(0xFFFFFFFF)
    if four == _TRUE:
        return i + 4, BOOL, 2
    if four == _NULL_WORD:
        return i + 4, NULL, ABSENT
    if word == _FALSE:
        return i + 5, BOOL, 1
    return -1, 0, 0


@apart
def _same(buffer, one, other, size):
    for k in range(size):
        if buffer[one + k] != buffer[other + k]:
            return False
    return True


@apart
def other_name(buffer, i, end, strange, count):
    """Behind an unknown name that is no repetition: the place of its closing quote; else -1."""
    if i >= end or buffer[i] != _QUOTE:
        return -1
    close, _ = string(buffer, i + 1, end)
    for k in range(count):
        place, size = strange[2 * k], strange[2 * k + 1]
        if size == close - i and _same(buffer, place, i, size):
            return -1
    strange[2 * count], strange[2 * count + 1] = i, close - i
    return close


@apart
def _digits(buffer, i, end):
    while i < end and 48 <= buffer[i] <= 57:
        i += 1
    return i


@apart
def any_value(buffer, i, end):
    """The place behind the value of an unknown field, a string, number or word; else -1."""
    if buffer[i] == _QUOTE:
        close, _ = string(buffer, i + 1, end)
        return close + 1 if close >= 0 else -1
    if buffer[i] != _MINUS and not 48 <= buffer[i] <= 57:
        after, _, _ = literal(buffer, i, end)
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
