"""`fenghuo run gather --processes N`: N workers of one part, one a core, under one roof.

The workers share the source partitions as workers on N machines would; nothing else is shared. One
that dies is started again; SIGTERM and SIGINT stop all.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from fenghuo.deploy.up.supervisor import Child, on_stop, stop_all, watch
from fenghuo.schemas.settings import Settings, environment


def run_many(settings: Settings, part: str, count: int, say: Callable[[str], None]) -> int:
    """Run `count` workers of a part until told to stop; the exit code. Worker i serves /metrics on
    the port after that of worker i - 1, if there is one.
    """
    stopping = on_stop()
    with tempfile.TemporaryDirectory(prefix=f"fenghuo-{part}-") as folder:
        children = [_worker(settings, part, i, Path(folder)) for i in range(count)]
        try:
            for child in children:
                child.start()
            return watch(children, stopping, say)
        finally:
            stop_all(children)


def _worker(settings: Settings, part: str, number: int, folder: Path) -> Child:
    port = settings.metrics_port + number if settings.metrics_port else 0
    chosen = msgspec.structs.replace(settings, metrics_port=port)
    command = [sys.executable, "-m", "fenghuo.deploy", "run", part]
    return Child(f"{part}-{number}", command, environment(chosen), folder)
