"""Work that is begun again: for ever, with pauses, each reason said once; and it can be ended."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from fenghuo.schemas.log.again import Well, again

LOG = logging.getLogger("fenghuo.test")


class Over(BaseException):
    """Ends a test's work: nothing that `again` may take for a broken one."""


def lived(steps: list[Exception | asyncio.CancelledError | Callable[[Well], None]]) -> list[float]:
    """The pauses of work that does these steps, one each time it is begun."""
    left, pauses = list(steps), []

    async def work(well: Well) -> None:
        if not left:
            raise Over
        step = left.pop(0)
        if isinstance(step, BaseException):
            raise step
        step(well)
        raise ConnectionError("gone")

    async def pause(wait_s: float) -> None:
        pauses.append(wait_s)

    with pytest.raises(Over):
        asyncio.run(again(work, "not now", LOG, pauses_s=(1, 2, 5), pause=pause))
    return pauses


def test_pauses_grow_and_begin_anew_after_it_went_well() -> None:
    gone = ConnectionError("gone")

    assert lived([gone, gone, gone, gone]) == [1, 2, 5, 5]
    assert lived([gone, gone, lambda well: well(), gone]) == [1, 2, 1, 2]


def test_a_reason_is_said_once_in_a_row(caplog: pytest.LogCaptureFixture) -> None:
    gone, denied = ConnectionError("gone"), PermissionError("no right")
    lived([gone, gone, denied, denied, gone, lambda well: well()])

    assert [record.getMessage() for record in caplog.records] == [
        "not now: ConnectionError('gone')",
        "not now: PermissionError('no right')",
        "not now: ConnectionError('gone')",
        "not now: ConnectionError('gone')",  # it went well in between
    ]


def test_a_task_of_the_client_that_was_cancelled_ends_nothing() -> None:
    assert lived([asyncio.CancelledError(), asyncio.CancelledError()]) == [1, 2]


def test_it_ends_when_it_is_told_to() -> None:
    async def told() -> bool:
        async def work(_: Well) -> None:
            await asyncio.sleep(60)

        task = asyncio.create_task(again(work, "not now", LOG, pauses_s=(0,)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        return task.cancelled()

    assert asyncio.run(told())
