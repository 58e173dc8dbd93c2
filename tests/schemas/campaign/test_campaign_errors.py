"""Every problem of a campaign file is told at once, and nothing gets past the reader."""

import os
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.campaign.campaign import CampaignError, load, parse
from fenghuo.schemas.campaign.toml_reader import Problem
from tests.paths import GOLDEN
from tests.schemas.campaign.campaign_texts import BROKEN, BROKEN_MORE, FULL, GOOD, PACE, SCOPES

GOLDEN = GOLDEN / "campaign_errors.txt"
EDITS = (*BROKEN, *BROKEN_MORE)


def _broken(old: str, new: str) -> CampaignError:
    text = GOOD if old in GOOD else FULL
    assert old in text
    with pytest.raises(CampaignError) as caught:
        parse(text.replace(old, new), "small.toml")
    return caught.value


def _problems(text: str) -> tuple[Problem, ...]:
    try:
        parse(text, "small.toml")
    except CampaignError as error:
        return error.problems
    return ()


def test_every_broken_text_gives_the_errors_of_the_golden_file() -> None:
    """UPDATE_GOLDEN=1 writes the file anew; read the difference before it is committed."""
    parts = [f"## {what}\n{_broken(old, new)}\n" for what, old, new in EDITS]
    text = "\n".join(parts)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(text, encoding="utf-8")

    assert text == GOLDEN.read_text(encoding="utf-8")
    assert len({what for what, _, _ in EDITS}) == len(EDITS)


@pytest.mark.parametrize(("what", "old", "new"), EDITS, ids=[row[0] for row in EDITS])
def test_every_error_names_the_file_and_says_what_was_expected(
    what: str, old: str, new: str
) -> None:
    problems = _broken(old, new).problems

    assert problems, what
    assert all(problem.file == "small.toml" for problem in problems)
    assert all(problem.expected and problem.value for problem in problems)
    if what != "not TOML":
        assert all(problem.path for problem in problems)


def test_all_problems_are_told_at_once_with_the_nearest_names() -> None:
    text = (
        GOOD.replace("order.failed /", "order.faild /")
        .replace(SCOPES + PACE, 'scopes = ["regions"]\n' + PACE)
        .replace("leave = 15", "leave = nan")
        .replace("[rehearsal]", "[rehersal]")
    )

    with pytest.raises(CampaignError) as caught:
        parse(text, "f.toml")

    found = {problem.path: problem.nearest for problem in caught.value.problems}
    assert found == {
        "rules[0].metric": "order.failed",
        "rules[0].levels.red.leave": "",
        "rules[1].scopes[0]": "region",
        "rehersal": "rehearsal",
    }


def test_a_file_that_cannot_be_read_is_a_campaign_error(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'name = "\xff"')

    for path, expected in (
        (tmp_path / "absent.toml", "a readable campaign file"),
        (tmp_path / "latin.toml", "UTF-8 text"),
    ):
        with pytest.raises(CampaignError) as caught:
            load(path)
        assert caught.value.problems[0].expected == expected


@pytest.mark.parametrize(
    "text",
    ["x" * 1_000_001, "a = " + "[" * 100_000, "a = " + "9" * 5_000, "a = \ud800"],
    ids=["too long", "too deep", "too many digits", "lone surrogate"],
)
def test_hostile_texts_are_campaign_errors(text: str) -> None:
    with pytest.raises(CampaignError):
        parse(text, "hostile.toml")


@given(st.text(max_size=200), st.integers(min_value=0, max_value=len(FULL)))
def test_no_text_gets_past_the_reader_with_another_error(junk: str, at: int) -> None:
    with suppress(CampaignError):
        parse(FULL[:at] + junk + FULL[at:], "junk.toml")


@given(
    st.sampled_from([line for line in FULL.splitlines() if " = " in line]),
    st.sampled_from(["1", "-1", "true", '""', "[]", "[[]]", "{}", "nan", "2026-11-11", "[{}]"]),
)
def test_no_value_gets_past_the_reader_with_another_error(line: str, value: str) -> None:
    key = line.partition(" = ")[0]
    with suppress(CampaignError):
        parse(FULL.replace(line, f"{key} = {value}"), "junk.toml")


@pytest.mark.parametrize("table", re.findall(r"^\[+(\w+)\]+$", GOOD, re.MULTILINE))
@pytest.mark.parametrize("value", ["1", "[1]", '"x"', "true"])
def test_a_table_that_is_something_else_is_told(table: str, value: str) -> None:
    sections = re.split(r"^(?=\[)", GOOD, flags=re.MULTILINE)
    others = [section for section in sections if not re.match(rf"\[+{table}\b", section)]
    with pytest.raises(CampaignError):
        parse(f"{table} = {value}\n" + "".join(others), "f.toml")


def test_no_campaign_asks_for_more_than_can_be_judged() -> None:
    text = FULL.replace('["books"]', str([f"c{i}" for i in range(100)]).replace("'", '"'))
    for regions, is_refused in ((48, False), (52, True)):
        names = ["east", "west", *(f"r{i}" for i in range(regions - 2))]
        shares = ", ".join(f"{name} = {1 / regions}" for name in names)
        wide = text.replace('["east", "west"]', str(names).replace("'", '"')).replace(
            "east = 0.75, west = 0.25", shares
        )
        problems = _problems(wide)
        assert [problem.path for problem in problems] == ["rules[2].scopes"] * is_refused, regions


def test_pace_needs_a_target_and_its_regions_need_shares() -> None:
    without_target = GOOD.replace(GOOD[GOOD.index("[targets]") : GOOD.index("[capacity]")], "")
    without_shares = GOOD.replace("region_share = { east = 0.75, west = 0.25 }\n", "")

    for text, path in (
        (without_target, "rules[1].metric"),
        (without_shares, "rules[1].scopes[1]"),
    ):
        with pytest.raises(CampaignError) as caught:
            parse(text, "f.toml")
        assert [problem.path for problem in caught.value.problems] == [path]
