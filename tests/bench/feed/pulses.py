"""Pulses as gather would send them, made without events: what judge and stores are measured with.

Every series of the campaign is in every second: more than a quiet minute has, and what a festival
evening has.
"""

import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from fenghuo.schemas.campaign import campaign
from fenghuo.schemas.kinds.measures import (
    FIXED_LABELS,
    KINDS,
    MEASURES,
    Series,
    columns,
    cut_name,
    cuts,
)
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store import tables
from fenghuo.schemas.wire import pulse
from fenghuo.schemas.wire.pulse import EPOCH_SHIFT, Head, Rows, Source, Tally
from fenghuo.schemas.wire.topics import KIND_OF, TOPIC_OF

TIMES: Final = 4
"""How often a second is published while it is open, every 250 ms with a higher version."""
PARTITIONS: Final = 4
LOG: Final = "bench"
LATENESS_MS: Final = Settings().lateness_ms


@cache
def series_of(kind: str) -> tuple[Series, ...]:
    """Every series that a kind has in the campaign of the settings."""
    found = campaign.load(Path(Settings().campaign))
    made: list[Series] = []
    for cut in cuts(kind, found.cuts):
        choices = [FIXED_LABELS.get(name) or tuple(found.labels.get(name, ())) for name in cut]
        for labels in itertools.product(*choices):
            one, two = (*labels, "", "")[:2]
            made.append((cut_name(cut), one, two))
    return tuple(made)


def rows_of(kind: str, second_ms: int, version: int) -> Rows:
    """One second of one source partition: every series once, with small counts."""
    series = series_of(kind)
    rng = np.random.Generator(np.random.PCG64(second_ms // 1000))
    values = rng.integers(0, 50, (len(series), len(columns(kind))), dtype=np.int64)
    return Rows(
        np.full(len(series), second_ms, np.int64),
        np.arange(len(series), dtype=np.int64),
        series,
        values,
        {"version": np.full(len(series), version, np.int64)},
    )


def frames_of(seconds: int, now_ms: int) -> Iterator[tuple[bytes, bytes, int]]:
    """(key, frame, rows) in the order in which gather sends them: tick by tick, source by source.

    The last second ends about now_ms.
    """
    end_s = now_ms // 1000
    offset = 0
    for second in range(end_s - seconds, end_s):
        for _ in range(TIMES):
            offset += 1
            for kind, partition in itertools.product(KINDS, range(PARTITIONS)):
                source = Source(LOG, TOPIC_OF[kind], partition)
                rows = rows_of(kind, second * 1000, (1 << EPOCH_SHIFT) | offset)
                head = _head(source, offset, second * 1000, now_ms)
                for frame in pulse.encode(head, rows):
                    yield str(source).encode(), frame, len(rows)


def block(kind: str, seconds: int, first_s: int) -> dict[str, Any]:
    """Columns of a table of pulses: all series of some seconds of one source partition."""
    series = series_of(kind) * seconds
    many = len(series)
    values = np.random.Generator(np.random.PCG64(1)).integers(
        0, 50, (many, len(columns(kind))), dtype=np.int64
    )
    made: dict[str, Any] = {
        "log": [LOG] * many,
        "topic": [TOPIC_OF[kind]] * many,
        "partition": np.zeros(many, np.uint32),
        "second_ms": np.repeat(
            np.arange(first_s, first_s + seconds, dtype=np.int64) * 1000, many // seconds
        ),
        "cut": [each[0] for each in series],
        "k1": [each[1] for each in series],
        "k2": [each[2] for each in series],
        "version": np.ones(many, np.uint64),
    }
    width = len(MEASURES[kind])
    made |= {name: np.ascontiguousarray(values[:, at]) for at, name in enumerate(MEASURES[kind])}
    if kind == "traffic":
        made["latency_ms"] = values[:, width:].tolist()
    assert set(made) == {name for name, _ in tables.pulse_columns(kind)}
    return made


def _head(source: Source, offset: int, second_ms: int, now_ms: int) -> Head:
    return Head(
        KIND_OF[source.topic],
        source,
        1,
        offset,
        offset,
        second_ms + 999,
        second_ms - LATENESS_MS,
        now_ms,
        now_ms,
        False,
        Tally(accepted=offset),
    )
