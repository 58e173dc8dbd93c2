"""What is deployed agrees with itself: units, settings, containers, Prometheus, Alertmanager, the
runbook. Nothing is started here.
"""

import os
import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer
import yaml

from fenghuo.alerts.prometheus import alertmanager
from fenghuo.alerts.prometheus import files as prometheus
from fenghuo.deploy.cli import (
    backtest as cli_backtest,
)
from fenghuo.deploy.cli import (
    generate as cli_generate,
)
from fenghuo.deploy.cli import (
    load as cli_load,
)
from fenghuo.deploy.cli import (
    main as cli,
)
from fenghuo.schemas.campaign.campaign import load
from fenghuo.schemas.settings import PREFIX, Settings, read
from fenghuo.streams import notices
from tests.tidy.files import ROOT

DEPLOY = ROOT / "deploy"
WORKERS = ("gather", "judge", "archive")
RUNBOOK = (DEPLOY / "README.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
UNIT = (DEPLOY / "systemd" / "fenghuo@.service").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text())["services"]
EXTENSIONS = (cli_backtest, cli_generate, cli_load)  # they add their commands


def env_file(name: str) -> dict[str, str]:
    lines = (DEPLOY / "systemd" / f"{name}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def unit_settings(part: str) -> Settings:
    """The settings that systemd gives a part."""
    own = env_file(part) if (DEPLOY / "systemd" / f"{part}.env").exists() else {}
    return read(env_file("fenghuo") | own)


def ports_of(lane: dict[str, str]) -> dict[str, int]:
    return {part: int(address.rpartition(":")[2]) for part, address in lane.items()}


def scraped(file: str) -> dict[str, int]:
    """part -> port, as a Prometheus configuration looks for it."""
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / file).read_text())["scrape_configs"]
    if "static_configs" in job:
        found = {one["labels"]["part"]: one["targets"][0] for one in job["static_configs"]}
        assert {address.partition(":")[0] for address in found.values()} == {"127.0.0.1"}
        return ports_of(found)
    return {one["names"][0]: one["port"] for one in job["dns_sd_configs"]}


