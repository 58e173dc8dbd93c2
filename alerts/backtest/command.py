"""The command `fenghuo backtest`: files in, tables and exit code out. 0 done, 2 cannot be done."""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from fenghuo.alerts.backtest import (
    html as backtest_html,
)
from fenghuo.alerts.backtest import (
    report as backtest_report,
)
from fenghuo.alerts.backtest import (
    score as backtest_score,
)
from fenghuo.alerts.backtest import spans
from fenghuo.alerts.backtest.default_rule import DEFAULT_RULE
from fenghuo.alerts.backtest.report import Conducts, Group
from fenghuo.alerts.backtest.run import Expects, judge_series, step_of
from fenghuo.alerts.backtest.score import Judged
from fenghuo.alerts.backtest.series import Series, SeriesError, is_values, read
from fenghuo.alerts.judging.baseline import Baseline
from fenghuo.schemas.campaign.campaign import Campaign, CampaignError, load
from fenghuo.schemas.campaign.parts import Rule

OK: Final = 0
UNUSABLE: Final = 2


class UsageError(ValueError):
    """Arguments that do not go together."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The arguments. diff: two campaign files, or none; table: a document with a place for it;
    style: the sheet of the report."""

    files: tuple[Path, ...]
    campaign: str
    rule: str = ""
    labels: str = "auto"
    diff: tuple[Path, ...] = ()
    html: Path | None = None
    table: Path | None = None
    as_json: bool = False
    style: str = ""


Judges = Callable[[Campaign], Conducts]
"""Judges the recorded events by a campaign; given by whoever can read recordings."""


def main(asked: Asked, judge_events: Judges | None) -> int:
    """The whole command. judge_events: None when no mapping was named."""
    try:
        if judge_events is not None:
            return _events(asked, judge_events)
        if not is_values(asked.files):
            raise UsageError(
                "expected columns timestamp and value in each file; recorded events need --mapping"
            )
        return _values(asked)
    except (UsageError, SeriesError, CampaignError, OSError, ValueError) as error:
        print(f"fenghuo backtest: {error}", file=sys.stderr)
        return UNUSABLE


def judged(series: Iterable[Series], rule: Rule) -> list[Group]:
    """Every series judged by the rule, set by set; as fast as it goes, which the rows say."""
    found: dict[str, list[Judged]] = {}
    seconds: dict[str, float] = {}
    for one in series:
        baseline = _baseline(rule, one)
        start = time.perf_counter()
        result = judge_series(rule, baseline, one.times_ms, one.values)
        taken = time.perf_counter() - start
        seconds[one.group] = seconds.get(one.group, 0.0) + taken
        found.setdefault(one.group, []).append(Judged(one, result))
    return [
        Group(backtest_score.rows(group, rule, seconds[name]), backtest_score.peers(group), group)
        for name, group in found.items()
    ]


def _values(asked: Asked) -> int:
    if asked.diff:
        return _difference_of_values(asked)
    rule = _rule(load(asked.campaign), asked.rule) if asked.rule else DEFAULT_RULE
    groups = judged(read(asked.files, asked.labels), rule)
    rows = [row for group in groups for row in group.rows]
    print(backtest_report.as_json(rows) if asked.as_json else backtest_report.text(groups))
    if asked.html:
        asked.html.write_text(backtest_html.page(rule, groups, asked.style), encoding="utf-8")
    if asked.table:
        document = asked.table.read_text(encoding="utf-8")
        placed = backtest_report.placed(document, backtest_report.markdown(groups))
        asked.table.write_text(placed, encoding="utf-8")
    return OK


def _difference_of_values(asked: Asked) -> int:
    if not asked.rule:
        raise UsageError("--diff over series of values: expected --rule ID, got none")
    series = list(read(asked.files, asked.labels))
    before, after = (_conducts(series, _rule(load(path), asked.rule)) for path in asked.diff)
    return _tell(before, after, asked)


def _events(asked: Asked, judge_events: Judges) -> int:
    campaigns = [load(path) for path in asked.diff or (asked.campaign,)]
    found = [_only(judge_events(campaign), asked.rule) for campaign in campaigns]
    return _tell(found[0], found[1] if asked.diff else None, asked)


def _tell(found: Conducts, after: Conducts | None, asked: Asked) -> int:
    if asked.as_json:
        print(backtest_report.conducts_json(found, after))
    else:
        print(backtest_report.conducts(found, after))
    if asked.html:
        report = backtest_html.conducts_page(found, after, asked.style)
        asked.html.write_text(report, encoding="utf-8")
    return OK


def _conducts(series: Sequence[Series], rule: Rule) -> Conducts:
    found = {}
    for one in series:
        result = judge_series(rule, _baseline(rule, one), one.times_ms, one.values)
        found[rule.id, one.name] = spans.conduct(result.track, rule.flapping)
    return found


def _only(found: Conducts, rule: str) -> Conducts:
    if not rule:
        return found
    kept = {name: done for name, done in found.items() if name[0] == rule}
    if not kept:
        raise UsageError(f"--rule: expected a rule of the campaign, got {rule!r}")
    return kept


def _rule(campaign: Campaign, name: str) -> Rule:
    try:
        return campaign.rule(name)
    except KeyError:
        near = get_close_matches(name, [rule.id for rule in campaign.rules], n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise UsageError(
            f"--rule: expected a rule of {campaign.name}, got {name!r}{hint}"
        ) from None


def _baseline(rule: Rule, series: Series) -> Expects | None:
    if rule.adaptive is None:
        return None
    if rule.adaptive.season == "last_year":
        raise UsageError(f"{rule.id}: a series of values has no last year; expected another season")
    return Baseline(rule.adaptive, step_of(series.times_ms))
