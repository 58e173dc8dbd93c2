"""Grade: bounds included, monotone, and calm inside the band."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fenghuo.alerts.judging.ladder import enters, grade, holds
from fenghuo.schemas.campaign.parts import Ladder
from fenghuo.schemas.level import WARNINGS, Level
from tests.alerts.samples import FALLING, RISING

GREEN, BLUE, CYAN, YELLOW, ORANGE, RED = Level

levels = st.sampled_from(list(Level))
values = st.floats(-50, 150, allow_nan=False)


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    """Any ladder that a campaign may hold, rising or falling; leave bounds in any order."""
    bounds = draw(st.lists(st.integers(0, 100), min_size=5, max_size=5, unique=True).map(sorted))
    bands = draw(st.lists(st.integers(1, 30), min_size=5, max_size=5))
    rising = draw(st.booleans())
    enter = tuple(float(bound) for bound in (bounds if rising else reversed(bounds)))
    sign = -1 if rising else 1
    leave = tuple(bound + sign * band for bound, band in zip(enter, bands, strict=True))
    return Ladder(rising, enter, leave)


@pytest.mark.parametrize(
    ("value", "now", "expected", "why"),
    [
        (4.9, GREEN, GREEN, "below the first bound"),
        (5.0, GREEN, BLUE, "a bound is included"),
        (4.0, BLUE, BLUE, "the leave bound is included too"),
        (3.999, BLUE, GREEN, "below the leave bound"),
        (4.5, GREEN, GREEN, "inside the band a level does not begin"),
        (25.0, GREEN, RED, "from green to red in one step"),
        (16.0, RED, RED, "inside red's band"),
        (14.9, RED, ORANGE, "below red's leave bound, above orange's enter bound"),
        (9.5, RED, ORANGE, "red is left, orange still holds"),
        (9.5, YELLOW, YELLOW, "the band of a higher level does not raise"),
        (8.5, ORANGE, YELLOW, "orange is left, yellow is reached"),
        (7.5, ORANGE, YELLOW, "orange is left, yellow still holds"),
        (0.0, RED, GREEN, "nothing holds"),
    ],
)
def test_rising(value: float, now: Level, expected: Level, why: str) -> None:
    assert grade(value, RISING, now) is expected, why


@pytest.mark.parametrize(
    ("value", "now", "expected", "why"),
    [
        (0.91, GREEN, GREEN, "above the first bound"),
        (0.9, GREEN, BLUE, "a bound is included"),
        (0.95, BLUE, BLUE, "the leave bound is included too"),
        (0.96, BLUE, GREEN, "above the leave bound"),
        (0.0, GREEN, RED, "from green to red in one step"),
        (0.54, RED, RED, "inside red's band"),
        (0.56, RED, ORANGE, "red is left, orange is reached"),
        (0.64, RED, ORANGE, "red is left, orange still holds"),
        (1.2, RED, GREEN, "nothing holds"),
    ],
)
def test_falling(value: float, now: Level, expected: Level, why: str) -> None:
    assert grade(value, FALLING, now) is expected, why


@given(ladders(), values, values, levels)
def test_a_worse_value_never_means_a_lower_level(
    ladder: Ladder, one: float, other: float, now: Level
) -> None:
    better, worse = sorted((one, other), reverse=not ladder.rising)

    assert grade(better, ladder, now) <= grade(worse, ladder, now)


@given(ladders(), values, levels, levels)
def test_a_higher_level_now_never_means_a_lower_level(
    ladder: Ladder, value: float, one: Level, other: Level
) -> None:
    assert grade(value, ladder, min(one, other)) <= grade(value, ladder, max(one, other))


@given(ladders(), values, levels)
def test_the_grade_is_stable(ladder: Ladder, value: float, now: Level) -> None:
    """Grading the same value again changes nothing, so nothing oscillates by itself."""
    once = grade(value, ladder, now)

    assert grade(value, ladder, once) is once


@given(ladders(), st.sampled_from(WARNINGS), st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_inside_the_band_the_level_stays(ladder: Ladder, level: Level, parts: list[float]) -> None:
    """Values between leave and enter of the present level, in any order."""
    low, high = sorted((ladder.leave_of(level), ladder.enter_of(level)))
    now = level
    for part in parts:
        value = low + (high - low) * part
        assume(not any(enters(value, ladder, above) for above in WARNINGS[level:]))
        now = grade(value, ladder, now)
        assert now is level


@given(ladders(), values, levels)
def test_the_definition(ladder: Ladder, value: float, now: Level) -> None:
    found = grade(value, ladder, now)

    for level in WARNINGS:
        if enters(value, ladder, level) or (level <= now and holds(value, ladder, level)):
            assert found >= level
    if found:
        assert enters(value, ladder, found) or (found <= now and holds(value, ladder, found))
