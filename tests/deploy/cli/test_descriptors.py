"""A part takes the open files that its system allows, and says so where that is little."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from fenghuo.deploy.cli import main as cli
from fenghuo.deploy.cli.descriptors import SMALL

RAISE = (
    "import resource; from fenghuo.deploy.cli.descriptors import raise_limit; said = raise_limit();"
    "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], said)"
)


def out(code: str, soft: int, hard: int) -> str:
    first = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
    command = [sys.executable, "-c", first + code]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


@pytest.mark.parametrize(("soft", "hard"), [(256, 4096), (SMALL, SMALL), (2048, 2048)])
def test_the_limit_is_raised_to_what_is_allowed(soft: int, hard: int) -> None:
    assert out(RAISE, soft, hard) == str(hard)


def test_a_small_limit_is_told_with_its_cure() -> None:
    said = out(RAISE, 200, 400)
    assert said.startswith("400 only 400 open files are allowed: raise the hard limit")


def test_every_part_raises_its_limit_where_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "raise_limit", lambda: "only 9 open files")
    said = CliRunner().invoke(cli.app, ["run", "none"]).output
    assert said.startswith("fenghuo none: only 9 open files\n")
