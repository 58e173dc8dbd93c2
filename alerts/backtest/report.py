"""A backtest in words and tables: for people, for programs, for the docs. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from fenghuo.alerts.backtest.score import Judged, Peer, Row
from fenghuo.alerts.backtest.spans import Conduct
from fenghuo.schemas.level import WARNINGS, Level

UNKNOWN: Final = "–"
BEGIN: Final = "<!-- table: made by `make judge` -->"
END: Final = "<!-- end of table -->"
PUBLISHED: Final = (
    ("Numenta HTM (NuPIC 1.0, by seed)", "69.7 to 70.5"),
    ("relative entropy", "54.6"),
    ("windowed Gaussian", "39.6"),
    ("Bayesian changepoint", "17.7"),
    ("null", "0.0"),
)
"""The scoreboard of NAB v1.0, standard profile, each threshold the best for the whole corpus."""
HEADS: Final = (
    *("set", "level", "windows", "found", "share", "median delay", "false/series/day"),
    *("NAB", "fired", "minutes", "notices/h"),
)
PEER_HEADS: Final = ("set", "detector", "threshold", "NAB", "found", "false/series/day")


class Group(NamedTuple):
    """A set that was judged."""

    rows: Sequence[Row]
    peers: Sequence[Peer]
    judged: Sequence[Judged]


Conducts = Mapping[tuple[str, str], Conduct]
"""By rule and scope."""


def as_json(rows: Sequence[Row]) -> str:
    """One object a line, for each set and level."""
    return "\n".join(msgspec.json.encode(row).decode() for row in rows)


def text(groups: Sequence[Group]) -> str:
    """The tables for a terminal."""
    lines = list(_aligned(HEADS, [cells(row) for group in groups for row in group.rows]))
    peers = [peer_cells(peer) for group in groups for peer in group.peers]
    if peers:
        lines += ["", "other detectors on the same rows", *_aligned(PEER_HEADS, peers)]
    return "\n".join([*lines, "", *(_speed(group) for group in groups)])


def markdown(groups: Sequence[Group]) -> str:
    """The tables for the docs."""
    lines = list(_piped(HEADS, [cells(row) for group in groups for row in group.rows]))
    peers = [peer_cells(peer) for group in groups for peer in group.peers]
    if peers:
        lines += ["", "Other detectors on the same rows:", "", *_piped(PEER_HEADS, peers)]
    if any(row.nab_score is not None for group in groups for row in group.rows):
        lines += ["", "Published for the whole corpus, so not for these rows:", ""]
        lines += _piped(("detector", "NAB, standard profile"), PUBLISHED)
    return "\n".join([*lines, "", *(f"- {_speed(group)}" for group in groups)])


def placed(document: str, table: str) -> str:
    """The document with the table between its markers; ValueError when it has none."""
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"expected the lines {BEGIN} and {END}, found not both")
    return f"{head}{begin}\n\n{table}\n\n{end}{tail}"


def conducts(found: Conducts, after: Conducts | None = None) -> str:
    """What each warning did; with `after`, where that is not the same: before → after."""
    return "\n".join(_aligned(CONDUCT_HEADS, conduct_rows(found, after)))


def conducts_json(found: Conducts, after: Conducts | None = None) -> str:
    """One object a line, for each rule and scope; with `after` one with before and after."""
    lines = []
    for name in dict.fromkeys((*found, *(after or ()))):
        told = _told(found.get(name))
        told = told if after is None else {"before": told, "after": _told(after.get(name))}
        lines.append({"rule": name[0], "scope": name[1], **(told or {})})
    return "\n".join(msgspec.json.encode(line).decode() for line in lines)


def conduct_rows(found: Conducts, after: Conducts | None = None) -> list[list[str]]:
    """Rows of CONDUCT_HEADS; a dash where there was no such warning."""
    rows = []
    for name in dict.fromkeys((*found, *(after or ()))):
        old = _conduct_cells(found.get(name))
        new = old if after is None else _conduct_cells(after.get(name))
        pairs = zip(old, new, strict=True)
        rows.append([*name, *(one if one == two else f"{one} → {two}" for one, two in pairs)])
    return rows


CONDUCT_HEADS: Final = (
    *("rule", "scope", "fired"),
    *(f"{level.word} min" for level in WARNINGS),
    *("flaps", "notices/h"),
)


def cells(row: Row) -> list[str]:
    """A row of HEADS."""
    return [
        row.set,
        row.level,
        str(row.windows),
        str(row.found),
        f"{row.found / row.windows:.0%}" if row.windows else UNKNOWN,
        _time(row.median_delay_s),
        _number(row.false_alarms_per_series_day, 2),
        _number(row.nab_score, 1),
        str(row.fired),
        f"{row.minutes:.0f}",
        f"{row.notices_per_hour:.3f}",
    ]


def peer_cells(peer: Peer) -> list[str]:
    """A row of PEER_HEADS."""
    return [
        peer.set,
        peer.detector,
        peer.threshold,
        _number(peer.nab_score, 1),
        f"{peer.found} of {peer.windows}" if peer.windows else UNKNOWN,
        _number(peer.false_alarms_per_series_day, 2),
    ]


def _speed(group: Group) -> str:
    row = group.rows[0]
    return (
        f"{row.set}: {row.series} series, {_grouped(row.samples)} samples, "
        f"{_grouped(row.samples_per_s)} samples/s"
    )


def _grouped(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def _number(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    numeric = [i > 1 for i in range(len(heads))]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in (heads, *rows)
    ]


def _piped(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return [f"| {' | '.join(row)} |" for row in (heads, rule, *rows)]


def _conduct_cells(done: Conduct | None) -> list[str]:
    if done is None:
        return [UNKNOWN] * (len(CONDUCT_HEADS) - 2)
    minutes = [f"{done.minutes[level]:.1f}" for level in WARNINGS]
    rate = f"{done.notices_per_hour:.3g}"
    return [str(done.fired[Level.BLUE - 1]), *minutes, str(done.flaps), rate]


def _told(done: Conduct | None) -> dict[str, Any] | None:
    if done is None:
        return None
    return {
        "fired": {level.word: done.fired[level - 1] for level in WARNINGS},
        "minutes": {level.word: round(done.minutes[level], 3) for level in Level},
        "flaps": done.flaps,
        "notices": {level.word: done.notices[level - 1] for level in WARNINGS},
        "notices_per_hour": round(done.notices_per_hour, 4),
        "hours": round(done.hours, 3),
    }
