"""The stores that the api asks: ClickHouse in process, and the oldest server we support."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fenghuo.schemas.lane import LANES
from fenghuo.schemas.store import port as store
from fenghuo.schemas.store.socket import socket_path
from fenghuo.schemas.store.tables import ddl
from tests.api.server import wait_for


@pytest.fixture(scope="session")
def chdb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A chdb folder whose owner is ended with the session."""
    folder: Path = tmp_path_factory.mktemp("store")
    command = [sys.executable, "-m", "fenghuo.schemas.store.owner", str(folder)]
    owner = subprocess.Popen(command)
    try:
        wait_for(socket_path(folder).exists, 30)
        yield f"chdb:{folder}"
    finally:
        owner.terminate()
        owner.wait(10)


@pytest.fixture(
    scope="session", params=["chdb", pytest.param("clickhouse", marks=pytest.mark.real)]
)
def store_url(request: pytest.FixtureRequest) -> str:
    """A store with all tables, once for each engine."""
    if request.param == "chdb":
        url: str = request.getfixturevalue("chdb_url")
    else:
        url = request.getfixturevalue("clickhouse").url
    made = store.connect(url)
    for lane in LANES:
        for statement in ddl(lane):
            made.execute(statement)
    made.close()
    return url
