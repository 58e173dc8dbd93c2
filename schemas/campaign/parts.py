"""The frozen parts of a campaign: titles, lines, phases, rules with their metrics and ladders."""

from dataclasses import dataclass

from fenghuo.schemas.level import WARNINGS, Level
from fenghuo.schemas.metrics.form import Form
from fenghuo.schemas.metrics.seen import TREND_S


@dataclass(frozen=True, slots=True)
class Title:
    """A name for people, in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Line:
    """A capacity line: what one architecture carries."""

    name: str
    title: Title
    requests_per_s: float


@dataclass(frozen=True, slots=True)
class PacePoint:
    """By this campaign minute this share of the target is due."""

    minute: float
    share: float


OUTSIDE = "outside"
"""What a rule calls the time outside all phases."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the campaign, end excluded."""

    id: str
    title: Title
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Wave:
    """An opening wave: the moment a sale opens."""

    id: str
    title: Title
    at_ms: int


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How the campaign shrinks to fit a laptop: its length, its size, perhaps its own pace."""

    duration_s: int
    scale: float
    gmv_scale: float
    curve: tuple[PacePoint, ...]  # empty: the campaign's own curve, compressed


@dataclass(frozen=True, slots=True)
class Ladder:
    """Five thresholds, blue to red, each with the bound that enters and the bound that leaves.

    Rising: a level is entered at `value >= enter` and held while `value >= leave`.
    Falling: the same with `<=`.
    """

    rising: bool
    enter: tuple[float, ...]
    leave: tuple[float, ...]

    def enter_of(self, level: Level) -> float:
        """The bound that enters a level above green."""
        return self.enter[level - 1]

    def leave_of(self, level: Level) -> float:
        """The bound below which (falling: above which) a level above green is left."""
        return self.leave[level - 1]


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Where a ladder's zero lies: its bounds are then multiples of the usual deviation from the
    expected value, and the value graded is a score.

    season: `day` (the same time of the days before), `last_year` (the curve of last year, scaled to
    the present level) or `none` (the recent past alone). floor: a deviation never counts as less
    than this, in the rule's unit; floor_share: nor as less than this share of the expected value.
    side: which deviations count: `above`, `below` or `both`.
    """

    season: str = "day"
    side: str = "both"
    floor: float = 0.0
    floor_share: float = 0.0


DEFAULT_SCORES = Ladder(
    rising=True, enter=(3.5, 4.5, 5.5, 8.0, 12.0), leave=(2.6, 3.4, 4.1, 6.0, 9.0)
)
"""Bounds of an adaptive ladder, in usual deviations, where a rule names none: see
deploy/backtest.md.
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """Other bounds for a phase (or OUTSIDE), for a scope, or for both; empty: for any."""

    phase: str
    scope: str
    ladder: Ladder


@dataclass(frozen=True, slots=True)
class Early:
    """An early warning: when the projection reaches the enter bound of `line` within `within_s`,
    the grade is at least `level`.
    """

    within_s: int
    line: Level
    level: Level


@dataclass(frozen=True, slots=True)
class Fold:
    """A cause that explains others: while rule `cause` is at yellow or above, the warnings of the
    rules in `hides` are shown inside its incident. scope: `total` (the cause's total explains every
    scope) or `same` (the cause explains its own scope and what lies inside it).
    """

    cause: str
    hides: tuple[str, ...]
    scope: str


@dataclass(frozen=True, slots=True)
class Flapping:
    """When a warning is called flapping: so many changes of level within so long. It is then left
    only after so long below.
    """

    changes: int = 6
    within_ms: int = 600_000
    hold_ms: int = 300_000


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is watched: a metric, in which scopes, on which ladder, with which holds."""

    id: str
    title: Title
    unit: str
    metric: Form
    scopes: tuple[str, ...]
    min_samples: int
    ladder: Ladder
    hold_up_ms: tuple[int, ...]  # by level, green first (0, never used)
    hold_down_ms: tuple[int, ...]  # how long the grade must stay below a level before it is left
    playbook: str
    owner: str
    adaptive: Adaptive | None = None
    variants: tuple[Variant, ...] = ()  # the first that fits counts
    suspended: tuple[str, ...] = ()  # phases (or OUTSIDE) in which the rule is not judged
    early: Early | None = None
    flapping: Flapping = Flapping()

    def ladder_of(self, phase: str | None, scope: str) -> Ladder:
        """The ladder in a phase (None: outside all) and a scope."""
        for variant in self.variants:
            if variant.phase in ("", phase or OUTSIDE) and variant.scope in ("", scope):
                return variant.ladder
        return self.ladder

    def __post_init__(self) -> None:
        levels = len(WARNINGS)
        if len(self.ladder.enter) != levels or len(self.ladder.leave) != levels:
            raise ValueError(f"expected {levels} enter and leave bounds in rule {self.id}")
        if len(self.hold_up_ms) != levels + 1 or len(self.hold_down_ms) != levels + 1:
            raise ValueError(f"expected {levels + 1} holds each way in rule {self.id}")

    @property
    def window_s(self) -> int:
        """How far back the reading looks, baseline included; 0 if it has no window."""
        return self.metric.reach_s

    @property
    def span_s(self) -> int:
        """How many seconds of the rings it needs."""
        return max(self.window_s, 0 if self.early is None else TREND_S)
