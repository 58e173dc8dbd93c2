"""decide(rule, reading, level_now): a reading meets its rule; the outcome has name and reason.

An adaptive rule is graded by a score: by how many of its usual deviations the value is away from
the expected one. All bounds of its ladder are such scores.
"""

import math
from functools import lru_cache
from typing import ClassVar, TypeGuard

import msgspec

from fenghuo.alerts.judging.ladder import enters, grade
from fenghuo.schemas.campaign.parts import OUTSIDE, Adaptive, Early, Ladder, Rule
from fenghuo.schemas.level import Level
from fenghuo.schemas.metrics.reading import Reading

UNIT_WORDS = {
    "percent": " %",
    "per_s": " per s",
    "per_s_min": " per s and minute",
    "ms": " ms",
    "per_10k": " per 10 000",
    "ratio": "",
    "s": " s",
}
SCORE_DIGITS = 9
"""Decimals of a score: what is learned is no sharper, and 1 beside a bound of 1 is no hair less."""
SCORE_MAX = 1e6
"""What a value counts that is away from a sure expectation: far beyond any bound, yet finite."""


class Graded(msgspec.Struct, frozen=True):
    """The reading means a level.

    ladder: the one it was graded by, None for the rule's own. score: what was graded, of an
    adaptive rule. line: that of the early warning, if the level is owed to it.
    """

    level: Level
    reading: Reading
    reason: str
    ladder: Ladder | None = None
    score: float | None = None
    line: Level | None = None
    state: ClassVar[str] = "graded"


class TooFew(msgspec.Struct, frozen=True):
    """Fewer samples than the rule asks for: the level stays, whatever the value."""

    reading: Reading
    reason: str
    state: ClassVar[str] = "too_few"


class Learning(msgspec.Struct, frozen=True):
    """What to expect is not known yet: the level stays, whatever the value."""

    reading: Reading
    reason: str
    state: ClassVar[str] = "learning"


class NoData(msgspec.Struct, frozen=True):
    """There is nothing to judge."""

    reading: Reading
    reason: str
    state: ClassVar[str] = "no_data"


class Suspended(msgspec.Struct, frozen=True):
    """The rule is not judged in this phase."""

    reading: Reading
    reason: str
    state: ClassVar[str] = "suspended"


Outcome = Graded | TooFew | Learning | NoData | Suspended


def decide(
    rule: Rule,
    reading: Reading,
    level_now: Level | int | None,
    *,
    phase: str | None = None,
    scope: str = "total",
) -> Outcome:
    """What a reading means for a rule while a level is on (None: no level is known).

    phase and scope choose the ladder. Suspension is asked first, then data, samples, expectation.
    """
    value = reading.value
    if (phase or OUTSIDE) in rule.suspended:
        reason = f"suspended in phase {phase}" if phase else "suspended outside the phases"
        return Suspended(_finite(reading), reason)
    if value is None or not math.isfinite(value):
        return NoData(_finite(reading), "no data")
    if reading.samples < rule.min_samples:
        reason = f"too few samples: {reading.samples} of the {rule.min_samples} needed"
        return TooFew(reading, reason)
    ladder = rule.ladder_of(phase, scope)
    now = level_now or 0
    if rule.adaptive is not None:
        return _decide_adaptive(rule, rule.adaptive, ladder, reading, value=value, now=now)
    level = grade(value, ladder, now)
    early, projected = rule.early, reading.projected
    if early is not None and projected is not None and early.level > level:
        told = early.line if now >= early.level else Level.GREEN
        # between the bounds of the line the warning stays: a trembling projection is one warning
        if math.isfinite(projected) and grade(projected, ladder, told) >= early.line:
            reason = _early_reason(rule.unit, early, ladder, value=value, projected=projected)
            return Graded(early.level, reading, reason, ladder, None, early.line)
    reason = f"{in_words(value, rule.unit)}, {_deciding(value, ladder, level, rule.unit)}"
    return Graded(level, reading, reason, ladder)


