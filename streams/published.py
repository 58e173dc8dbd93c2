"""What is published of a source partition, as rows of series: its seconds, its late events. No
clock, no I/O.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from fenghuo.schemas import marks
from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.coding import Coder
from fenghuo.schemas.letters import Letter, cut
from fenghuo.schemas.pulse import EPOCH_SHIFT, LATE_STAMPS, PULSE_STAMPS, Rows, Source, no_rows
from fenghuo.streams import windows
from fenghuo.streams.fetch import Fetch

SKIPPED = "skipped_by_hand"
"""The reason of a letter for a record that somebody passed over with `fenghuo dlq skip`."""
Chunk = tuple[Ints, Ints, Ints, Ints]
"""(second, cell, n, x)."""


def compact(chunks: Sequence[Chunk]) -> Chunk:
    """All chunks as one, by second and cell."""
    if not chunks:
        none = np.empty(0, np.int64)
        return none, none, none, none
    second, cell, n, x = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
    width, base = int(cell.max()) + 1, int(second.min())
    key, n, x = windows.sums((second - base) // windows.SECOND_MS * width + cell, n, x)
    return key // width * windows.SECOND_MS + base, key % width, n, x


def pulse_rows(coder: Coder, chunk: Chunk, versions: Mapping[int, int], epoch: int) -> Rows:
    """The pulses of some seconds; versions: the offset after the last event of each, in rising
    order of seconds.
    """
    if not versions:
        return no_rows(coder.kind, PULSE_STAMPS)
    second, cell, n, x = chunk
    seconds = np.array(list(versions), np.int64)
    keep = np.isin(second, seconds)
    group = np.searchsorted(seconds, second[keep])
    group, code, values = coder.spread(group, cell[keep], n[keep], x[keep])
    stamp = np.array(list(versions.values()), np.int64)[group] + (epoch << EPOCH_SHIFT)
    return Rows(seconds[group], code, tuple(coder.series), values, {"version": stamp})


def late_rows(coder: Coder, late: Sequence[tuple[Ints, Ints, Ints, Ints, Ints]]) -> Rows:
    """Late events as rows of their own; late: (second, cell, x, offset, idx) of some events."""
    if not late:
        return no_rows(coder.kind, LATE_STAMPS)
    second, cell, x, offset, idx = (np.concatenate(parts) for parts in zip(*late, strict=True))
    each = np.arange(len(second), dtype=np.int64)
    group, code, values = coder.spread(each, cell, np.ones(len(second), np.int64), x)
    stamp = {"offset": offset[group], "idx": idx[group]}
    return Rows(second[group], code, tuple(coder.series), values, stamp)


def skipped_letter(source: Source, fetch: Fetch, reason: str) -> Letter:
    """The letter for a fetch of one record that is passed over by hand."""
    data, size, digest = cut(fetch.values[0] or b"")
    return Letter(
        *(source, int(fetch.offsets[0]), 0, SKIPPED, reason, int(fetch.record_ms[0]), data),
        mark=marks.kept(fetch.headers_of(0)),
        size=size,
        hash=digest,
    )
