"""What is known of a load run: the books of its producers, the proof that nothing was lost, what
was seen from outside, and the verdict.

Written by producer (worker), census (proof), watch (outside) and verdict; read by everything that
tells a run: live view, JSON, HTML. Values only.
"""

from typing import Literal

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


class Numbers(msgspec.Struct, frozen=True):
    """The numbers of a producer's records: 0 up to, not including, `sent`; those of `unsure`, as
    inclusive ranges, were not acknowledged and may be in the log or not.
    """

    producer: int
    sent: int
    unsure: tuple[tuple[int, int], ...] = ()


class Produced(msgspec.Struct, frozen=True):
    """The books of one producer, or of all of a run.

    planned = sent + missed + (what was never reached, when stopped); sent = acknowledged + failed.
    missed: due so long ago that sending it would have been a lie. Histograms are HdrHistogram's own
    base64 encoding, in microseconds from the planned time, one count a message: `handed` when the
    client took a message, `acked` when the broker had acknowledged it.
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
    queue_full: int
    """How often the client's queue was full: the broker took less than was offered."""
    handed: str
    acked: str
    seconds: tuple[Second, ...]
    partitions: tuple[Acknowledged, ...]
    numbers: tuple[Numbers, ...]
    planted: dict[str, int]
    """Events of each kind of bad data that were acknowledged: late, duplicate, malformed, ..."""
    by_kind: dict[str, Totals]
    """What was acknowledged, by kind of event; malformed ones count to the kind of their topic."""
    start_ms: int
    """Epoch time that due times count from."""
    ended_ms: int
    clock_step_ms: int
    """How far the wall clock moved against the monotonic one during the run."""
    cpu_s: float
    stopped: bool


class Progress(msgspec.Struct, frozen=True):
    """How far one producer is, in events; told a few times a second."""

    producer: int
    planned: int
    """Events due by now."""
    sent: int
    acknowledged: int
    missed: int
    failed: int


HOPS = ("planned", "sent", "acknowledged", "log", "counted", "store", "api")
"""The way of an event, from the plan to what a viewer sees."""


class Hop(msgspec.Struct, frozen=True):
    """What of the run arrived at one hop. `totals` is None where the hop could not be asked, and
    then `why` says so; a hop that has no messages or sums of its own says None there.
    """

    name: str
    events: int | None
    messages: int | None = None
    paid: int | None = None
    paid_amount_fen: int | None = None
    why: str = ""


class Missing(msgspec.Struct, frozen=True):
    """Records of a producer that were acknowledged and are not in the log: numbers first to last.
    near: where their neighbours lie, as topic/partition/offset.
    """

    producer: int
    first: int
    last: int
    near: str


class Fates(msgspec.Struct, frozen=True):
    """What became of the run's events of one kind: log = accepted + late + refused."""

    kind: str
    log: int
    accepted: int
    late: int
    refused: int


class Proof(msgspec.Struct, frozen=True):
    """Loss and duplicates, hop by hop. closed: all hops agree to the event and to the fen; None:
    it cannot be told, `problems` say why. Differences are in `problems` too, one sentence each.
    """

    hops: tuple[Hop, ...]
    fates: tuple[Fates, ...]
    lost: int | None
    """Events that were acknowledged and did not arrive at one of the later hops, the worst of them;
    None when none of these hops could be asked.
    """
    duplicates: int | None
    """Records that are in the log more than once."""
    missing: tuple[Missing, ...]
    foreign_messages: int
    """Records of others in the lane between the run's first and last offset."""
    closed: bool | None
    problems: tuple[str, ...]


class Sample(msgspec.Struct, frozen=True):
    """One look at a run, in events of the run since its start; None where nobody could be asked.

    at_ms: since the start. lag: in the log and not yet gathered. fresh_ms: age of the newest event
    time that a viewer has been shown. busy: share of the machine's cores in use, 0 to 1.
    """

    at_ms: int
    planned: int
    sent: int
    acknowledged: int
    missed: int
    gathered: int | None = None
    archived: int | None = None
    shown: int | None = None
    lag: int | None = None
    fresh_ms: int | None = None
    busy: float | None = None


class Watched(msgspec.Struct, frozen=True):
    """What was seen of a run from outside. `fresh`: HdrHistogram (base64, microseconds) of planned
    event time to shown on the live stream, one count for every millisecond of event time.
    settled_ms: from the last acknowledgement until everything was shown; None: it never was.
    """

    samples: tuple[Sample, ...]
    fresh: str
    settled_ms: int | None
    why: str = ""
    """Why nothing or not everything could be seen."""


class Gate(msgspec.Struct, frozen=True):
    """One expectation and what came of it. samples: how many measurements stand behind value."""

    text: str
    value: float | None
    samples: int
    outcome: Literal["passed", "failed", "invalid"]
    reason: str


class Verdict(msgspec.Struct, frozen=True):
    """PASS, FAIL or INVALID with every reason; INVALID: the run says nothing about the system."""

    outcome: Literal["PASS", "FAIL", "INVALID"]
    reasons: tuple[str, ...]
    gates: tuple[Gate, ...]

    @property
    def exit_code(self) -> int:
        """0, 1 or 2."""
        return ("PASS", "FAIL", "INVALID").index(self.outcome)


class Told(msgspec.Struct, frozen=True):
    """What has to stand beside the figures of a run so that somebody else can repeat it."""

    command: str
    seed: int
    shape: str
    rate_per_s: int
    """The plan's peak, events a second."""
    seconds: int
    form: str
    lane: str
    version: str
    commit: str
    machine: str
    versions: dict[str, str]
    """Of Python, the operating system, the libraries that carry the run."""
    campaign: str
    campaign_hash: str
    settings: dict[str, str]


class Knee(msgspec.Struct, frozen=True):
    """One step of a capacity search: what was offered and whether the system held it."""

    rate_per_s: int
    held: bool
    sent_per_s: float
    lag_max: int | None
    fresh_p99_ms: float | None
    why: str


class Run(msgspec.Struct, frozen=True):
    """A whole run, as `--json` prints it and the HTML report shows it."""

    told: Told
    produced: Produced
    proof: Proof
    watched: Watched
    verdict: Verdict
    knee: tuple[Knee, ...] = ()
    """The steps of a capacity search, lowest rate first; empty for a single run."""
