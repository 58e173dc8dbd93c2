"""Who may import whom, and what the pure core may not touch."""

import ast
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.tidy.files import Source

LAYERS = ("schemas", "alerts", "streams", "api", "loadtest", "deploy")
STANDARD = sys.stdlib_module_names

# Layer -> what each of its rooms may import beside the standard library and itself. Lowest first.
# `deploy` is not here: it is where the house is put together, and imports what it likes.
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
        *("aiokafka", "faust", "kafka", "prometheus_client"),
    },
}
# Room -> what it alone may import more, each for one reason.
EXTRA = {
    "schemas": {"prometheus_client"},  # what api and workers tell alike
    "schemas/log": {"aiokafka"},  # the log's port
    "schemas/records": {"crc32c", "cramjam"},  # checksums and codecs of Kafka
    "schemas/wire": {"datasketches"},  # the wire form of visitors is the library's own
    "schemas/store": {"clickhouse_driver", "chdb"},  # the two adapters
    "alerts/backtest": {"pyarrow"},  # reads series from files
    "streams": {"mode", "uvloop"},  # the life of a worker
    "streams/decode": {"numba"},  # types of compiled functions
    "streams/transport": {"confluent_kafka"},  # aiokafka does not ask for the ids of topics
    "streams/counting": {"datasketches"},
    # an engine that gather does not count with: a mistake must show against something else
    "streams/audit": {"polars"},
    "api/door": {"h11"},  # what uvicorn's connection is made of: its states
}
# Importing faust has effects (agents register themselves), so it happens here only: what workers
# share, the transport, and the module `worker` of a room.
FAUST_ROOMS = ("streams", "streams/transport")

# The pure core: in these rooms the same calls always give the same result. The shell of such a
# room has one of two names: `worker` runs it in a process, `command` on a command line.
CORE = (
    *("schemas", "schemas/campaign", "schemas/kinds", "schemas/metrics"),
    *("schemas/records", "schemas/wire"),
    *("alerts", "alerts/judging", "alerts/prometheus", "alerts/backtest"),
    *("streams/decode", "streams/decode/arrow", "streams/counting"),
    *("streams/gather", "streams/judge", "streams/archive", "streams/audit"),
    "api/view",
    *("loadtest/plan", "loadtest/proof", "loadtest/report", "loadtest/verdict"),
)
SHELLS = ("worker", "command")
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
    allowed = allowed | EXTRA.get(room(source), set())
    own = f"fenghuo.{source.layer}"
    for line, name in imported(source):
        top = _owner(name)
        if top in STANDARD or top in allowed or top == own:
            continue
        yield f"{source.path}:{line}: error: {source.layer} may not import {top}"


def faust_homes(source: Source) -> Iterator[str]:
    if not source.is_python or source.is_test or room(source) in FAUST_ROOMS or _is_shell(source):
        return
    for line, name in imported(source):
        if _owner(name) in ("faust", "mode"):
            homes = " and ".join(FAUST_ROOMS)
            yield f"{source.path}:{line}: error: faust and mode are for {homes}, and workers"


def bare_names(source: Source) -> Iterator[str]:
    """`import schemas` works in a checkout, and gives a second copy of every class."""
    if not source.is_python:
        return
    for line, name in imported(source):
        if name.partition(".")[0] in LAYERS:
            yield f"{source.path}:{line}: error: import fenghuo.{name}, not {name}"


def pure_core(source: Source) -> Iterator[str]:
    if not source.is_python or room(source) not in CORE or _is_shell(source):
        return
    for line, name in imported(source):
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


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """Line and dotted name."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names = [f"fenghuo.{alias.name}" for alias in node.names]
            for name in names if module == "fenghuo" else [module]:
                yield node.lineno, name


def room(source: Source) -> str:
    """The folder that a file lies in: the unit of the tables above."""
    return str(PurePosixPath(source.path).parent)


def _is_shell(source: Source) -> bool:
    return PurePosixPath(source.path).stem in SHELLS


def _owner(name: str) -> str:
    """A layer or a library: `fenghuo.schemas` or a top-level name."""
    return ".".join(name.split(".")[: 2 if name.startswith("fenghuo.") else 1])
