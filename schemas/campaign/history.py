"""Reads [last_year]: a CSV beside the campaign file with what had been counted by each minute.

    # what came from where
    minute,order.paid_amount_fen
    0,0
    10080,2161200000000

A column is a counter. minute: of the campaign, rising, from its start to its end; a value: the sum
since the start, never falling. Between two rows it is linear.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass, field

from fenghuo.schemas.campaign.parts import PacePoint
from fenghuo.schemas.campaign.toml_reader import MISSING, Notes, Phrase, Reader, is_number, one_of
from fenghuo.schemas.kinds.measures import counters

ROWS_MAX = 50_000
TEXT_CHARS_MAX = 5_000_000
SUM_MAX = 1e18
MINUTE = "minute"

Beside = Callable[[str], str]
"""The text of a file beside the campaign file; OSError or UnicodeDecodeError if there is none."""
Curves = dict[str, tuple[PacePoint, ...]]


@dataclass(frozen=True, slots=True)
class History:
    """text: as it was read. curves: by measure."""

    text: str = ""
    curves: Curves = field(default_factory=dict)


def nothing_beside(name: str) -> str:
    """For texts that come from no folder."""
    raise FileNotFoundError(2, "no such file", name)


def read_history(table: Reader | None, within_minutes: float, beside: Beside) -> History:
    """[last_year]"""
    if table is None:
        return History()
    name = table.text("file")
    table.done()
    if not name:
        return History()
    if "/" in name or "\\" in name or name.startswith("."):
        table.notes.add(table.path("file"), "the name of a file in the campaign's folder", name)
        return History()
    try:
        text = beside(name)
    except (OSError, UnicodeDecodeError) as error:
        got = Phrase(f'"{name}": {getattr(error, "strerror", None) or error}')
        table.notes.add(table.path("file"), "a readable CSV file beside this one", got)
        return History()
    notes = Notes(name)
    curves = _read(text, within_minutes, notes)
    table.notes.problems += notes.problems
    return History(text, curves)


def _read(text: str, within_minutes: float, notes: Notes) -> Curves:
    if len(text) > TEXT_CHARS_MAX:
        notes.add("", f"at most {TEXT_CHARS_MAX} characters", Phrase(str(len(text))))
        return {}
    lines = text.splitlines()
    rows = [
        (f"line {i}", row)
        for i, row in enumerate(csv.reader(lines), 1)
        if row and not row[0].startswith("#")
    ]
    if not rows:
        notes.add("line 1", f'a header "{MINUTE},order.paid_amount_fen"', MISSING)
        return {}
    header = _header(*rows[0], notes)
    if len(rows) - 1 > ROWS_MAX:
        notes.add("", f"at most {ROWS_MAX} rows", Phrase(str(len(rows) - 1)))
        return {}
    found: dict[str, list[PacePoint]] = {name: [] for name in header}
    before: list[float] = [-1.0] + [0.0] * len(header)
    for where, row in rows[1:]:
        numbers = _row(where, row, header, notes)
        if numbers and _follows(
            where, numbers, before, header, within_minutes=within_minutes, notes=notes
        ):
            before = numbers
            for name, value in zip(header, numbers[1:], strict=True):
                found[name].append(PacePoint(numbers[0], value))
    if len(rows) < 3:
        notes.add("", "at least two rows", Phrase(str(len(rows) - 1)))
    return {name: tuple(points) for name, points in found.items()}


def _header(where: str, row: list[str], notes: Notes) -> list[str]:
    if row[0] != MINUTE:
        notes.add(where, f'"{MINUTE}" as the first column', row[0], (MINUTE,))
    known = counters()
    found: list[str] = []
    for name in row[1:]:
        if name not in known:
            notes.add(where, one_of(known), name, known)
        elif name in found:
            notes.add(where, "columns that differ", name)
        found.append(name)
    if len(row) < 2:
        notes.add(where, "a counter as the second column", MISSING)
    return found


def _row(where: str, row: list[str], header: list[str], notes: Notes) -> list[float] | None:
    if len(row) != len(header) + 1:
        notes.add(where, f"{len(header) + 1} columns", Phrase(str(len(row))))
        return None
    numbers = []
    for name, word in zip((MINUTE, *header), row, strict=True):
        number = _number(word)
        if number is None or not 0.0 <= number <= SUM_MAX:
            notes.add(f"{where}, column {name}", f"a number from 0 to {SUM_MAX:g}", word)
            return None
        numbers.append(number)
    return numbers


def _number(word: str) -> float | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return number if is_number(number) else None


def _follows(
    where: str,
    numbers: list[float],
    before: list[float],
    header: list[str],
    *,
    within_minutes: float,
    notes: Notes,
) -> bool:
    """Whether a row may come after the one before it."""
    good = True
    if not before[0] < numbers[0] <= within_minutes:
        expected = f"a minute after the one before and at most {within_minutes:g}"
        notes.add(f"{where}, column {MINUTE}", expected, numbers[0])
        good = False
    for name, number, low in zip(header, numbers[1:], before[1:], strict=True):
        if number < low:
            expected = f"a sum of at least {low:g}, the one before"
            notes.add(f"{where}, column {name}", expected, number)
            good = False
    return good
