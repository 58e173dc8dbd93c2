"""Warnings scored against labelled windows, and the NAB score by hand."""

from itertools import pairwise
from math import exp, inf, isclose, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.alerts.backtest.nab_score import Costs, Scored, best, score, weight
from fenghuo.alerts.backtest.spans import (
    Match,
    Span,
    Track,
    conduct,
    incidents,
    labelled,
    learning,
    match,
    since,
)
from fenghuo.schemas.campaign.parts import Flapping
from fenghuo.schemas.level import WARNINGS, Level

MINUTE = 60_000
LEVELS = st.one_of(st.none(), st.integers(0, 5))


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    """Levels over up to a hundred seconds, each different from the one before."""
    times = sorted(draw(st.sets(st.integers(0, 100), max_size=12)))
    levels: list[int | None] = []
    for _ in times:
        levels.append(draw(LEVELS.filter(lambda new: not levels or new != levels[-1])))
    return Track(0, 101_000, tuple((at * 1000, to) for at, to in zip(times, levels, strict=True)))


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, ...]:
    """Spans in order that do not overlap."""
    edges = sorted(draw(st.sets(st.integers(0, 100), max_size=12)))
    return tuple(
        Span(begin * 1000, end * 1000) for begin, end in zip(edges[::2], edges[1::2], strict=False)
    )


def level_at(track: Track, at_ms: int) -> int:
    """The level at a moment, read off the changes; nothing known is none."""
    return next((to or 0 for at, to in reversed(track.moves) if at <= at_ms), 0)


@given(tracks(), st.sampled_from(WARNINGS))
def test_a_moment_lies_in_an_incident_exactly_when_the_level_is_reached(
    track: Track, level: Level
) -> None:
    found = incidents(track, level)
    for second in range(101):
        at = Span(second * 1000, second * 1000 + 1)
        assert any(one.meets(at) for one in found) == (level_at(track, at.start_ms) >= level)
    assert all(one.end_ms < other.start_ms for one, other in pairwise(found))


@given(tracks())
def test_a_higher_level_never_lasts_longer_and_all_minutes_add_up(track: Track) -> None:
    def length(level: Level) -> int:
        return sum(span.end_ms - span.start_ms for span in incidents(track, level))

    assert all(length(low) >= length(high) for low, high in pairwise(WARNINGS))
    done = conduct(track, Flapping())
    assert isclose(sum(done.minutes[1:]), length(Level.BLUE) / MINUTE, abs_tol=1e-9)
    assert all(at_all >= times for at_all, times in pairwise((sum(done.notices), *done.fired[:1])))


