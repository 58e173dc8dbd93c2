"""ClickHouse server, with its data in a folder that outlives a kill.

Debian's 18.16 is the oldest we support: the element names are those that it and newer ones know.
"""

import contextlib
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from tests.parts.process import Process, free_port

READY_S_MAX = 30

CONFIG = """\
<yandex>
  <logger><level>warning</level><console>1</console></logger>
  <listen_host>127.0.0.1</listen_host>
  <tcp_port>{tcp}</tcp_port>
  <http_port>{http}</http_port>
  <path>{folder}/data/</path>
  <tmp_path>{folder}/tmp/</tmp_path>
  <user_files_path>{folder}/files/</user_files_path>
  <format_schema_path>{folder}/formats/</format_schema_path>
  <users_config>{folder}/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <timezone>UTC</timezone>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <max_concurrent_queries>50</max_concurrent_queries>
</yandex>
"""

USERS = """\
<yandex>
  <profiles>
    <default>
      <max_memory_usage>2000000000</max_memory_usage>
      <max_threads>2</max_threads>
      <log_queries>0</log_queries>
    </default>
    {profiles}
  </profiles>
  <quotas><default></default></quotas>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
    </default>
    {users}
  </users>
</yandex>
"""

USER = """\
    <{name}>
      <password>{password}</password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>{name}</profile>
      <quota>default</quota>
    </{name}>
"""


@dataclass(frozen=True)
class User:
    """One more user: what the server lets it set and do."""

    password: str
    settings: Mapping[str, int]


def missing() -> str | None:
    """Why this part cannot run here, or None."""
    return None if _binary() else "no clickhouse-server on the path"


class ClickHouse:
    """`kill` or `stop`, then `start` again: same folder, same ports."""

    def __init__(self, folder: Path, users: Mapping[str, User], port: int | None = None) -> None:
        self.port, self.http_port = port or free_port(), free_port()
        self.url = f"clickhouse://default:@127.0.0.1:{self.port}/default"
        config = folder / "config.xml"
        config.write_text(CONFIG.format(tcp=self.port, http=self.http_port, folder=folder))
        profiles = [
            f"<{name}>{''.join(f'<{k}>{v}</{k}>' for k, v in user.settings.items())}</{name}>"
            for name, user in users.items()
        ]
        logins = [
            USER.format(name=name, password=escape(user.password)) for name, user in users.items()
        ]
        told = USERS.format(profiles="".join(profiles), users="".join(logins))
        (folder / "users.xml").write_text(told)
        for name in ("data", "tmp", "files", "formats"):
            (folder / name).mkdir(exist_ok=True)
        self.process = Process(
            "clickhouse",
            [_binary() or "clickhouse-server", f"--config-file={config}"],
            folder / "clickhouse.log",
        )

    def url_of(self, user: str) -> str:
        """The address of one of the users, without a password."""
        return f"clickhouse://{user}@127.0.0.1:{self.port}/default"

    def start(self) -> None:
        self.process.start()
        self.process.wait_ready(self._answers, READY_S_MAX)

    def stop(self) -> None:
        self.process.stop(15)

    def kill(self) -> None:
        self.process.kill()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            address = f"http://127.0.0.1:{self.http_port}/?query=SELECT%201"
            with urllib.request.urlopen(address, timeout=1) as answer:
                return bool(answer.read() == b"1\n")
        return False


@contextmanager
def clickhouse(users: Mapping[str, User] | None = None) -> Iterator[ClickHouse]:
    with tempfile.TemporaryDirectory(prefix="fenghuo-clickhouse-") as folder:
        part = ClickHouse(Path(folder), users or {})
        try:
            part.start()
            yield part
        finally:
            part.kill()


def _binary() -> str | None:
    # Debian puts it in /usr/sbin, which is not on everyone's path.
    return shutil.which("clickhouse-server") or shutil.which(
        "clickhouse-server", path="/usr/sbin:/usr/local/sbin"
    )
