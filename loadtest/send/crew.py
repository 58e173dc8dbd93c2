"""The crew: several producers of one run, each a process of its own, started at one moment.

They say when they are ready, all get the same start, tell how far they are, and hand in their books
at the end. A crew whose parent is gone stops by itself.
"""

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final

import msgspec

from fenghuo.loadtest.send.ledger import added
from fenghuo.loadtest.send.producer import Job, Sender
from fenghuo.loadtest.verdict.result import Produced, Progress

READY_S_MAX: Final = 60.0
LEAD_MS: Final = 300
"""From the word to the start, so that it reaches everybody before."""
GRACE_S: Final = 20.0
"""A producer that was told to stop and has not handed in its books by then is given up."""

Crew = dict[Any, BaseProcess]
"""Our end of the pipe (a Connection) to each process."""
Watch = Callable[[Mapping[int, Progress]], None]
"""Called with the newest progress of every producer."""


class CrewError(RuntimeError):
    """A producer could not do its work: says which, and why."""


def send(
    jobs: Sequence[Job],
    stop: threading.Event,
    *,
    begun: Callable[[int], None] = lambda _start_ms: None,
    watch: Watch = lambda _progress: None,
) -> Produced:
    """Run all jobs, from one start to the end of the plan or until told to stop; their books added
    up. `begun` is called with the start, `watch` with the progress.
    """
    context = multiprocessing.get_context("spawn")
    crew: Crew = {}
    try:
        process: BaseProcess
        for job in jobs:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(job, theirs), daemon=True)
            process.start()
            theirs.close()
            crew[ours] = process
        _await_ready(crew, stop)
        start_ms = time.time_ns() // 1_000_000 + LEAD_MS
        begun(start_ms)
        for pipe in crew:
            pipe.send_bytes(str(start_ms).encode())
        return added(_collect(crew, stop, watch))
    finally:
        for pipe, process in crew.items():
            pipe.close()
            process.join(1)
            if process.is_alive():
                process.kill()
                process.join()


def _await_ready(crew: Crew, stop: threading.Event) -> None:
    deadline = time.monotonic() + READY_S_MAX
    for pipe in crew:
        while not pipe.poll(0.05):
            if time.monotonic() > deadline:
                raise CrewError(f"a producer was not ready within {READY_S_MAX:.0f} s")
            if stop.is_set():
                raise CrewError("stopped before the start")
        _received(pipe, crew)


def _collect(crew: Crew, stop: threading.Event, watch: Watch) -> list[Produced]:
    books: dict[Any, Produced] = {}
    progress: dict[int, Progress] = {}
    told, deadline = False, float("inf")
    while len(books) < len(crew):
        if stop.is_set() and not told:
            told, deadline = True, time.monotonic() + GRACE_S
            for pipe in crew.keys() - books.keys():
                pipe.send_bytes(b"stop")
        if time.monotonic() > deadline:
            raise CrewError(f"a producer did not stop within {GRACE_S:.0f} s")
        for pipe in wait([pipe for pipe in crew if pipe not in books], 0.1):
            found = _received(pipe, crew)
            if isinstance(found, Produced):
                books[pipe] = found
            elif isinstance(found, Progress):
                progress[found.producer] = found
        if progress:
            watch(progress)
    return [books[pipe] for pipe in crew]


def _received(pipe: Any, crew: Crew) -> Any:
    """The next word of a producer; raises CrewError when that is its last one."""
    try:
        kind, _, data = pipe.recv_bytes().partition(b" ")
    except (EOFError, OSError) as error:
        process = crew[pipe]
        process.join(2)
        raise CrewError(f"a producer died with exit code {process.exitcode}") from error
    match kind:
        case b"progress":
            return msgspec.json.decode(data, type=Progress)
        case b"books":
            return msgspec.json.decode(data, type=Produced)
        case b"error":
            raise CrewError(data.decode())
    return None


def _work(job: Job, pipe: Connection) -> None:
    """The life of one producer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which tells us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def tell(progress: Progress) -> bool:
        try:
            pipe.send_bytes(b"progress " + msgspec.json.encode(progress))
            return pipe.poll()
        except (EOFError, OSError):
            return True  # nobody is left to tell

    try:
        sender = Sender(job)
        next(iter(job.source.messages(0)), None)  # draws what is drawn once
        pipe.send_bytes(b"ready ")
        books = sender.run(int(pipe.recv_bytes()), tell)
        pipe.send_bytes(b"books " + msgspec.json.encode(books))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        pipe.send_bytes(f"error producer {job.producer}: {error!r}".encode())