@given(spans(), spans())
def test_a_window_is_found_or_missed_and_an_alarm_is_true_or_false(
    alarms: tuple[Span, ...], windows: tuple[Span, ...]
) -> None:
    times = range(0, 101_000, 1000)
    found = match(alarms, windows, times)
    seconds = {s for alarm in alarms for s in range(alarm.start_ms, alarm.end_ms, 1000)}
    inside = [set(range(w.start_ms, w.end_ms, 1000)) & seconds for w in windows]
    hits = [(min(both) - w.start_ms) for both, w in zip(inside, windows, strict=True) if both]
    assert found.delays_ms == tuple(hits)
    assert found.delays_samples == tuple(delay // 1000 for delay in hits)
    labels = {s for w in windows for s in range(w.start_ms, w.end_ms, 1000)}
    false = [a for a in alarms if not labels & set(range(a.start_ms, a.end_ms, 1000))]
    assert (found.windows, found.incidents) == (len(windows), len(alarms))
    assert found.false_alarms == len(false)


@given(st.lists(st.sampled_from([0.0, 1.0])))
def test_each_run_of_labels_is_one_window(labels: list[float]) -> None:
    windows = labelled([i * 1000 for i in range(len(labels))], labels)
    covered = [
        any(w.meets(Span(i * 1000, i * 1000 + 1)) for w in windows) for i in range(len(labels))
    ]
    assert covered == [label == 1 for label in labels]
    starts = sum(one == 1 and before != 1 for before, one in pairwise([0.0, *labels]))
    assert len(windows) == starts


def test_what_lies_before_the_end_of_learning_is_not_scored() -> None:
    assert [learning(n) for n in (0, 6, 7, 100, 5000, 36_471)] == [0, 0, 1, 15, 750, 750]
    assert since((Span(0, 5), Span(6, 12), Span(20, 30)), 10) == (Span(10, 12), Span(20, 30))


def test_a_warning_that_was_on_before_the_window_finds_it_without_delay() -> None:
    windows = (Span(10_000, 20_001), Span(50_000, 60_001))
    alarms = (Span(5_000, 11_000), Span(30_000, 31_000), Span(58_000, 90_000))
    found = match(alarms, windows, range(0, 100_000, 1000))
    assert found == Match(2, (0, 8_000), (0, 8), 3, 1)


def test_an_alarm_that_ends_as_the_window_begins_is_a_false_one() -> None:
    found = match((Span(5_000, 10_000),), (Span(10_000, 20_001),), range(0, 30_000, 1000))
    assert (found.found, found.false_alarms) == (0, 1)


def test_fired_minutes_notices_and_flaps_of_a_scripted_hour() -> None:
    moves = ((0, 0), (MINUTE, 3), (3 * MINUTE, 5), (4 * MINUTE, 0), (30 * MINUTE, None),
             (31 * MINUTE, 0), (32 * MINUTE, 1), (33 * MINUTE, 0))  # fmt: skip
    done = conduct(Track(0, 60 * MINUTE, moves), Flapping(3, 5 * MINUTE, 0))
    assert done.fired == (2, 1, 1, 1, 1)
    assert list(done.minutes) == [1 + 26 + 1 + 27, 1, 0, 2, 0, 1]
    assert done.notices == (1, 0, 1, 0, 1)
    assert done.flaps == 1
    assert (done.hours, done.notices_per_hour) == (1.0, 3.0)


# A series of 100 rows, a second apart: rows 0 to 14 are for learning, the window is 40 to 49.
TIMES = range(0, 100_000, 1000)
SERIES = Scored(TIMES, (Span(40_000, 49_001),))


def s(y: float) -> float:
    """The sigmoid as the paper writes it."""
    return 2 / (1 + exp(5 * y)) - 1


def test_the_weight_is_that_of_the_paper_at_its_edges() -> None:
    assert weight(0) == 0
    assert isclose(weight(-1), 0.98661, abs_tol=1e-5)
    assert isclose(weight(-0.5), 0.84828, abs_tol=1e-5)
    assert isclose(weight(1), -0.98661, abs_tol=1e-5)
    assert weight(3) == weight(7) == -1


@pytest.mark.parametrize(
    ("rows", "raw"),
    [
        ([], -1),  # the window is missed
        ([40], 1),  # its first row
        ([49], s(-0.1) / s(-1)),  # its last
        ([44, 40, 47], 1),  # only the earliest counts
        ([20, 40], 1 - 0.11),  # before the first window: a full false alarm
        ([3, 40], 1),  # while learning: not scored
        ([40, 58], 1 + 0.11 * s(9 / 9)),  # one width behind
        ([40, 80], 1 - 0.11),  # far behind
        ([50], -1 + 0.11 * s(1 / 9)),  # a row too late hardly costs
        ([40, 40, 40], 1),
    ],
)
def test_detections_score_what_was_reckoned_by_hand(rows: list[int], raw: float) -> None:
    found = score([(SERIES, rows)])
    assert found is not None
    assert isclose(found, 100 * (raw + 1) / 2)


def test_null_is_nothing_perfect_is_a_hundred_and_series_add_up() -> None:
    assert score([(SERIES, []), (SERIES, [])]) == 0
    assert score([(SERIES, [40]), (SERIES, [40])]) == 100
    assert score([(SERIES, [40]), (SERIES, [])]) == 50
    assert score([(Scored(TIMES, ()), [30])]) is None


def test_a_series_without_a_window_adds_only_its_false_alarms() -> None:
    found = score([(SERIES, [40]), (Scored(TIMES, ()), [30, 31])])
    assert found is not None
    assert isclose(found, 100 * (1 - 0.22 + 1) / 2)


def test_costs_weigh_hits_false_alarms_and_misses() -> None:
    costs = Costs(hit=1, false_alarm=0.22, miss=2)
    found = score([(SERIES, [40, 80]), (SERIES, [])], costs)
    assert found is not None
    assert isclose(found, 100 * (1 - 0.22 - 2 + 4) / (2 + 4))


def test_a_window_of_one_row_and_one_while_learning_are_no_trouble() -> None:
    one = Scored(TIMES, (Span(2_000, 5_001), Span(40_000, 40_001)))
    found = score([(one, [40])])
    assert found == 100
    late = score([(one, [41])])
    assert late is not None
    assert isclose(late, 100 * (0.11 * s(1)) / 2)


VALUES = st.lists(st.one_of(st.just(nan), st.integers(0, 6).map(float)), min_size=100, max_size=100)


@given(VALUES, VALUES)
def test_the_best_threshold_is_the_best_of_all_tried_one_by_one(
    one: list[float], other: list[float]
) -> None:
    def tried(threshold: float) -> float:
        rows = [[i for i, v in enumerate(values) if v >= threshold] for values in (one, other)]
        found = score([(SERIES, rows[0]), (Scored(TIMES, (Span(60_000, 80_001),)), rows[1])])
        assert found is not None
        return found

    found = best([(SERIES, one), (Scored(TIMES, (Span(60_000, 80_001),)), other)])
    assert found is not None
    threshold, top = found
    assert isclose(top, max(tried(t) for t in (*range(7), inf)), abs_tol=1e-9)
    assert isclose(top, tried(threshold), abs_tol=1e-9)
