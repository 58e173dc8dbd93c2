"""What ails the store: told from an error's code or text, with the cure. Pure.

Who writes waits for everything but what no waiting can store; who asks tells its reader.
"""

import re
from typing import Literal, NamedTuple

Kind = Literal["away", "person", "data", "statement"]
"""away: time may cure it; person: somebody has to change a right, a table or a setting; data: these
rows can never be stored; statement: the SQL is wrong for this store.
"""


class Fault(NamedTuple):
    """What ails it, and what to do about it ("" where only time can tell)."""

    kind: Kind
    cure: str = ""


_DISK = Fault("away", "its disk is full: make room, rows wait in Kafka meanwhile")
_MEMORY = Fault("away", "it is short of memory: raise max_memory_usage or ask less at a time")
_LOGIN = Fault("person", "see user and password: FENGHUO_STORE, FENGHUO_STORE_PASSWORD")
_RIGHT = Fault("person", "the user lacks a right: GRANT it, or make the tables as another user")
_TABLE = Fault("person", "a table is missing: give the user the right to create it, or create it")
_COLUMN = Fault("person", "a column is missing: give the user the right to ALTER, or add it")
_DATABASE = Fault("person", "CREATE DATABASE, or name another one in FENGHUO_STORE")
_DATA = Fault("data")

_AWAY = frozenset(
    {3, 159, 160, 202, 203, 209, 210, 225, 234, 236, 242, 252, 279, 285, 286, 289}
    | {319, 373, 394, 425, 439, 473, 499, 999, 1000, 1001, 1002}
)
"""Time-outs, connections, keeper, replicas, too many parts, a table that is read-only for now."""
_OTHERS = {
    **dict.fromkeys((74, 75, 76, 243), _DISK),
    **dict.fromkeys((173, 241), _MEMORY),
    201: Fault("away", "the user's quota is used up: raise it, or wait for its next interval"),
    **dict.fromkeys((192, 193, 194, 195, 516), _LOGIN),
    **dict.fromkeys((164, 291, 392, 497), _RIGHT),
    **dict.fromkeys((60, 218), _TABLE),
    16: _COLUMN,
    81: _DATABASE,
    **dict.fromkeys((6, 27, 33, 38, 41, 53, 69, 70, 72, 117, 128, 131, 169, 170, 321, 349), _DATA),
}
_CODE = re.compile(r"\bCode: (\d+)")
_ERRNO = re.compile(r"\[Errno (\d+)\]|\berrno: (\d+)")
_FULL = frozenset({28, 122})
"""No space left on device; disk quota exceeded."""
_FULL_TEXT = re.compile(r"No space left on device|Disk quota exceeded|NOT_ENOUGH_SPACE")
UNKNOWN_TABLE, READONLY = 60, 164


def code_of(text: str) -> int | None:
    """The server's number of an error, from its text."""
    found = _CODE.search(text)
    return int(found[1]) if found else None


def fault(code: int | None, text: str) -> Fault:
    """What an error is; one that nobody knows is a statement's."""
    if _FULL_TEXT.search(text):
        return _DISK
    if code in _AWAY:
        return Fault("away")
    if code is not None:
        return _OTHERS.get(code, Fault("statement"))
    errno = _ERRNO.search(text)
    if errno:
        return _DISK if int(errno[1] or errno[2]) in _FULL else Fault("away")
    return Fault("statement")


def in_short(text: str) -> str:
    """An error in one line, without the server's stack trace."""
    told = re.split(r"\s*Stack trace:", text, maxsplit=1)[0]
    return " ".join(told.split())[:500].rstrip(". ")
