"""Words: the text of a metric, taken one by one; and the error that says what should be there."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

END = "the end"
_TOKEN = re.compile(r"[()/+]|[^\s()/+]+")


class MetricError(ValueError):
    """What was expected at a column (from 1), what came, and the names that would have done."""

    def __init__(self, expected: str, got: str, column: int, names: Sequence[str] = ()) -> None:
        self.expected, self.got, self.column, self.names = expected, got, column, tuple(names)
        super().__init__(f"column {column}: expected {expected}, got {got}")


@dataclass(frozen=True, slots=True)
class Known:
    """What a metric may refer to: capacity lines, whether there is a target, and the measures of
    last year's curve.
    """

    lines: tuple[str, ...] = ()
    has_target: bool = False
    last_year: tuple[str, ...] = ()


class Words:
    """The tokens of a text; `at` is the place of the next one."""

    def __init__(self, text: str) -> None:
        self._found = [(match.group(), match.start() + 1) for match in _TOKEN.finditer(text)]
        self._found.append((END, len(text) + 1))
        self.at = 0

    @property
    def next(self) -> str:
        """The next word; "" at the end."""
        return self._found[self.at][0] if self.at < len(self._found) - 1 else ""

    def take(self) -> str:
        """The next word, and on."""
        word = self.next
        self.at += bool(word)
        return word

    def refuse(self, expected: str, names: Iterable[str] = ()) -> MetricError:
        """The error that says what should stand where the next word does."""
        word, column = self._found[self.at]
        return MetricError(expected, f'"{word}"' if self.next else END, column, tuple(names))

    def pick(self, what: str, names: Sequence[str]) -> str:
        """One of these names."""
        if self.next not in names or not self.next:
            raise self.refuse(f"{what} ({', '.join(names) or 'there is none'})", names)
        return self.take()
