"""Position: where a new owner of a source partition starts. Any older one is as good, only slower.

`offset` lies at or before the first message of every second that was open; the state before it is
the frontier and the tally. Seconds that end at or before `floor_ms` were complete and published:
they are read again but not published again. Positions travel on a compacted topic; of one source
the highest (epoch, offset, decided) counts.
"""

import msgspec

from fenghuo.schemas.kinds.bounds import SECOND_WEIGHT_MAX
from fenghuo.schemas.wire.gaps import NO_GAPS, Gaps
from fenghuo.schemas.wire.pulse import EPOCH_MAX, OFFSET_MAX, Source, Tally


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """The restart point of one source partition, for one set of labels (fingerprint)."""

    source: Source
    epoch: int
    fingerprint: str
    offset: int
    frontier_ms: int | None
    floor_ms: int
    tally: Tally
    lateness_ms: int
    future_ms: int
    replayed: tuple[tuple[int, int], ...] = ()
    """(offset, idx) of dead letters of this partition that were replayed and counted, below
    `offset`.
    """
    limits: tuple[tuple[int, int], ...] = ()
    """Where records carry the producer's time: up to which event time they count, as (offset from
    which it holds, limit in ms). Empty where they carry the broker's.
    """
    decided: int = 0
    """Below this offset the limits are final: whoever reads again decides by them."""
    gaps: Gaps = NO_GAPS
    """What was deleted before it was read."""
    life: str = ""
    """The broker's id of the topic, "" if it tells none: a topic made anew has another."""
    weights: tuple[tuple[int, int], ...] = ()
    """(second, weight) of the seconds that were open at `offset`, by what lies before it."""
    sealed: int = 0
    """The offset at which reading went on behind deleted records and open seconds were given up."""
    own: str = ""
    """The fingerprint as far as this source's kind is concerned; "" by a release that knew only the
    one of all kinds.
    """

    def wins(self, other: "Position | None") -> bool:
        """Whether this one is to be taken instead of the other."""
        mine = (self.epoch, self.offset, self.decided)
        return other is None or mine > (other.epoch, other.offset, other.decided)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Position)


def encode(position: Position) -> bytes:
    """As JSON."""
    return _ENCODER.encode(position)


def decode(data: bytes) -> Position:
    """Read back; raises msgspec.MsgspecError for what is none, or cannot be one."""
    found = _DECODER.decode(data)
    if not (0 <= found.epoch <= EPOCH_MAX and 0 <= found.offset <= OFFSET_MAX):
        raise msgspec.ValidationError(
            f"expected an epoch up to {EPOCH_MAX} and an offset up to {OFFSET_MAX}, "
            f"got {found.epoch} and {found.offset}"
        )
    if not all(0 <= weight <= SECOND_WEIGHT_MAX for _, weight in found.weights):
        raise msgspec.ValidationError(f"expected weights of 63 bits, got {found.weights}")
    if min(found.tally.accepted, found.tally.late, found.tally.refused) < 0:
        raise msgspec.ValidationError(f"expected counts of 0 or more, got {found.tally}")
    return found
