"""Flapping is named and damped: falls wait, rises never do."""

import pytest

from fenghuo.alerts.judging.decide import Graded, Learning, NoData, Outcome, Suspended
from fenghuo.alerts.judging.machine import advance
from fenghuo.schemas.campaign.parts import Flapping, Ladder, Rule
from fenghuo.schemas.level import Level
from fenghuo.schemas.metrics.reading import Reading
from fenghuo.schemas.wire.warning import State, Transition
from tests.alerts.samples import FALLING, rule

GREEN, BLUE, CYAN, YELLOW, ORANGE, RED = Level
CODES = {"g": GREEN, "b": BLUE, "y": YELLOW, "r": RED}
OTHERS: dict[str, type[NoData | Suspended | Learning]] = {
    "-": NoData,
    "s": Suspended,
    "l": Learning,
}
EAGER = rule(
    hold_up_ms=(0,) * 6, hold_down_ms=(0,) * 6, flapping=Flapping(4, within_ms=20_000, hold_ms=5000)
)
T0 = 1_700_000_000_000


def outcome(code: str) -> Outcome:
    """One letter: a grade, `-` no data, `s` suspended, `l` learning."""
    if code in CODES:
        return Graded(CODES[code], Reading(float(CODES[code]), 500), f"grade {code}")
    other = OTHERS[code]
    return other(Reading(None), other.state)


def run(ticks: str, of: Rule = EAGER) -> tuple[str, str, State, list[Transition]]:
    """One letter a second -> the level after each, `f` for each that flaps, and the rest."""
    state, shown, flaps, found = State(), "", "", []
    for i, code in enumerate(ticks):
        state, moved = advance(of, state, outcome(code), T0 + i * 1000, scope="total")
        shown += "-" if state.level is None else "gbcyor"[state.level]
        flaps += "f" if state.flapping else "."
        if moved:
            found.append(moved)
    return shown, flaps, state, found


# EAGER flaps after 4 changes in 20 s; then falls take 5 s instead of none
@pytest.mark.parametrize(
    ("ticks", "levels", "flaps", "why"),
    [
        ("grgr", "grgr", "....", "three changes: the first green is none of them"),
        ("grgrg", "grgrg", "....f", "the fourth change, and it flaps"),
        ("grgrgr", "grgrgr", "....ff", "a rise is never delayed"),
        ("grgrgrggggg", "grgrgrrrrrr", "....fffffff", "a fall is: four seconds are too few"),
        ("grgrgrgggggg", "grgrgrrrrrrg", "....fffffff.", "five are enough, and green ends it"),
        ("grgrgrggggggr", "grgrgrrrrrrgr", "....fffffff..", "then the count begins anew"),
        ("grgrgrbbbbbb", "grgrgrrrrrrb", "....ffffffff", "a fall to blue does not end it"),
        ("grgrgrggggrgggggg", "grgrgrrrrrrrrrrrg", "....ffffffffffff.", "red again: wait anew"),
        ("grgrgrgg-ggggg", "grgrgrrrrrrrrr", "....ffffffffff", "no data: wait anew"),
        ("grgrg" + "g" * 19, "grgrg" + "g" * 19, "...." + "f" * 20, "calm for 19 s"),
        ("grgrg" + "g" * 20, "grgrg" + "g" * 20, "...." + "f" * 20 + ".", "calm for 20 s"),
        ("gbryg", "gbryg", "....f", "any change of the warning counts"),
        ("g-g-g-g-g", "g-g-g-g-g", ".........", "coming and going of data is none"),
        ("grgr" + "r" * 20 + "g", "grgr" + "r" * 20 + "g", "." * 25, "four changes in 23 s"),
    ],
)
def test_flapping(ticks: str, levels: str, flaps: str, why: str) -> None:
    shown, marks, _, _ = run(ticks)

    assert (shown, marks) == (levels, flaps), why


def test_a_held_warning_that_goes_on_trembling_goes_on_flapping() -> None:
    """Without the hold it would change every second; that it does not is no sign of calm."""
    shown, marks, _, moved = run("g" + "rg" * 200)

    assert shown[6:] == "r" * len(shown[6:])
    assert marks[6:] == "f" * len(marks[6:])
    assert len(moved) == 6


def test_what_the_usual_hold_would_have_prevented_too_is_no_change() -> None:
    slow = rule(
        hold_up_ms=(0,) * 6,
        hold_down_ms=(0, *(2000,) * 5),
        flapping=Flapping(4, within_ms=20_000, hold_ms=9000),
    )

    _, marks, state, _ = run("grgggrggg" + "rg" * 10 + "r", slow)

    assert marks == "." * 8 + "f" * 21 + "."
    assert not state.flapping


