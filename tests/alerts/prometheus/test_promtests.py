"""The generated unit tests: promtool runs them, and a rule with another number fails them."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fenghuo.alerts.prometheus.files import RULES_PATH, TESTS_PATH, files
from fenghuo.schemas.campaign.campaign import Campaign, load
from fenghuo.schemas.campaign.parts import OUTSIDE, Adaptive, Early, Ladder, Rule, Variant
from fenghuo.schemas.level import Level
from tests.alerts.prometheus.promtool import TIMEOUT_S, accept, tool, write
from tests.alerts.samples import ADAPTIVE, FALLING, RULE
from tests.paths import ROOT

CAMPAIGN = load(ROOT / "deploy/campaigns/double11.toml")
WORSE = Ladder(True, enter=(15.0, 16.0, 18.0, 20.0, 30.0), leave=(14.0, 15.0, 17.0, 19.0, 25.0))


def _made(name: str, base: Rule = RULE, **changes: Any) -> Rule:
    return replace(base, id=name, hold_down_ms=(0, *[3000] * 5), owner="somebody", **changes)


RICH = (
    _made("plain"),
    _made("falling", ladder=FALLING, min_samples=0),
    _made(
        "phased",
        variants=(Variant("burst", "", WORSE), Variant("", "region=east", WORSE)),
        suspended=("warm_up", OUTSIDE),
    ),
    _made("early", early=Early(600, Level.ORANGE, Level.CYAN)),
    _made("adaptive", ADAPTIVE, adaptive=Adaptive(side="below")),
)


def _campaign(*rules: Rule) -> Campaign:
    return replace(CAMPAIGN, rules=rules, folds=())


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_promtool_runs_the_shipped_tests() -> None:
    accept(tool("promtool"), "test", "rules", str(ROOT / TESTS_PATH))


def test_promtool_runs_the_tests_of_every_kind_of_rule(tmp_path: Path) -> None:
    write(tmp_path, _campaign(*RICH))
    tests = yaml.safe_load((tmp_path / TESTS_PATH).read_text())["tests"]
    words = ("bounds", "variant of phase burst", "suspended in phase outside", "early warning")

    assert all(any(word in test["name"] for test in tests) for word in words)
    accept(tool("promtool"), "check", "rules", str(tmp_path / RULES_PATH))
    accept(tool("promtool"), "test", "rules", str(tmp_path / TESTS_PATH))


def _other() -> Iterator[tuple[str, Rule, Rule]]:
    """A rule, and the same one with another number."""
    plain, _, phased, early, adaptive = RICH
    ladder = plain.ladder
    for level, bound in (("blue", 5.002), ("red", 20.01)):
        at = Level.parse(level) - 1
        enter = (*ladder.enter[:at], bound, *ladder.enter[at + 1 :])
        yield f"enter of {level}", plain, replace(plain, ladder=replace(ladder, enter=enter))
        leave = (*ladder.leave[:at], ladder.leave[at] + 0.01, *ladder.leave[at + 1 :])
        yield f"leave of {level}", plain, replace(plain, ladder=replace(ladder, leave=leave))
    yield "shorter hold up", plain, replace(plain, hold_up_ms=(0, 5000, 4000, 2000, 2000, 0))
    yield "longer hold up", plain, replace(plain, hold_up_ms=(0, 6000, 4000, 3000, 2000, 0))
    yield "shorter hold down", plain, replace(plain, hold_down_ms=(0, *[2000] * 5))
    yield "longer hold down", plain, replace(plain, hold_down_ms=(0, *[4000] * 5))
    yield "fewer samples", plain, replace(plain, min_samples=99)
    yield "more samples", plain, replace(plain, min_samples=101)
    yield "no variant", phased, replace(phased, variants=phased.variants[1:])
    yield "other scope", phased, replace(phased, variants=phased.variants[:1])
    yield "not suspended", phased, replace(phased, suspended=(OUTSIDE,))
    yield "no early warning", early, replace(early, early=None)
    yield "another line", early, replace(early, early=Early(600, Level.RED, Level.CYAN))
    yield "another level", early, replace(early, early=Early(600, Level.ORANGE, Level.BLUE))
    yield "not adaptive", adaptive, replace(adaptive, adaptive=None)


@pytest.mark.parametrize(
    ("rule", "other"),
    [pytest.param(rule, other, id=what.replace(" ", "_")) for what, rule, other in _other()],
)
def test_a_rule_with_another_number_fails_the_tests(
    tmp_path: Path, rule: Rule, other: Rule
) -> None:
    write(tmp_path, _campaign(rule))
    rules = files(_campaign(other))[RULES_PATH]
    (tmp_path / RULES_PATH).write_text(rules, encoding="utf-8")
    command = (tool("promtool"), "test", "rules", str(tmp_path / TESTS_PATH))
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)

    assert done.returncode == 1, done.stdout
    assert "FAILED" in done.stdout + done.stderr
    assert "error" not in (done.stdout + done.stderr).lower()


def test_the_shipped_tests_look_at_every_level_of_every_rule() -> None:
    tests = yaml.safe_load(files(CAMPAIGN)[TESTS_PATH])["tests"]
    seen = {
        (expected["labels"], expected["value"])
        for test in tests
        for asked in test["promql_expr_test"]
        for expected in asked["exp_samples"]
    }

    for rule in CAMPAIGN.rules:
        for level in list(Level)[1:]:
            labels = f'fenghuo:level{{rule="{rule.id}",scope="{level.word}"}}'
            assert (labels, int(level)) in seen
