"""files(campaign): Prometheus rules with their tests, scrape configuration, Alertmanager routes.

The gauge names are the contract with the metrics the parts export: fenghuo_reading and
fenghuo_reading_samples {lane, rule, scope}, NaN where there is no data. Only the real lane is
asked: what a load run does to the shadow lane wakes nobody. Alerts carry the labels rule,
scope, severity and campaign only, never the instance, so that several replicas make one alert, and
a transition pushed straight to Alertmanager is the same alert.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import yaml

from fenghuo.alerts.judging.decide import in_words
from fenghuo.alerts.prometheus import promql
from fenghuo.alerts.prometheus.alertmanager import alertmanager
from fenghuo.alerts.prometheus.health_rules import health_alerts
from fenghuo.alerts.prometheus.promql import INTERVAL
from fenghuo.alerts.prometheus.promtests import suite
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.campaign.parts import Rule
from fenghuo.schemas.level import Level

RULES_PATH = "deploy/prometheus/fenghuo.rules.yml"
TESTS_PATH = "deploy/prometheus/fenghuo.rules.test.yml"
PROMETHEUS_PATH = "deploy/prometheus/prometheus.yml"
COMPOSE_PATH = "deploy/prometheus/compose.yml"
ALERTMANAGER_PATH = "deploy/alertmanager/alertmanager.yml"

Targets = Sequence[tuple[str, str]]
"""(part, host:port) of everything that answers /metrics."""
PORTS = {"api": 8600, "gather": 8601, "judge": 8602, "archive": 8603}
"""The api answers on its own port, the workers on FENGHUO_METRICS_PORT."""
TARGETS: Targets = tuple((part, f"127.0.0.1:{port}") for part, port in PORTS.items())
ALERTMANAGER = "127.0.0.1:9093"
NOTES = {
    TESTS_PATH: "# promtool test rules fenghuo.rules.test.yml\n",
    PROMETHEUS_PATH: "# Run Prometheus with --rules.alert.resend-delay=5s: an alert that did not\n"
    "# reach Alertmanager is otherwise sent again after a minute only.\n",
    COMPOSE_PATH: "# the same for deploy/compose.yml, whose services find each other by name\n",
}


def files(
    campaign: Campaign,
    source: str = "",
    targets: Targets = TARGETS,
    alertmanager_at: str = ALERTMANAGER,
    *,
    runbook: str = "",
) -> dict[str, str]:
    """Relative path -> text of every generated file. source: where the campaign was read from.
    runbook: where the runbook is read; the page has it, beside all else that notices link to.
    """
    rendered = {
        RULES_PATH: _rules(campaign, runbook or f"{campaign.page_url}/runbook"),
        TESTS_PATH: suite(campaign, RULES_PATH.rpartition("/")[2]),
        PROMETHEUS_PATH: _prometheus(_static(targets), alertmanager_at),
        COMPOSE_PATH: _prometheus(_by_name(), "alertmanager:9093"),
        ALERTMANAGER_PATH: alertmanager(campaign),
    }
    return {
        path: _header(campaign, source)
        + NOTES.get(path, "")
        + _yaml(tree, in_rows=path == TESTS_PATH)
        for path, tree in rendered.items()
    }


def _header(campaign: Campaign, source: str) -> str:
    file = source or f"deploy/campaigns/{campaign.name}.toml"
    return f"# generated from {file} by `fenghuo generate`; do not edit\n"


def _yaml(tree: dict[str, Any], *, in_rows: bool) -> str:
    """In rows: what holds only texts and numbers is one line."""
    body: str = yaml.dump(
        tree,
        Dumper=_Plain,
        sort_keys=False,
        allow_unicode=True,
        width=1000 if in_rows else 110,
        default_flow_style=None if in_rows else False,
    )
    return body


class _Plain(yaml.SafeDumper):
    """Writes repeated values out instead of using YAML anchors, which few people can read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Keeps the lines of a text of several lines."""
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


_Plain.add_representer(str, _text)


def _rules(campaign: Campaign, runbook: str) -> dict[str, Any]:
    watch = promql.watch(campaign, partial(_alert, campaign))
    return {
        "groups": [
            {"name": "fenghuo-campaign", "interval": INTERVAL, "rules": watch},
            {"name": "fenghuo-health", "interval": INTERVAL, "rules": health_alerts(runbook)},
        ]
    }


def _alert(campaign: Campaign, rule: Rule, level: Level, expr: str) -> dict[str, Any]:
    annotations = {
        "summary_zh": _summary(rule.title.zh, rule, level, zh=True),
        "summary_en": _summary(rule.title.en, rule, level, zh=False),
        "panel": f"{campaign.page_url}/?rule={rule.id}&scope={{{{ $labels.scope | urlquery }}}}",
    }
    people = {"playbook": _playbook(campaign, rule.playbook), "owner": rule.owner}
    annotations |= {key: _template(value) for key, value in people.items() if value}
    return {
        "alert": alert_name(rule),
        "expr": expr,
        "for": _duration(rule.hold_up_ms[level]),
        "keep_firing_for": _duration(rule.hold_down_ms[level]),
        "labels": {"severity": level.word, "campaign": campaign.name},
        "annotations": annotations,
    }


def _playbook(campaign: Campaign, name: str) -> str:
    """Where a playbook is read; one that the campaign does not tell is named only."""
    if name not in campaign.plans.playbooks:
        return name
    return f"{campaign.page_url}/#playbook={name}"


def alert_name(rule: Rule) -> str:
    """The name of a rule's alerts: payment_failure_rate is PaymentFailureRate."""
    return "".join(part.capitalize() for part in rule.id.split("_"))


def _summary(title: str, rule: Rule, level: Level, *, zh: bool) -> str:
    bound = _bound(rule, level, zh=zh)
    scope = "{{ $labels.scope }}"
    value = '{{ $value | printf "%.4g" }}'
    if zh:
        return f"{level.look.title_zh}:{_template(title)} {scope} 当前 {value},阈值 {bound}"
    return f"{level.look.title_en}: {_template(title)}, {scope} at {value}, bound {bound}"


def _bound(rule: Rule, level: Level, *, zh: bool) -> str:
    """The bound of the rule's own ladder; of an adaptive rule it is a score."""
    bound = rule.ladder.enter_of(level)
    if rule.adaptive is None:
        return in_words(bound, rule.unit)
    return f"{bound:g} 倍偏差" if zh else f"{bound:g} deviations"


def _template(title: str) -> str:
    """A title inside a template: its braces must not start an action."""
    return title.replace("{{", '{{ "{{" }}')


def _static(targets: Targets) -> dict[str, Any]:
    return {
        "static_configs": [
            {"targets": [address], "labels": {"part": part}} for part, address in targets
        ]
    }


def _by_name() -> dict[str, Any]:
    """Every container of a service, however many there are."""
    return {
        "dns_sd_configs": [
            {"names": [part], "type": "A", "port": port} for part, port in PORTS.items()
        ],
        "relabel_configs": [{"source_labels": ["__meta_dns_name"], "target_label": "part"}],
    }


def _prometheus(found_by: dict[str, Any], alertmanager_at: str) -> dict[str, Any]:
    return {
        "global": {
            "scrape_interval": INTERVAL,
            "evaluation_interval": INTERVAL,
            "scrape_timeout": INTERVAL,
        },
        "rule_files": [RULES_PATH.rpartition("/")[2]],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager_at]}]}]},
        "scrape_configs": [{"job_name": "fenghuo", **found_by}],
    }


def _duration(value_ms: int) -> str:
    return f"{value_ms // 1000}s" if value_ms % 1000 == 0 else f"{value_ms}ms"
