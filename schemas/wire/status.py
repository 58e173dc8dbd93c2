"""Status: all that leaves the judge. One Board is one consistent state of every verdict.

The wire form is JSON (msgspec). A Board holds the memory of the warning machine, so the newest
Board on topic `status` is also what a restarted judge goes on from. Integers carry their unit in
the name; a reading without data is null, never 0; every number carries `as_of_ms`, the event time
up to which it counts.
"""

from typing import Literal

import msgspec

from fenghuo.schemas.wire.pulse import Head
from fenghuo.schemas.wire.warning import State, Transition

SCHEMA = 1
RECENT_TRANSITIONS_MAX = 50


class Books(msgspec.Struct, frozen=True):
    """What became of every event read so far: log = accepted + late + refused."""

    accepted: int = 0
    late: int = 0
    refused: int = 0
    unknown_labels: int = 0
    unknown_fields: int = 0


class Behind(msgspec.Struct, frozen=True):
    """A source partition ("orders/1") that is read to its end and yet lies this far behind the
    newest of its kind: its producer is late. Nobody waits for it.
    """

    source: str
    by_ms: int


class Note(msgspec.Struct, frozen=True):
    """Something about the set-up or its surroundings that whoever looks at the numbers should
    know, while it lasts. code: what kind of thing; where: a topic, source or part; cure: a command
    or what to look at, "" where nothing is to be done.
    """

    code: str
    where: str
    zh: str
    en: str
    cure: str = ""


class KindStatus(msgspec.Struct, frozen=True):
    """How fresh and how complete one event kind is.

    as_of_ms: event-time frontier (the least newest event time over partitions that are not idle).
    watermark_ms: no second before it changes any more. age_ms: now - as_of_ms. silence_ms: wall
    clock since the last record came. lag_events: records in the log that gather has not read, those
    of partitions that nobody reads included.
    """

    kind: str
    as_of_ms: int | None
    watermark_ms: int | None
    age_ms: int | None
    silence_ms: int | None
    lag_events: int | None
    partitions: int
    books: Books
    behind: tuple[Behind, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """One rule on one scope ("total" or "region=east"): the reading, and the warning it leads to.

    state: graded | too_few (fewer samples than the rule asks: the level stays) | no_data |
    suspended (not judged in this phase) | learning (the baseline knows too little yet).
    expected, deviation: of an adaptive rule, in the rule's unit. projected: the value after the
    rule's early.within_s at the present pace. cause: "rule|scope" of the warning that explains this
    one; first_out: of several with the same cause it was there first.
    threshold: the enter bound of the present level; next_threshold: that of the level above.
    provisional: seconds inside the window can still change (they lie behind the frontier, before
    the watermark).
    """

    rule: str
    scope: str
    unit: str
    value: float | None
    samples: int
    state: Literal["graded", "too_few", "no_data", "suspended", "learning"]
    level: int | None
    as_of_ms: int | None
    provisional: bool
    reason: str
    threshold: float | None
    next_threshold: float | None
    memory: State
    expected: float | None = None
    deviation: float | None = None
    projected: float | None = None
    cause: str | None = None
    first_out: bool = False


class RegionView(msgspec.Struct, frozen=True):
    """One tile: a war zone. Rates are over the last RATE_WINDOW_S seconds of event time."""

    region: str
    gmv_fen: int | None
    gmv_target_fen: int | None
    orders_per_s: float | None
    complaints_per_10k: float | None
    payment_failure: float | None
    level: int | None


class Overview(msgspec.Struct, frozen=True):
    """The head of the page: GMV against target and the three rates. Null where there is no data."""

    gmv_fen: int | None
    gmv_target_fen: int
    gmv_due_fen: int
    orders_per_s: float | None
    requests_per_s: float | None
    complaints_per_10k: float | None
    error_rate: float | None
    latency_p99_ms: float | None
    regions: tuple[RegionView, ...] = ()
    gmv_finish_fen: int | None = None
    """What the campaign will end at, at the present share of what was due."""
    ahead_ms: int | None = None
    """How far the paid amount is ahead of the pace curve; negative: behind."""


class CampaignNote(msgspec.Struct, frozen=True):
    """Which campaign the numbers belong to, and where its clock stands."""

    name: str
    title_zh: str
    title_en: str
    version: str
    start_ms: int
    end_ms: int
    phase: str | None
    rehearsal_scale: float | None
    refused: str = ""
    """Why what the file holds now is not in force; empty: it is."""
    loaded_ms: int = 0
    """When the campaign in force was read."""


class Board(msgspec.Struct, frozen=True):
    """Everything the judge knows at now_ms. seq rises by one with every board of one judge.

    Judges that were replaced may still send boards: `reign.Reign` tells those that count.
    """

    schema: int
    seq: int
    now_ms: int
    as_of_ms: int | None
    watermark_ms: int | None
    level: int | None
    campaign: CampaignNote
    kinds: tuple[KindStatus, ...]
    overview: Overview
    verdicts: tuple[Verdict, ...]
    recent: tuple[Transition, ...]
    rewind_offset: int
    """Offset of topic `pulses` a restarted judge has to read from to know the same seconds."""
    heads: tuple[Head, ...] = ()
    """The newest head of every source partition: what a restarted judge knows of silent ones."""
    moved: tuple[Transition, ...] = ()
    """What changed with this board. Told after it; a restarted judge tells it again."""
    first_s: dict[str, int] = {}
    """The first second there ever was, by kind: before it nothing is known."""
    notes: tuple[Note, ...] = ()
    """What is to be known about the set-up just now."""
    skews_ms: dict[str, tuple[int, ...]] = {}
    """By source: how far its last heads said that their worker's clock is behind the judge's, 0 for
    less than a second; the least of them counts. Only sources of which one said so.
    """
    orphans: dict[str, int] = {}
    """By source ("orders/3"): how many records wait in a partition that nobody reads."""
    generation: int = 0
    """The reign of the judge that sent it: the place behind the claim by which it began."""
    claim: str | None = None
    """Not None: no news, but the claim of this judge to end the reign of that generation and begin
    its own; empty: the judge leaves. The rest repeats the newest board its sender knew.
    """


def blank(campaign: CampaignNote, gmv_target_fen: int) -> Board:
    """A board of a judge that knows nothing yet."""
    overview = Overview(None, gmv_target_fen, 0, None, None, None, None, None)
    return Board(SCHEMA, 0, 0, None, None, None, campaign, (), overview, (), (), 0)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Board)


def encode(board: Board) -> bytes:
    """The board as one JSON object."""
    return _ENCODER.encode(board)


def decode(data: bytes) -> Board:
    """Read back what `encode` wrote; raises msgspec.ValidationError naming the path."""
    return _DECODER.decode(data)
