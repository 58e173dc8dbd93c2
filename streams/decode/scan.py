"""Scan: JSON events of one kind from bytes to columns, without a Python object for any of them.

A scan knows the plain form that producers write: one flat object, known names each once, integers
of at most 18 digits, strings without escapes, labels met before, and a few
unknown fields with plain values. What it says of such a message
is what the full decoder says (tests/laws hold it to that). Of any other message it says nothing,
and the decoder is asked; labels that turn out to be valid are then learned.
"""

from typing import Any, Final

import numpy as np
from msgspec import inspect

from fenghuo.schemas.arrays import Flags, Ints, Letters
from fenghuo.schemas.kinds.bounds import EVENT_BYTES_MAX, ID_CHARS_MAX
from fenghuo.schemas.kinds.events import ALL, EVENT_OF, Event
from fenghuo.streams.decode.codes import BUCKETS_BY_MS, Coder
from fenghuo.streams.decode.plain import (
    INTERN_SLOTS,
    NAME_BYTES_MAX,
    OUT_LATENCY,
    OUT_TS,
    OUT_X,
    SHAPE_SLOTS,
    STR,
    UNKNOWN_MAX,
    WHOLE,
    scan_plain,
    slot_of,
)
from fenghuo.streams.decode.tokens import ABSENT, BOOL, NULL, hash_of

ARENA_BYTES: Final = 1 << 20
"""Room for the labels that are remembered."""


class Scan:
    """The scan of one kind, with the labels it has learned."""

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._fields = inspect.type_info(EVENT_OF[coder.kind]).fields  # type: ignore[attr-defined]
        literals = [field.name for field in self._fields if _is_literal(field.type)]
        self._labels = tuple(dict.fromkeys((*literals, *coder.fields)))
        """Fields whose values make the shape of an event; the shape decides its code."""
        self._names, self._plan = self._planned()
        self._after = np.zeros(len(self._plan) + 1, np.int64)
        x_default = ALL[coder.kind].weight_if_absent
        required = sum(1 << i for i, field in enumerate(self._fields) if field.required)
        self._bounds = np.array([required, coder.buckets, x_default], np.int64)
        self._strange = np.zeros(2 * UNKNOWN_MAX, np.int64)
        self._scratch = np.zeros(len(self._labels), np.int64)
        self._forget()

    def read(self, buffer: Letters, start: Ints, length: Ints) -> tuple[Ints, Ints, Flags]:
        """Of each message, the `length` bytes from `start` (0 or less: none): (rows OUT_TS to
        OUT_UNKNOWN of plain, cell, whether it was read). What was not read is to be decoded.
        """
        out = np.empty((5, len(start)), np.int64)
        cell, read = np.empty(len(start), np.int64), np.empty(len(start), np.bool_)
        tables = (
            *(self._names, self._plan, self._arena, self._interned),
            *(self._slots, self._shapes, self._code, BUCKETS_BY_MS, self._after, self._strange),
        )
        scan_plain(buffer, start, length, tables, self._bounds, self._scratch, out, cell, read)
        return out, cell, read

    def learn(self, event: Event) -> None:
        """Remember the labels of an event that the decoder accepted."""
        full = self._shape_count == SHAPE_SLOTS // 2
        full |= self._label_count > INTERN_SLOTS // 2 - len(self._labels)
        if full or self._arena_used > ARENA_BYTES - len(self._labels) * 4 * ID_CHARS_MAX:
            self._forget()
        numbers = np.array([self._number(getattr(event, name)) for name in self._labels], np.int64)
        slot = int(slot_of(numbers))
        while self._slots[slot] >= 0:
            if (self._shapes[self._slots[slot]] == numbers).all():
                return
            slot = (slot + 1) & (SHAPE_SLOTS - 1)
        shape = self._shape_count
        key = tuple(getattr(event, name) for name in self._coder.fields)
        self._shapes[shape], self._code[shape] = numbers, self._coder.code(key)
        self._slots[slot] = shape
        self._shape_count += 1

    def _forget(self) -> None:
        self._arena: Letters = np.zeros(ARENA_BYTES, np.uint8)
        self._arena_used = self._label_count = self._shape_count = 0
        self._interned: Ints = np.zeros((INTERN_SLOTS, 4), np.int64)
        self._slots: Ints = np.full(SHAPE_SLOTS, -1, np.int64)
        self._shapes: Ints = np.empty((SHAPE_SLOTS // 2, len(self._labels)), np.int64)
        self._code: Ints = np.empty(SHAPE_SLOTS // 2, np.int64)

    def _number(self, value: object) -> int:
        """What a value is called in a shape; absent is 0."""
        if value is None:
            return ABSENT
        if isinstance(value, int):
            return value + 1
        return self._intern(str(value).encode())

    def _intern(self, text: bytes) -> int:
        """The number of a label; a row of the table is (hash, place, bytes, number)."""
        mark = int(hash_of(np.frombuffer(text, np.uint8), 0, len(text)))
        at = mark & (INTERN_SLOTS - 1)
        while self._interned[at, 3]:
            found, begin, size, number = self._interned[at].tolist()
            if found == mark and self._arena[begin : begin + size].tobytes() == text:
                return int(number)
            at = (at + 1) & (INTERN_SLOTS - 1)
        self._label_count += 1
        begin = self._arena_used
        self._arena[begin : begin + len(text)] = np.frombuffer(text, np.uint8)
        self._arena_used += len(text)
        self._interned[at] = mark, begin, len(text), self._label_count
        return self._label_count

    def _planned(self) -> tuple[Ints, Ints]:
        """(names, plan): of each field its quoted name as two words, and a row that says what it
        may be and where its value goes.
        """
        kind = ALL[self._coder.kind]
        out = {"ts": OUT_TS, kind.histogram: OUT_LATENCY, kind.weight: OUT_X}
        names, rows = [], []
        for field in self._fields:
            name = f'"{field.name}"'.encode()
            if len(name) > NAME_BYTES_MAX:
                raise ValueError(f"field {field.name}: expected at most {NAME_BYTES_MAX - 2} bytes")
            step = self._labels.index(field.name) if field.name in self._labels else -1
            masks = b"\xff" * len(name)
            names.append(np.frombuffer(name.ljust(NAME_BYTES_MAX, b"\0"), np.int64))
            rows.append(
                [
                    *(len(name), *_type(field.type), out.get(field.name, -1), step),
                    *(int(field.name == "user_id"),),
                    *np.frombuffer(masks.ljust(NAME_BYTES_MAX, b"\0"), np.int64).tolist(),
                ]
            )
        return np.concatenate(names), np.array(rows, np.int64)


def _is_literal(kind: Any) -> bool:
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return any(isinstance(one, inspect.LiteralType) for one in kinds)


def _type(kind: Any) -> tuple[int, int, int]:
    """(bits, least, most): bounds of an integer's value, or of a string's length in characters."""
    bits, low, high = 0, -(2**63), 2**63 - 1
    for one in kind.types if isinstance(kind, inspect.UnionType) else (kind,):
        match one:
            case inspect.IntType(ge=least, le=most):
                bits |= WHOLE
                if not bits & STR and least is not None and most is not None:
                    low, high = least, most
            case inspect.StrType(min_length=least, max_length=most):
                bits |= STR
                low, high = least or 0, most or EVENT_BYTES_MAX
            case inspect.LiteralType():
                bits |= STR
                low, high = 0, EVENT_BYTES_MAX
            case inspect.BoolType():
                bits |= BOOL
            case inspect.NoneType():
                bits |= NULL
            case _:
                raise TypeError(f"no scan for fields of type {one}")
    return bits, low, high
