"""Stores: asks the blocking store from the event loop, a few questions at a time, with limits.

Small questions have threads of their own, so that none of them waits behind a large one; large ones
are answered by processes (`asker.py`), because rows and JSON made here would hold up every viewer.
"""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from fenghuo.api.errors import ApiError
from fenghuo.api.history.asker import Asker
from fenghuo.api.history.questions import Question, TooLarge
from fenghuo.schemas.store.faults import Fault
from fenghuo.schemas.store.port import Store, StoreError

LOG = logging.getLogger(__name__)
WORKERS = 4
WAITING_MAX = 32
ASKERS = 2
"""Processes for large questions."""
LARGE_WAITING_MAX = 16
QUERY_S = 10.0

Rows = list[dict[str, Any]]
Small = tuple[str, Mapping[str, object]]
J = TypeVar("J")
R = TypeVar("R")
J_contra = TypeVar("J_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Stores:
    """The store as the event loop sees it. Without `login` (the address with its password) large
    questions are answered by threads, as a test with a store of its own needs it.
    """

    def __init__(
        self, connect: Callable[[], Store], address: str, login: str | None = None
    ) -> None:
        self.address = address

        def large() -> _Worker[Question, bytes]:
            return Asker(login) if login is not None else _Connected(connect, _answered)

        self._small = _Workers[Small, Rows](
            lambda: _Connected(connect, _queried), WORKERS, WAITING_MAX
        )
        self._large = _Workers[Question, bytes](large, ASKERS, LARGE_WAITING_MAX)

    async def query(self, sql: str, params: Mapping[str, object], limit_s: float = QUERY_S) -> Rows:
        """The few rows of a SELECT; StoreError, or ApiError when the store is busy or too slow."""
        return await self._small.do((sql, params), limit_s)

    async def ask(self, question: Question, limit_s: float = QUERY_S) -> bytes:
        """A large answer; StoreError, or ApiError when it is too large or the store too slow."""
        try:
            return await self._large.do(question, limit_s)
        except TooLarge as error:
            cure = "narrow from_ms and to_ms, take a longer step, or fewer dimensions in by"
            raise ApiError(422, "too_many_rows", message=str(error), cure=cure) from error

    def close(self) -> None:
        """Let the idle threads go, a busy one when its question is answered; end all processes."""
        self._small.close()
        self._large.close()


def _queried(store: Store, job: Small) -> Rows:
    return store.query(*job)


def _answered(store: Store, question: Question) -> bytes:
    return question.answer(store)


class _Worker(Protocol[J_contra, R_co]):
    """What a thread works with."""

    def do(self, job: J_contra) -> R_co:
        """One job. Blocks."""

    def close(self) -> None:
        """Give back what is held, when there are no more jobs."""

    def interrupt(self) -> None:
        """From another thread: what leaves a process behind ends at once."""


class _Connected(Generic[J, R]):
    """A connection to the store, made when first needed."""

    def __init__(self, connect: Callable[[], Store], ask: Callable[[Store, J], R]) -> None:
        self._connect = connect
        self._ask = ask
        self._store: Store | None = None

    def do(self, job: J) -> R:
        self._store = self._store or self._connect()
        return self._ask(self._store, job)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    def interrupt(self) -> None:
        """A question that hangs is left alone: its thread is a daemon."""


class _Workers(Generic[J, R]):
    """Threads, made when first needed, that take jobs from one bounded queue.

    They are daemons: a question that hangs must not keep the process from ending.
    """

    def __init__(self, make: Callable[[], _Worker[J, R]], most: int, waiting_max: int) -> None:
        self._make = make
        self._most = most
        self._jobs: queue.Queue[tuple[asyncio.Future[R], J] | None] = queue.Queue(waiting_max)
        self._workers: list[_Worker[J, R]] = []
        self._closed = False
        self._given = 0
        """Jobs that no thread is done with."""

    async def do(self, job: J, limit_s: float) -> R:
        """What a worker makes of a job; ApiError when all are busy or none is done in time."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        try:
            self._jobs.put_nowait((future, job))
        except queue.Full as error:
            raise _busy(self._jobs.maxsize) from error
        self._given += 1
        if len(self._workers) < min(self._given, self._most):
            self._start()
        try:
            return await asyncio.wait_for(future, limit_s)
        except TimeoutError as error:
            raise _too_slow(limit_s) from error

    def close(self) -> None:
        """Let the threads go; what waits is not done any more."""
        self._closed = True
        for worker in self._workers:
            with contextlib.suppress(queue.Full):
                self._jobs.put_nowait(None)
            worker.interrupt()
        self._workers.clear()

    def _start(self) -> None:
        worker = self._make()
        self._workers.append(worker)
        threading.Thread(target=self._work, args=(worker,), name="store", daemon=True).start()

    def _work(self, worker: _Worker[J, R]) -> None:
        while (taken := self._jobs.get()) is not None and not self._closed:
            future, job = taken
            result: R | Exception | None = None
            if not future.cancelled():
                try:
                    result = worker.do(job)
                except (StoreError, TooLarge) as error:
                    result = error
                except Exception as error:
                    LOG.exception("store: a question failed")
                    result = StoreError(str(error), Fault("statement"))
            self._tell(future, result)
        worker.close()

    def _tell(self, future: asyncio.Future[R], result: Any) -> None:
        def settle() -> None:
            self._given -= 1
            if future.done():
                return
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

        with contextlib.suppress(RuntimeError):  # the loop has ended, nobody waits any more
            future.get_loop().call_soon_threadsafe(settle)


def _busy(most: int) -> ApiError:
    message = f"expected at most {most} questions of this kind to the store to wait"
    return ApiError(503, "store_busy", message=message, cure="ask again later", retry_after_s=2)


def _too_slow(limit_s: float) -> ApiError:
    message = f"expected an answer of the store within {limit_s:g} s, none came"
    cure = "narrow from_ms and to_ms, or by; when others ask much, ask again later"
    return ApiError(504, "store_slow", message=message, cure=cure, retry_after_s=2)
