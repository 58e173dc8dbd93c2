"""What is published of a source partition, as rows of series: its seconds, its late events. No
clock, no I/O.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fenghuo.schemas.arrays import Ints
from fenghuo.schemas.records import marks
from fenghuo.schemas.records.fetch import Fetch, Unreadable
from fenghuo.schemas.wire.letters import LETTER_BYTES_MAX, Letter, cut, origin_of
from fenghuo.schemas.wire.pulse import EPOCH_SHIFT, LATE_STAMPS, PULSE_STAMPS, Rows, Source, no_rows
from fenghuo.schemas.wire.rows import parse
from fenghuo.streams.counting import windows
from fenghuo.streams.decode.batch import DETAIL_CHARS_MAX, Refusal
from fenghuo.streams.decode.codes import Coder

SKIPPED = "skipped_by_hand"
"""The reason of a letter for a record that somebody passed over with `fenghuo dlq skip`."""
CROWDED_BYTES = 1_024
"""What a letter keeps where there are too many."""
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


def refused_letters(
    source: Source, fetch: Fetch, found: Sequence[Refusal], room: int
) -> Iterator[Letter]:
    """The letters of refusals. room: bytes there is room for; then each keeps CROWDED_BYTES."""
    for refusal in found:
        headers = fetch.headers_of(refusal.message)
        meant = parse(refusal.rows) if refusal.rows else np.array([refusal.idx])
        origin, origin_rows = origin_of(headers, meant)
        data, size, digest = cut(refusal.data, LETTER_BYTES_MAX if room > 0 else CROWDED_BYTES)
        room -= len(data)
        yield Letter(
            source,
            int(fetch.offsets[refusal.message]),
            refusal.idx,
            refusal.reason,
            refusal.detail,
            int(fetch.record_ms[refusal.message]),
            data,
            origin,
            marks.kept(headers),
            refusal.count,
            refusal.rows,
            size=size,
            hash=digest,
            origin_rows=origin_rows,
        )


def unreadable_letter(source: Source, lost: Unreadable) -> Letter:
    """The letter for a batch that nobody can read: the events that it says it has are refused."""
    return Letter(
        *(source, lost.first, 0, "unreadable", lost.detail[:DETAIL_CHARS_MAX]),
        *(lost.record_ms, lost.data),
        count=lost.events,
        last_offset=lost.end - 1,
        size=lost.size,
    )


def skipped_letter(source: Source, fetch: Fetch, reason: str) -> Letter:
    """The letter for a fetch of one record that is passed over by hand."""
    data, size, digest = cut(fetch.values[0] or b"")
    return Letter(
        *(source, int(fetch.offsets[0]), 0, SKIPPED, reason, int(fetch.record_ms[0]), data),
        mark=marks.kept(fetch.headers_of(0)),
        size=size,
        hash=digest,
    )
