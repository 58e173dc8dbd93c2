"""A backtest as one HTML file that needs nothing else: no script, no font, no network. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from fenghuo.alerts.backtest import report as words
from fenghuo.alerts.backtest.chart import STYLE, drawn
from fenghuo.alerts.backtest.report import Conducts, Group
from fenghuo.alerts.backtest.score import Judged, matched
from fenghuo.schemas.campaign.parts import Rule
from fenghuo.schemas.level import WARNINGS, Level

SERIES_SHOWN: Final = 12
FOUND: Final = (
    "A window is found when a warning at the level or above is on inside it; the delay is from its "
    "start, the median over the windows found. A false alarm is a warning that meets no window. "
    "The first 15 % of a series, 750 samples at most, are for learning and are not scored."
)


def page(rule: Rule, groups: Sequence[Group], style: str) -> str:
    """The report over series of values; style: a sheet for plain tables and text."""
    return _document(f"Backtest of rule {rule.id}", _values(rule, groups), style)


def conducts_page(found: Conducts, after: Conducts | None, style: str) -> str:
    """The report over recorded events, or of a difference."""
    rows = words.conduct_rows(found, after)
    what = "What each warning did" + (", before → after" if after is not None else "")
    return _document(what, [_table(words.CONDUCT_HEADS, rows, names=2)], style)


def _document(title: str, body: Sequence[str] | Iterator[str], style: str) -> str:
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(title)}</title><style>{style}{STYLE}</style></head><body>",
            f"<header><p>fenghuo backtest</p><h1>{escape(title)}</h1></header>",
            *body,
            "</body></html>\n",
        ]
    )


def _values(rule: Rule, groups: Sequence[Group]) -> Iterator[str]:
    yield f"<p>{escape(_ladder(rule))}</p><h2>Found, missed, false</h2>"
    yield _table(words.HEADS, [words.cells(r) for g in groups for r in g.rows], names=2)
    yield f"<p>{FOUND}</p>"
    peers = [words.peer_cells(peer) for group in groups for peer in group.peers]
    if peers:
        yield "<h2>Other detectors on the same rows</h2>"
        yield _table(words.PEER_HEADS, peers, names=3)
    every = [one for group in groups for one in group.judged if one.series.times_ms]
    shown = sorted(every, key=_wrong, reverse=True)[:SERIES_SHOWN]
    yield f"<h2>The {len(shown)} series that went worst</h2>"
    yield (
        "<p>Above: the value, thin and orange what was expected. Below: the level, the higher the "
        "worse, and under it in black what is labelled. Darker ground: learning time, not scored. "
        "Worst: most windows missed and false alarms at yellow or above.</p>"
    )
    for one in shown:
        yield f"<figure><figcaption>{_caption(one)}</figcaption>{drawn(one)}</figure>"


def _ladder(rule: Rule) -> str:
    unit = "deviations from what is expected" if rule.adaptive else "in the unit of the values"
    bounds = ", ".join(
        f"{level.word} from {rule.ladder.enter_of(level):g} to {rule.ladder.leave_of(level):g}"
        for level in WARNINGS
    )
    return f"Enter and leave bounds, {unit}: {bounds}."


def _wrong(one: Judged) -> int:
    met = matched(one, Level.YELLOW)
    return met.windows - met.found + met.false_alarms if met else 0


def _caption(one: Judged) -> str:
    met, times_ms = matched(one, Level.YELLOW), one.series.times_ms
    name = escape(f"{one.series.group}: {one.series.name}")
    span = " to ".join(
        f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"
        for at_ms in (times_ms[0], times_ms[-1])
    )
    told = "not labelled"
    if met is not None:
        told = f"{met.found} of {met.windows} windows found, {met.false_alarms} false alarms"
    return f"{name} <span>{span} UTC; {told}</span>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, names: int) -> str:
    """The first cells of a row name it."""
    head = "".join(f'<th scope="col">{escape(word)}</th>' for word in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{escape(cell)}</th>' if i < names else f"<td>{escape(cell)}</td>"
            for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="table" role="region" aria-label="figures" tabindex="0"><table><thead><tr>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
