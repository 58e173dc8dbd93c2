"""Verdicts: INVALID before FAIL before PASS, every reason kept and said with its cure."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest.verdict.expect import DEFAULT, MEASURES, OPS, expectation
from fenghuo.loadtest.verdict.result import Missing, Totals
from fenghuo.loadtest.verdict.verdict import judge
from tests.loadtest.any_run import PRODUCED, PROOFS, WATCHED
from tests.loadtest.runs import ALL, histogram, produced, proof, watched

GATES = st.lists(
    st.builds(
        lambda name, op, bound: expectation(f"{name}{op}{bound}"),
        st.sampled_from(sorted(MEASURES)),
        st.sampled_from(sorted(OPS)),
        st.integers(0, 9),
    ),
    max_size=4,
)


def verdict(
    *gates: str, made: dict[str, Any] | None = None, proven: Any = None, seen: Any = None
) -> Any:
    expected = [expectation(text) for text in (gates or DEFAULT)]
    return judge(
        produced(**(made or {})), proof(**(proven or {})), watched(**(seen or {})), expected
    )


def test_a_good_run_passes_with_its_figures() -> None:
    found = verdict("p99_ms<1000", "lost==0", "rate_per_s>=1000")

    assert (found.outcome, found.exit_code) == ("PASS", 0)
    assert [gate.outcome for gate in found.gates] == ["passed"] * 3
    assert found.gates[0].value == pytest.approx(300, rel=0.01)
    assert found.reasons[1:] == (
        "lost is 0 events",
        "rate_per_s is 1 000 events/s",
        "the books close, to the event and to the fen",
    )


def test_an_impossible_gate_fails_with_the_figure() -> None:
    found = verdict("p99_ms<1")

    assert (found.outcome, found.exit_code) == ("FAIL", 1)
    assert found.reasons == ("p99_ms<1: p99_ms is 300.031 ms, expected < 1 ms",)


MISSED = {"missed": Totals(500, 500), "sent": Totals(9_500, 9_500)}
STARVED = "the generator was starved of CPU: use more --processes"
UNTOLD = {"closed": None, "problems": ("the api was away",)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        # the books of a stopped run say nothing of its plan
        ({"made": {"stopped": True}}, "stopped before the end of the plan"),
        # what was stopped is not held against the generator
        (
            {"made": {"stopped": True, "sent": Totals(9_000, 9_000)}},
            "1 000 of 10 000 planned events (10.0 %) were never reached: the run was stopped",
        ),
        # a producer that died has no word for what it did not do
        (
            {"made": {"sent": Totals(9_999, 9_999)}},
            "1 of 10 000 planned events (0.0100 %) were never reached: a producer ended early",
        ),
        # offered less than was promised, and the machine is to blame
        (
            {"made": MISSED},
            "500 of 10 000 planned events (5.00 %) were not sent in time and count as missed: "
            + STARVED,
        ),
        # offered less than was promised, and the broker is to blame
        ({"made": MISSED | {"queue_full": 7}}, "(the client's queue was full 7 times): lower --ra"),
        # all was sent, but late: latencies from the client's side would be kinder than the truth
        ({"made": {"handed": histogram(*[150.0] * 1000)}}, f"p99 150.015 ms: {STARVED}"),
        # the same by the number of late messages, just above one percent
        ({"made": {"late_sends": 101}}, "101 of 10 000 messages (1.01 %) were handed over more th"),
        # clocks that part make every latency a guess, either way
        ({"made": {"clock_step_ms": -51}}, "the wall clock moved by -51 ms"),
        ({"made": {"clock_step_ms": 51}}, "the wall clock moved by +51 ms"),
        # no load is no test
        ({"made": {"planned": Totals(), "sent": Totals()}}, "nothing was planned"),
        # zero seen is not zero proven
        (
            {"proven": UNTOLD},
            "lost==0: lost is 0 events as far as could be seen, which proves noth",
        ),
        # and why it is not is told once, not by each gate
        ({"proven": UNTOLD}, "the books could not be proven: the api was away"),
        # what nobody could count did not pass either
        ({"proven": UNTOLD | {"lost": None}}, "lost==0: lost was not measured"),
        # nothing arrived at the broker, so nothing could be lost
        ({"made": {"acknowledged": Totals(), "failed": ALL}}, "lost==0: lost was not measured"),
    ],
)
def test_a_run_that_says_nothing_is_invalid_and_says_why(
    changes: dict[str, Any], words: str
) -> None:
    found = verdict(**changes)

    assert (found.outcome, found.exit_code) == ("INVALID", 2)
    assert any(words in reason for reason in found.reasons), found.reasons


@pytest.mark.parametrize(
    "made",
    [
        {"late_sends": 100},  # one percent
        {"handed": histogram(*[99.0] * 1_000)},  # below 100 ms
        {"clock_step_ms": 50},
        {"clock_step_ms": -50},
        {"queue_full": 9},  # it waited, and caught up
    ],
)
def test_a_run_within_its_limits_is_valid(made: dict[str, Any]) -> None:
    assert verdict(made=made).outcome == "PASS"


@pytest.mark.parametrize(
    ("gate", "measured"),
    [
        ("p99_ms<1000", {"seen": {"samples": (), "fresh": "", "why": "no page"}}),
        ("p9999_ms<1000", {"seen": {"fresh": histogram(*[1.0] * 9_999)}}),
        ("lag_max<5", {"seen": {"samples": ()}}),
        ("late==0", {"proven": {"fates": ()}}),
        ("peak_per_s>1", {"made": {"seconds": ()}}),
    ],
)
def test_a_gate_without_samples_makes_a_run_invalid(gate: str, measured: dict[str, Any]) -> None:
    found = verdict(gate, **measured)

    assert found.outcome == "INVALID"
    assert found.reasons[0].startswith(f"{gate}: ")


def test_invalid_wins_over_fail_and_keeps_its_reasons() -> None:
    found = verdict("p99_ms<1", made={"stopped": True}, proven={"closed": False})

    assert found.outcome == "INVALID"
    assert [reason.split(":")[0] for reason in found.reasons] == [
        "stopped before the end of the plan",
        "p99_ms<1",
        "the books do not close",
    ]


def test_books_that_do_not_close_fail_whatever_was_asked() -> None:
    found = verdict("p99_ms<1000", proven={"closed": False, "problems": ("api: 1 event (-1)",)})

    assert found.outcome == "FAIL"
    assert found.reasons == ("the books do not close", "api: 1 event (-1)")


def test_a_loss_that_was_seen_fails_though_not_every_hop_could_be_asked() -> None:
    missing = (Missing(0, 7, 9, ""),)
    found = verdict("lost==0", proven=UNTOLD | {"lost": 3, "missing": missing})

    assert (found.outcome, found.reasons) == (
        "FAIL",
        ("lost==0: lost is 3 events, expected == 0 events",),
    )


def test_a_run_of_which_nothing_was_expected_says_so() -> None:
    found = judge(produced(), proof(closed=None), watched(), [])

    assert found.reasons == ("nothing was expected, and the books were not proven",)


@given(PRODUCED, PROOFS, WATCHED, GATES)
def test_invalid_before_fail_before_pass(
    made: Any, proven: Any, seen: Any, expected: list[Any]
) -> None:
    found = judge(made, proven, seen, expected)
    outcomes = {gate.outcome for gate in found.gates}

    assert found.reasons
    assert len(found.gates) == len(expected)
    if found.outcome == "PASS":
        assert outcomes <= {"passed"}
        assert proven.closed is not False
        assert made.sent.events + made.missed.events >= made.planned.events > 0
    if "invalid" in outcomes or made.stopped or made.missed.events or abs(made.clock_step_ms) > 50:
        assert found.outcome == "INVALID"
    if found.outcome == "FAIL":
        assert "failed" in outcomes or proven.closed is False
    for gate in found.gates:
        assert gate.outcome == "passed" or any(gate.reason in reason for reason in found.reasons)


@given(PROOFS, WATCHED, GATES)
def test_no_proof_and_no_gate_saves_an_invalid_run(
    proven: Any, seen: Any, expected: list[Any]
) -> None:
    good = judge(produced(), proven, seen, expected)
    stopped = judge(produced(stopped=True), proven, seen, expected)

    assert stopped.outcome == "INVALID"
    assert good.outcome == "PASS" or set(good.reasons) <= set(stopped.reasons)
