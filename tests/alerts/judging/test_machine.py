"""The warning machine: tables a reader can follow, then laws for any sequence of readings."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.alerts.judging.decide import Graded, NoData, Outcome, TooFew, decide
from fenghuo.alerts.judging.machine import advance
from fenghuo.schemas.campaign.parts import Rule
from fenghuo.schemas.level import Level
from fenghuo.schemas.metrics.reading import Reading
from fenghuo.schemas.wire.warning import State, Transition
from tests.alerts.samples import RULE, rule

GREEN, BLUE, CYAN, YELLOW, ORANGE, RED = Level
CODES = {"g": GREEN, "b": BLUE, "c": CYAN, "y": YELLOW, "o": ORANGE, "r": RED}
T0 = 1_700_000_000_000


def outcome(code: str) -> Outcome:
    """One letter: a grade, `?` too few samples, `-` no data."""
    if code == "-":
        return NoData(Reading(None), "no data")
    if code == "?":
        return TooFew(Reading(1.0, 3), "too few samples")
    return Graded(CODES[code], Reading(float(CODES[code]), 500), f"grade {code}")


def run(
    ticks: str, of: Rule = RULE, state: State | None = None, step_ms: int = 1000
) -> tuple[str, State, list[Transition]]:
    """One letter a tick -> the levels after each tick, as letters, and the rest."""
    state = state or State()
    shown, found = "", []
    for i, code in enumerate(ticks):
        state, transition = advance(of, state, outcome(code), T0 + i * step_ms, scope="total")
        shown += "-" if state.level is None else "gbcyor"[state.level]
        if transition:
            found.append(transition)
    return shown, state, found


# Holds of RULE: up 5, 4, 3, 2, 0 s (blue to red), down 10 s, from red 20 s. A letter is a second.
@pytest.mark.parametrize(
    ("ticks", "levels", "why"),
    [
        ("ggg", "ggg", "green at once after nothing"),
        ("gbbbbbb", "ggggggb", "blue after exactly 5 s"),
        ("gbbbbgbbbbb", "ggggggggggg", "one good second begins the hold anew"),
        ("gr", "gr", "red enters at once"),
        ("r", "r", "red enters at once, also as the first reading"),
        ("bbbbbb", "gggggb", "green first, while blue waits"),
        ("gooo", "gggo", "orange after 2 s, in one step"),
        ("gyyoyyy", "ggggyyy", "yellow waits on while the grade is higher; orange did not last"),
        ("gccccccc", "gggggccc", "cyan's hold is shorter than blue's: straight to cyan"),
        ("gbbbbocccc", "ggggggbbbc", "blue is confirmed while cyan still waits, then cyan"),
        ("rggggggggggggggggggggg", "rrrrrrrrrrrrrrrrrrrrrg", "red is left after 20 s"),
        ("rgggggggggryyy", "rrrrrrrrrrrrrr", "red again: the fall is forgotten"),
        ("rggggggggggyggggggggg", "rrrrrrrrrrrrrrrrrrrrr", "20 s below red are not over yet"),
        ("rggggggggggyggggggggggggg", "rrrrrrrrrrrrrrrrrrrrryyyy", "falls to the highest seen"),
        ("gooogggggggggggo", "gggooooooooooogg", "after 10 s green; then orange must wait again"),
        ("g-g", "g-g", "no data: green is not known any more, then known again"),
        ("g---r", "g---r", "red after no data"),
        ("r-----", "rrrrrr", "no data closes no warning"),
        ("?g?", "-gg", "too few: stays as it was"),
        ("gbbb?bbbbbb", "ggggggggggb", "too few samples: what was pending is forgotten"),
        ("gbbb-bbbbbb", "gggg-gggggb", "no data: what was pending is forgotten"),
        ("gooo" + "g" * 9 + "?" + "g" * 11, "ggg" + "o" * 21 + "g", "a fall is forgotten too"),
    ],
)
def test_levels(ticks: str, levels: str, why: str) -> None:
    shown, _, transitions = run(ticks)

    assert shown == levels, why
    assert len(transitions) == sum(a != b for a, b in zip("-" + shown, shown, strict=False))


def test_a_transition_says_everything() -> None:
    _, state, found = run("gooo" + "r" + "b" * 21 + "g" * 12)

    told = [(t.seq, t.incident, t.from_level, t.to_level, (t.at_ms - T0) // 1000) for t in found]
    assert told == [
        (1, 0, None, GREEN, 0),
        (2, 2, GREEN, ORANGE, 3),
        (3, 2, ORANGE, RED, 4),
        (4, 2, RED, BLUE, 25),
        (5, 2, BLUE, GREEN, 36),
    ]
    assert [t.threshold for t in found] == [None, 10.0, 20.0, 15.0, 4.0]
    assert [t.reason for t in found] == [
        "grade g",
        "grade o; orange or worse for 2 s",
        "grade r",
        "grade b; below red for 20 s",
        "grade g; below blue for 10 s",
    ]
    assert {(t.rule, t.scope, t.samples) for t in found} == {("failing", "total", 500)}
    assert (state.incident, state.opened_ms, state.peak) == (0, 0, 0)


def test_an_open_incident_remembers_its_beginning_and_its_peak() -> None:
    _, state, _ = run("grrr" + "b" * 21)

    assert (state.level, state.peak) == (BLUE, RED)
    assert (state.incident, state.opened_ms, state.since_ms) == (2, T0 + 1000, T0 + 24_000)


def test_a_second_incident_has_another_number() -> None:
    _, _, found = run("gr" + "g" * 21 + "r")

    assert [t.incident for t in found] == [0, 2, 2, 4]


def test_what_waits_is_shown() -> None:
    _, rising, _ = run("gby")
    _, falling, _ = run("grygb")

    assert (rising.level, rising.pending_level, rising.pending_since_ms) == (
        GREEN,
        YELLOW,
        T0 + 1000,
    )
    assert rising.rise_since_ms == (T0 + 1000, T0 + 2000, T0 + 2000)
    assert (falling.level, falling.pending_level) == (RED, YELLOW)
    assert (falling.pending_since_ms, falling.rise_since_ms) == (T0 + 2000, ())


def test_the_reason_of_a_quiet_tick_is_the_last_one() -> None:
    assert run("gr?")[1].reason == "too few samples"
    assert run("gr-")[1].reason == "no data"
    assert run("gb")[1].reason == "grade b"


@pytest.mark.parametrize(("elapsed_ms", "level"), [(4999, GREEN), (5000, BLUE), (5001, BLUE)])
def test_a_hold_up_is_exact_to_the_millisecond(elapsed_ms: int, level: Level) -> None:
    state, _ = advance(RULE, State(level=0, since_ms=T0, seq=1), outcome("b"), T0, scope="total")
    state, _ = advance(RULE, state, outcome("b"), T0 + elapsed_ms, scope="total")

    assert state.level == level


@pytest.mark.parametrize(("elapsed_ms", "level"), [(19_999, RED), (20_000, GREEN)])
def test_a_hold_down_is_exact_to_the_millisecond(elapsed_ms: int, level: Level) -> None:
    _, state, _ = run("r")
    state, _ = advance(RULE, state, outcome("g"), T0 + 10, scope="total")
    state, _ = advance(RULE, state, outcome("g"), T0 + 10 + elapsed_ms, scope="total")

    assert state.level == level


def test_a_clock_that_jumps_back_neither_hurries_nor_reorders() -> None:
    _, state, _ = run("gr")
    state, _ = advance(RULE, state, outcome("g"), T0 + 5000, scope="total")
    state, moved = advance(RULE, state, outcome("g"), T0 - 3_600_000, scope="total")
    assert moved is None
    state, moved = advance(RULE, state, outcome("g"), T0 + 25_000, scope="total")

    assert moved is not None
    assert moved.at_ms == T0 + 25_000


def test_without_holds_every_change_is_immediate() -> None:
    eager = rule(hold_up_ms=(0,) * 6, hold_down_ms=(0,) * 6)

    assert run("gbyrocg", eager)[0] == "gbyrocg"


ticks = st.lists(
    st.tuples(st.integers(0, 7000), st.sampled_from("ggbbccyyoorr??--")), min_size=1, max_size=60
)


def follow(steps: list[tuple[int, str]]) -> list[tuple[int, str, State, State, Transition | None]]:
    """(now, code, before, after, transition) of each tick."""
    now_ms, state, found = T0, State(), []
    for wait_ms, code in steps:
        now_ms += wait_ms
        after, transition = advance(RULE, state, outcome(code), now_ms, scope="total")
        found.append((now_ms, code, state, after, transition))
        state = after
    return found


@given(ticks)
def test_transitions_form_one_chain(steps: list[tuple[int, str]]) -> None:
    level, seq = None, 0
    for now_ms, _, before, after, moved in follow(steps):
        assert (moved is not None) == (before.level != after.level)
        if moved:
            assert (moved.from_level, moved.seq, moved.at_ms) == (level, seq + 1, now_ms)
            assert after.since_ms == now_ms
            level, seq = moved.to_level, moved.seq
        assert (after.level, after.seq) == (level, seq)


@given(ticks)
def test_one_incident_from_leaving_green_until_green(steps: list[tuple[int, str]]) -> None:
    for _, _, before, after, moved in follow(steps):
        is_open = (after.level or 0) > GREEN
        assert (after.incident > 0) == (after.opened_ms > 0) == (after.peak > 0) == is_open
        assert after.peak >= (after.level or 0)
        if before.incident and after.incident:
            assert after.incident == before.incident
        if before.incident and moved:
            assert moved.incident == before.incident
            assert moved.to_level is not None


@given(ticks)
def test_a_rise_lasted_for_its_hold_and_a_fall_too(steps: list[tuple[int, str]]) -> None:
    """Checked against the readings themselves, not against the machine's own clocks."""
    seen: list[tuple[int, Level | None]] = []
    for now_ms, code, before, after, moved in follow(steps):
        seen.append((now_ms, CODES.get(code)))
        if moved is None or moved.to_level is None:
            continue
        low, high = before.level or GREEN, after.level or GREEN
        if high > low:
            assert _lasted(seen, high, Level.RED) >= RULE.hold_up_ms[high]
        if high < low:
            assert _lasted(seen, GREEN, low - 1) >= RULE.hold_down_ms[low]


