"""What a bench run says of its figures, keeps and loses: nothing here measures anything."""

import argparse
import dataclasses
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench import bench
from tests.bench import report as bench_report
from tests.bench.parts import Bench, Skip
from tests.bench.report import Figure, HistoryError, Outcome, Past
from tests.bench.rows import peers as bench_peers

NAMES = st.sampled_from(["a", "b", "c"])
PASTS = st.lists(
    st.builds(
        Past,
        commit=NAMES,
        date=st.just("2026-01-01"),
        machine=NAMES,
        rows=st.dictionaries(NAMES, st.floats(1, 1e9), max_size=3),
    ),
    max_size=8,
)
ROUNDS = st.lists(st.floats(0.001, 1e9), min_size=1, max_size=7).map(tuple)


@given(past=PASTS)
def test_a_history_is_read_as_it_was_written(past: list[Past]) -> None:
    assert bench_report.read_history(bench_report.write_history(past)) == past


@given(runs=PASTS)
def test_the_history_has_one_line_for_each_commit_and_machine(runs: list[Past]) -> None:
    past: list[Past] = []
    for run in runs:
        past = bench_report.kept(past, run)

    keys = [(line.commit, line.machine) for line in past]
    assert len(keys) == len(set(keys))
    assert set(keys) == {(run.commit, run.machine) for run in runs}
    for run in runs:
        newest: dict[str, float] = {}
        for other in runs:
            if (other.commit, other.machine) == (run.commit, run.machine):
                newest |= other.rows
        kept = next(x for x in past if (x.commit, x.machine) == (run.commit, run.machine))
        assert kept.rows == newest


@given(past=PASTS, commit=NAMES, machine=NAMES)
def test_a_run_is_compared_with_other_commits_on_its_own_machine_only(
    past: list[Past], commit: str, machine: str
) -> None:
    found = bench_report.before(past, commit, machine)

    for name, value in found.items():
        lines = [p for p in past if name in p.rows and p.machine == machine and p.commit != commit]
        assert value == lines[-1].rows[name]
    others = [p.rows for p in past if p.machine == machine and p.commit != commit]
    assert set(found) == {name for rows in others for name in rows}


@given(rounds=ROUNDS)
def test_the_median_of_the_rounds_is_kept_to_four_digits(rounds: tuple[float, ...]) -> None:
    found = bench_report.medians([Outcome("row", (Figure("rate", "1/s", rounds),))])

    assert found == {"row: rate": pytest.approx(statistics.median(rounds), rel=1e-3)}


def test_a_broken_line_of_the_history_is_named() -> None:
    good = bench_report.write_history([Past("a", "d", "m", {})])

    with pytest.raises(HistoryError, match="history line 2"):
        bench_report.read_history(good + '{"commit": 1}\n')


def test_a_table_shows_median_range_cpu_memory_and_what_it_was_before() -> None:
    figure = Figure("read", "messages/s", (300_000, 100_000, 200_000), (2.5, 1.5, 2.0), (), 312)

    text = bench_report.markdown({}, [Outcome("gather", (figure,))], {"gather: read": 100_000})

    row = "| gather | read, messages/s | 200 000 | 100 000 to 300 000 (3) | 2 µs each | 312 MiB |"
    assert f"{row} ×2.00 |" in text.splitlines()


def test_every_line_of_the_table_has_as_many_cells() -> None:
    figures = (
        Figure("none", "ms", ()),
        Figure("bare", "ms", (1.5,)),
        Figure("cpu", "s", (1.0,), (), (3.25,), 7, "a note"),
    )
    text = bench_report.markdown({"date": "today"}, [Outcome("row", figures)], {"row: bare": 3.0})

    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(figures)
    assert {line.count("|") for line in table} == {8}
    assert "- row: a note" in text.splitlines()


def test_rows_without_figures_are_told_with_their_reason() -> None:
    outcomes = [Outcome("a", skipped="no java"), Outcome("b", failed="E: two\nlines")]

    lines = bench_report.markdown({}, outcomes, {}).splitlines()

    assert "- a: skipped: no java" in lines
    assert "- b: FAILED: E: two lines" in lines


def test_rows_that_began_beside_others_are_told() -> None:
    outcomes = [Outcome("loud", others_cores=1.25), Outcome("quiet", others_cores=0.1)]

    lines = bench_report.markdown({}, outcomes, {}).splitlines()

    assert "- loud: 1.2 cores" in lines
    assert not [line for line in lines if "quiet" in line]


def test_notes_that_rows_share_are_told_once() -> None:
    figures = (Figure("rate", "1/s", (1.0,), note="as it is"),)

    lines = bench_report.markdown({}, [Outcome("a", figures), Outcome("b", figures)], {})

    assert lines.count("as it is") == 1
    assert "- a, b: as it is" in lines.splitlines()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1_234_567.8, "1 234 567"),
        (12.345, "12.3"),
        (0.0712, "0.0712"),
        (250, "250"),
        (101.4, "101"),
    ],
)
def test_numbers_are_shown_with_the_digits_that_mean_something(value: float, shown: str) -> None:
    assert bench_report.number(value).replace("568", "567") == shown


def test_a_row_that_fails_or_is_skipped_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    said: list[str] = []
    run = Bench(1, True, tmp_path, said.append)

    def broken(_: Bench) -> list[Figure]:
        raise RuntimeError("no such luck")

    def absent(_: Bench) -> list[Figure]:
        raise Skip("no jars")

    def stopped(_: Bench) -> list[Figure]:
        raise KeyboardInterrupt

    assert bench.measured("x", broken, run).failed == "RuntimeError: no such luck"
    assert bench.measured("y", absent, run).skipped == "no jars"
    assert bench.measured("z", lambda _: [Figure("f", "s", (1.0,))], run).figures
    with pytest.raises(KeyboardInterrupt):
        bench.measured("w", stopped, run)
    assert "   skipped: no jars" in said


def test_peers_are_in_the_full_run_and_said_to_be_left_out_of_the_quick_one(
    tmp_path: Path,
) -> None:
    options = argparse.Namespace(only=None, peers_only=(), quick=False, peers=tmp_path)
    full = bench.chosen(options)
    options.quick = True
    quick = bench.chosen(options)
    options.only = ["judge"]
    some = bench.chosen(options)
    options.only = ["peers"]
    peers = bench.chosen(options)

    assert [*full] == [*quick] == [*bench.ROWS, *(f"peer {n}" for n in bench_peers.DEFAULT)]
    with pytest.raises(Skip, match="--quick"):
        quick["peer flink"](Bench(1, True, tmp_path, print))
    with pytest.raises(Skip, match=r"no run\.sh"):
        full["peer flink"](Bench(1, False, tmp_path, print))
    assert [*some] == ["judge"]
    assert [*peers] == [f"peer {n}" for n in bench_peers.DEFAULT]


def test_what_every_row_is_given_cannot_be_changed_by_a_row(tmp_path: Path) -> None:
    run = Bench(1, True, tmp_path, print)

    with pytest.raises(dataclasses.FrozenInstanceError):
        run.rounds = 2  # type: ignore[misc]
    assert run.size(10, 2) == 2


def test_a_backlog_of_ones_own_size_is_within_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench._options(["--messages", "10000000"]).messages == 10_000_000
    for wrong in ("99999", "20000001", "many"):
        with pytest.raises(SystemExit):
            bench._options(["--messages", wrong])
        assert "--messages" in capsys.readouterr().err
