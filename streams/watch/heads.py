"""The newest heads of source partitions: what was published last, from the newest board and the
pulses behind it.
"""

from fenghuo.schemas.lane import Lane
from fenghuo.schemas.log import reading
from fenghuo.schemas.log.foreign import FOREIGN
from fenghuo.schemas.wire import pulse, status, topics
from fenghuo.schemas.wire.pulse import Head, Source
from fenghuo.schemas.wire.status import Board

BOARDS_READ = 64
"""Newest boards that are looked at for one that can be read."""


async def last_board(bootstrap: str, lane: Lane) -> Board | None:
    """The newest board there is; what is none, or another version's, is passed over."""
    topic = topics.of(topics.STATUS, lane)
    for record in reversed(await reading.read_all(bootstrap, topic, last=BOARDS_READ)):
        board = FOREIGN.read(topic, record.offset, status.decode, record.value or b"")
        if board is not None:
            return board
    return None


async def newest(bootstrap: str, lane: Lane, *, exactly: bool) -> dict[Source, Head]:
    """The newest head of every source partition; exactly: with all pulses since the newest board,
    else as that board has them.
    """
    board = await last_board(bootstrap, lane)
    found = {head.source: head for head in board.heads} if board else {}
    if not exactly:
        return found
    topic = topics.of(topics.PULSES, lane)
    first, end = (await reading.bounds(bootstrap, [(topic, 0)]))[topic, 0]
    first = max(first, min(board.rewind_offset, end)) if board else first
    async for record in reading.records(bootstrap, topic, first=first, end=end):
        frame = FOREIGN.read(
            topic, record.offset, pulse.decode, record.value or b"", pulse.PULSE_STAMPS
        )
        known = frame and found.get(frame[0].source)
        if frame and (known is None or _reach(frame[0]) >= _reach(known)):
            found[frame[0].source] = frame[0]
    return found


def _reach(head: Head) -> tuple[int, int]:
    return (head.epoch, head.next_offset)
