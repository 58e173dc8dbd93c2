"""The systemd way of deploy/README.md, by hand: from a wheel, by a user who owns nothing, with a
campaign of one's own, on the ports that the files name.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.set_up import installed
from tests.paths import ROOT

NAMESPACE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def missing() -> str:
    """Why this cannot be tried here, or ""."""
    if os.geteuid() != 0:
        return "only root may make a network namespace and become another user"
    tools = ("unshare", "setpriv", "ip", "prometheus")
    if absent := [tool for tool in tools if not shutil.which(tool)]:
        return f"no {absent[0]} on the path"
    if not installed.alertmanager():
        return "no alertmanager on the path"
    probe = [*NAMESPACE, "ip", "link", "set", "lo", "up"]
    done = subprocess.run(probe, capture_output=True, text=True, timeout=20)
    return done.stderr.strip() if done.returncode else ""


@pytest.fixture
def machine() -> Iterator[Path]:
    """A folder that everybody may look into, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="fenghuo-installed-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(700)
def test_what_the_runbook_installs_is_up_and_an_incident_reaches_the_receiver(
    need: Callable[[str], None], machine: Path
) -> None:
    need("kafka")
    need("clickhouse")
    if why := missing():
        pytest.skip(f"SKIPPED: namespace: {why}")
    done = subprocess.run(
        [*NAMESPACE, sys.executable, "-m", "tests.e2e.set_up.installed", str(machine)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=650,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["targets"] == installed.ALL_UP
    assert seen["firing"] == ["Watchdog"]
    assert seen["explained"]
    assert "payment" in seen["notice"] or "failing" in seen["notice"].lower()
    assert set(seen["users"].values()) == {installed.NOBODY}
