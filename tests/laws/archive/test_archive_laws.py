"""Whatever moment the archive dies at: what is in the table afterwards is what the newest pulses
say.
"""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fenghuo.schemas.wire import pulse
from fenghuo.schemas.wire.pulse import Rows, Source
from fenghuo.streams.archive import held
from fenghuo.streams.archive.held import HOLD_MS, Pulses
from tests.laws.archive.table import Place, Table
from tests.laws.judge.test_merge_laws import (
    SERIES,
    SOURCES,
    Pulse,
    content,
    head_of,
    newest,
    rows_of,
)

Publication = tuple[Source, dict[int, int]]
"""Seconds of one source with their versions, published together."""
PUBLICATIONS = st.lists(
    st.tuples(
        st.sampled_from(SOURCES),
        st.dictionaries(st.integers(1_000, 1_004), st.integers(1, 6), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=6,
)
WAIT = [("read", 0)] * 3
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 3)),
        st.tuples(st.just("tick"), st.just(0)),
        st.tuples(st.sampled_from(("due", "insert", "stored", "commit", "crash")), st.just(0)),
    ),
    max_size=40,
)


def frames_of(
    publications: Iterable[Publication], rows_max: int
) -> tuple[list[bytes], list[Pulse]]:
    """Topic `pulses`, with frames cut inside a second, and the pulses it holds."""
    frames: list[bytes] = []
    pulses: list[Pulse] = []
    for source, seconds in publications:
        named = {
            second: (version, content((source, second, version)))
            for second, version in seconds.items()
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pulse, "ROWS_MAX", rows_max)
            frames += pulse.encode(head_of(source), rows_of(named, SERIES))
        pulses += [(source, second, version) for second, version in seconds.items()]
    return frames, pulses


class Keeper:
    """The archive as part_archive composes it: a tick is due, insert, stored, commit; fetches come
    in between.
    """

    def __init__(self, frames: list[bytes]) -> None:
        self.frames, self.table = frames, Table()
        self.committed = self.now_ms = 0
        self.crash()

    def crash(self, _: int = 0) -> None:
        self.pulses, self.next = Pulses(), self.committed
        self.blocks: list[held.Block] | None = None
        self.before = self.next
        self.is_inserted = self.is_stored = False

    def step(self, name: str, number: int) -> None:
        """One step; some pulses are not due yet when others are, for time goes on."""
        self.now_ms += HOLD_MS // 3
        act: Any = getattr(self, name)
        act(number)

    def read(self, size: int) -> None:
        for frame in self.frames[self.next : self.next + size]:
            head, rows = pulse.decode(frame)
            self.pulses.see(head, rows, self.next, self.now_ms)
            self.next += 1

    def due(self, _: int = 0) -> None:
        if self.blocks is None:
            self.before, self.blocks = self.next, self.pulses.due(self.now_ms)

    def insert(self, _: int = 0) -> None:
        if self.blocks is not None:
            self.table.insert(self.blocks)
            self.is_inserted = True

    def stored(self, _: int = 0) -> None:
        if self.is_inserted:
            self.pulses.stored()
            self.blocks, self.is_inserted, self.is_stored = None, False, True

    def commit(self, _: int = 0) -> None:
        if self.is_stored:
            self.committed = max(self.committed, self.pulses.safe_offset(self.before))
            self.is_stored = False

    def tick(self, _: int = 0) -> None:
        for step in (self.due, self.insert, self.stored, self.commit):
            step()

    def finish(self) -> Table:
        for is_read in (False, True):
            if is_read:
                self.read(len(self.frames))
            self.now_ms += HOLD_MS
            self.tick()
        return self.table


def run(publications: list[Publication], steps: list[tuple[str, int]], rows_max: int = 2) -> None:
    frames, pulses = frames_of(publications, rows_max)
    keeper = Keeper(frames)
    for name, number in steps:
        keeper.step(name, number)
    table = keeper.finish()

    assert table.seconds() == {
        (source.log, source.topic, source.partition, second * 1000): (one[2], content(one))
        for (source, second), one in newest(pulses).items()
    }
    assert keeper.committed == len(frames)
    assert keeper.pulses.rows == 0


@given(PUBLICATIONS, STEPS)
@example(  # the second half of a pulse comes while the first half is being inserted
    [(SOURCES[0], {1_000: 2})],
    [("read", 1), *WAIT, ("due", 0), ("read", 1), ("insert", 0), ("stored", 0)],
)
@example(  # a newer pulse comes while the older one is being inserted, and then the archive dies
    [(SOURCES[0], {1_000: 1}), (SOURCES[0], {1_000: 3})],
    [
        ("read", 1),
        *WAIT,
        ("due", 0),
        ("read", 1),
        ("insert", 0),
        ("stored", 0),
        ("commit", 0),
        ("crash", 0),
    ],
)
@example(  # one pulse is due, the other not yet, and then the archive dies
    [(SOURCES[0], {1_000: 1}), (SOURCES[1], {1_000: 1})],
    [("read", 1), *WAIT, ("read", 1), ("tick", 0), ("crash", 0)],
)
@example(  # stored, but not yet committed
    [(SOURCES[0], {1_000: 1})],
    [("read", 1), *WAIT, ("due", 0), ("insert", 0), ("crash", 0), ("read", 1), ("due", 0)],
)
def test_a_crash_at_any_moment_changes_nothing_in_the_table(
    publications: list[Publication], steps: list[tuple[str, int]]
) -> None:
    run(publications, steps)


@given(PUBLICATIONS, STEPS)
def test_nothing_below_the_committed_offset_is_missing_from_the_table(
    publications: list[Publication], steps: list[tuple[str, int]]
) -> None:
    """At every moment, not only at the end: what is committed may be deleted from the topic.

    A pulse that a newer one replaced before it was stored is not missed: the newer one is there.
    """
    frames, _ = frames_of(publications, rows_max=100)
    keeper = Keeper(frames)
    for name, number in steps:
        keeper.step(name, number)
        stored = {place: version for place, (version, _) in keeper.table.seconds().items()}
        ahead = newest_in(frames[keeper.committed :])
        for place, version in newest_in(frames[: keeper.committed]).items():
            assert max(stored.get(place, 0), ahead.get(place, 0)) >= version


def newest_in(frames: list[bytes]) -> dict[Place, int]:
    """The highest version of each second in some frames."""
    found: dict[Place, int] = {}
    for head, rows in map(pulse.decode, frames):
        for second, version in _versions(rows):
            place = (head.source.log, head.source.topic, head.source.partition, second)
            found[place] = max(found.get(place, 0), version)
    return found


def _versions(rows: Rows) -> set[tuple[int, int]]:
    return set(zip(rows.second_ms.tolist(), rows.stamp["version"].tolist(), strict=True))
