"""Merging pulses is commutative, associative and idempotent: in the ring, in the archive, in
tallies, in positions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.wire.position import Position
from fenghuo.schemas.wire.pulse import Head, Rows, Source, Tally
from fenghuo.streams.archive.held import Pulses
from fenghuo.streams.judge.ring import Ring
from tests.laws.archive.table import Table
from tests.laws.model import Series, Values, total

SOURCES = tuple(Source("log", "complaints", partition) for partition in range(3))
SERIES: tuple[Series, ...] = (("", "", ""), ("region", "east", ""), ("region", "west", ""))
Pulse = tuple[Source, int, int]
"""(source, second, version): what a pulse says is a function of these, as it is in the river."""


def content(pulse: Pulse) -> dict[Series, Values]:
    """What a pulse says; a newer one may name more series. Of one source two seconds are more than
    63 bits hold.
    """
    source, second, version = pulse
    base = 100 * source.partition + second + version
    if source == SOURCES[2]:
        base = 2**63 - 1 - base
    return {series: (base - i, base) for i, series in enumerate(SERIES[: 1 + version % 3])}


def rows_of(
    parts: Mapping[int, tuple[int, Mapping[Series, Values]]], series: Sequence[Series]
) -> Rows:
    """Rows of pulses: second -> (version, series)."""
    flat = [
        (second, series.index(name), values, version)
        for second, (version, named) in sorted(parts.items())
        for name, values in named.items()
    ]
    return Rows(
        np.array([row[0] * 1000 for row in flat], np.int64),
        np.array([row[1] for row in flat], np.int64),
        tuple(series),
        np.array([row[2] for row in flat], np.int64).reshape(len(flat), 2),
        {"version": np.array([row[3] for row in flat], np.int64)},
    )


def head_of(source: Source) -> Head:
    return Head("complaint", source, 0, 0, 0, None, None, 0, None, False, Tally())


def newest(pulses: Sequence[Pulse]) -> dict[tuple[Source, int], Pulse]:
    found: dict[tuple[Source, int], Pulse] = {}
    for pulse in sorted(pulses, key=lambda one: one[2]):
        found[pulse[:2]] = pulse
    return found


PULSES = st.lists(
    st.tuples(st.sampled_from(SOURCES), st.integers(1_000, 1_006), st.integers(1, 5)), max_size=12
)
ORDER = st.randoms(use_true_random=False)


def ring_of(pulses: Sequence[Pulse], names: Sequence[Series] = SERIES) -> Ring:
    ring = Ring("complaint", 20)
    for offset, pulse in enumerate(pulses):
        source, second, version = pulse
        ring.see(source, rows_of({second: (version, content(pulse))}, names), offset)
    return ring


def sums_of(ring: Ring, end_s: int, seconds: int) -> dict[Series, Values]:
    window = ring.window(end_s, seconds)
    return {series: tuple(ring.row(window, series)) for series in SERIES}


@given(PULSES, ORDER)
def test_a_ring_is_what_the_newest_pulses_say(pulses: list[Pulse], order: Any) -> None:
    mixed = pulses * 2
    order.shuffle(mixed)
    ring = ring_of(mixed, list(reversed(SERIES)))
    kept = newest(pulses)

    for end_s in range(1_000, 1_009):
        for seconds in (1, 3, 20):
            inside = [content(p) for p in kept.values() if end_s - seconds <= p[1] < end_s]
            meant = dict.fromkeys(SERIES, (0, 0)) | total(inside)
            assert sums_of(ring, end_s, seconds) == meant


@given(PULSES, st.integers(0, 12))
def test_a_ring_read_again_from_its_rewind_offset_is_the_same(
    pulses: list[Pulse], extra: int
) -> None:
    ring = ring_of(pulses)
    start = ring.rewind_offset()
    if start is None:
        assert not pulses
        return
    again = ring_of(pulses[max(start - extra, 0) :])

    assert sums_of(again, 1_007, 20) == sums_of(ring, 1_007, 20)
    assert again.newest_s == ring.newest_s


@given(PULSES, st.sampled_from((5, 30, 10**7)))
def test_a_ring_forgets_what_lies_behind_its_span(pulses: list[Pulse], jump: int) -> None:
    late: list[Pulse] = [(SOURCES[0], 1_006 + jump, 9)]
    ring = ring_of([*pulses, *late, *pulses])
    kept = {place: p for place, p in newest([*pulses, *late]).items() if p[1] > 1_006 + jump - 20}

    meant = dict.fromkeys(SERIES, (0, 0)) | total([content(p) for p in kept.values()])
    assert sums_of(ring, 1_007 + jump, 20) == meant


@given(PULSES, ORDER, st.lists(st.booleans(), min_size=24, max_size=24))
def test_the_table_is_what_the_newest_pulses_say(
    pulses: list[Pulse], order: Any, inserts: list[bool]
) -> None:
    """However they came, and whenever they were stored."""
    mixed = pulses * 2
    order.shuffle(mixed)
    archive, table = Pulses(), Table()
    for offset, (pulse, is_insert) in enumerate(zip(mixed, inserts, strict=False)):
        source, second, version = pulse
        rows = rows_of({second: (version, content(pulse))}, SERIES)
        archive.see(head_of(source), rows, offset, now_ms=0)
        if is_insert:
            table.insert(archive.due(10_000))
            archive.stored()
    table.insert(archive.due(10_000))
    archive.stored()

    assert archive.rows == 0
    assert archive.safe_offset(99) == 99
    assert table.seconds() == {
        (source.log, source.topic, source.partition, second * 1000): (pulse[2], content(pulse))
        for (source, second), pulse in newest(pulses).items()
    }


TALLIES = st.builds(
    Tally,
    *(st.integers(0, 10**15) for _ in range(5)),
    st.dictionaries(
        st.sampled_from(("east", "west", "other")),
        st.tuples(st.integers(0, 10**9), st.integers(0, 10**18)),
    ),
)


@given(TALLIES, TALLIES, TALLIES)
def test_tallies_add_in_any_order(a: Tally, b: Tally, c: Tally) -> None:
    assert a.plus(b) == b.plus(a)
    assert a.plus(b).plus(c) == a.plus(b.plus(c))
    assert a.plus(Tally()) == a
    assert a.plus(b).events == a.events + b.events


POSITIONS = st.builds(
    Position,
    st.just(SOURCES[0]),
    st.integers(0, 2),
    st.just("f"),
    st.integers(0, 5),
    st.none(),
    st.integers(0, 1),
    st.just(Tally()),
    st.just(10_000),
    st.just(10_000),
)


@given(st.lists(POSITIONS, min_size=1, max_size=8), ORDER)
def test_the_winning_position_does_not_depend_on_the_order(
    places: list[Position], order: Any
) -> None:
    def winner(found: list[Position]) -> tuple[int, int]:
        best: Position | None = None
        for place in found:
            if place.wins(best):
                best = place
        assert best is not None
        return best.epoch, best.offset

    mixed = places * 2
    order.shuffle(mixed)

    assert winner(mixed) == winner(places) == max((p.epoch, p.offset) for p in places)
