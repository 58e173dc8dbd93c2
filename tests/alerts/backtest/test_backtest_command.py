"""`fenghuo backtest` over values, as it is called."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fenghuo.alerts.backtest.report import BEGIN, END
from fenghuo.deploy.cli import backtest as cli_backtest
from fenghuo.deploy.cli.main import app
from tests.laws.judge.duty import TEXT

assert cli_backtest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of one series: four days of a daily rhythm, with an outage that is labelled."""
    rows = []
    for minute in range(0, 4 * 1440, 5):
        is_out = 5000 <= minute < 5060
        value = 0 if is_out else 100 + (minute % 1440) / 20 + minute * 7919 % 5
        rows.append(f"{1_500_000_000 + minute * 60},{value},{int(is_out)}")
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "kpi.csv").write_text("timestamp,value,label\n" + "\n".join(rows) + "\n")
    return folder


def run(*arguments: object) -> tuple[int, str]:
    """Exit code, and everything it printed."""
    result = CliRunner().invoke(app, ["backtest", *map(str, arguments)])
    return result.exit_code, result.output


def test_the_outage_is_found_and_told_in_every_form(folder: Path, tmp_path: Path) -> None:
    page, document = tmp_path / "page.html", tmp_path / "doc.md"
    document.write_text(f"{BEGIN}\n{END}\n")
    code, output = run(folder, "--json", "--html", page, "--table", document)
    assert code == 0, output
    lines = [json.loads(line) for line in output.splitlines()]
    assert {(line["set"], line["windows"]) for line in lines} == {("made", 1)}
    assert [line["found"] for line in lines[:3]] == [1, 1, 1]
    assert "1 of 1 windows found" in page.read_text()
    assert "| made | yellow | 1 | 1 |" in document.read_text()


def test_a_rule_of_the_campaign_judges_when_it_is_named(folder: Path, tmp_path: Path) -> None:
    campaign = tmp_path / "day.toml"
    campaign.write_text(TEXT)
    code, output = run(folder, "--campaign", campaign, "--rule", "dropping")
    assert code == 0, output
    assert "made" in output
    code, output = run(folder, "--campaign", campaign, "--rule", "droping")
    assert code == 2
    assert 'did you mean "dropping"?' in output
    code, output = run(folder, "--rule", "dropping", "--diff", campaign, campaign)
    assert code == 0, output
    assert "→" not in output


def test_a_series_without_a_sample_is_judged_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("timestamp,value,label\n")
    code, output = run(tmp_path / "none.csv", "--json", "--html", tmp_path / "page.html")
    assert code == 0, output
    assert {json.loads(line)["samples"] for line in output.splitlines()} == {0}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none.csv"], "expected a file or a folder"),
        (["FOLDER", "--labels", "none.json"], "expected auto or a file"),
        (["FOLDER", "--diff", "CAMPAIGN", "CAMPAIGN"], "expected --rule ID"),
        (["CAMPAIGN"], "recorded events need --mapping"),
        (["CAMPAIGN", "--mapping", "none"], "expected a file or one of"),
        (["FOLDER", "--table", "CAMPAIGN"], "expected the lines"),
    ],
)
def test_what_cannot_be_done_is_said_and_ends_with_two(
    folder: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    campaign = tmp_path / "day.toml"
    campaign.write_text(TEXT)
    names = {"FOLDER": str(folder), "CAMPAIGN": str(campaign)}
    code, output = run(*(names.get(word, word) for word in arguments))
    assert code == 2
    assert says in output