def commands(text: str) -> list[str]:
    """Every `fenghuo` command line of a document: in code blocks and between backticks."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"^(?: {4}.*\n)+", text, re.MULTILINE)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`((?:\w+=\S+ )*fenghuo [^`]+)`", text)
    pattern = re.compile(r"(?:\w+=\S+ )*(?:\S*/)?fenghuo [a-z]")
    return [line for line in lines if pattern.match(line)]


def test_the_settings_of_units_and_containers_are_settings() -> None:
    for part in (*WORKERS, "api", "notices"):
        assert unit_settings(part).kafka
    for name, service in COMPOSE.items():
        given = {k: str(v) for k, v in service.get("environment", {}).items()}
        ours = {key: value for key, value in given.items() if key.startswith(PREFIX)}
        if ours:
            assert read(ours | {PREFIX + "STORE_PASSWORD": "x"}).kafka == "kafka:9092", name


def test_the_broker_of_the_containers_takes_the_session_that_the_parts_ask_for() -> None:
    least = int(COMPOSE["kafka"]["environment"]["KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS"])
    asked = int(COMPOSE["gather"]["environment"][PREFIX + "SESSION_TIMEOUT_MS"])

    assert least <= asked <= 3_000, "take-over within five seconds"


def test_a_proxy_in_front_of_the_containers_can_be_told_by_name() -> None:
    """There the api listens beyond loopback: the variable goes in as it is set outside."""
    given = COMPOSE["api"]["environment"]
    assert given[PREFIX + "HTTP_HOST"] == "0.0.0.0"
    assert given[PREFIX + "HOSTS"] is None
    assert f"\n# {PREFIX}HOSTS=" in (DEPLOY / "systemd" / "fenghuo.env").read_text()


def test_prometheus_looks_where_the_units_answer() -> None:
    answers = {part: unit_settings(part).metrics_port for part in WORKERS}
    answers["api"] = unit_settings("api").http_port

    assert scraped("prometheus.yml") == answers == dict(prometheus.PORTS)


def test_prometheus_looks_where_the_containers_answer() -> None:
    answers = {part: int(COMPOSE[part]["environment"][PREFIX + "METRICS_PORT"]) for part in WORKERS}
    answers["api"] = Settings().http_port

    assert scraped("compose.yml") == answers
    assert {COMPOSE[part]["command"][1] for part in answers} == set(answers)
    command = COMPOSE["prometheus"]["command"]
    assert "--config.file=/etc/prometheus/compose.yml" in command


def test_up_answers_where_prometheus_looks() -> None:
    from fenghuo.deploy.up.up import PARTS

    ports = {part: Settings().http_port + place for place, part in enumerate(PARTS)}
    assert ports == dict(prometheus.PORTS)


@pytest.mark.parametrize("file", ["prometheus.yml", "compose.yml"])
def test_prometheus_speaks_to_the_alertmanager_there_is(file: str) -> None:
    tree = yaml.safe_load((DEPLOY / "prometheus" / file).read_text())
    (found,) = tree["alerting"]["alertmanagers"]
    host, port = found["static_configs"][0]["targets"][0].split(":")
    assert port == "9093"
    if file == "compose.yml":
        # it lives in the network of the service that has this name
        assert COMPOSE["alertmanager"]["network_mode"] == "service:notices"
        assert host in COMPOSE["notices"]["networks"]["default"]["aliases"]
    else:
        assert host == "127.0.0.1"


def test_alertmanager_speaks_to_a_receiver_that_is_shipped() -> None:
    tree = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    urls = [hook["url"] for one in tree["receivers"] for hook in one["webhook_configs"]]
    urls += alertmanager.DEFAULT_CHANNELS.values()

    assert {urlsplit(url).netloc for url in urls} == {f"127.0.0.1:{notices.PORT}"}
    assert COMPOSE["notices"]["command"] == ["run", "notices"]
    assert "fenghuo@notices" in RUNBOOK


def test_the_unit_runs_what_the_runbook_installs() -> None:
    installed = {
        Path(target) / Path(source).name if target.endswith("/") else Path(target)
        for line in RUNBOOK.splitlines()
        if (words := line.partition("#")[0].split())[:1] == ["install"] and "-d" not in words
        for target in words[-1:]
        for pattern in words[3:-1]
        for source in map(str, [*ROOT.glob(pattern)])
    }
    environment = re.findall(r"^EnvironmentFile=-?(\S+)$", UNIT, re.MULTILINE)
    wanted = {Path(path.replace("%i", part)) for path in environment for part in WORKERS}
    wanted |= {Path(env_file("fenghuo")[PREFIX + "CAMPAIGN"])}
    last_year = "double11-last-year.csv"
    assert wanted | {Path("/etc/fenghuo") / last_year} <= installed
    assert Path("/etc/systemd/system/fenghuo@.service") in installed
    (start,) = re.findall(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)
    assert start == "/opt/fenghuo/bin/fenghuo run %i"
    assert "python3.11 -m venv /opt/fenghuo\n" in RUNBOOK
    assert "\nuseradd --system fenghuo\n" in RUNBOOK
    assert "\nUser=fenghuo\n" in UNIT


def test_the_table_of_ports_says_them_all() -> None:
    table = dict(re.findall(r"^\| ([0-9, ]+) \| (\w+)", RUNBOOK, re.MULTILINE))
    assert {int(port): who for port, who in table.items() if "," not in port} == {
        **{port: part for part, port in prometheus.PORTS.items()},
        notices.PORT: "notices",
    }


@pytest.mark.parametrize("text", [README, RUNBOOK], ids=["README", "runbook"])
def test_every_file_that_is_named_is_there(text: str) -> None:
    named = set(re.findall(r"(?<![\w/])(deploy/[\w./@-]+[\w/])", text))
    named |= set(re.findall(r"(?<![\w/])(tests/[\w./-]+\w)", text))

    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("text", [README, RUNBOOK], ids=["README", "runbook"])
def test_every_command_line_is_one(text: str) -> None:
    app = typer.main.get_command(cli.app)
    found = commands(text)
    assert len(found) > 10
    for line in found:
        words = shlex.split(line.replace("GREP", ""))
        while "=" in words[0]:
            assert words[0].partition("=")[0] in _settings()
            words.pop(0)
        if any(word.isupper() or word.startswith("NAME") for word in words[1:]):
            words = [word for word in words if not word.isupper()]
        _parses(app, words[1:])


def _settings() -> set[str]:
    return {PREFIX + name.upper() for name in Settings.__struct_fields__}


def _parses(app: Any, words: list[str]) -> None:
    """Whether every option of a command line is one of that command."""
    command = app
    while hasattr(command, "commands") and words:
        command = command.commands[words.pop(0)]
    options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= options | {"--help"}, (command.name, given - options)


def test_the_shipped_campaign_is_read_from_where_it_is_installed(tmp_path: Path) -> None:
    for name in ("double11.toml", "double11-last-year.csv"):
        os.symlink(DEPLOY / "campaigns" / name, tmp_path / name)
    assert load(tmp_path / "double11.toml").last_year
