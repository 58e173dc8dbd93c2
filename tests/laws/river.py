"""Gather run by hand in tests: records in, everything it ever gave out kept and merged as any
reader would.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from fenghuo.schemas.lane import REAL, Lane
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.records.marks import SHADOW_HEADER
from fenghuo.schemas.wire.letters import REPLAY_HEADER, Headers, mark
from fenghuo.schemas.wire.position import Position
from fenghuo.schemas.wire.pulse import EPOCH_SHIFT, Rows, Source, Tally
from fenghuo.schemas.wire.rows import parse
from fenghuo.schemas.wire.topics import TOPIC_OF
from fenghuo.streams.counting.windows import NEVER_MS
from fenghuo.streams.decode.codec import Codec
from fenghuo.streams.decode.codes import Coder
from fenghuo.streams.gather import lanes
from fenghuo.streams.gather.gather import Gather
from fenghuo.streams.gather.taken import Taken, Terms
from tests.laws.model import CUTS, Counted, Series, Values
from tests.strategies import FUTURE_MS, LABELS, LATENESS_MS, Record

TERMS = Terms(LATENESS_MS, FUTURE_MS, 0, 2**60, "terms")


def codec_of(kind: str, labels: Mapping[str, Sequence[str]] = LABELS) -> Codec:
    """A fresh codec with the labels and cuts of the model."""
    return Codec(Coder(kind, labels, CUTS[kind]))


def source_of(kind: str, partition: int = 0) -> Source:
    """A partition of the kind's topic."""
    return Source("log", TOPIC_OF[kind], partition)


def beginning(kind: str, offset: int = 0, *, epoch: int = 0, terms: Terms = TERMS) -> Position:
    """Where nothing was read yet."""
    return Position(
        *(source_of(kind), epoch, terms.fingerprint, offset, None, NEVER_MS, Tally()),
        *(terms.lateness_ms, terms.future_ms),
    )


def fetch_of(records: Sequence[Record]) -> Fetch:
    """Consecutive records as the transport hands them over."""
    headers = {i: found for i, record in enumerate(records) if (found := _headers(record))}
    return Fetch(
        np.array([record.offset for record in records], np.int64),
        [record.message.value for record in records],
        np.array([record.record_ms for record in records], np.int64),
        records[0].offset,
        records[-1].offset + 1,
        headers,
        lanes.marked(headers, len(records)),
    )


def _headers(record: Record) -> Headers:
    found: list[tuple[str, bytes]] = []
    if record.replay:
        found += [("other", b"x"), (REPLAY_HEADER, mark(record.replay).encode())]
    if record.shadow:
        found.append((SHADOW_HEADER, b"run.0.7"))
    return found


def rows_by_second(rows: Rows) -> dict[int, tuple[int, dict[Series, Values]]]:
    """Second -> (version, series) of the rows of some pulses."""
    found: dict[int, tuple[int, dict[Series, Values]]] = {}
    versions = rows.stamp["version"].tolist()
    for second, code, values, version in zip(
        rows.second_ms.tolist(), rows.code.tolist(), rows.values.tolist(), versions, strict=True
    ):
        of, series = found.setdefault(second, (version, {}))
        assert of == version, f"two versions of second {second} in one pulse"
        assert rows.series[code] not in series, f"series {rows.series[code]} twice in one pulse"
        series[rows.series[code]] = tuple(values)
    return found


class Merged:
    """Everything published so far, merged: the newest pulse of a second wins, sources are keys."""

    def __init__(self) -> None:
        self.pulses: dict[int, tuple[int, dict[Series, Values]]] = {}
        self.late: dict[tuple[int, int, Series], tuple[int, Values]] = {}
        self.letters: dict[tuple[int, int], str] = {}
        self.tally = Tally()
        self.seen: list[tuple[int, int, dict[Series, Values]]] = []
        self.positions: list[Position] = []

    def see(self, taken: Taken) -> None:
        """Take in one publication."""
        for second, (version, series) in rows_by_second(taken.pulses).items():
            self.seen.append((second, version, series))
            if version >= self.pulses.get(second, (0, {}))[0]:
                self.pulses[second] = (version, series)
        late = taken.late
        for i, code in enumerate(late.code.tolist()):
            key = (int(late.stamp["offset"][i]), int(late.stamp["idx"][i]), late.series[code])
            self.late[key] = (int(late.second_ms[i]), tuple(late.values[i].tolist()))
        for letter in taken.letters:
            meant = parse(letter.rows).tolist() if letter.rows else [letter.idx]
            assert len(meant) == letter.count
            self.letters |= dict.fromkeys(((letter.offset, i) for i in meant), letter.reason)
        self.tally = taken.tally
        self.positions.append(taken.position)

    def check(self, model: Counted, epoch: int = 0) -> None:
        """Everything merged is what the model says, versions included; every pulse ever was true
        when it was sent.
        """
        base = epoch << EPOCH_SHIFT
        assert self.pulses == {s: (base + v, rows) for s, (v, rows) in model.pulses.items()}
        assert self.late == model.late
        assert self.letters == model.letters
        self.check_tally(model)
        for second, version, series in self.seen:
            assert series == model.at(second, version - base), (second, version)

    def check_tally(self, model: Counted) -> None:
        """The running totals are those of the model, and the books close."""
        late = {key[:2] for key in model.late}
        assert self.tally == Tally(
            model.accepted,
            len(late),
            len(model.letters),
            model.unknown_labels,
            model.unknown_fields,
            model.by_region,
        )


class Worker:
    """A gather worker of one partition and lane that can be stopped at any moment and started
    anywhere it may.
    """

    def __init__(
        self,
        kind: str,
        records: Sequence[Record],
        *,
        terms: Terms = TERMS,
        epoch: int = 0,
        lane: Lane = REAL,
    ) -> None:
        self.kind, self.records, self.terms, self.lane = kind, list(records), terms, lane
        self.codec = codec_of(kind)
        self.start = beginning(kind, epoch=epoch, terms=terms)
        self.gather = Gather(self.start.source, self.codec, terms, self.start)
        self.merged = Merged()

    def read(self, size: int) -> None:
        """Read the next records as one fetch; nothing at the log's end."""
        ahead = [r for r in self.records if r.offset >= self.gather.next_offset][:size]
        if ahead:
            self.gather.add(lanes.only(fetch_of(ahead), self.lane))

    def take(self) -> None:
        """Publish what changed, and the position after it."""
        self.merged.see(self.gather.take())

    def restart(self, position: Position) -> None:
        """Lose all memory and start again from here."""
        self.codec = codec_of(self.kind)
        self.gather = Gather(position.source, self.codec, self.terms, position)

    def finish(self) -> Merged:
        """Read to the end and publish."""
        self.read(len(self.records) or 1)
        self.take()
        return self.merged
