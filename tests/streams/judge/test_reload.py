"""A campaign file that changes while it is in force: what is taken over, what is refused, and what
becomes of the warnings.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.alerts.judging.removed import REMOVED
from fenghuo.schemas.campaign.campaign import Campaign, CampaignError, parse
from fenghuo.schemas.campaign.parts import Ladder
from fenghuo.schemas.campaign.reload import (
    COUNTED_ANEW,
    NAMED_ANEW,
    POLL_MS,
    REASON_CHARS_MAX,
    Applied,
    CampaignFile,
    Refused,
    decide_reload,
)
from fenghuo.schemas.wire import status
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams.judge.judge import Judge
from tests.laws.judge.duty import TEXT, Duty, campaign, plain
from tests.laws.judge.test_judge_laws import SEEDS, Story, Teller, check_chain

TICKS = 25
EDITS = {
    "labels": ('category = ["books", "food"]', 'category = ["books", "food", "toys"]'),
    "cuts": ('order = [["promotion"]]', 'order = [["promotion"], ["payment"]]'),
    "start": ("2026-11-11T00", "2026-11-10T00"),
    "end": ("2026-11-12T00", "2026-11-13T00"),
}
GOOD = TEXT.replace("enter = 10, leave = 9", "enter = 9.5, leave = 9")
BAD = TEXT.replace('unit = "per_s"', 'unit = "per_z"')


def without(*ids: str) -> Campaign:
    """The campaign with these rules taken out."""
    made = campaign()
    return replace(made, rules=tuple(rule for rule in made.rules if rule.id not in ids))


def run(
    story: Story, *, reloads: dict[int, Campaign], restarts: frozenset[int] = frozenset()
) -> tuple[list[status.Board], list[Transition]]:
    """Boards and transitions of a judge that gets these campaigns after these ticks."""
    duty, boards, moved = Duty(story.topic), [], list[Transition]()
    for i, tick in enumerate(story.ticks):
        board, changes = duty.tick(tick.now_ms, tick.end)
        boards.append(board)
        moved += changes
        if i in restarts:
            duty = Duty(story.topic, status.encode(board))
            past = [made for at, made in reloads.items() if at <= i]
            for made in past[-1:]:
                duty.judge = Judge(made, board)
        if i in reloads and duty.judge.reload(reloads[i]):
            duty.next = 0
    return boards, moved


# --- the decision


@given(st.sampled_from(sorted(EDITS)))
def test_what_is_counted_by_is_never_changed_in_a_running_part(edit: str) -> None:
    assert decide_reload(campaign(), parse(TEXT.replace(*EDITS[edit]), "day.toml")) == Refused(
        (COUNTED_ANEW,)
    )


def test_another_name_is_refused() -> None:
    other = parse(TEXT.replace('name = "day"', 'name = "night"'), "day.toml")

    assert decide_reload(campaign(), other) == Refused((NAMED_ANEW,))


def test_other_rules_and_targets_are_applied() -> None:
    for other in (without("failing"), replace(campaign(), gmv_fen=7), parse(GOOD, "day.toml")):
        assert decide_reload(campaign(), other) == Applied(other)


def test_of_a_bad_file_every_problem_is_told_and_the_first_one_on_the_page() -> None:
    with pytest.raises(CampaignError) as caught:
        parse(BAD, "day.toml")
    decision = decide_reload(campaign(), caught.value)

    assert isinstance(decision, Refused)
    assert len(decision.reasons) == BAD.count("per_z")
    assert decision.short == f"{decision.reasons[0]} (and {len(decision.reasons) - 1} more)"


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_what_the_page_is_told_is_short(reasons: list[str]) -> None:
    short = Refused(tuple(reasons)).short

    assert 0 < len(short) <= REASON_CHARS_MAX
    assert len(reasons) == 1 or short.endswith(f"(and {len(reasons) - 1} more)")


# --- the file


def looks(file: CampaignFile, from_ms: int, times: int = 2) -> list[Applied | Refused | None]:
    return [file.poll(from_ms + i * POLL_MS) for i in range(1, times + 1)]


def why(file: CampaignFile) -> str:
    return file.refused.short if file.refused else ""


def write(path: Path, text: str) -> None:
    """As an editor would: aside, then in its place."""
    aside = path.with_suffix(".new")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


def test_a_file_goes_good_bad_and_good_again(tmp_path: Path) -> None:
    path = tmp_path / "day.toml"
    path.write_text(TEXT, encoding="utf-8")
    file = CampaignFile(path, None, 0)
    assert looks(file, 0) == [None, None]

    write(path, GOOD)
    assert looks(file, 10_000) == [None, Applied(parse(GOOD, "day.toml"))]
    assert file.loaded_ms == 10_000 + 2 * POLL_MS

    write(path, BAD)
    _, refused = looks(file, 20_000)
    assert isinstance(refused, Refused)
    assert why(file) == refused.short
    assert file.campaign == parse(GOOD, "day.toml")
    assert looks(file, 30_000) == [None, None], "a refusal is told once"

    write(path, GOOD)
    assert looks(file, 40_000) == [None, Applied(file.campaign)]
    assert why(file) == ""
    assert file.loaded_ms == 10_000 + 2 * POLL_MS, "it has been in force all the time"


def test_a_file_that_was_only_touched_is_no_news(tmp_path: Path) -> None:
    path = tmp_path / "day.toml"
    path.write_text(TEXT, encoding="utf-8")
    file = CampaignFile(path, None, 0)
    write(path, TEXT)

    assert looks(file, 0, times=4) == [None] * 4


def test_half_a_file_is_not_read(tmp_path: Path) -> None:
    """Cut off between two rules it is a whole campaign: its warnings would be closed."""
    path = tmp_path / "day.toml"
    path.write_text(TEXT, encoding="utf-8")
    file = CampaignFile(path, None, 0)
    half = TEXT[: TEXT.rindex("[[rules]]")]
    parse(half, "day.toml")

    path.write_text(half, encoding="utf-8")
    assert looks(file, 0, times=1) == [None]
    path.write_text(GOOD, encoding="utf-8")
    assert looks(file, POLL_MS) == [None, Applied(parse(GOOD, "day.toml"))]


def test_a_file_that_is_gone_is_refused_and_one_that_comes_back_is_not(tmp_path: Path) -> None:
    path = tmp_path / "day.toml"
    path.write_text(TEXT, encoding="utf-8")
    file = CampaignFile(path, None, 0)
    path.unlink()
    assert isinstance(looks(file, 0)[1], Refused)

    path.write_text(TEXT, encoding="utf-8")
    assert looks(file, 10_000) == [None, Applied(campaign())]


def test_a_rehearsal_is_reloaded_as_the_same_rehearsal(tmp_path: Path) -> None:
    plan = "[rehearsal]\nduration_s = 600\nscale = 0.01\ngmv_scale = 0.1\n"
    path = tmp_path / "day.toml"
    path.write_text(TEXT + plan, encoding="utf-8")
    file = CampaignFile(path, 1_800_000_000_000, 0)
    write(path, GOOD + plan)
    _, applied = looks(file, 0)

    assert isinstance(applied, Applied)
    assert applied.campaign == parse(GOOD + plan, "day.toml").rehearsed(1_800_000_000_000)
    write(path, GOOD)
    assert isinstance(looks(file, 10_000)[1], Refused), "it plans no rehearsal any more"


# --- the judge


@settings(max_examples=15)
@given(SEEDS, st.integers(0, TICKS - 1))
def test_the_same_campaign_loaded_again_changes_nothing(seed: int, at: int) -> None:
    story = Teller(seed).tell(TICKS)

    boards, moved = run(story, reloads={at: replace(campaign())})
    assert (list(map(plain, boards)), moved) == (
        list(map(plain, run(story, reloads={})[0])),
        run(story, reloads={})[1],
    )


@settings(max_examples=15)
@given(SEEDS, st.integers(0, TICKS - 2), st.integers(0, TICKS - 1))
def test_a_rule_that_is_gone_ends_its_incidents_and_leaves_the_others_alone(
    seed: int, at: int, restart: int
) -> None:
    story, gone = Teller(seed).tell(TICKS), "ordering"
    before, _ = run(story, reloads={})
    boards, moved = run(story, reloads={at: without(gone)}, restarts=frozenset({restart}))
    check_chain(moved)
    open_then = {v.scope: v.memory for v in before[at].verdicts if v.rule == gone}
    ends = {t.scope: t for t in moved if t.reason == REMOVED}

    assert set(ends) == {scope for scope, memory in open_then.items() if memory.incident}
    for scope, end in ends.items():
        assert (end.to_level, end.incident) == (None, open_then[scope].incident)
        assert end.at_ms == story.ticks[at + 1].now_ms
    assert not [v for board in boards[at + 1 :] for v in board.verdicts if v.rule == gone]
    assert _others(boards, gone) == _others(before, gone)


@settings(max_examples=15)
@given(SEEDS, st.integers(0, 8), st.integers(9, TICKS - 2), st.integers(0, TICKS - 1))
def test_a_rule_that_comes_back_goes_on_counting_its_changes(
    seed: int, out: int, back: int, restart: int
) -> None:
    story = Teller(seed).tell(TICKS)
    reloads = {out: without("ordering", "failing"), back: campaign()}
    boards, moved = run(story, reloads=reloads, restarts=frozenset({restart}))

    check_chain(moved)
    ids = {verdict.rule for verdict in boards[-1].verdicts}
    assert ids == {rule.id for rule in campaign().rules}


@settings(max_examples=10)
@given(SEEDS, st.integers(0, TICKS - 2))
def test_with_longer_windows_the_judge_knows_what_it_would_have_known(seed: int, at: int) -> None:
    """Readings after the reload are those of a judge that had the longer windows from the start."""
    longer = parse(TEXT.replace("window_s = 60", "window_s = 600"), "day.toml")
    story = Teller(seed, gap_s=(0, 60, 200)).tell(TICKS)
    boards, _ = run(story, reloads={at: longer})
    fresh = Duty(story.topic)
    fresh.judge = Judge(longer)
    always = [fresh.tick(tick.now_ms, tick.end)[0] for tick in story.ticks]

    for board, whole in list(zip(boards, always, strict=True))[at + 1 :]:
        assert _readings(board) == _readings(whole)


@settings(max_examples=15)
@given(SEEDS, st.integers(4, TICKS - 6))
def test_moved_thresholds_move_the_level_inside_the_same_incident(seed: int, at: int) -> None:
    """From then on any order is far above red, and nothing is ever green again."""
    story = Teller(seed).tell(TICKS)
    before, _ = run(story, reloads={})
    low = Ladder(True, (0.0, 0.1, 0.2, 0.3, 0.4), (-1.0, 0.0, 0.1, 0.2, 0.3))
    rules = tuple(
        replace(rule, ladder=low) if rule.id == "ordering" else rule for rule in campaign().rules
    )
    boards, moved = run(story, reloads={at: replace(campaign(), rules=rules)})
    check_chain(moved)

    for scope, incident in _open(before[at], "ordering").items():
        assert {_open(board, "ordering")[scope] for board in boards[at:]} == {incident}
    assert _others(boards, "ordering") == _others(before, "ordering")


def _others(boards: Sequence[status.Board], gone: str) -> list[list[object]]:
    return [[v.memory for v in board.verdicts if v.rule != gone] for board in boards]


def _readings(board: status.Board) -> list[object]:
    return [(v.rule, v.scope, v.value, v.samples, v.as_of_ms) for v in board.verdicts]


def _open(board: status.Board, rule: str) -> dict[str, int]:
    return {v.scope: v.memory.incident for v in board.verdicts if v.rule == rule and v.level}
