"""The figures of a backtest: rows by level, peers on the same rows, tables, and where they go."""

import json
from array import array
from math import erfc, isnan, nan, sqrt
from random import Random

import numpy as np
import pytest

from fenghuo.alerts.backtest import (
    html as backtest_html,
)
from fenghuo.alerts.backtest import nab_score
from fenghuo.alerts.backtest import (
    peers as backtest_peers,
)
from fenghuo.alerts.backtest import (
    report as backtest_report,
)
from fenghuo.alerts.backtest.default_rule import DEFAULT_RULE
from fenghuo.alerts.backtest.nab_score import Costs, Scored
from fenghuo.alerts.backtest.report import BEGIN, END, Group
from fenghuo.alerts.backtest.run import SeriesResult
from fenghuo.alerts.backtest.score import Judged, peers, rows
from fenghuo.alerts.backtest.series import Series
from fenghuo.alerts.backtest.spans import Conduct, Span, Track

MINUTE = 60_000
TIMES = array("q", range(0, 1000 * MINUTE, MINUTE))
WINDOWS = (Span(300 * MINUTE, 310 * MINUTE + 1), Span(600 * MINUTE, 620 * MINUTE + 1))
MOVES = (
    *((0, None), (10 * MINUTE, 0)),
    *((50 * MINUTE, 5), (60 * MINUTE, 0)),  # while learning: not scored
    *((200 * MINUTE, 3), (205 * MINUTE, 0)),  # false
    *((304 * MINUTE, 2), (307 * MINUTE, 5), (315 * MINUTE, 0)),
    *((580 * MINUTE, 1), (610 * MINUTE, 4), (640 * MINUTE, 0)),
)


def judged(windows: tuple[Span, ...] | None, costs: Costs | None = None) -> Judged:
    """A thousand minutes with a scripted warning."""
    values = array("d", [float(i % 7) for i in range(1000)])
    result = SeriesResult(Track(0, 1000 * MINUTE, MOVES), array("d", [3.0] * 1000), values)
    return Judged(Series("made", "one", TIMES, values, windows, costs), result)


def test_rows_say_what_was_found_when_and_how_much_was_false() -> None:
    found = rows([judged(WINDOWS), judged(WINDOWS)], DEFAULT_RULE, seconds=0.5)
    assert [row.level for row in found] == ["blue", "cyan", "yellow", "orange", "red"]
    assert [(row.windows, row.found) for row in found] == [(4, 4), (4, 4), (4, 4), (4, 4), (4, 2)]
    # delays of the two windows: blue 4 and 0 minutes, cyan 4 and 10, yellow 7 and 10, ...
    assert [row.median_delay_s for row in found] == [120.0, 420.0, 510.0, 510.0, 420.0]
    assert [row.median_delay_samples for row in found] == [2, 7, 8.5, 8.5, 7]
    assert [row.false_alarms for row in found] == [2, 2, 2, 0, 0]
    days = 2 * 850 / 1440
    assert found[0].days == pytest.approx(days, abs=0.01)
    assert found[0].false_alarms_per_series_day == pytest.approx(2 / days, abs=1e-3)
    assert [row.fired for row in found] == [8, 8, 8, 6, 4]
    assert [row.minutes for row in found] == [60.0, 6.0, 10.0, 60.0, 36.0]
    assert {(row.series, row.samples, row.samples_per_s) for row in found} == {(2, 2000, 4000)}
    assert {row.nab_score for row in found} == {None}


def test_without_labels_nothing_is_found_and_nothing_is_false() -> None:
    found = rows([judged(None)], DEFAULT_RULE, seconds=0)
    assert {(row.windows, row.found, row.false_alarms, row.days) for row in found} == {
        (0, 0, None, 0)
    }
    assert [row.fired for row in found] == [4, 4, 4, 3, 2]
    assert peers([judged(None)]) == []


def test_the_nab_score_of_a_level_is_that_of_the_starts_of_its_incidents() -> None:
    found = rows([judged(WINDOWS, Costs())], DEFAULT_RULE, seconds=1)
    starts = {"blue": [50, 200, 304, 580], "cyan": [50, 200, 304, 610], "red": [50, 307]}
    for level, at in starts.items():
        score = nab_score.score([(Scored(TIMES, WINDOWS), at)])
        assert score is not None
        (row,) = [row for row in found if row.level == level]
        assert row.nab_score == pytest.approx(score, abs=0.01)


