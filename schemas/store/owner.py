"""The owner of a chdb folder: ClickHouse in this process, asked over a Unix socket by archive, api
and audit.

Run as `python -m fenghuo.schemas.store.owner DIR --linger S`: ends by itself S seconds after the
last client left (0: only on SIGTERM). chdb allows one process for a folder, hence this process.
"""

import argparse
import fcntl
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fenghuo.schemas.store.socket import holder_of, near, receive, send, socket_path

if TYPE_CHECKING:
    from chdb.session import Session


class Owner:
    """Answers every client in a thread and a session of its own: no insert waits behind a question.
    A statement takes half of the cores at most, for others have to see and to count meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = self._session()  # the engine stays while there is a session
        self._count = threading.Lock()
        self.clients = 0
        self.left_at_s = time.monotonic()

    def welcome(self, link: socket.socket) -> None:
        """Take in a client; it is answered in a thread of its own."""
        with self._count:
            self.clients += 1
        threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _session(self) -> "Session":
        from chdb.session import Session

        session = Session(str(self._folder / "chdb"))
        session.query(f"SET max_threads = {max(1, (os.cpu_count() or 1) // 2)}")
        return session

    def _serve(self, link: socket.socket) -> None:
        try:
            session = self._session()
            while True:
                head, body = receive(link)
                try:
                    answer = self._do(session, head["op"], head["sql"], body)
                except Exception as error:  # the client is told; this process goes on
                    send(link, {"error": str(error)[:2000]}, b"")
                else:
                    send(link, {}, answer)
        except (OSError, EOFError):
            pass
        finally:
            link.close()
            with self._count:
                self.clients -= 1
                self.left_at_s = time.monotonic()

    def _do(self, session: "Session", op: str, sql: str, body: bytes) -> bytes:
        if op == "query":
            answer: bytes = session.query(sql, "Arrow").bytes()
            return answer
        if op == "insert":
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".arrow") as file:
                file.write(body)
                file.flush()
                session.query(f"INSERT INTO {sql} SELECT * FROM file('{file.name}', 'Arrow')")
            return b""
        session.query(sql)
        return b""


def main() -> None:
    """Own the folder, listen, end on SIGTERM or when nobody has been there for --linger seconds."""
    parser = argparse.ArgumentParser(prog="fenghuo.schemas.store.owner")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--linger", type=int, default=0, help="seconds to stay without clients; 0: for ever"
    )
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / "owner.lock", "w")  # noqa: SIM115  held until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{folder} is held by {holder_of(folder)}")
    for left in folder.glob("*.arrow"):
        left.unlink()  # what a killed owner was about to insert; nobody was told that it is safe
    owner = Owner(folder)
    path = socket_path(folder)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    os.umask(0o077)  # the socket and the data are this user's alone
    with near(folder) as name:
        listener.bind(name)
    listener.listen(16)
    listener.settimeout(0.5)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while not stop.is_set():
        idle_s = time.monotonic() - owner.left_at_s
        if options.linger and owner.clients == 0 and idle_s > options.linger:
            break
        if not (folder / "owner.lock").exists():
            break  # somebody removed the folder: what is answered from it is no store any more
        try:
            link, _ = listener.accept()
        except TimeoutError:
            continue
        link.settimeout(None)
        owner.welcome(link)
    path.unlink(missing_ok=True)
    os._exit(0)  # chdb's own teardown can hang on open statements; every insert is already on disk


if __name__ == "__main__":
    main()