def score_of(value: float, expected: float, deviation: float, adaptive: Adaptive) -> float:
    """How many deviations the value is on the watched side of the expected one, at most SCORE_MAX.

    With `both` sides every distance is positive, with one side the other one is negative.
    """
    away = value - expected
    unit = max(deviation, adaptive.floor, adaptive.floor_share * abs(expected), 0.0)
    size = min(abs(away) / unit, SCORE_MAX) if abs(away) < unit * SCORE_MAX else SCORE_MAX
    score = math.copysign(round(size, SCORE_DIGITS), away) if away else 0.0
    if adaptive.side == "both":
        return abs(score)
    return score if adaptive.side == "above" else -score


def in_words(value: float, unit: str) -> str:
    """A value with its unit, three significant digits or whole numbers from a hundred on."""
    number = f"{value:,.0f}".replace(",", " ") if abs(value) >= 100 else f"{value:.3g}"
    words = UNIT_WORDS.get(unit)
    return f"{number} {unit.replace('_', ' ')}" if words is None else number + words


def span(length_ms: int) -> str:
    """A length of time in words, in whole minutes where it has them: `10 min`, `90 s`."""
    minutes, rest = divmod(length_ms, 60_000)
    return f"{length_ms / 1000:g} s" if rest or not minutes else f"{minutes} min"


def _finite(reading: Reading) -> Reading:
    if reading.value is None or math.isfinite(reading.value):
        return reading
    return Reading(None, reading.samples, reading.expected, reading.deviation, reading.projected)


def _decide_adaptive(
    rule: Rule, adaptive: Adaptive, ladder: Ladder, reading: Reading, *, value: float, now: int
) -> Outcome:
    shown = in_words(value, rule.unit)
    expected, deviation = reading.expected, reading.deviation
    if not _is_known(expected) or not _is_known(deviation):
        return Learning(reading, f"{shown}, learning: what to expect is not known yet")
    score = score_of(value, expected, deviation, adaptive)
    level = grade(score, ladder, now)
    away = _away_in_words(value, expected, score, rule.unit)
    return Graded(
        level, reading, f"{shown}, {away}, {_deciding(score, ladder, level)}", ladder, score
    )


def _is_known(number: float | None) -> TypeGuard[float]:
    return number is not None and math.isfinite(number)


def _deciding(graded: float, ladder: Ladder, level: Level, unit: str | None = None) -> str:
    """The bound that decided, in words; unit None: bounds are scores."""
    if level is Level.GREEN:
        return _bound("normal: blue begins at", ladder.enter[0], unit)
    if enters(graded, ladder, level):
        return _bound(f"{_WORDS[level]} begins at", ladder.enter[level - 1], unit)
    return _bound(f"{_WORDS[level]} ends at", ladder.leave[level - 1], unit)


@lru_cache(maxsize=4096)
def _bound(what: str, bound: float, unit: str | None) -> str:
    """Cached: bounds are few, and said again at every tick."""
    return f"{what} {bound:g}" if unit is None else f"{what} {in_words(bound, unit)}"


def _away_in_words(value: float, expected: float, score: float, unit: str) -> str:
    size = abs(score)
    if size >= SCORE_MAX:
        count = f"over {SCORE_MAX:,.0f}".replace(",", " ")
    else:
        count = f"{size:,.0f}".replace(",", " ") if size >= 100 else f"{size:.1f}"
    if count == "0.0":
        return f"as expected at {in_words(expected, unit)}"
    side = "above" if value > expected else "below"
    return f"{count} deviations {side} the expected {in_words(expected, unit)}"


def _early_reason(
    unit: str, early: Early, ladder: Ladder, *, value: float, projected: float
) -> str:
    near = "" if enters(projected, ladder, early.line) else "near "
    line = f"{near}{early.line.word} at {in_words(ladder.enter_of(early.line), unit)}"
    return f"{in_words(value, unit)}, at this pace {line} within {span(early.within_s * 1000)}"


_WORDS = tuple(level.word for level in Level)
