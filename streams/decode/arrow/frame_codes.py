"""Frame codes: from the table of a frame, a dictionary of structs, to the codes of a campaign."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.kinds.bounds import ID_CHARS_MAX
from fenghuo.streams.decode.codes import Coder

CODES_MAX = 65_536
CODES_BYTES_MAX = 4 << 20
"""Most bytes of a table: that of a campaign with a thousand combinations has some 100 KiB."""
_REMEMBERED_MAX = 64
_STATUS = frozenset({"created", "paid", "failed", "cancelled", "refunded", "shipped", "delivered"})
_OPTIONAL = ("promotion", "user_tier", "acquisition", "new_user", "repeat")


class FrameError(ValueError):
    """A frame that cannot be read as a whole: says what was expected and what came."""


class FrameCodes:
    """The codes of tables, the ones used last remembered by their bytes."""

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._remembered: list[_Table] = []

    def of(self, dictionary: pa.Array) -> Ints:
        """The code of each entry; -1 where an entry is no valid combination. Raises FrameError and
        what pyarrow raises for a table that is none.
        """
        buffers = dictionary.buffers()
        for at, table in enumerate(self._remembered):
            if table.is_that(dictionary, buffers):
                if at:
                    self._remembered.insert(0, self._remembered.pop(at))
                return table.codes
        _check(dictionary)
        codes = [self._code(entry) for entry in dictionary.to_pylist()] or [-1]
        table = _Table(
            dictionary.type,
            len(dictionary),
            dictionary.offset,
            [None if buffer is None else pa.py_buffer(buffer.to_pybytes()) for buffer in buffers],
            np.array(codes, np.int64),
        )
        self._remembered = [table, *self._remembered[: _REMEMBERED_MAX - 1]]
        return table.codes

    def _code(self, entry: Mapping[str, Any] | None) -> int:
        if entry is None:
            return -1
        key = []
        for name in self._coder.fields:
            value = entry.get(name)
            if (value is None and name not in _OPTIONAL) or not _valid(
                self._coder.kind, name, value
            ):
                return -1
            key.append(value)
        return self._coder.code(tuple(key))


class _Table(msgspec.Struct, frozen=True):
    """A table as its bytes, of which it keeps copies: they would keep the whole fetch."""

    type: Any
    size: int
    offset: int
    buffers: list[Any]
    codes: Ints

    def is_that(self, dictionary: pa.Array, buffers: list[pa.Buffer | None]) -> bool:
        """Whether another one is the same."""
        return (
            self.size == len(dictionary)
            and self.offset == dictionary.offset
            and len(self.buffers) == len(buffers)
            and all(map(_is_same, self.buffers, buffers))
            and bool(self.type == dictionary.type)
        )


def _is_same(one: pa.Buffer | None, other: pa.Buffer | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(one.equals(other))


def _check(dictionary: pa.Array) -> None:
    """Whether this can be a table, and all that lies in it may be looked at."""
    if len(dictionary) > CODES_MAX:
        raise FrameError(f"column code: {len(dictionary)} entries, most are {CODES_MAX}")
    if dictionary.nbytes > CODES_BYTES_MAX:
        raise FrameError(f"column code: {dictionary.nbytes} bytes, most are {CODES_BYTES_MAX}")
    if not pa.types.is_struct(dictionary.type):
        raise FrameError(f"column code: expected a dictionary of structs, got {dictionary.type}")
    for field in dictionary.type:
        if not _is_plain(field.type):  # what lies outside of its buffers is not compared
            raise FrameError(f"column code: expected plain fields, {field.name} is {field.type}")
    dictionary.validate(full=True)


def _is_plain(kind: pa.DataType) -> bool:
    """Strings, booleans and integers: all of a value lies in the array's own buffers."""
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_null(kind)
    )


def _valid(kind: str, name: str, value: object) -> bool:
    if value is None:
        return True
    if name in ("new_user", "repeat"):
        return isinstance(value, bool)
    if name == "severity":
        return type(value) is int and 1 <= value <= 5  # True is no severity
    if name == "status":
        if kind == "order":
            return value in _STATUS
        return isinstance(value, int) and 100 <= value <= 599
    return isinstance(value, str) and len(value) <= ID_CHARS_MAX
