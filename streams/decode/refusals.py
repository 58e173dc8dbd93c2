"""Refusals of many events of one message: each alone while they are few, else one for ranges of
rows, so that what a message makes us keep is bounded and its count exact.
"""

from collections.abc import Callable, Iterator

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.wire.rows import texts
from fenghuo.streams.decode.batch import DETAIL_CHARS_MAX, Refusal

ALONE_MAX = 16
"""Most events of a message that are refused each alone for one reason."""


def refusals(
    message: int,
    rows: Ints,
    reason: str,
    detail_of: Callable[[int], str],
    *,
    data_of: Callable[[Ints], bytes],
) -> Iterator[Refusal]:
    """The refusals of these events of a message, in rising order, for one reason. data_of: the
    bytes that mean some of them and nothing else.
    """
    if len(rows) <= ALONE_MAX:
        for at in range(len(rows)):
            yield _refusal(message, rows[at : at + 1], (reason, detail_of(int(rows[at]))), data_of)
        return
    detail = f"{detail_of(int(rows[0]))}; {len(rows)} like it in this message"
    for text, some in texts(rows):
        found = _refusal(message, some, (reason, detail), data_of)
        yield Refusal(*(message, found.idx, reason, found.detail, found.data), len(some), text)


def _refusal(
    message: int, rows: Ints, why: tuple[str, str], data_of: Callable[[Ints], bytes]
) -> Refusal:
    reason, detail = why
    try:
        data = data_of(rows)
    except Exception as error:  # what was refused must not end whoever refuses it
        data, detail = b"", f"{detail}; its bytes cannot be told apart: {type(error).__name__}"
    return Refusal(message, int(rows[0]), reason, detail[:DETAIL_CHARS_MAX], data)