def _lasted(seen: list[tuple[int, Level | None]], low: int, high: int) -> int:
    """For how long, up to the last reading, every reading has been graded from low to high."""
    since_ms = now_ms = seen[-1][0]
    for at_ms, grade in reversed(seen):
        if grade is None or not low <= grade <= high:
            break
        since_ms = at_ms
    return now_ms - since_ms


@given(ticks)
def test_a_grade_that_lasted_is_never_overlooked(steps: list[tuple[int, str]]) -> None:
    seen: list[tuple[int, Level | None]] = []
    for now_ms, code, _, after, _ in follow(steps):
        seen.append((now_ms, CODES.get(code)))
        grade = CODES.get(code)
        if grade is None:
            continue
        for level in range(BLUE, grade + 1):
            if _lasted(seen, level, RED) >= RULE.hold_up_ms[level]:
                assert (after.level or GREEN) >= level


@given(ticks)
def test_a_fall_never_goes_below_what_was_seen_in_the_hold(steps: list[tuple[int, str]]) -> None:
    seen: list[tuple[int, Level | None]] = []
    for now_ms, code, before, after, moved in follow(steps):
        seen.append((now_ms, CODES.get(code)))
        if moved and moved.to_level is not None and (before.level or GREEN) > moved.to_level:
            hold_ms = RULE.hold_down_ms[before.level or GREEN]
            recent = [grade for at_ms, grade in seen if at_ms >= now_ms - hold_ms]
            assert all(grade is not None and grade <= moved.to_level for grade in recent)
            assert after.level == moved.to_level


