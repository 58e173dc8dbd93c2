"""What the producers of a run did: one value per producer process, added up into one for the run.

Written by the producers (worker), read by everything that judges a run: proof, verdict, report.
"""

import msgspec


class Totals(msgspec.Struct, frozen=True):
    """How much of something: messages, the events in them, and what they add to the sums."""

    messages: int = 0
    events: int = 0
    paid: int = 0
    paid_amount_fen: int = 0

    def plus(self, other: "Totals") -> "Totals":
        """The sum of two."""
        return Totals(
            self.messages + other.messages,
            self.events + other.events,
            self.paid + other.paid,
            self.paid_amount_fen + other.paid_amount_fen,
        )


class Second(msgspec.Struct, frozen=True):
    """Events of one second of the run, by the second in which they were due."""

    at_s: int
    planned: int = 0
    sent: int = 0
    acknowledged: int = 0
    missed: int = 0


class Acknowledged(msgspec.Struct, frozen=True):
    """What one partition acknowledged: offsets from first_offset up to, not including, end_offset
    hold these messages (and perhaps those of others).
    """

    topic: str
    partition: int
    totals: Totals
    first_offset: int
    end_offset: int


class Produced(msgspec.Struct, frozen=True):
    """The books of one producer, or of all of a run.

    planned = sent + missed + (what was never reached, when stopped); sent = acknowledged + failed.
    missed: due so long ago that sending it would have been a lie. Histograms are HdrHistogram's own
    base64 encoding, in microseconds from the planned time: `handed` when the client took a message,
    `acked` when the broker had acknowledged it.
    """

    run: str
    producers: int
    planned: Totals
    sent: Totals
    acknowledged: Totals
    missed: Totals
    failed: Totals
    failures: dict[str, int]
    late_sends: int
    late_ms_max: int
    handed: str
    acked: str
    seconds: tuple[Second, ...]
    partitions: tuple[Acknowledged, ...]
    planted: dict[str, int]
    """Events of each kind of bad data that were acknowledged: late, duplicate, malformed, ..."""
    start_ms: int
    """Epoch time that due times count from."""
    ended_ms: int
    clock_step_ms: int
    """How far the wall clock moved against the monotonic one during the run."""
    cpu_s: float
    stopped: bool
