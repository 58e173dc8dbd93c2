"""Stores: asks the blocking store from the event loop, a few questions at a time, with limits."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from fenghuo.api.errors import ApiError
from fenghuo.schemas.store import Store, StoreError
from fenghuo.schemas.store_faults import Fault

LOG = logging.getLogger(__name__)
WORKERS = 4
WAITING_MAX = 32
QUERY_S = 10.0

Rows = list[dict[str, Any]]
Job = tuple[asyncio.Future[Rows], str, Mapping[str, object]]


class Stores:
    """One connection for each worker thread, made when first needed.

    Threads are daemons: a question that hangs must not keep the process from ending.
    """

    def __init__(self, connect: Callable[[], Store], address: str) -> None:
        self.address = address
        self._connect = connect
        self._jobs: queue.Queue[Job | None] = queue.Queue(WAITING_MAX)
        self._threads: list[threading.Thread] = []

    async def query(self, sql: str, params: Mapping[str, object], limit_s: float = QUERY_S) -> Rows:
        """Rows of a SELECT; StoreError, or ApiError when the store is busy or too slow."""
        self._start()
        future: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        try:
            self._jobs.put_nowait((future, sql, params))
            return await asyncio.wait_for(future, limit_s)
        except queue.Full as error:
            raise _busy() from error
        except TimeoutError as error:
            raise _too_slow(limit_s) from error

    def close(self) -> None:
        """Let the idle threads go; a busy one goes when its question is answered."""
        with contextlib.suppress(queue.Full):
            for _ in self._threads:
                self._jobs.put_nowait(None)
        self._threads.clear()

    def _start(self) -> None:
        if len(self._threads) < WORKERS:
            name = f"store-{len(self._threads)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        store: Store | None = None
        while (job := self._jobs.get()) is not None:
            future, sql, params = job
            if future.cancelled():
                continue
            try:
                store = store or self._connect()
                rows = store.query(sql, params)
            except StoreError as error:
                _tell(future, error)
            except Exception as error:
                LOG.exception("store: a question failed")
                _tell(future, StoreError(str(error), Fault("statement")))
            else:
                _tell(future, rows)
        if store is not None:
            store.close()


def _tell(future: asyncio.Future[Rows], result: Rows | StoreError) -> None:
    def settle() -> None:
        if future.done():
            return
        if isinstance(result, StoreError):
            future.set_exception(result)
        else:
            future.set_result(result)

    with contextlib.suppress(RuntimeError):  # the loop has ended, nobody waits any more
        future.get_loop().call_soon_threadsafe(settle)


def _busy() -> ApiError:
    message = f"expected at most {WAITING_MAX} questions to the store at a time"
    return ApiError(503, "store_busy", message=message, cure="ask again later", retry_after_s=2)


def _too_slow(limit_s: float) -> ApiError:
    message = f"expected an answer of the store within {limit_s:g} s, none came"
    return ApiError(504, "store_slow", message=message, cure="narrow from_ms and to_ms, or by")
