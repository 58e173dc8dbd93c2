"""Runs the tests of the page's pure modules with Node; skips loudly where there is none."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.paths import ROOT


def test_pure_modules(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("SKIPPED: node is not on the path: the page's pure modules are not tested")
    # Older Nodes take .js for a module only beside a package.json that says so: test a copy.
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for folder in ("api/static", "tests/ui/pure"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    files = sorted((tmp_path / "tests/ui/pure").glob("*.test.mjs"))
    assert files
    done = subprocess.run(
        [node, "--test", *map(str, files)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
