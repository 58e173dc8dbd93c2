"""Reader: takes a TOML table apart key by key, notes every problem with its key path, and goes on.

After a problem the getter answers a harmless stand-in, so one read finds all problems of a file.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

VALUE_CHARS_MAX = 60
TEXT_CHARS_MAX = 200
EXPECTED_NAMES_MAX = 12
ID_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file: where, what was expected, what came, the nearest valid name."""

    file: str
    path: str
    expected: str
    value: str
    nearest: str = ""

    def __str__(self) -> str:
        where = f"{self.file}: {self.path}" if self.path else self.file
        hint = f'; did you mean "{self.nearest}"?' if self.nearest else ""
        return f"{where}: expected {self.expected}, got {self.value}{hint}"


class Notes:
    """The problems of one file, as they are found."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(
        self,
        path: str,
        expected: str,
        value: object,
        names: Iterable[str] = (),
        *,
        word: str | None = None,
    ) -> None:
        """Note a problem; with `names`, the one nearest to the value, or to a word of it, is
        offered.
        """
        near = get_close_matches(word or str(value), list(names), n=1, cutoff=0.5)
        self.problems.append(
            Problem(self.file, path, expected, show(value), near[0] if near else "")
        )


class Phrase:
    """A value that an error shows as bare words."""

    def __init__(self, words: str) -> None:
        self._words = words

    def __repr__(self) -> str:
        return self._words


MISSING = Phrase("nothing")


def show(value: object) -> str:
    """A value in an error message: as TOML writes it where that is easy, never long."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = (
            '"' + value.encode("unicode_escape").decode("ascii") + '"'
            if _odd(value)
            else f'"{value}"'
        )
    elif isinstance(value, dict):
        text = "a table"
    elif isinstance(value, float):
        text = repr(value).removesuffix(".0")
    else:
        text = repr(value)
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + "…"


def one_of(names: Sequence[str]) -> str:
    """`one of a, b, c`, cut where it gets long."""
    listed = ", ".join(names[:EXPECTED_NAMES_MAX])
    return f"one of {listed}{', …' if len(names) > EXPECTED_NAMES_MAX else ''}"


class Reader:
    """One table of the file."""

    def __init__(self, table: dict[str, Any], path: str, notes: Notes) -> None:
        self._table = table
        self._path = path
        self._known: dict[str, None] = {}
        self.notes = notes

    def path(self, key: str) -> str:
        """The full key path of a key; of "" that of the table itself."""
        return f"{self._path}.{key}" if self._path and key else self._path or key

    def has(self, key: str) -> bool:
        """Whether the key is there; it counts as known."""
        self._known[key] = None
        return key in self._table

    def names(self) -> list[str]:
        """All keys, for tables whose keys are names; they all count as known."""
        self._known.update(dict.fromkeys(self._table))
        return list(self._table)

    def raw(self, key: str, expected: str) -> Any:
        """The bare value, or MISSING, noted."""
        if self.has(key):
            return self._table[key]
        self.notes.add(self.path(key), expected, MISSING)
        return MISSING

    def text(self, key: str, default: str | None = None) -> str:
        """Printable text, not empty."""
        if default is not None and not self.has(key):
            return default
        expected = f"a printable text of 1 to {TEXT_CHARS_MAX} characters"
        value = self.raw(key, expected)
        if value is MISSING:
            return ""
        if not isinstance(value, str) or not value or len(value) > TEXT_CHARS_MAX or _odd(value):
            self.notes.add(self.path(key), expected, value)
            return ""
        return value

    def id(self, key: str, default: str | None = None) -> str:
        """A snake_case name."""
        if default is not None and not self.has(key):
            return default
        expected = "a name in snake_case of at most 64 characters"
        value = self.raw(key, expected)
        if value is MISSING:
            return ""
        if not isinstance(value, str) or not ID_PATTERN.fullmatch(value):
            self.notes.add(self.path(key), expected, value)
            return ""
        return value

    def choice(self, key: str, names: Sequence[str]) -> str:
        """One of the names; "" if it is none of them."""
        value = self.raw(key, one_of(names))
        if value is MISSING:
            return ""
        if not isinstance(value, str) or value not in names:
            self.notes.add(self.path(key), one_of(names), value, names)
            return ""
        return value

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """A finite number, bounds included."""
        if default is not None and not self.has(key):
            return default
        expected = f"a number from {low:g} to {high:g}"
        value = self.raw(key, expected)
        if value is MISSING:
            return low
        if not is_number(value) or not low <= value <= high:
            self.notes.add(self.path(key), expected, value)
            return low
        return float(value)

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """An integer, bounds included."""
        if default is not None and not self.has(key):
            return default
        expected = f"an integer from {low} to {high}"
        value = self.raw(key, expected)
        if value is MISSING:
            return low
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.notes.add(self.path(key), expected, value)
            return low
        return value

    def moment_ms(self, key: str) -> int | None:
        """A date and time with an offset, as TOML's own type or as text; None if it is neither."""
        expected = 'a time with offset like "2026-11-11T00:00:00+08:00"'
        value = self.raw(key, expected)
        moment = value
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                moment = None
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            return round(moment.timestamp() * 1000)
        if value is not MISSING:
            self.notes.add(self.path(key), expected, value)
        return None

    def table(self, key: str) -> "Reader":
        """A table inside; an empty one (noted) if it is missing or no table."""
        value = self.raw(key, "a table")
        if not isinstance(value, dict):
            if value is not MISSING:
                self.notes.add(self.path(key), "a table", value)
            return _Nothing({}, self.path(key), self.notes)
        return Reader(value, self.path(key), self.notes)

    def optional(self, key: str) -> "Reader | None":
        """A table inside, or None if the key is missing."""
        return self.table(key) if self.has(key) else None

    def tables(self, key: str, most: int) -> list["Reader"]:
        """An array of tables; empty if the key is missing."""
        values = self._list(key, f"0 to {most} tables", 0, most) if self.has(key) else []
        found = []
        for i, value in enumerate(values):
            if isinstance(value, dict):
                found.append(Reader(value, f"{self.path(key)}[{i}]", self.notes))
            else:
                self.notes.add(f"{self.path(key)}[{i}]", "a table", value)
        return found

    def items(self, key: str, most: int) -> list[tuple[str, Any]]:
        """(path, value) of each member of a list; empty and noted if it is missing or no list."""
        values = self._list(key, f"a list of 1 to {most} entries", 1, most)
        return [(f"{self.path(key)}[{i}]", value) for i, value in enumerate(values)]

    def done(self) -> None:
        """Note every key that nobody asked for."""
        for key in self._table:
            if key not in self._known:
                known = list(self._known)
                self.notes.add(self.path(key), f"a known key ({one_of(known)})", key, known)

    def _list(self, key: str, expected: str, least: int, most: int) -> list[Any]:
        value = self.raw(key, expected)
        if value is MISSING:
            return []
        if not isinstance(value, list) or not least <= len(value) <= most:
            got = Phrase(f"{len(value)} entries") if isinstance(value, list) else value
            self.notes.add(self.path(key), expected, got)
            return []
        return value


class _Nothing(Reader):
    """Stands for a table that is missing: its own keys are not missed a second time."""

    def raw(self, key: str, expected: str) -> Any:
        return MISSING


def is_number(value: object) -> bool:
    """A finite int or float; true and false are no numbers."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _odd(text: str) -> bool:
    return not text.isprintable()
