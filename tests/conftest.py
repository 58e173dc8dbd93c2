"""Shared by all tests: the real parts, fast tests first, a guard against processes left behind.

A part that is missing is skipped with a loud line; with FENGHUO_REQUIRE_PARTS=1 it is an error.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.parts import chromium as chromium_part
from tests.parts import clickhouse as clickhouse_part
from tests.parts import kafka as kafka_part
from tests.parts import leftovers
from tests.parts import tansu as tansu_part

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PARTS: dict[str, Callable[[], str | None]] = {
    "kafka": kafka_part.missing,
    "tansu": tansu_part.missing,
    "clickhouse": clickhouse_part.missing,
    "chromium": chromium_part.missing,
}
SLOW_MARKS = {"slow", "real", "browser"}
SLOW_TIMEOUT_S = 400

# One profile for every property, whatever CI or the environment says: the same examples each
# time, and no limit on time, for a busy machine is no defect.
settings.register_profile(
    "fenghuo",
    derandomize=True,
    deadline=None,
    max_examples=70,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("fenghuo")

# Every child of this session inherits the mark, however deep and detached it is.
os.environ[leftovers.MARK] = uuid.uuid4().hex


@pytest.fixture(scope="session")
def kafka() -> Iterator[kafka_part.Kafka]:
    _need("kafka")
    with kafka_part.kafka() as part:
        yield part


@pytest.fixture(scope="session")
def tansu() -> Iterator[tansu_part.Tansu]:
    _need("tansu")
    with tansu_part.tansu() as part:
        yield part


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[clickhouse_part.ClickHouse]:
    _need("clickhouse")
    with clickhouse_part.clickhouse() as part:
        yield part


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    _need("chromium")
    with chromium_part.chromium() as browser:
        yield browser


@pytest.fixture
def need() -> Callable[[str], None]:
    """For a test that starts its own part: `need("kafka")` skips, or fails, where it is missing."""
    return _need


def _need(name: str) -> None:
    why = PARTS[name]()
    if why is None:
        return
    if os.environ.get("FENGHUO_REQUIRE_PARTS") == "1":
        pytest.fail(f"{name}: {why}, and FENGHUO_REQUIRE_PARTS=1", pytrace=False)
    pytest.skip(f"SKIPPED: {name}: {why}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _place(item) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT_S))
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    """Fast tests first, browser tests last: Playwright keeps the event loop of the thread for
    itself. Those that take minutes (e2e) come before the others of real parts, so that no worker of
    pytest-xdist is left alone with one in the end.
    """
    marks = SLOW_MARKS & {mark.name for mark in item.iter_markers()}
    if "browser" in marks:
        return 3
    return (1 if "/e2e/" in item.path.as_posix() else 2) if marks else 0


def pytest_report_header() -> list[str]:
    return [
        "parts: "
        + ", ".join(f"{name} {'missing' if why() else 'ok'}" for name, why in PARTS.items())
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, missing in PARTS.items():
        if why := missing():
            terminalreporter.write_line(f"SKIPPED: {name}: {why}", yellow=True, bold=True)


# What the workers of pytest-xdist, each looking after its own children, told the session.
_left_by_workers: list[str] = []


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _left_by_workers.extend(getattr(node, "workeroutput", {}).get("left", []))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Whoever starts a process ends it: what is still there is killed and fails the session."""
    distributed = session.config.getoption("numprocesses", None)
    left = _left_by_workers if distributed else leftovers.end()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = left
        return
    for line in left:
        print(f"\nerror: process left behind by the tests, killed: {line}")
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
