"""Gates and verdicts: nothing passes without samples, and a run that did not load says nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest import expect
from fenghuo.loadtest.expect import MEASURES, ExpectError, Seen, expectation, gate
from fenghuo.loadtest.result import Numbers, Totals
from fenghuo.loadtest.verdict import judge
from tests.loadtest.runs import ALL, histogram, produced, proof, watched


def verdict(
    *gates: str, made: dict[str, Any] | None = None, proven: Any = None, seen: Any = None
) -> Any:
    expected = [expectation(text) for text in (gates or expect.DEFAULT)]
    return judge(
        produced(**(made or {})), proof(**(proven or {})), watched(**(seen or {})), expected
    )


def test_a_good_run_passes_with_its_figures() -> None:
    found = verdict("p99_ms<1000", "lost==0", "rate_per_s>=1000")

    assert (found.outcome, found.exit_code) == ("PASS", 0)
    assert [gate.outcome for gate in found.gates] == ["passed"] * 3
    assert found.gates[0].value == pytest.approx(300, rel=0.01)


def test_an_impossible_gate_fails_with_the_figure() -> None:
    found = verdict("p99_ms<1")

    assert (found.outcome, found.exit_code) == ("FAIL", 1)
    assert "p99_ms is 300" in found.reasons[0]
    assert "expected < 1" in found.reasons[0]


MISSED = {"missed": Totals(5, 500), "sent": Totals(9_995, 9_500)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"made": {"stopped": True}}, "stopped before the end"),
        ({"made": MISSED}, "500 events (5.00%) were not sent in time: the generator was starved"),
        ({"made": MISSED | {"queue_full": 7}}, "the broker took less than was offered (7 times"),
        ({"made": {"handed": histogram(*[150.0] * 1000)}}, "the generator lagged"),
        ({"made": {"late_sends": 101}}, "1.0% of the messages were handed over more than 100 ms"),
        ({"made": {"clock_step_ms": -51}}, "the wall clock moved by -51 ms"),
        ({"made": {"planned": Totals(), "sent": Totals()}}, "nothing was planned"),
        ({"proven": {"closed": None, "problems": ("no api",)}}, "it is not proven: no api"),
        ({"proven": {"lost": None, "closed": None}}, "it is not proven"),
    ],
)
def test_a_run_that_says_nothing_is_invalid_and_says_why(
    changes: dict[str, Any], words: str
) -> None:
    found = verdict(**changes)

    assert (found.outcome, found.exit_code) == ("INVALID", 2)
    assert any(words in reason for reason in found.reasons), found.reasons


def test_invalid_wins_over_fail_and_keeps_its_reasons() -> None:
    found = verdict("p99_ms<1", made={"stopped": True})

    assert found.outcome == "INVALID"
    assert "p99_ms" in found.reasons[-1]


def test_books_that_do_not_close_fail_whatever_was_asked() -> None:
    found = verdict("p99_ms<1000", proven={"closed": False, "problems": ("api: 1 event (-1)",)})

    assert found.outcome == "FAIL"
    assert found.reasons == ("the books do not close", "api: 1 event (-1)")


@given(st.sampled_from(sorted(MEASURES)), st.sampled_from(sorted(expect.OPS)), st.integers(0, 9))
def test_no_measure_passes_without_samples(name: str, op: str, bound: int) -> None:
    nothing = histogram()
    empty = Seen(
        produced(handed=nothing, acked=nothing, seconds=()),
        proof(fates=(), lost=None, duplicates=None, closed=None),
        watched(samples=(), fresh=nothing, settled_ms=None),
    )
    found = gate(expectation(f"{name}{op}{bound}"), empty)

    if name in ("missed", "failed"):  # the producers' own books are always there
        assert found.samples == 1
    else:
        assert found.outcome == "invalid"


@given(st.integers(1, 99_999))
def test_a_percentile_needs_samples_to_speak_of(count: int) -> None:
    seen = Seen(produced(), proof(), watched(fresh=histogram(*[5.0] * count)))
    outcomes = {
        name: gate(expectation(f"{name}_ms<10"), seen).outcome for name, *_ in expect.QUANTILES
    }

    for name, _, needed in expect.QUANTILES:
        assert outcomes[name] == ("passed" if count >= needed else "invalid")


@pytest.mark.parametrize(
    ("text", "op", "bound"),
    [
        ("p99_ms<1000", "<", 1_000),
        (" lost == 0 ", "==", 0),
        ("rate_per_s>=8M", ">=", 8_000_000),
        ("peak_per_s>500_000", ">", 500_000),
        ("busy_max<=0.95", "<=", 0.95),
    ],
)
def test_expectations_are_read(text: str, op: str, bound: float) -> None:
    found = expectation(text)

    assert (found.op, found.bound) == (op, bound)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p99_msec<1", "no measure 'p99_msec'; near are p99_ms"),
        ("p99_ms", "expected NAME OP NUMBER"),
        ("p99_ms!=3", "expected NAME OP NUMBER"),
        ("p99_ms<-3", "expected NAME OP NUMBER"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, words: str) -> None:
    with pytest.raises(ExpectError, match=words):
        expectation(text)


def test_every_measure_says_what_it_means() -> None:
    assert all(measure.meaning for measure in MEASURES.values())
    assert ALL.events == Numbers(0, 10_000).sent
