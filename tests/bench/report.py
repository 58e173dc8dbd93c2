"""What a bench run found, as values: figures with their rounds, Markdown, history by commit.

Pure: no clock and no I/O. A row is measured, skipped or failed, and always told.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

NOISE_CORES: Final = 0.25
"""Others that use more than this are told."""


class Figure(msgspec.Struct, frozen=True):
    """One number of a row, measured once in each round.

    cpu_us_each: CPU microseconds for one unit of work; cpu_s: CPU seconds where there is no unit.
    """

    name: str
    unit: str
    rounds: tuple[float, ...]
    cpu_us_each: tuple[float, ...] = ()
    cpu_s: tuple[float, ...] = ()
    rss_mib_max: int | None = None
    note: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a row: figures, or why there are none (`skipped`), or what went wrong."""

    row: str
    figures: tuple[Figure, ...] = ()
    skipped: str = ""
    failed: str = ""
    seconds: float = 0.0
    others_cores: float = 0.0
    """What the rest of the machine used just before the row began: noise."""


class Past(msgspec.Struct, frozen=True):
    """One line of the history: medians of one commit on one machine, "row: figure" to median."""

    commit: str
    date: str
    machine: str
    rows: dict[str, float]


class HistoryError(ValueError):
    """A line of the history that is none: says which."""


def medians(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The median of every figure by "row: figure"; a figure without a round has none."""
    return {
        f"{outcome.row}: {figure.name}": _round(statistics.median(figure.rounds))
        for outcome in outcomes
        for figure in outcome.figures
        if figure.rounds
    }


def read_history(text: str) -> list[Past]:
    """The lines of a history file, oldest first; raises HistoryError for what is no line of it."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found.append(msgspec.json.decode(line, type=Past))
            except msgspec.MsgspecError as error:
                raise HistoryError(f"history line {number}: {error}") from error
    return found


def write_history(past: Sequence[Past]) -> str:
    """The file again: one JSON object a line."""
    return "".join(msgspec.json.encode(line).decode() + "\n" for line in past)


def kept(past: Sequence[Past], new: Past) -> list[Past]:
    """The history with this run in it: one line for each commit and machine, the new one last.

    Rows that this run did not measure stay as they were measured before at the same commit.
    """
    same = [line for line in past if (line.commit, line.machine) == (new.commit, new.machine)]
    rows: dict[str, float] = {}
    for line in (*same, new):
        rows |= line.rows
    rest = [line for line in past if line not in same]
    return [*rest, msgspec.structs.replace(new, rows=rows)]


def before(past: Sequence[Past], commit: str, machine: str) -> dict[str, float]:
    """For every figure its newest median at another commit on this machine."""
    rows: dict[str, float] = {}
    for line in past:
        if line.machine == machine and line.commit != commit:
            rows |= line.rows
    return rows


def markdown(
    about: Mapping[str, str], outcomes: Sequence[Outcome], earlier: Mapping[str, float]
) -> str:
    """The whole run as Markdown: where and when, the figures, and what was not measured."""
    lines = [f"- {name}: {value}" for name, value in about.items()]
    lines += [
        "",
        "| row | figure | median | min to max | CPU | max RSS | against before |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {outcome.row} | {_cells(figure, earlier.get(f'{outcome.row}: {figure.name}'))} |"
        for outcome in outcomes
        for figure in outcome.figures
    ]
    noisy = [
        f"- {outcome.row}: {outcome.others_cores:.1f} cores"
        for outcome in outcomes
        if outcome.others_cores >= NOISE_CORES
    ]
    lost = [
        f"- {outcome.row}: {'skipped' if outcome.skipped else 'FAILED'}: "
        f"{_one_line(outcome.skipped or outcome.failed)}"
        for outcome in outcomes
        if outcome.skipped or outcome.failed
    ]
    rows_of: dict[str, dict[str, None]] = {}
    for outcome in outcomes:
        for figure in outcome.figures:
            if figure.note:
                rows_of.setdefault(_one_line(figure.note), {})[outcome.row] = None
    notes = [f"- {', '.join(rows)}: {note}" for note, rows in rows_of.items()]
    noise = "Others used this machine when these rows began, so read them with care:"
    for title, more in (("Not measured:", lost), (noise, noisy), ("Notes:", notes)):
        if more:
            lines += ["", title, "", *more]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """A number as a reader wants it: three or four digits that mean something."""
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    if value == int(value):
        return str(int(value))
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _cells(figure: Figure, earlier: float | None) -> str:
    name = f"{figure.name}, {figure.unit}"
    if not figure.rounds:
        return f"{name} | none | | | | "
    middle = statistics.median(figure.rounds)
    low, high = min(figure.rounds), max(figure.rounds)
    spread = f"{number(low)} to {number(high)} ({len(figure.rounds)})"
    cpu = ""
    if figure.cpu_us_each:
        cpu = f"{number(statistics.median(figure.cpu_us_each))} µs each"
    elif figure.cpu_s:
        cpu = f"{number(statistics.median(figure.cpu_s))} s"
    rss = "" if figure.rss_mib_max is None else f"{figure.rss_mib_max} MiB"
    ratio = f"×{middle / earlier:.2f}" if earlier else ""
    return f"{name} | {number(middle)} | {spread} | {cpu} | {rss} | {ratio}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _round(value: float) -> float:
    """Four digits: more would only make the history look exact."""
    return float(f"{value:.4g}")
