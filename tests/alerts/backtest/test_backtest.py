"""The loop of a backtest over values: it is the live judge's, and it knows nothing beforehand."""

from dataclasses import replace
from math import isnan, nan

from hypothesis import given
from hypothesis import strategies as st

from fenghuo.alerts.backtest.default_rule import DEFAULT_RULE
from fenghuo.alerts.backtest.run import SeriesResult, judge_series, step_of
from fenghuo.alerts.judging.decide import decide
from fenghuo.alerts.judging.machine import advance
from fenghuo.schemas.campaign.parts import Rule
from fenghuo.schemas.metrics.reading import Reading
from fenghuo.schemas.wire.warning import State
from tests.alerts.samples import rule
from tests.streams.expecting import Recent

VALUES = st.lists(
    st.one_of(
        st.just(nan), st.integers(-20, 20).map(float), st.floats(-1e9, 1e9, allow_subnormal=False)
    ),
    max_size=120,
)
PLAIN = rule(min_samples=1)
RULES = st.sampled_from((DEFAULT_RULE, PLAIN, replace(DEFAULT_RULE, hold_down_ms=(0,) * 6)))


def judged(which: Rule, values: list[float]) -> SeriesResult:
    """The series judged, a sample each minute."""
    baseline = Recent() if which.adaptive else None
    return judge_series(which, baseline, range(0, 60_000 * len(values), 60_000), values)


def same(one: list[float], other: list[float]) -> bool:
    """Equal, where NaN equals NaN."""
    return all(a == b or (isnan(a) and isnan(b)) for a, b in zip(one, other, strict=True))


@given(RULES, VALUES)
def test_a_series_is_judged_as_decide_and_advance_say_step_by_step(
    which: Rule, values: list[float]
) -> None:
    baseline, state, moves = Recent(), State(), []
    for i, value in enumerate(values):
        known = (baseline.expect(i * 60_000) if which.adaptive else None) or (None, None)
        reading = Reading(None if isnan(value) else value, 1, *known)
        outcome = decide(which, reading, state.level)
        state, moved = advance(which, state, outcome, i * 60_000, scope="total")
        if moved is not None:
            moves.append((moved.at_ms, moved.to_level))
        baseline.learn(i * 60_000, reading.value)
    assert judged(which, values).track.moves == tuple(moves)


@given(RULES, VALUES, st.data())
def test_what_comes_later_changes_nothing_of_what_was_judged(
    which: Rule, values: list[float], data: st.DataObject
) -> None:
    end = data.draw(st.integers(0, len(values)))
    whole, part = judged(which, values), judged(which, values[:end])
    assert same(list(whole.scores)[:end], list(part.scores))
    assert same(list(whole.expected)[:end], list(part.expected))
    early = tuple(move for move in whole.track.moves if move[0] < end * 60_000)
    assert early == part.track.moves


@given(VALUES)
def test_the_baseline_is_asked_before_it_is_told_each_sample_once(values: list[float]) -> None:
    times = range(0, 60_000 * len(values), 60_000)
    baseline = Recent()
    judge_series(DEFAULT_RULE, baseline, times, values)
    told = [(at, None if isnan(v) else v) for at, v in zip(times, values, strict=True)]
    assert (baseline.asked_ms, baseline.told) == (list(times), told)


def test_a_rule_without_a_baseline_grades_the_value_itself() -> None:
    result = judged(PLAIN, [1.0, 30.0, 30.0, nan, 30.0, *[1.0] * 3])
    assert result.track.begin_ms == 0
    assert result.track.end_ms == 8 * 60_000
    assert result.track.moves == ((0, 0), (60_000, 5), (6 * 60_000, 0))
    assert same(list(result.scores), [1.0, 30.0, 30.0, nan, 30.0, 1.0, 1.0, 1.0])


def test_an_empty_series_is_judged_to_nothing() -> None:
    result = judged(DEFAULT_RULE, [])
    assert (result.track.moves, list(result.scores)) == ((), [])


def test_the_step_is_the_usual_one_gaps_and_repeats_aside() -> None:
    assert step_of([0, 60, 60, 120, 180, 9_000, 9_060]) == 60
    assert step_of([5]) == step_of([]) == step_of([7, 7]) == 60_000