def test_peers_stand_beside_with_null_at_nothing() -> None:
    found = {(peer.detector, peer.threshold): peer for peer in peers([judged(WINDOWS, Costs())])}
    assert found["null", "none"].nab_score == 0
    best = found["windowed Gaussian", "best"].nab_score
    assert best is not None
    assert best >= 0
    assert (found["always", "none"].nab_score or 0) < 0


def test_the_windowed_gaussian_is_the_tail_of_the_window_before() -> None:
    random = Random(5)
    values = [random.gauss(1e6, 3.0) for _ in range(6_900)]
    values[40] = nan
    known = np.array([value for value in values if not isnan(value)])
    found = backtest_peers.windowed_gaussian(values)
    assert isnan(found[40])
    assert found[0] == 0
    # the full window moves on after 150 samples, not before
    for at, low in (
        (1, 0),
        (30, 0),
        (6_399, 0),
        (6_401, 0),
        (6_549, 0),
        (6_550, 150),
        (6_700, 300),
    ):
        window = known[low : min(at, low + 6_400)]
        z = abs(known[at] - window.mean()) / (window.std() or backtest_peers.DEVIATION_MIN)
        row = at if at < 40 else at + 1
        assert found[row] == pytest.approx(1 - 0.5 * erfc(z / sqrt(2)), abs=1e-6)


def test_the_percentile_is_that_of_the_learning_time_alone() -> None:
    values = [float(i) for i in range(100)] + [98.0, 99.5, 5000.0] + [0.0] * 564
    found = backtest_peers.above_percentile(values)
    assert [value > 0 for value in found[98:104]] == [False, True, False, True, True, False]


def test_a_track_of_numbers_is_red_while_they_are_above_nothing() -> None:
    track = backtest_peers.track_of([0, 10, 20, 30, 40], [0.0, 1.0, 2.0, nan, 1.0], 50)
    assert track == Track(0, 50, ((0, 0), (10, 5), (30, 0), (40, 5)))


def made() -> Group:
    """A set of two series, judged."""
    found = [judged(WINDOWS, Costs()), judged(None)]
    return Group(rows(found, DEFAULT_RULE, 1.0), peers(found), found)


def test_json_is_an_object_a_line_for_each_level() -> None:
    lines = [json.loads(line) for line in backtest_report.as_json(made().rows).splitlines()]
    assert [line["level"] for line in lines] == ["blue", "cyan", "yellow", "orange", "red"]
    asked = {"set", "level", "windows", "found", "median_delay_s", "false_alarms_per_series_day"}
    asked |= {"series", "samples", "samples_per_s", "nab_score"}
    assert all(asked <= set(line) for line in lines)


def test_a_table_is_put_between_its_marks_however_often() -> None:
    table = backtest_report.markdown([made()])
    document = f"# Head\n{BEGIN}\nstale\n{END}\ntail\n"
    placed = backtest_report.placed(document, table)
    assert placed == backtest_report.placed(placed, table)
    assert placed.startswith("# Head\n")
    assert placed.endswith("tail\n")
    assert "| made | yellow |" in placed
    assert "stale" not in placed
    with pytest.raises(ValueError, match="expected the lines"):
        backtest_report.placed("# Head\n", table)


def test_a_difference_shows_only_what_changed_and_who_is_gone() -> None:
    calm = Conduct((0,) * 5, (60.0, 0, 0, 0, 0, 0), 0, (0,) * 5, 1.0)
    wild = Conduct((2, 1, 1, 0, 0), (50.0, 4, 3, 3, 0, 0), 1, (2, 1, 1, 0, 0), 1.0)
    before = {("a", "total"): calm, ("b", "total"): calm}
    text = backtest_report.conducts(before, {("a", "total"): wild, ("c", "total"): calm})
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert "0 → 2" in lines["a"]
    assert "0.0 → 4.0" in lines["a"]
    assert lines["a"].rstrip().endswith("0 → 4")
    assert "0 → –" in lines["b"]
    assert "– → 0" in lines["c"]
    told = [json.loads(line) for line in backtest_report.conducts_json(before).splitlines()]
    assert told[0]["minutes"]["green"] == 60.0


def test_the_page_needs_nothing_else_and_draws_every_series_shown() -> None:
    page = backtest_html.page(DEFAULT_RULE, [made()], "")
    assert page.count("<svg") == page.count("</svg>") == 2
    assert "nan" not in page.replace("financ", "")
    for word in ("<script", "http:", "https:", "src=", "@import"):
        assert word not in page
    assert "1 of 2 windows found" not in page
    assert "2 of 2 windows found, 1 false alarms" in page
