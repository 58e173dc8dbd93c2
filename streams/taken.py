"""What a counting of a source partition depends on besides its log, and what comes out of it."""

import msgspec

from fenghuo.schemas.gaps import NO_GAPS, Gaps
from fenghuo.schemas.letters import Letter
from fenghuo.schemas.position import Position
from fenghuo.schemas.pulse import Rows, Tally


class Terms(msgspec.Struct, frozen=True):
    """What the counting depends on besides the log. fingerprint names labels, cuts and the
    campaign's times.
    """

    lateness_ms: int
    future_ms: int
    start_ms: int
    end_ms: int
    fingerprint: str


class Taken(msgspec.Struct, frozen=True):
    """What changed: pulses and late rows to publish, letters for the dead, and the position after
    that.
    """

    pulses: Rows
    late: Rows
    letters: tuple[Letter, ...]
    position: Position
    frontier_ms: int | None
    watermark_ms: int | None
    next_offset: int
    tally: Tally
    gaps: Gaps = NO_GAPS
