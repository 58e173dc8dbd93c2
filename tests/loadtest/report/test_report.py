"""The report in plain lines and as JSON: golden files for the reading, laws for any run."""

import os
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest.report import figures
from fenghuo.loadtest.report import lines as report
from fenghuo.loadtest.verdict.expect import DEFAULT, MEASURES, expectation
from fenghuo.loadtest.verdict.result import Hop, Knee, Missing, Run
from fenghuo.loadtest.verdict.verdict import judge
from tests.loadtest.any_run import RUNS
from tests.loadtest.runs import histogram, produced, proof, run, watched
from tests.paths import GOLDEN


def golden(name: str, text: str) -> str:
    """What the golden file says. UPDATE_GOLDEN=1 writes it anew; read the difference before it is
    committed.
    """
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def judged(**changes: Any) -> Run:
    found = run(**changes)
    expected = [expectation(text) for text in (*DEFAULT, "p99_ms<1000", "max_ms<500")]
    verdict = judge(found.produced, found.proof, found.watched, expected)
    return msgspec.structs.replace(found, verdict=verdict)


def lossy(**changes: Any) -> Run:
    hops = tuple(
        msgspec.structs.replace(hop, events=9_990, paid=999, paid_amount_fen=123_333)
        if hop.name == "store"
        else hop
        for hop in proof().hops
    )
    why = ("store: 9990 events, the log has 10000 (-10)",)
    lost = proof(hops=hops, lost=10, closed=False, problems=why)
    lost = msgspec.structs.replace(lost, missing=(Missing(0, 7, 16, "orders/0/7"),))
    return judged(proof=lost, produced=produced(planted={"late": 12, "malformed": 3}), **changes)


def test_the_terminal_report_reads_as_it_did() -> None:
    text = report.text(lossy()) + "\n"

    assert text == golden("load_report.txt", text)


def test_the_json_reads_as_it_did() -> None:
    text = msgspec.json.format(report.as_json(lossy()), indent=2).decode() + "\n"

    assert text == golden("load_report.json", text)


@given(RUNS)
def test_any_run_comes_back_from_its_json_with_every_measure(found: Run) -> None:
    encoded = report.as_json(found)
    told = msgspec.json.decode(encoded)

    assert msgspec.json.decode(encoded, type=Run) == found
    assert set(told["measures"]) == set(MEASURES)
    assert told["exit_code"] == found.verdict.exit_code


@given(RUNS)
def test_any_run_is_told_in_lines_that_a_terminal_shows_as_they_are(found: Run) -> None:
    lines = report.text(found).split("\n")

    assert lines[0].endswith(f" {found.verdict.outcome}")
    assert all(line.isprintable() for line in lines)
    # a table is as wide as its figures: at 10^15 of everything no line could hold them
    told = (line for line in lines if not line.startswith("  ") or line.startswith("  - "))
    assert [line for line in told if len(line) > report.COLUMNS] == []


def test_a_large_run_stays_within_its_columns() -> None:
    large = tuple(Hop(h.name, 10**9, 10**8, 10**8, 10**13) for h in proof().hops)
    lines = report.text(judged(proof=proof(hops=large))).split("\n")

    assert max(len(line) for line in lines) <= report.COLUMNS


def test_the_scale_is_said_beside_what_is_known() -> None:
    assert report.scale(61_000) == (
        "61 000/s = 10.5 % of 583 000 orders/s (2020, published), 1.05 % of 5.8 million/s (plan)"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        # a figure that too few stand behind is not shown as if it were one
        ({"watched": watched(fresh=histogram(*[5.0] * 99))}, ("–: too few samples to say",)),
        ({"watched": watched(settled_ms=None, why="no page")}, ("was not seen to settle", "no pa")),
        ({"proof": proof(hops=(Hop("log", None, why="away"),), closed=None)}, ("log: away",)),
        ({"proof": proof(missing=tuple(Missing(0, i, i, "") for i in range(13)))}, ("3 ranges m",)),
        ({"produced": produced(failures={"Timeout": 3})}, ("not acknowledged: Timeout 3",)),
        ({"knee": (Knee(1_000, False, 9.0, None, None, "lag"),)}, ("1 000/s not held: lag",)),
    ],
)
def test_what_happened_is_told(changes: dict[str, Any], words: tuple[str, ...]) -> None:
    text = report.text(judged(**changes))

    assert [word for word in words if word not in text] == []


def test_hops_are_compared_with_the_last_that_was_asked() -> None:
    hops = (Hop("log", 10, 5, 2, 7), Hop("counted", None, why="away"), Hop("store", 8, None, 2, 9))
    found = report.steps(proof(hops=hops))

    assert [(step.more, step.notes) for step in found] == [
        (None, ()),
        (None, ("away",)),
        (-2, ("+2 fen",)),
    ]


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (61_000, 583_000, "10.5 %"),
        (61_000, 5_800_000, "1.05 %"),
        (583_000, 583_000, "100 %"),
        (9_995, 10_000, "100 %"),  # never 99.95 as 100.0 with a digit too many
        (8_000_000, 583_000, "1 372 %"),
        (1, 10_000_000, "< 0.001 %"),
        (0, 10, "0 %"),
        (1, 0, "–"),
    ],
)
def test_shares_have_three_digits(part: int, whole: int, text: str) -> None:
    assert figures.share(part, whole) == text


@given(st.integers(0, 10**9), st.integers(0, 9_999))
def test_a_figure_is_written_with_the_decimals_that_matter(whole: int, decimals: int) -> None:
    value = whole + decimals / 10_000
    found, unit = figures.exact(value, "ms").replace(" ", "").split("ms")

    assert float(found) == pytest.approx(value, abs=1e-4 if whole < 1_000 else 0.06)
    assert not found.endswith((".", ".0"))
    assert unit == ""
