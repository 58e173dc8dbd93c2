"""A reading meets its rule: an outcome by name, each with a reason in words."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.alerts.judging.decide import (
    SCORE_MAX,
    Graded,
    Learning,
    NoData,
    Outcome,
    Suspended,
    TooFew,
    decide,
    in_words,
    score_of,
    span,
)
from fenghuo.alerts.judging.ladder import grade
from fenghuo.schemas.campaign.parts import Adaptive, Early, Ladder, Rule, Variant
from fenghuo.schemas.level import Level
from fenghuo.schemas.metrics.catalogue import UNITS
from fenghuo.schemas.metrics.reading import Reading
from tests.alerts.samples import ADAPTIVE, FALLING, RISING, RULE, rule

NONE_NEEDED = rule(min_samples=0)
STRICT = replace(RISING, enter=(1.0, 2.0, 3.0, 4.0, 5.0), leave=(0.5, 1.5, 2.5, 3.5, 4.5))
CAPACITY = rule(
    unit="per_s",
    ladder=Ladder(
        rising=True,
        enter=(75e3, 80e3, 85e3, 90e3, 1e5),
        leave=(70e3, 75e3, 80e3, 85e3, 95e3),
    ),
    early=Early(600, Level.RED, Level.CYAN),
)
finite = st.floats(-1e9, 1e9)


def seen(outcome: Outcome) -> tuple[str, str]:
    """State (graded: the level) and reason."""
    word = outcome.level.word if isinstance(outcome, Graded) else outcome.state
    return word, outcome.reason


@pytest.mark.parametrize(
    ("reading", "now", "expected"),
    [
        (Reading(4.2, 100), None, ("green", "4.2 %, normal: blue begins at 5 %")),
        (Reading(8.33333, 100), 0, ("yellow", "8.33 %, yellow begins at 8 %")),
        (Reading(16.0, 100), Level.RED, ("red", "16 %, red ends at 15 %")),
        (Reading(99.0, 99), 0, ("too_few", "too few samples: 99 of the 100 needed")),
        (Reading(None, 0), 3, ("no_data", "no data")),
        (Reading(None, 5000), 0, ("no_data", "no data")),
    ],
)
def test_decide(reading: Reading, now: Level | int | None, expected: tuple[str, str]) -> None:
    outcome = decide(RULE, reading, now)

    assert seen(outcome) == expected
    assert outcome.reading == reading


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_no_data_and_never_green(value: float) -> None:
    outcome = decide(NONE_NEEDED, Reading(value, 5), Level.RED)

    assert outcome == NoData(Reading(None, 5), "no data")


def test_without_a_minimum_no_samples_are_enough() -> None:
    assert isinstance(decide(NONE_NEEDED, Reading(0.0), None), Graded)


def test_the_names_of_the_outcomes_are_those_of_a_verdict() -> None:
    outcomes = (Graded, TooFew, Learning, NoData, Suspended)

    assert [o.state for o in outcomes] == ["graded", "too_few", "learning", "no_data", "suspended"]


@pytest.mark.parametrize(
    ("phase", "scope", "level"),
    [
        (None, "total", Level.GREEN),
        ("opening", "total", Level.YELLOW),
        ("opening", "region=east", Level.YELLOW),
        ("quiet", "region=east", Level.RED),
        ("quiet", "region=west", Level.GREEN),
        ("outside", "channel=app", Level.RED),
        (None, "channel=app", Level.RED),
    ],
)
def test_phase_and_scope_choose_the_ladder(phase: str | None, scope: str, level: Level) -> None:
    high = replace(RISING, enter=(0.1, 0.2, 0.3, 0.4, 0.5), leave=(0.0,) * 5)
    variants = (
        Variant("opening", "", STRICT),
        Variant("", "region=east", high),
        Variant("outside", "channel=app", high),
    )
    varied = rule(variants=variants)

    outcome = decide(varied, Reading(3.2, 500), 0, phase=phase, scope=scope)

    assert isinstance(outcome, Graded)
    assert outcome.level is level
    assert outcome.ladder == varied.ladder_of(phase, scope)


@pytest.mark.parametrize("value", [None, 4.0, 99.0, math.nan])
def test_in_a_suspended_phase_nothing_is_judged(value: float | None) -> None:
    outcome = decide(rule(suspended=("night",)), Reading(value, 5), 0, phase="night")

    assert seen(outcome) == ("suspended", "suspended in phase night")


def test_a_rule_may_be_judged_in_phases_only() -> None:
    phased = rule(suspended=("outside",))

    outcome = decide(phased, Reading(99.0, 500), 0, phase=None)

    assert seen(outcome) == ("suspended", "suspended outside the phases")
    assert isinstance(decide(phased, Reading(99.0, 500), 0, phase="night"), Graded)
    assert outcome.reading.value is None or math.isfinite(outcome.reading.value)


@pytest.mark.parametrize("phase", [None, "day"])
def test_outside_its_suspended_phases_a_rule_is_judged(phase: str | None) -> None:
    outcome = decide(rule(suspended=("night",)), Reading(99.0, 500), 0, phase=phase)

    assert isinstance(outcome, Graded)


# the ladder of ADAPTIVE: deviations 3, 5, 7, 9, 12; left at 2, 4, 6, 8, 10
@pytest.mark.parametrize(
    ("value", "deviation", "now", "level", "away", "bound"),
    [
        *[
            (4210.0, 98.0, now, "orange", "9.3 deviations below the expected", "orange begins at 9")
            for now in (None, Level.YELLOW, Level.ORANGE)
        ],
        *[
            (4335.0, 95.0, now, word, "8.3 deviations below the expected", f"{word} {bound}")
            for now, word, bound in (
                (Level.RED, "orange", "ends at 8"),
                (Level.ORANGE, "orange", "ends at 8"),
                (Level.YELLOW, "yellow", "begins at 7"),
            )
        ],
        (
            5220.0,
            100.0,
            0,
            "green",
            "1.0 deviations above the expected",
            "normal: blue begins at 3",
        ),
        (5121.0, 100.0, 0, "green", "as expected at", "normal: blue begins at 3"),
        (5120.0, 0.0, 0, "green", "as expected at", "normal: blue begins at 3"),
        (5121.0, 0.0, 0, "red", "over 1 000 000 deviations above the expected", "red begins at 12"),
        (7620.0, 1.0, 0, "red", "2 500 deviations above the expected", "red begins at 12"),
    ],
)
def test_an_adaptive_rule_says_how_far_from_what_was_expected(
    *, value: float, deviation: float, now: int | None, level: str, away: str, bound: str
) -> None:
    reading = Reading(value, 500, expected=5120.0, deviation=deviation)

    reason = f"{in_words(value, 'per_s')}, {away} 5 120 per s, {bound}"
    assert seen(decide(ADAPTIVE, reading, now)) == (level, reason)


@pytest.mark.parametrize(
    ("expected", "deviation"), [(None, None), (5.0, None), (None, 1.0), (math.nan, 1.0)]
)
def test_without_an_expectation_an_adaptive_rule_is_learning(
    expected: float | None, deviation: float | None
) -> None:
    outcome = decide(ADAPTIVE, Reading(4210.0, 500, expected, deviation), Level.RED)

    words = ("learning", "4 210 per s, learning: what to expect is not known yet")
    assert seen(outcome) == words


def test_nothing_is_learnt_from_too_few_or_from_nothing() -> None:
    assert isinstance(decide(ADAPTIVE, Reading(1.0, 3), 0), TooFew)
    assert isinstance(decide(ADAPTIVE, Reading(None, 300), 0), NoData)


@pytest.mark.parametrize(
    ("adaptive", "value", "deviation", "score", "why"),
    [
        (Adaptive(side="above"), 120.0, 10.0, 2.0, "above counts"),
        (Adaptive(side="above"), 80.0, 10.0, -2.0, "and below does not"),
        (Adaptive(side="below"), 80.0, 10.0, 2.0, "below counts"),
        (Adaptive(side="below"), 120.0, 10.0, -2.0, "and above does not"),
        (Adaptive(side="both"), 80.0, 10.0, 2.0, "every distance counts"),
        (Adaptive(floor=40.0), 120.0, 10.0, 0.5, "a floor in the rule's unit"),
        (Adaptive(floor_share=0.2), 120.0, 10.0, 1.0, "a floor as a share of the expected"),
        (Adaptive(floor=5.0, floor_share=0.05), 120.0, 10.0, 2.0, "floors below the deviation"),
        (Adaptive(), 100.0, 0.0, 0.0, "what is exact and sure is no deviation"),
        (Adaptive(), 100.1, 0.0, SCORE_MAX, "a sure expectation missed"),
        (Adaptive(side="below"), 100.1, 0.0, -SCORE_MAX, "missed on the side not watched"),
    ],
)
def test_scores(adaptive: Adaptive, value: float, deviation: float, score: float, why: str) -> None:
    assert score_of(value, 100.0, deviation, adaptive) == score, why


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False, min_value=0),
    st.sampled_from([Adaptive(side=s, floor_share=f) for s in ("above", "both") for f in (0, 0.1)]),
)
def test_a_score_is_finite_whatever_the_numbers(
    value: float, expected: float, deviation: float, adaptive: Adaptive
) -> None:
    assert abs(score_of(value, expected, deviation, adaptive)) <= SCORE_MAX


@given(finite, finite, finite, st.floats(0, 1e6), st.sampled_from(["above", "below", "both"]))
def test_farther_on_the_watched_side_is_never_a_lower_score(
    one: float, other: float, expected: float, deviation: float, side: str
) -> None:
    adaptive = Adaptive(side=side, floor=0.001)
    signed = {"above": 1.0, "below": -1.0}.get(side)

    def distance(value: float) -> float:
        return abs(value - expected) if signed is None else signed * (value - expected)

    near, far = sorted((one, other), key=distance)

    assert score_of(near, expected, deviation, adaptive) <= score_of(
        far, expected, deviation, adaptive
    )


@pytest.mark.parametrize(
    ("value", "projected", "now", "expected", "why"),
    [
        (
            *(72e3, 104e3, 0),
            ("cyan", "72 000 per s, at this pace red at 100 000 per s within 10 min"),
            "the line is reached ahead of time",
        ),
        (
            *(72e3, 1e5, 0),
            ("cyan", "72 000 per s, at this pace red at 100 000 per s within 10 min"),
            "the bound is included",
        ),
        (
            *(72e3, 99e3, 0),
            ("green", "72 000 per s, normal: blue begins at 75 000 per s"),
            "short of the line",
        ),
        (
            *(72e3, 96e3, Level.CYAN),
            ("cyan", "72 000 per s, at this pace near red at 100 000 per s within 10 min"),
            "once told, inside the band of the line",
        ),
        (
            *(72e3, 94e3, Level.CYAN),
            ("blue", "72 000 per s, blue ends at 70 000 per s"),
            "the line is left; the value still holds what it is in the band of",
        ),
        (
            *(92e3, 104e3, 0),
            ("orange", "92 000 per s, orange begins at 90 000 per s"),
            "the value itself is worse",
        ),
        (
            *(72e3, None, 0),
            ("green", "72 000 per s, normal: blue begins at 75 000 per s"),
            "no projection",
        ),
        (
            *(72e3, math.inf, 0),
            ("green", "72 000 per s, normal: blue begins at 75 000 per s"),
            "no finite projection",
        ),
    ],
)
def test_early_warning(
    value: float, projected: float | None, now: int, expected: tuple[str, str], why: str
) -> None:
    outcome = decide(CAPACITY, Reading(value, 500, projected=projected), now)

    assert seen(outcome) == expected, why


def test_an_early_warning_of_a_falling_ladder_looks_down() -> None:
    pace = rule(unit="ratio", ladder=FALLING, early=Early(90, Level.YELLOW, Level.BLUE))

    outcome = decide(pace, Reading(0.95, 500, projected=0.65), 0)

    assert seen(outcome) == ("blue", "0.95, at this pace yellow at 0.7 within 90 s")


@given(finite, st.none() | finite, st.sampled_from(list(Level)))
def test_an_early_warning_only_ever_adds(value: float, projected: float | None, now: Level) -> None:
    outcome = decide(CAPACITY, Reading(value, 500, projected=projected), now)

    assert isinstance(outcome, Graded)
    assert outcome.level >= grade(value, CAPACITY.ladder, now)
    assert outcome.level <= max(grade(value, CAPACITY.ladder, now), Level.CYAN)


@given(
    st.sampled_from([RULE, ADAPTIVE, CAPACITY, rule(suspended=("night",))]),
    st.builds(
        Reading,
        st.none() | st.floats(),
        st.integers(0, 200),
        st.none() | st.floats(),
        st.none() | st.floats(min_value=0),
        st.none() | st.floats(),
    ),
    st.sampled_from([None, *Level]),
    st.sampled_from([None, "night"]),
)
def test_every_reading_has_an_outcome_with_one_line_of_reason(
    of: Rule, reading: Reading, now: Level | None, phase: str | None
) -> None:
    outcome = decide(of, reading, now, phase=phase)

    assert outcome.reason.strip() == outcome.reason != ""
    assert "\n" not in outcome.reason
    assert "nan" not in outcome.reason
    value = outcome.reading.value
    assert value is None or math.isfinite(value)
    assert value is not None or isinstance(outcome, NoData | Suspended)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.0, "ratio", "0"),
        (0.9512, "ratio", "0.951"),
        (99.96, "percent", "100 %"),
        (1_234_567.8, "per_s", "1 234 568 per s"),
        (-1500.0, "ms", "-1 500 ms"),
        (3.5, "per_10k", "3.5 per 10 000"),
        (12.0, "s", "12 s"),
        (7.0, "new_words", "7 new words"),
    ],
)
def test_values_in_words(value: float, unit: str, words: str) -> None:
    assert in_words(value, unit) == words


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_of_a_campaign_has_words(unit: str) -> None:
    assert in_words(1.0, unit).startswith("1")


@pytest.mark.parametrize(
    ("length_ms", "words"),
    [(0, "0 s"), (500, "0.5 s"), (60_000, "1 min"), (90_000, "90 s"), (600_000, "10 min")],
)
def test_lengths_of_time_in_words(length_ms: int, words: str) -> None:
    assert span(length_ms) == words
