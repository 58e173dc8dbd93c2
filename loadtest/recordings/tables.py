"""Reads a TOML table key by key and collects every problem with its key path."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

ENTRIES_MAX: Final = 1_000
VALUE_CHARS_MAX: Final = 120


class Problems:
    """What is wrong with one file: for each problem file, key path, value and expectation."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: list[str] = []

    def add(self, path: str, value: object, expected: str) -> None:
        """One more problem; a value of None means that the key is missing."""
        got = "nothing" if value is None else repr(value)[:VALUE_CHARS_MAX]
        self.lines.append(f"{self.file}: {path or 'file'}: expected {expected}, got {got}")


@dataclass
class Table:
    """One TOML table; every getter notes its key, `done` reports keys nobody asked for."""

    data: dict[str, Any]
    path: str
    problems: Problems
    seen: set[str] = field(default_factory=set)

    def problem(self, key: str, value: object, expected: str) -> None:
        """Report `key` of this table; an empty key means the table itself."""
        self.problems.add(".".join(part for part in (self.path, key) if part), value, expected)

    def done(self) -> None:
        """Report the keys that are not part of the language."""
        for key in self.data.keys() - self.seen:
            known = ", ".join(sorted(self.seen))
            self.problem(key, self.data[key], f"no such key; known are {known}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, default)
        if not isinstance(value, str) or (value == "" and default is None):
            self.problem(key, value, "text")
            return ""
        return value

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """One text or a list of them."""
        value = self._take(key, default)
        if isinstance(value, str):
            return (value,)
        if isinstance(value, tuple):
            return value
        wrong = not isinstance(value, list) or not value or len(value) > ENTRIES_MAX
        if wrong or not all(isinstance(entry, str) for entry in value):
            self.problem(key, value, f"a list of 1 to {ENTRIES_MAX} texts")
            return ()
        return tuple(value)

    def word(self, key: str, words: tuple[str, ...], default: str | None = None) -> str:
        value = self._take(key, default)
        if value not in words:
            self.problem(key, value, f"one of {', '.join(words)}")
        return str(value)

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.problem(key, value, "true or false")
        return value is True

    def whole(self, key: str, default: int | None = None, *, low: int = 1, high: int) -> int:
        value = self._take(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.problem(key, value, f"a whole number from {low} to {high}")
            return low
        return value

    def number(self, key: str, *, low: Decimal, high: Decimal) -> Decimal:
        value = self._take(key, None)
        fits = isinstance(value, int | Decimal) and not isinstance(value, bool)
        if not fits or not low <= value <= high:
            self.problem(key, value, f"a number from {low} to {high}")
            return low
        return Decimal(value)

    def entries(self, key: str) -> dict[str, Any]:
        """A table of plain values; missing means empty."""
        value = self._take(key, {})
        if not isinstance(value, dict) or len(value) > ENTRIES_MAX:
            self.problem(key, value, f"a table of at most {ENTRIES_MAX} entries")
            return {}
        return value

    def table(self, key: str, default: dict[str, Any] | None = None) -> "Table":
        value = self._take(key, default)
        if not isinstance(value, dict):
            self.problem(key, value, "a table")
            value = {}
        return Table(value, f"{self.path}.{key}".lstrip("."), self.problems)

    def tables(self, key: str, most: int, *, least: int = 1) -> list["Table"]:
        value = self._take(key, [] if least == 0 else None)
        wrong = not isinstance(value, list) or not least <= len(value) <= most
        if wrong or not all(isinstance(entry, dict) for entry in value):
            self.problem(key, value, f"a list of {least} to {most} tables")
            return []
        path = f"{self.path}.{key}".lstrip(".")
        return [Table(entry, f"{path}[{i}]", self.problems) for i, entry in enumerate(value)]

    def _take(self, key: str, default: Any) -> Any:
        self.seen.add(key)
        return self.data.get(key, default)
