"""The generated Prometheus and Alertmanager files: valid, shipped as generated, and they fire."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fenghuo.alerts.prometheus.files import ALERTMANAGER_PATH, PROMETHEUS_PATH, RULES_PATH, files
from fenghuo.alerts.prometheus.health_rules import health_alerts
from fenghuo.schemas.campaign.campaign import Campaign, load, parse
from fenghuo.schemas.campaign.parts import Fold, Rule
from fenghuo.schemas.kinds.measures import KINDS
from fenghuo.schemas.lane import REAL, SHADOW, Lane
from fenghuo.schemas.level import WARNINGS, Level
from tests.alerts.prometheus.promtool import accept, tool, write
from tests.paths import ROOT
from tests.schemas.campaign.campaign_texts import GOOD

CAMPAIGN = load(ROOT / "deploy/campaigns/double11.toml")
FIRING = 'count by (scope, severity) (ALERTS{{{match}, alertstate="firing"}})'


@pytest.fixture(
    params=[CAMPAIGN, CAMPAIGN.rehearsed(0), parse(GOOD.replace("失败", "{{ $x }}"), "small.toml")],
    ids=["double11", "rehearsal", "braces"],
)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write(tmp_path, request.param)
    return tmp_path


@pytest.mark.parametrize("path", [RULES_PATH, PROMETHEUS_PATH, ALERTMANAGER_PATH])
def test_the_shipped_file_is_the_generated_one(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == files(CAMPAIGN)[path]


def test_every_file_says_where_it_comes_from() -> None:
    first = "# generated from deploy/campaigns/double11.toml by `fenghuo generate`; do not edit\n"

    assert all(text.startswith(first) for text in files(CAMPAIGN).values())


def test_promtool_accepts_the_files(folder: Path) -> None:
    promtool = tool("promtool")

    accept(promtool, "check", "rules", str(folder / RULES_PATH))
    accept(promtool, "check", "config", str(folder / PROMETHEUS_PATH))


def test_amtool_accepts_the_file(folder: Path) -> None:
    accept(tool("amtool"), "check-config", str(folder / ALERTMANAGER_PATH))


@pytest.mark.slow
def test_every_rule_fires_at_its_bounds_and_not_before(tmp_path: Path) -> None:
    """promtool runs all ladders at once: just short of a bound, on it, with too few samples."""
    write(tmp_path, CAMPAIGN)
    suite = {
        "rule_files": [str(tmp_path / RULES_PATH)],
        "evaluation_interval": "1s",
        "tests": [_ladders(), _gone(CAMPAIGN.rule("data_age")), *_health_cases(), _shadow()],
    }
    (tmp_path / "suite.yml").write_text(yaml.safe_dump(suite, allow_unicode=True))

    accept(tool("promtool"), "test", "rules", str(tmp_path / "suite.yml"))


def _ladders() -> dict[str, Any]:
    """Every rule in one scope per case, from two replicas, until the longest hold is over."""
    fixed = [rule for rule in CAMPAIGN.rules if rule.adaptive is None]
    at = f"{max(max(rule.hold_up_ms) for rule in fixed) // 1000 + 2}s"
    series, expressions = [], []
    for rule in fixed:
        firing = []
        for scope, value, samples, expected in _cases(rule):
            for instance in ("a", "b"):
                labels = _labels(rule, scope, instance)
                series += [
                    {"series": f"fenghuo_reading{labels}", "values": _steady(value)},
                    {"series": f"fenghuo_reading_samples{labels}", "values": _steady(samples)},
                ]
            firing += [(scope, level.word) for level in WARNINGS[:expected]]
        expressions.append(_firing(rule, at, firing))
    return _promtool_test(series, expressions)


def _cases(rule: Rule) -> Iterator[tuple[str, float, int, int]]:
    """Scope, value, samples, and the level up to which it fires."""
    enough = rule.min_samples
    for level in WARNINGS:
        bound = rule.ladder.enter_of(level)
        short = bound * (0.999 if rule.ladder.rising else 1.001)
        yield f"at={level.word}", bound, enough, level
        yield f"short_of={level.word}", short, enough, level - 1
    yield "no_data", math.nan, enough, 0
    if enough:
        yield "too_few", rule.ladder.enter_of(Level.RED), enough - 1, 0


def _steady(number: float) -> str:
    """Forty seconds of the same; NaN cannot be written with a repeat count."""
    return " ".join(["NaN"] * 40) if math.isnan(number) else f"{number!r}x40"


def _gone(rule: Rule) -> dict[str, Any]:
    """A reading that ends at red: silence is no all-clear. What comes back good, ends it."""
    labels, red = _labels(rule, "total", "a"), rule.ladder.enter_of(Level.RED)
    good = 0.5 * rule.ladder.leave_of(Level.BLUE)
    series = [
        {"series": f"fenghuo_reading{labels}", "values": f"{red!r}x20 stale _x99 {good!r}x99"},
        {"series": f"fenghuo_reading_samples{labels}", "values": f"{rule.min_samples}x220"},
    ]
    ends_s = 121 + max(rule.hold_down_ms) // 1000
    every = [("total", level.word) for level in WARNINGS]
    steps = [("60s", every), (f"{ends_s - 1}s", every), (f"{ends_s}s", [])]
    return _promtool_test(series, [_firing(rule, at, firing) for at, firing in steps])


def _labels(rule: Rule, scope: str, instance: str, lane: Lane = REAL) -> str:
    return f'{{lane="{lane}", rule="{rule.id}", scope="{scope}", instance="{instance}"}}'


def _firing(rule: Rule, at: str, firing: list[tuple[str, str]]) -> dict[str, Any]:
    samples = [
        {"labels": f'{{scope="{scope}", severity="{word}"}}', "value": 1} for scope, word in firing
    ]
    return {
        "expr": FIRING.format(match=f'rule="{rule.id}"'),
        "eval_time": at,
        "exp_samples": samples,
    }


def _promtool_test(
    series: list[dict[str, str]], expressions: list[dict[str, Any]]
) -> dict[str, Any]:
    return {"interval": "1s", "input_series": series, "promql_expr_test": expressions}


def _health_cases() -> Iterator[dict[str, Any]]:
    """What fires after twenty seconds of steady values, and what just does not."""
    age, lag, refused = (
        "fenghuo_data_age_seconds",
        "fenghuo_lag_events",
        "fenghuo_refused_events_total",
    )
    begun = "process_start_time_seconds"
    instance = '{job="fenghuo", lane="real", part="gather", instance="w"}'
    yield _health_test(
        {
            'up{job="fenghuo", part="judge", instance="x"}': "0x40",
            'up{job="fenghuo", part="api", instance="y"}': "1x40",
            f'{lag}{{lane="real", kind="order"}}': "100001x40",
            f'{lag}{{lane="real", kind="traffic"}}': "100000x40",
            f'{age}{{lane="real", kind="order"}}': "6x40",
            f'{age}{{lane="real", kind="traffic"}}': "5x40",
            f'{age}{{lane="real", kind="complaint"}}': "121x40",
            f'{refused}{{lane="real", kind="order"}}': "0+1x40",
            f'{refused}{{lane="real", kind="traffic"}}': "7x40",
            'fenghuo_archive_delay_seconds{lane="real"}': "31x40",
            'fenghuo_store_up{lane="real", part="archive", instance="z"}': "0x40",
            'fenghuo_board_age_seconds{lane="real", instance="y"}': "3x40",
            f"{begun}{instance}": "1 1 2 2 3 3 4 4 4x32",
        },
        [
            ("FenghuoPartDown", "judge x", "red"),
            ("FenghuoPartRestarts", "gather w", "orange"),
            ("FenghuoLag", "kind=order", "yellow"),
            ("FenghuoDataStale", "kind=order", "yellow"),
            ("FenghuoComplaintsStale", "kind=complaint", "yellow"),
            ("FenghuoRefused", "kind=order", "blue"),
            ("FenghuoArchiveBehind", "archive", "yellow"),
            ("Watchdog", "all", "none"),
        ],
    )
    yield _health_test(
        {'up{job="another"}': "1x40", f'{age}{{lane="real", kind="complaint"}}': "60x40"},
        [
            ("FenghuoAbsent", "all", "red"),
            ("FenghuoBoardStale", "board", "red"),
            ("Watchdog", "all", "none"),
        ],
    )
    skew = "fenghuo_clock_skew_seconds"
    yield _health_test(
        {
            'up{job="fenghuo", part="api"}': "1x60",
            'fenghuo_board_age_seconds{lane="real"}': "0.2x60",
            f'{skew}{{lane="real", part="judge"}}': "-1.1x60",
            f'{skew}{{lane="real", part="gather", instance="a"}}': "0x60",
            f'{skew}{{lane="real", part="gather", instance="b"}}': "5x60",
            f'{skew}{{lane="real", part="archive"}}': "1x60",
            f'{skew}{{lane="real", part="api"}}': "9x20 0x40",
        },
        [
            ("FenghuoClockSkew", "gather", "yellow"),
            ("FenghuoClockSkew", "judge", "yellow"),
            ("Watchdog", "all", "none"),
        ],
        at="40s",
    )


def _shadow() -> dict[str, Any]:
    """Everything at its worst in the shadow lane, scraped like a real part: nobody is woken."""
    shadow = 'lane="shadow"'
    series = {'up{job="fenghuo", part="api"}': "1x40", f'up{{job="fenghuo", {shadow}}}': "0x40"}
    series['fenghuo_board_age_seconds{lane="real"}'] = "0.2x40"
    series[f"fenghuo_board_age_seconds{{{shadow}}}"] = "9999x40"
    series[f"fenghuo_store_up{{{shadow}}}"] = "0x40"
    for kind in KINDS:
        labels = f'{{{shadow}, kind="{kind}"}}'
        series[f"fenghuo_data_age_seconds{labels}"] = "9999x40"
        series[f"fenghuo_lag_events{labels}"] = "99999999x40"
        series[f"fenghuo_refused_events_total{labels}"] = "0+9999x40"
    series[f"fenghuo_archive_delay_seconds{{{shadow}}}"] = "9999x40"
    series[f"fenghuo_clock_skew_seconds{{{shadow}}}"] = "9999x40"
    for rule in CAMPAIGN.rules:
        labels = _labels(rule, "total", "a", SHADOW)
        series[f"fenghuo_reading{labels}"] = _steady(rule.ladder.enter_of(Level.RED))
        series[f"fenghuo_reading_samples{labels}"] = _steady(rule.min_samples)
    return _health_test(series, [("Watchdog", "all", "none")], at="40s")


def _health_test(
    series: dict[str, str], firing: list[tuple[str, str, str]], at: str = "20s"
) -> dict[str, Any]:
    samples = [
        {"labels": f'{{alertname="{name}", scope="{scope}", severity="{word}"}}', "value": 1}
        for name, scope, word in firing
    ]
    expression = 'count by (alertname, scope, severity) (ALERTS{alertstate="firing"})'
    return _promtool_test(
        [{"series": name, "values": values} for name, values in series.items()],
        [{"expr": expression, "eval_time": at, "exp_samples": samples}],
    )


def test_every_alert_of_our_own_says_what_to_do_and_has_its_section_in_the_runbook() -> None:
    text = (ROOT / "deploy/README.md").read_text()
    sections = set(re.findall(r"^### (\w+)$", text, re.MULTILINE))
    alerts = health_alerts("https://wiki.example/fenghuo")
    assert sections >= {alert["alert"] for alert in alerts}
    for alert in alerts:
        told = alert["annotations"]
        assert told["runbook_url"] == f"https://wiki.example/fenghuo#{alert['alert'].lower()}"
        assert told["summary"] == told["summary_en"]
        assert told["summary_zh"] != told["summary"]
        assert told["description"].startswith(told["summary"])
        assert len(told["description"]) > len(told["summary"]) + 20


def _alertmanager(campaign: Campaign = CAMPAIGN) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load(files(campaign)[ALERTMANAGER_PATH])
    return tree


def test_red_is_told_at_once_and_every_group_knows_its_severity() -> None:
    route = _alertmanager()["route"]
    channel = route["routes"][1]
    red = channel["routes"][0]

    assert {"rule", "scope", "severity"} <= set(route["group_by"])
    assert red["matchers"] == ['severity="red"']
    assert red["group_wait"] == "0s"
    assert int(red["group_interval"].removesuffix("s")) <= 10


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (["alertname=Watchdog", "severity=none"], "watchdog"),
        (["alertname=GmvPace", "severity=red"], "war-room,duty"),
        (["alertname=GmvPace", "severity=blue"], "war-room,duty"),
    ],
)
def test_routes_reach_every_channel(tmp_path: Path, labels: list[str], receivers: str) -> None:
    text = GOOD.replace("[channels]", '[channels]\nwatchdog = "http://w/"').replace(
        "\n\n[[rules]]", '\nduty = "https://duty.example/x"\n\n[[rules]]', 1
    )
    write(tmp_path, parse(text, "small.toml"))
    config = str(tmp_path / ALERTMANAGER_PATH)

    accept(
        *(tool("amtool"), "config", "routes", "test", f"--config.file={config}"),
        *(f"--verify.receivers={receivers}", *labels),
    )


def test_inhibitions_hide_what_is_not_worse() -> None:
    rules = _alertmanager(replace(CAMPAIGN, folds=()))["inhibit_rules"]
    hides = [(tuple(rule["source_matchers"]), tuple(rule["target_matchers"])) for rule in rules]

    assert (('severity="red"',), ('severity=~"blue|cyan|yellow|orange"',)) in hides
    assert (
        ('scope="total"', 'severity="yellow"'),
        ('scope!="total"', 'severity=~"blue|cyan|yellow"'),
    ) in hides
    assert all("rule" in rule["equal"] for rule in rules)


@pytest.mark.parametrize("scope", ["total", "same"])
def test_a_declared_cause_hides_what_it_explains_from_yellow_on(tmp_path: Path, scope: str) -> None:
    folds = (Fold("traffic_capacity", ("latency_p99", "error_rate"), scope),)
    campaign = replace(CAMPAIGN, folds=folds)
    before = _alertmanager()["inhibit_rules"]
    found = [rule for rule in _alertmanager(campaign)["inhibit_rules"] if rule not in before]

    yellow = found[-1] if scope == "total" else found[-2]
    assert yellow == {
        "source_matchers": ['scope="total"', 'rule="traffic_capacity"', 'severity="yellow"'],
        "target_matchers": ['rule=~"latency_p99|error_rate"', 'severity=~"blue|cyan|yellow"'],
        "equal": ["campaign"],
    }
    sources = [" ".join(rule["source_matchers"]) for rule in found]
    assert not any(mild in source for source in sources for mild in ("blue", "cyan"))
    own = [rule for rule in found if rule["equal"] == ["campaign", "scope"]]
    assert len(own) == (3 if scope == "same" else 0)
    write(tmp_path, campaign)
    accept(tool("amtool"), "check-config", str(tmp_path / ALERTMANAGER_PATH))


def test_a_campaign_without_channels_gets_the_war_room() -> None:
    text = GOOD[: GOOD.index("[channels]")] + GOOD[GOOD.index("[[rules]]") :]
    receivers = _alertmanager(parse(text, "small.toml"))["receivers"]

    assert [receiver["name"] for receiver in receivers] == ["war-room", "watchdog"]
