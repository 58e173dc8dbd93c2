"""promtool and amtool, and what the generated rules say of a history at every tick."""

import math
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from fenghuo.alerts.prometheus.files import RULES_PATH, files
from fenghuo.schemas.campaign.campaign import Campaign

Levels = dict[tuple[str, str], int]
"""(rule, scope) -> the level that fires; nothing fires: not there."""

TIMEOUT_S = 380
"""Half a minute of CPU, on a machine that may do ten other things."""
_LEVEL = re.compile(r'\{[^}]*rule="([^"]*)", scope="([^"]*)"\} ([0-9.E+]+)')
_ANSWER = re.compile(r'expr: "fenghuo:level", time: (\S+),\s+exp: [^\n]*\n\s+got: ([^\n]*)')


def tool(name: str) -> str:
    """Where it is; the test is skipped, loudly, where it is not installed."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("FENGHUO_REQUIRE_PARTS") == "1":
            pytest.fail(f"{name}: not found, and FENGHUO_REQUIRE_PARTS=1", pytrace=False)
        pytest.skip(f"SKIPPED: {name}: not found (Debian: prometheus, prometheus-alertmanager)")
    return found


def accept(*command: str) -> None:
    """Run it; it has to end well."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stdout + done.stderr


def write(folder: Path, campaign: Campaign) -> None:
    """The generated files of a campaign."""
    for path, text in files(campaign).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def values(numbers: Sequence[float | None]) -> str:
    """A series, one number a second; None: the series ends there, as when a scrape lacks it."""
    return " ".join("stale" if n is None else "NaN" if math.isnan(n) else repr(n) for n in numbers)


def levels(
    folder: Path, campaign: Campaign, series: Mapping[str, Sequence[float | None]], ticks: int
) -> list[Levels]:
    """What fires at each tick when Prometheus is shown these series.

    promtool tells only what it did not expect, so the test expects what cannot be.
    """
    write(folder, campaign)
    never = [{"labels": '{never="1"}', "value": 1}]
    suite: dict[str, Any] = {
        "rule_files": [str(folder / RULES_PATH)],
        "evaluation_interval": "1s",
        "tests": [
            {
                "interval": "1s",
                "input_series": [
                    {"series": name, "values": values(numbers)} for name, numbers in series.items()
                ],
                "promql_expr_test": [
                    {"expr": "fenghuo:level", "eval_time": f"{tick}s", "exp_samples": never}
                    for tick in range(ticks)
                ],
            }
        ],
    }
    path = folder / "suite.yml"
    path.write_text(yaml.safe_dump(suite, width=1000, sort_keys=False))
    command = (tool("promtool"), "test", "rules", str(path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    told = done.stdout + done.stderr
    found = [
        {(rule, scope): int(float(level)) for rule, scope, level in _LEVEL.findall(got)}
        for _, got in _ANSWER.findall(told)
    ]
    assert len(found) == ticks, told[-2000:]
    return found