@given(ticks)
def test_only_green_becomes_unknown(steps: list[tuple[int, str]]) -> None:
    for _, code, before, after, _ in follow(steps):
        if code in "?-":
            assert (after.pending_level, after.rise_since_ms) == (None, ())
            if not (code == "-" and before.level == GREEN):
                assert after.level == before.level
        else:
            assert after.level is not None


@given(ticks, st.integers(0, 59))
def test_a_state_written_out_and_read_back_goes_on_the_same(
    steps: list[tuple[int, str]], at: int
) -> None:
    whole = follow(steps)
    cut = min(at, len(whole) - 1)
    now_ms, _, _, state, _ = whole[cut]
    state = msgspec.json.decode(msgspec.json.encode(state), type=State)
    assert state == whole[cut][3]

    for wait_ms, code in steps[cut + 1 :]:
        now_ms += wait_ms
        state, moved = advance(RULE, state, outcome(code), now_ms, scope="total")
        cut += 1
        assert (state, moved) == (whole[cut][3], whole[cut][4])


@given(st.lists(st.floats(9.0, 9.99), min_size=1, max_size=80))
def test_a_reading_inside_the_band_never_oscillates(values: list[float]) -> None:
    """Rule and machine together: orange is on, the value wanders between its leave and enter."""
    state = State(level=4, since_ms=T0, seq=2, incident=2, opened_ms=T0, peak=4)
    for i, value in enumerate(values):
        met = decide(RULE, Reading(value, 1000), state.level)
        state, moved = advance(RULE, state, met, T0 + i * 250, scope="total")
        assert moved is None


def test_a_transition_travels() -> None:
    _, _, found = run("gr")

    for moved in found:
        assert msgspec.json.decode(msgspec.json.encode(moved), type=Transition) == moved
