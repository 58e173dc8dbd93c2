"""again(): work that is begun anew whenever it ends, for a part must not go blind in silence."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

Well = Callable[[], None]
"""The work calls it when it goes well: pauses begin with the first one then, and a reason that was
said is worth saying again.
"""


async def again(
    work: Callable[[Well], Awaitable[None]],
    what: str,
    log: logging.Logger,
    *,
    pauses_s: Sequence[float],
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Do the work for ever; ends only by being cancelled.

    what: is said with the reason when the work breaks; the same reason once in a row. pauses_s: how
    long to wait after the first, second, ... time it broke; the last one for all that follow.

    The Kafka client cancels tasks of its own, which looks like being cancelled: told apart by
    whether anybody asked this task to end.
    """
    broke, said = 0, ""

    def well() -> None:
        nonlocal broke, said
        broke, said = 0, ""

    while True:
        try:
            await work(well)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            if repr(error) != said:  # a right that is missing stays so
                said = repr(error)
                log.warning("%s: %s", what, said)
        await pause(pauses_s[min(broke, len(pauses_s) - 1)])
        broke += 1