@pytest.mark.parametrize(
    ("ticks", "level", "state_reason", "reasons"),
    [
        (
            *("grgrg", GREEN, "grade g; flapping: 4 changes in 20 s"),
            ["grade g", "grade r", "grade g", "grade r", "grade g; flapping: 4 changes in 20 s"],
        ),
        (
            *("grgrgrg", RED, "grade g; flapping: 4 changes in 20 s, held until 5 s below"),
            ["grade r; flapping: 4 changes in 20 s, held until 5 s below"],
        ),
        ("grgrgrgggggg", GREEN, "grade g; below red for 5 s", ["grade g; below red for 5 s"]),
        (
            *("grgrgr-", RED, "no_data; flapping: 4 changes in 20 s, held until 5 s below"),
            ["grade r; flapping: 4 changes in 20 s, held until 5 s below"],
        ),
    ],
)
def test_the_reason_names_it(
    ticks: str, level: Level, state_reason: str, reasons: list[str]
) -> None:
    _, _, state, moved = run(ticks)

    assert (state.level, state.reason) == (level, state_reason)
    assert [one.reason for one in moved[-len(reasons) :]] == reasons


def test_the_defaults_in_words() -> None:
    plain = rule(hold_up_ms=(0,) * 6, hold_down_ms=(0,) * 6)

    _, _, state, _ = run("grgrgrgr", plain)

    assert state.reason == "grade r; flapping: 6 changes in 10 min, held until 5 min below"


def test_a_usual_hold_longer_than_that_of_flapping_stays() -> None:
    slow = rule(
        hold_up_ms=(0,) * 6,
        hold_down_ms=(0, *(9000,) * 5),
        flapping=Flapping(2, within_ms=60_000, hold_ms=5000),
    )

    shown, _, _, _ = run("gby" + "g" * 10, slow)

    assert shown == "gby" + "y" * 9 + "g"


def test_the_moments_kept_are_as_many_as_decide() -> None:
    _, _, state, _ = run("g" + "rbyrb" * 30)

    assert len(state.moves_ms) == EAGER.flapping.changes
    assert list(state.moves_ms) == sorted(state.moves_ms)


# the ways not to judge, for each level: what the level becomes
@pytest.mark.parametrize(
    ("ticks", "levels", "why"),
    [
        ("gs", "g-", "suspended: green is not known any more"),
        ("grs", "grr", "suspended: an open warning stays open"),
        ("grssg", "grrrg", "and is judged again after the phase"),
        ("ss", "--", "suspended from the beginning"),
        ("gl", "gg", "learning: stays as it was"),
        ("grl", "grr", "learning: an open warning stays too"),
        ("l", "-", "learning from the beginning"),
    ],
)
def test_without_judgement(ticks: str, levels: str, why: str) -> None:
    assert run(ticks)[0] == levels, why


@pytest.mark.parametrize("code", "sl-")
def test_what_waited_is_forgotten_without_judgement(code: str) -> None:
    slow = rule(hold_up_ms=(0, *(3000,) * 5), hold_down_ms=(0, *(3000,) * 5))

    assert run(f"gyy{code}yyy", slow)[0].replace("-", "g") == "ggggggg"
    assert run(f"gyyyygg{code}ggg", slow)[0] == "ggggyyyyyyy"


@pytest.mark.parametrize(
    ("ladder", "line", "threshold", "why"),
    [
        (None, None, 6.0, "the rule's own ladder, where none is named"),
        (FALLING, None, 0.8, "the enter bound of the ladder that graded"),
        (FALLING, RED, 0.5, "of an early warning: that of the line ahead"),
    ],
)
def test_the_threshold_is_that_of_the_ladder_that_graded(
    ladder: Ladder | None, line: Level | None, threshold: float, why: str
) -> None:
    met = Graded(CYAN, Reading(1.0, 500), "x", ladder, None, line)

    _, moved = advance(EAGER, State(level=0, seq=1), met, T0, scope="total")

    assert moved is not None
    assert moved.threshold == threshold, why


def test_the_threshold_of_a_fall_is_the_leave_bound_of_the_ladder_that_graded() -> None:
    met = Graded(GREEN, Reading(1.0, 500), "x", FALLING)

    _, moved = advance(EAGER, State(level=RED, seq=1), met, T0, scope="total")

    assert moved is not None
    assert moved.threshold == FALLING.leave_of(RED)
