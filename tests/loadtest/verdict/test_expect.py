"""Expectations: what can be asked of a run, how it is written; nothing passes unmeasured."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest.verdict.expect import (
    DEFAULT,
    MEASURES,
    OPS,
    QUANTILES,
    ExpectError,
    Seen,
    expectation,
    gate,
    quantiles,
)
from fenghuo.loadtest.verdict.result import Fates, Missing, Second, Totals
from tests.loadtest.any_run import PRODUCED, PROOFS, WATCHED
from tests.loadtest.runs import histogram, produced, proof, watched

NAMES, SIGNS = st.sampled_from(sorted(MEASURES)), st.sampled_from(sorted(OPS))
BOUNDS = st.from_regex(r"[0-9]{1,3}(_[0-9]{3}){0,3}(\.[0-9]{1,4})?[kM]?", fullmatch=True)
SEEN = st.builds(Seen, PRODUCED, PROOFS, WATCHED)
WIDER = {"<": "<=", ">": ">=", "==": "<="}


@given(NAMES, SIGNS, BOUNDS, st.sampled_from(("", " ", "  ")))
def test_an_expectation_is_read_and_written_alike(
    name: str, op: str, bound: str, space: str
) -> None:
    found = expectation(f"{space}{name}{space}{op}{space}{bound}{space}")

    assert found.text == f"{name}{op}{bound}"
    assert expectation(found.text) == found
    assert (found.measure.name, found.op) == (name, op)


@pytest.mark.parametrize(
    ("text", "op", "bound"),
    [
        ("p99_ms<1000", "<", 1_000),
        (" lost == 0 ", "==", 0),
        ("rate_per_s>=8M", ">=", 8_000_000),
        ("rate_per_s>=2.5k", ">=", 2_500),
        ("peak_per_s>500_000", ">", 500_000),
        ("busy_max<=0.95", "<=", 0.95),
    ],
)
def test_bounds_are_numbers_with_groups_and_units(text: str, op: str, bound: float) -> None:
    found = expectation(text)

    assert (found.op, found.bound) == (op, bound)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p99_msec<1", "no measure 'p99_msec'; near are p99_ms"),
        ("losst==0", "no measure 'losst'; near are lost"),
        ("nothing_like_it<1", "no measure 'nothing_like_it'; near are"),
        (
            "p99_ms",
            "expected NAME OP NUMBER such as 'p99_ms<1000' with OP one of < <= == > >=, got",
        ),
        ("p99_ms!=3", "expected NAME OP NUMBER"),
        ("p99_ms=3", "expected NAME OP NUMBER"),
        ("p99_ms<-3", "expected NAME OP NUMBER"),
        ("p99_ms<nan", "expected NAME OP NUMBER"),
        ("p99_ms<1e3", "expected NAME OP NUMBER"),
        ("p99_ms<٣", "expected NAME OP NUMBER"),
        ("p99_ms<" + "9" * 400, "expected NAME OP NUMBER"),
        ("", "expected NAME OP NUMBER"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_cure(text: str, words: str) -> None:
    with pytest.raises(ExpectError, match=words):
        expectation(text)


@given(NAMES, SIGNS, st.integers(0, 9), SEEN)
def test_no_measure_passes_without_samples(name: str, op: str, bound: int, seen: Seen) -> None:
    found = gate(expectation(f"{name}{op}{bound}"), seen)

    assert found.outcome != "passed" or found.samples >= MEASURES[name].samples_min
    assert found.samples > 0 or found.outcome == "invalid"
    assert found.reason


NOTHING = Seen(
    produced(
        planned=Totals(), sent=Totals(), acknowledged=Totals(), seconds=(), handed="", acked=""
    ),
    proof(fates=(), lost=None, duplicates=None, closed=None, problems=("the log was not read",)),
    watched(samples=(), fresh="", settled_ms=None, why="nobody watched"),
)


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_what_was_not_measured_is_invalid_and_says_who_was_silent(name: str) -> None:
    found = gate(expectation(f"{name}>=0"), NOTHING)

    assert (found.outcome, found.value, found.samples) == ("invalid", None, 0)
    silent = ": nobody watched" if MEASURES[name].source == "watched" else ""
    assert found.reason == f"{name} was not measured{silent}"


@pytest.mark.parametrize("text", DEFAULT)
def test_of_a_run_that_delivered_nothing_it_is_not_said_that_nothing_was_lost(text: str) -> None:
    seen = Seen(produced(acknowledged=Totals()), proof(), watched())

    assert gate(expectation(text), seen).outcome == "invalid"


@given(st.integers(1, 99_999))
def test_a_percentile_needs_samples_to_speak_of(count: int) -> None:
    seen = Seen(produced(), proof(), watched(fresh=histogram(*[5.0] * count)))

    for name, percentile, needed in QUANTILES:
        found = gate(expectation(f"{name}_ms<10"), seen)
        assert found.outcome == ("passed" if count >= needed else "invalid")
        if name != "max":
            assert needed == pytest.approx(100 / (100 - percentile))


def test_too_few_samples_are_said_with_both_numbers() -> None:
    seen = Seen(produced(), proof(), watched(fresh=histogram(*[5.0] * 312)))

    assert gate(expectation("p999_ms<10"), seen).reason == (
        "too few samples: p99.9 needs 1 000, there are 312 (p999_ms)"
    )


SOME = Seen(
    proof=proof(
        lost=4,
        duplicates=3,
        missing=(Missing(0, 7, 9, ""), Missing(1, 5, 5, "")),
        fates=(Fates("order", 10, 7, 2, 1), Fates("traffic", 5, 5, 0, 0)),
    ),
    produced=produced(
        planned=Totals(60, 60),
        sent=Totals(55, 55),
        acknowledged=Totals(50, 50),
        missed=Totals(5, 5),
        failed=Totals(5, 5),
        # nothing was due in second 2; it belongs to the run nevertheless
        seconds=(Second(1, 20, 20, 30), Second(3, 40, 35, 20), Second(9, 0, 0, 0)),
    ),
    watched=watched(),
)


@pytest.mark.parametrize(
    ("name", "value", "samples"),
    [
        ("lost", 4, 50),
        ("duplicates", 3, 50),
        ("missing", 4, 50),
        ("missed", 5, 60),
        ("failed", 5, 55),
        ("late", 2, 15),
        ("refused", 1, 15),
        ("rate_per_s", 50 / 3, 3),
        ("peak_per_s", 30, 3),
        ("lag_max", 380, 20),
        ("fresh_max_ms", 400, 20),
        ("busy_max", 0.5, 20),
        ("settled_ms", 420, 1),
        ("p50_ms", pytest.approx(300, rel=0.01), 10_000),
        ("ack_p50_ms", pytest.approx(8, rel=0.01), 10_000),
        ("send_max_ms", pytest.approx(0.2, rel=0.01), 10_000),
    ],
)
def test_each_measure_reads_its_own_figure(name: str, value: Any, samples: int) -> None:
    assert MEASURES[name].read(SOME) == (value, samples)


def test_what_was_watched_for_and_never_came_fails() -> None:
    found = gate(
        expectation("settled_ms<5000"), Seen(produced(), proof(), watched(settled_ms=None))
    )

    assert (found.outcome, found.value, found.samples) == ("failed", None, 20)
    assert found.reason == "settled_ms never came, expected < 5 000 ms"


@given(PRODUCED)
def test_an_encoded_histogram_gives_rising_quantiles(made: Any) -> None:
    found, count = quantiles(made.acked)

    assert bool(found) == (count > 0)
    assert list(found.values()) == sorted(found.values())
    found.clear()  # the caller's own
    assert bool(quantiles(made.acked)[0]) == (count > 0)


@given(NAMES, st.sampled_from(sorted(WIDER)), st.integers(0, 9), SEEN)
def test_a_wider_bound_passes_what_a_narrower_passed(
    name: str, op: str, bound: int, seen: Seen
) -> None:
    if gate(expectation(f"{name}{op}{bound}"), seen).outcome == "passed":
        assert gate(expectation(f"{name}{WIDER[op]}{bound}"), seen).outcome == "passed"


def test_every_measure_says_what_it_means_and_in_what_unit() -> None:
    assert all(measure.meaning and measure.source for measure in MEASURES.values())
    assert [name for name, one in MEASURES.items() if not one.unit] == ["busy_max"]
