"""A reading meets its rule: graded, too few samples, or no data, each with a reason in words."""

import math

import pytest

from fenghuo.alerts.rules import Graded, NoData, Outcome, Reading, TooFew, decide, in_words
from fenghuo.schemas.campaign_rules import ALL_UNITS
from fenghuo.schemas.level import Level
from tests.alerts.samples import RULE, rule

NONE_NEEDED = rule(min_samples=0)


@pytest.mark.parametrize(
    ("reading", "now", "expected"),
    [
        (
            Reading(4.2, 100),
            None,
            Graded(Level.GREEN, Reading(4.2, 100), "4.2 %, normal: blue begins at 5 %"),
        ),
        (
            Reading(8.33333, 100),
            0,
            Graded(Level.YELLOW, Reading(8.33333, 100), "8.33 %, yellow begins at 8 %"),
        ),
        (
            Reading(16.0, 100),
            Level.RED,
            Graded(Level.RED, Reading(16.0, 100), "16 %, red ends at 15 %"),
        ),
        (
            Reading(99.0, 99),
            0,
            TooFew(Reading(99.0, 99), "too few samples: 99 of the 100 needed"),
        ),
        (Reading(None, 0), 3, NoData(Reading(None, 0), "no data")),
        (Reading(None, 5000), 0, NoData(Reading(None, 5000), "no data")),
    ],
)
def test_decide(reading: Reading, now: Level | int | None, expected: Outcome) -> None:
    assert decide(RULE, reading, now) == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_no_data_and_never_green(value: float) -> None:
    outcome = decide(NONE_NEEDED, Reading(value, 5), Level.RED)

    assert outcome == NoData(Reading(None, 5), "no data")


def test_without_a_minimum_no_samples_are_enough() -> None:
    assert isinstance(decide(NONE_NEEDED, Reading(0.0), None), Graded)


def test_the_names_of_the_outcomes_are_those_of_a_verdict() -> None:
    assert (Graded.state, TooFew.state, NoData.state) == ("graded", "too_few", "no_data")


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
    ],
)
def test_values_in_words(value: float, unit: str, words: str) -> None:
    assert in_words(value, unit) == words


@pytest.mark.parametrize("unit", ALL_UNITS)
def test_every_unit_of_a_campaign_has_words(unit: str) -> None:
    assert in_words(1.0, unit).startswith("1")
