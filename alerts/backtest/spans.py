"""How warnings did: what one warning's levels amount to, and how they met labelled windows. Pure.

Spans are half-open. An incident at a level is a maximal run of time at that level or above. It
meets a window when they share time; there is no tolerance around a window. A window is found when
an incident meets it: the delay is from its start to the first moment at that level inside it, so it
is 0 when the warning was already on. A false alarm is an incident that meets no window.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from fenghuo.schemas.campaign.parts import Flapping
from fenghuo.schemas.level import WARNINGS, Level

LEARNING_SHARE: Final = 0.15
LEARNING_MAX: Final = 750
"""A series is not scored in its first samples: that share of them, and no more than so many."""
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Span:
    """From start_ms up to, not including, end_ms."""

    start_ms: int
    end_ms: int

    def meets(self, other: "Span") -> bool:
        """Whether they share time."""
        return self.start_ms < other.end_ms and other.start_ms < self.end_ms


@dataclass(frozen=True, slots=True)
class Track:
    """The levels of one warning between two moments: (at_ms, level) of each change, in order.

    Before the first change, and where the level is None, nothing was known.
    """

    begin_ms: int
    end_ms: int
    moves: tuple[tuple[int, int | None], ...]


@dataclass(frozen=True, slots=True)
class Match:
    """How the incidents of a level met the windows. Delays are of the windows found, in order."""

    windows: int
    delays_ms: tuple[int, ...]
    delays_samples: tuple[int, ...]
    incidents: int
    false_alarms: int

    @property
    def found(self) -> int:
        """Windows found."""
        return len(self.delays_ms)


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a warning did, labels or none. fired: incidents at or above each level, blue first;
    minutes: at each level, green first; flaps: how often it began to flap; notices: rises to each
    level, blue first, each of which tells somebody.
    """

    fired: tuple[int, ...]
    minutes: tuple[float, ...]
    flaps: int
    notices: tuple[int, ...]
    hours: float

    @property
    def notices_per_hour(self) -> float:
        """All notices over the whole time; 0 of no time."""
        return sum(self.notices) / self.hours if self.hours else 0.0


def learning(samples: int) -> int:
    """How many samples of a series are for learning and are not scored."""
    return min(int(samples * LEARNING_SHARE), LEARNING_MAX)


def labelled(times_ms: Sequence[int], labels: Sequence[float]) -> tuple[Span, ...]:
    """The windows of labels sample by sample: each run of ones, up to its last sample."""
    found: list[Span] = []
    begin_ms = last_ms = 0
    inside = False
    for at_ms, label in zip(times_ms, labels, strict=True):
        if label == 1 and not inside:
            begin_ms, inside = at_ms, True
        elif label != 1 and inside:
            found.append(Span(begin_ms, last_ms + 1))
            inside = False
        last_ms = at_ms
    if inside:
        found.append(Span(begin_ms, last_ms + 1))
    return tuple(found)


def since(spans: Sequence[Span], from_ms: int) -> tuple[Span, ...]:
    """What of the spans lies at or after a moment."""
    return tuple(
        Span(max(span.start_ms, from_ms), span.end_ms) for span in spans if span.end_ms > from_ms
    )


def incidents(track: Track, level: Level) -> tuple[Span, ...]:
    """The runs of time at a level or above. One still open lasts to the end of the track."""
    found: list[Span] = []
    begin_ms: int | None = None
    for at_ms, to in track.moves:
        if to is not None and to >= level:
            begin_ms = at_ms if begin_ms is None else begin_ms
        elif begin_ms is not None:
            found.append(Span(begin_ms, max(at_ms, begin_ms + 1)))
            begin_ms = None
    if begin_ms is not None:
        found.append(Span(begin_ms, max(track.end_ms, begin_ms + 1)))
    return tuple(found)


def match(alarms: Sequence[Span], windows: Sequence[Span], times_ms: Sequence[int]) -> Match:
    """How alarms met windows, both in order and without overlap. times_ms: of all samples."""
    delays_ms: list[int] = []
    delays_samples: list[int] = []
    for window in windows:
        first = next((alarm for alarm in alarms if alarm.meets(window)), None)
        if first is not None:
            at_ms = max(first.start_ms, window.start_ms)
            delays_ms.append(at_ms - window.start_ms)
            waited = bisect_left(times_ms, at_ms) - bisect_left(times_ms, window.start_ms)
            delays_samples.append(waited)
    false = sum(not any(alarm.meets(window) for window in windows) for alarm in alarms)
    return Match(len(windows), tuple(delays_ms), tuple(delays_samples), len(alarms), false)


def conduct(track: Track, flapping: Flapping) -> Conduct:
    """What a warning did over its whole track."""
    minutes = [0.0] * len(Level)
    for (at_ms, level), (until_ms, _) in pairwise((*track.moves, (track.end_ms, None))):
        if level is not None:
            minutes[level] += (until_ms - at_ms) / MINUTE_MS
    notices = [0] * len(WARNINGS)
    for (_, before), (_, after) in pairwise(((track.begin_ms, None), *track.moves)):
        if after and after > (before or 0):
            notices[after - 1] += 1
    return Conduct(
        tuple(len(incidents(track, level)) for level in WARNINGS),
        tuple(minutes),
        _flaps(track, flapping),
        tuple(notices),
        (track.end_ms - track.begin_ms) / HOUR_MS,
    )


def _flaps(track: Track, flapping: Flapping) -> int:
    """How often there began to be so many changes within so long. Data that goes or comes back is
    no change of level.
    """
    recent: deque[int] = deque()
    found, is_on = 0, False
    for (_, before), (at_ms, after) in pairwise(track.moves):
        if before is None or after is None:
            continue
        recent.append(at_ms)
        while at_ms - recent[0] > flapping.within_ms:
            recent.popleft()
        was_on, is_on = is_on, len(recent) >= flapping.changes
        found += is_on and not was_on
    return found
