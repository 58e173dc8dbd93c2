"""decide(rule, reading, level_now): a reading meets its rule; the outcome has name and reason."""

import math
from dataclasses import dataclass
from typing import ClassVar

from fenghuo.alerts.ladder import enters, grade
from fenghuo.schemas.campaign_parts import Rule
from fenghuo.schemas.level import Level

UNIT_WORDS = {
    "percent": " %",
    "per_s": " per s",
    "ms": " ms",
    "per_10k": " per 10 000",
    "ratio": "",
    "s": " s",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A number and how many samples stand behind it; None is "no data", never 0."""

    value: float | None
    samples: int = 0
    expected: float | None = None
    deviation: float | None = None
    projected: float | None = None


@dataclass(frozen=True, slots=True)
class Graded:
    """The reading means a level."""

    level: Level
    reading: Reading
    reason: str
    state: ClassVar[str] = "graded"


@dataclass(frozen=True, slots=True)
class TooFew:
    """Fewer samples than the rule asks for: the level stays, whatever the value."""

    reading: Reading
    reason: str
    state: ClassVar[str] = "too_few"


@dataclass(frozen=True, slots=True)
class NoData:
    """There is nothing to judge."""

    reading: Reading
    reason: str
    state: ClassVar[str] = "no_data"


Outcome = Graded | TooFew | NoData


def decide(rule: Rule, reading: Reading, level_now: Level | int | None) -> Outcome:
    """What a reading means for a rule while a level is on (None: no level is known)."""
    value = reading.value
    if value is None or not math.isfinite(value):
        return NoData(Reading(None, reading.samples), "no data")
    if reading.samples < rule.min_samples:
        reason = f"too few samples: {reading.samples} of the {rule.min_samples} needed"
        return TooFew(reading, reason)
    level = grade(value, rule.ladder, Level(level_now or Level.GREEN))
    return Graded(level, reading, _reason(rule, value, level))


def in_words(value: float, unit: str) -> str:
    """A value with its unit, three significant digits or whole numbers from a hundred on."""
    number = f"{value:,.0f}".replace(",", " ") if abs(value) >= 100 else f"{value:.3g}"
    return number + UNIT_WORDS[unit]


def _reason(rule: Rule, value: float, level: Level) -> str:
    shown = in_words(value, rule.unit)
    if level is Level.GREEN:
        bound = in_words(rule.ladder.enter_of(Level.BLUE), rule.unit)
        return f"{shown}, normal: blue begins at {bound}"
    if enters(value, rule.ladder, level):
        bound = in_words(rule.ladder.enter_of(level), rule.unit)
        return f"{shown}, {level.word} begins at {bound}"
    bound = in_words(rule.ladder.leave_of(level), rule.unit)
    return f"{shown}, {level.word} ends at {bound}"
