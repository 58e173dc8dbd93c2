"""Out of time: the refusals of events whose time cannot be. No clock, no I/O."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from fenghuo.schemas.arrays import Ints, Letters
from fenghuo.schemas.kinds.bounds import TS_MIN_MS
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.streams.counting.fates import FUTURE, PAST
from fenghuo.streams.counting.limits import BY_CLOCK
from fenghuo.streams.decode.batch import Batch, Refusal
from fenghuo.streams.decode.codec import Codec, EventBytes
from fenghuo.streams.decode.refusals import refusals


def out_of_time(
    fetch: Fetch, batch: Batch, fate: Letters, limit_ms: Ints, *, codec: Codec
) -> list[Refusal]:
    """Refusals of the events of a batch that lie before 1990 or after their record's limit."""
    events = EventBytes(codec, fetch.values)
    found: list[Refusal] = []
    for reason, which in (("time_past", fate == PAST), ("time_future", fate == FUTURE)):
        for message, at in by_message(batch, np.flatnonzero(which)):
            rows, ts = batch.idx[at], batch.ts[at]
            most = None if reason == "time_past" else int(limit_ms[message])
            theirs = fetch.theirs is not None and bool(fetch.theirs[message])
            found += refusals(
                *(message, rows, reason),
                partial(_why, rows, ts, most, theirs=theirs),
                data_of=partial(events.of, message),
            )
    return found


def by_message(batch: Batch, at: Ints) -> Iterator[tuple[int, Ints]]:
    """Message and places of these events, which are in the order of the log."""
    if len(at):
        for some in np.split(at, np.flatnonzero(np.diff(batch.message[at])) + 1):
            yield int(batch.message[some[0]]), some


def _why(rows: Ints, ts: Ints, most: int | None, row: int, *, theirs: bool) -> str:
    """What is wrong with the time of an event; most: the limit of the future, None for the past."""
    came = int(ts[np.searchsorted(rows, row)])
    bound = f"at least {TS_MIN_MS}" if most is None else f"at most {most}"
    hint = "; seconds where milliseconds belong?" if 0 < came < TS_MIN_MS else ""
    if most is not None and theirs:
        hint = BY_CLOCK
    return f"ts: expected {bound}, got {came}{hint}"
