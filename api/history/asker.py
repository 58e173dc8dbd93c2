"""Asker: a process that puts large questions to the store and makes their answers, so that neither
rows nor JSON ever hold up the live stream.

`python -m fenghuo.api.history.asker` is that process: its standard input is a socket, over which
come the store's address (never on a command line, it holds a password) and then one question at a
time. It gives way to its neighbours (nice), and ends when the socket does.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys

import msgspec

from fenghuo.api.history.questions import Question, TooLarge
from fenghuo.schemas.store import port as store
from fenghuo.schemas.store.faults import Fault, Kind
from fenghuo.schemas.store.port import Store, StoreError
from fenghuo.schemas.store.socket import receive, send

NICE = 5
ANSWER_S_MAX = 20.0
"""The store gives up before (history.SERVER_S_MAX); a process that says nothing for so long is
ended."""


class Failure(msgspec.Struct, frozen=True):
    """A StoreError on its way: its text holds the cure already."""

    message: str
    kind: Kind

    def error(self) -> StoreError:
        """The error it was."""
        return StoreError(self.message, Fault(self.kind))


class Asker:
    """The process as its owner sees it: started when first needed, and again when it died."""

    def __init__(self, login: str) -> None:
        self._login = login
        self._link: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._is_over = False

    def do(self, question: Question) -> bytes:
        """The answer. Blocks; raises StoreError or TooLarge."""
        try:
            link = self._link or self._start()
            send(link, {}, msgspec.json.encode(question))
            head, body = receive(link)
        except (OSError, EOFError) as error:
            self.close()
            message = f"the asking process: {error or 'no answer'}"
            raise StoreError(message, Fault("away")) from error
        if "too_large" in head:
            raise TooLarge(head["too_large"])
        if "error" in head:
            raise msgspec.json.decode(head["error"], type=Failure).error()
        return body

    def interrupt(self) -> None:
        """End the process for good, whatever it does; from any thread."""
        self._is_over = True
        self.close()

    def close(self) -> None:
        """End the process; the next question starts another."""
        link, process = self._link, self._process
        self._link = self._process = None
        if process is not None:
            process.kill()
            process.wait()
        if link is not None:
            link.close()

    def _start(self) -> socket.socket:
        if self._is_over:
            raise EOFError("it was ended")
        mine, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "fenghuo.api.history.asker"]
            self._process = subprocess.Popen(command, stdin=theirs.fileno())
        self._link = mine
        mine.settimeout(ANSWER_S_MAX)
        send(mine, {}, self._login.encode())
        return mine


def main() -> None:
    """Answer until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the owner ends us
    os.nice(NICE)
    link = socket.socket(fileno=0)
    opened: Store | None = None
    with contextlib.suppress(OSError, EOFError):
        _, login = receive(link)
        while True:
            _, body = receive(link)
            question = msgspec.json.decode(body, type=Question)
            try:
                opened = opened or store.connect(login.decode())
                answer = question.answer(opened)
            except TooLarge as error:
                send(link, {"too_large": str(error)}, b"")
            except StoreError as error:
                failure = Failure(str(error), error.fault.kind)
                send(link, {"error": msgspec.json.encode(failure).decode()}, b"")
            except Exception as error:  # the owner is told; the next question is another one
                failure = Failure(f"{type(error).__name__}: {error}", "statement")
                send(link, {"error": msgspec.json.encode(failure).decode()}, b"")
            else:
                send(link, {}, answer)


if __name__ == "__main__":
    main()
