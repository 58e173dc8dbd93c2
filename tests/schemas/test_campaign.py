"""A campaign file is read whole, or every problem in it is told at once."""

import os
import pickle
import re
from contextlib import suppress
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.campaign import Campaign, CampaignError, load, parse
from fenghuo.schemas.campaign_parts import Age, Change, Ladder, Pace, Ratio, Title
from fenghuo.schemas.level import Level
from tests.schemas.campaign_texts import BROKEN, GOOD, PACE, SCOPES

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "deploy/campaigns/double11.toml"
GOLDEN = ROOT / "tests/golden/campaign_errors.txt"
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def small() -> Campaign:
    return parse(GOOD, "small.toml")


@pytest.fixture(scope="module")
def double11() -> Campaign:
    return load(SHIPPED)


def _broken(old: str, new: str) -> CampaignError:
    assert old in GOOD
    with pytest.raises(CampaignError) as caught:
        parse(GOOD.replace(old, new), "small.toml")
    return caught.value


def test_every_broken_text_gives_the_errors_of_the_golden_file() -> None:
    """UPDATE_GOLDEN=1 writes the file anew; read the difference before it is committed."""
    parts = [f"## {what}\n{_broken(old, new)}\n" for what, old, new in BROKEN]
    text = "\n".join(parts)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(text, encoding="utf-8")

    assert text == GOLDEN.read_text(encoding="utf-8")
    assert len({what for what, _, _ in BROKEN}) == len(BROKEN)


@pytest.mark.parametrize(("what", "old", "new"), BROKEN, ids=[row[0] for row in BROKEN])
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
        GOOD.replace('["order.failed"]', '["order.faild"]')
        .replace(SCOPES + PACE, 'scopes = ["regions"]\n' + PACE)
        .replace("leave = 15", "leave = nan")
        .replace("[rehearsal]", "[rehersal]")
    )

    with pytest.raises(CampaignError) as caught:
        parse(text, "f.toml")

    found = {problem.path: problem.nearest for problem in caught.value.problems}
    assert found == {
        "rules[0].metric.numerator[0]": "order.failed",
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


@given(st.text(max_size=200), st.integers(min_value=0, max_value=len(GOOD)))
def test_no_text_gets_past_the_reader_with_another_error(junk: str, at: int) -> None:
    with suppress(CampaignError):
        parse(GOOD[:at] + junk + GOOD[at:], "junk.toml")


@given(
    st.sampled_from([line for line in GOOD.splitlines() if " = " in line]),
    st.sampled_from(["1", "-1", "true", '""', "[]", "[[]]", "{}", "nan", "2026-11-11", "[{}]"]),
)
def test_no_value_gets_past_the_reader_with_another_error(line: str, value: str) -> None:
    key = line.partition(" = ")[0]
    with suppress(CampaignError):
        parse(GOOD.replace(line, f"{key} = {value}"), "junk.toml")


@pytest.mark.parametrize("table", re.findall(r"^\[+(\w+)\]+$", GOOD, re.MULTILINE))
@pytest.mark.parametrize("value", ["1", "[1]", '"x"', "true"])
def test_a_table_that_is_something_else_is_told(table: str, value: str) -> None:
    sections = re.split(r"^(?=\[)", GOOD, flags=re.MULTILINE)
    others = [section for section in sections if not re.match(rf"\[+{table}\b", section)]
    with pytest.raises(CampaignError):
        parse(f"{table} = {value}\n" + "".join(others), "f.toml")


def test_the_parts_of_a_campaign(small: Campaign) -> None:
    assert small.labels["region"] == ("east", "west")
    assert small.labels["severity"] == ("1", "2", "3", "4", "5")
    assert small.labels_of("region") == ("east", "west", "other")
    assert small.labels_of("type") == ("quality", "other", "unclassified")
    assert small.labels_of("severity") == ("1", "2", "3", "4", "5")
    assert small.titles["region"]["east"] == Title("东", "East")
    assert small.cuts_of("order")[-1] == ("promotion",)
    assert small.cuts_of("traffic")[0] == ()
    assert small.capacity["dual"].requests_per_s == 1000.0
    assert small.end_ms - small.start_ms == 24 * HOUR_MS
    assert small.scale == 1.0


def test_the_parts_of_a_rule(small: Campaign) -> None:
    failing, pacing = small.rules

    assert isinstance(failing.metric, Ratio)
    assert str(failing.metric.numerator[0]) == "order.failed"
    assert failing.window_s == 10
    assert failing.hold_up_ms == (0, 4000, 3000, 2000, 1000, 0)
    assert failing.hold_down_ms == (0, 10_000, 10_000, 10_000, 10_000, 10_000)
    assert failing.ladder.enter_of(Level.BLUE) == 5.0
    assert failing.ladder.leave_of(Level.RED) == 15.0
    assert isinstance(pacing.metric, Pace)
    assert not pacing.ladder.rising
    assert pacing.hold_up_ms == (0, 1500, 1500, 1500, 1500, 0)
    assert small.rule("pacing") is pacing
    with pytest.raises(KeyError):
        small.rule("absent")


def test_a_campaign_does_not_change_and_can_be_sent_to_another_process(small: Campaign) -> None:
    with pytest.raises(FrozenInstanceError):
        small.gmv_fen = 1  # type: ignore[misc]

    assert pickle.loads(pickle.dumps(small)) == small


@pytest.mark.parametrize(
    ("hours", "due", "why"),
    [
        (-1, 0, "before the start nothing is due"),
        (0, 0, "at the start nothing is due"),
        (0.5, 250_000, "linear between two points"),
        (1, 500_000, "at a point, its share"),
        (12.5, 750_000, "linear on the longer piece"),
        (24, 1_000_000, "at the end all of it"),
        (100, 1_000_000, "after the end all of it"),
    ],
)
def test_what_is_due_follows_the_pace_curve(
    small: Campaign, hours: float, due: int, why: str
) -> None:
    now_ms = small.start_ms + round(hours * HOUR_MS)

    assert small.target_due_fen(now_ms) == due, why
    assert small.target_due_fen(now_ms, "east") == round(due * 0.75)
    assert small.target_due_fen(now_ms, "other") == 0
    assert small.campaign_minute(now_ms) == hours * 60


@given(st.integers(-(10**8), 2 * 10**8), st.integers(0, 10**8))
def test_what_is_due_never_falls(offset_ms: int, later_ms: int) -> None:
    campaign = parse(GOOD, "small.toml")
    now_ms = campaign.start_ms + offset_ms

    early, late = campaign.target_due_fen(now_ms), campaign.target_due_fen(now_ms + later_ms)

    assert 0 <= early <= late <= campaign.gmv_fen


@pytest.mark.parametrize(
    ("metric", "window_s"),
    [
        ('{ kind = "rate", measure = "order.events", window_s = 60 }', 60),
        ('{ kind = "change", measure = "order.events", window_s = 10, baseline_s = 100 }', 110),
        ('{ kind = "share", measure = "order.events", window_s = 7, of = "capacity.dual" }', 7),
        ('{ kind = "silence", of = "order" }', 0),
    ],
)
def test_how_far_back_a_rule_looks(metric: str, window_s: int) -> None:
    unit = {"rate": "per_s", "silence": "s"}.get(metric.split('"')[1], "ratio")
    text = GOOD.replace(PACE, f"metric = {metric}").replace('"ratio"\ndir', f'"{unit}"\ndir')
    text = text.replace(SCOPES + "metric = {", 'scopes = ["total"]\nmetric = {')

    assert parse(text, "f.toml").rules[1].window_s == window_s


def test_a_rule_cannot_be_made_with_holes(small: Campaign) -> None:
    rule = small.rules[0]
    with pytest.raises(ValueError, match="5 enter and leave bounds"):
        replace(rule, ladder=Ladder(rising=True, enter=(1.0,), leave=(0.5,)))
    with pytest.raises(ValueError, match="6 holds"):
        replace(rule, hold_up_ms=(0, 0))


def test_a_campaign_without_targets_owes_nothing() -> None:
    text = GOOD[: GOOD.index("[targets]")] + GOOD[GOOD.index("[capacity]") : GOOD.index("[pace]")]
    bare = parse(text, "bare.toml")

    assert bare.target_due_fen(bare.end_ms) == 0
    assert bare.rules == ()
    with pytest.raises(ValueError, match="rehearsal"):
        bare.rehearsed(0)


def test_only_campaign_and_labels_are_required() -> None:
    titles, rest = GOOD.index("[titles"), GOOD.index("promotion")
    bare = parse(GOOD[: min(titles, rest)], "bare.toml")

    assert (bare.gmv_fen, bare.region_share, bare.pace, bare.capacity) == (0, {}, (), {})
    assert (bare.titles, bare.cuts, bare.channels, bare.rehearsal) == ({}, {}, {}, None)
    assert bare.page_url == "http://127.0.0.1:8600"


def test_pace_needs_a_target_and_its_regions_need_shares() -> None:
    without_target = GOOD.replace(GOOD[GOOD.index("[targets]") : GOOD.index("[capacity]")], "")
    without_shares = GOOD.replace("region_share = { east = 0.75, west = 0.25 }\n", "")

    for text, path in (
        (without_target, "rules[1].metric.kind"),
        (without_shares, "rules[1].scopes[1]"),
    ):
        with pytest.raises(CampaignError) as caught:
            parse(text, "f.toml")
        assert [problem.path for problem in caught.value.problems] == [path]


def test_a_rehearsal_is_the_campaign_in_small(small: Campaign) -> None:
    start_ms = 1_700_000_000_000
    short = small.rehearsed(start_ms)

    assert (short.start_ms, short.end_ms) == (start_ms, start_ms + 600_000)
    assert short.gmv_fen == 1000
    assert short.capacity["dual"].requests_per_s == 1.0
    assert short.phases[0].start_ms == start_ms
    assert short.phases[0].end_ms == start_ms + 300_000
    assert short.waves[0].at_ms == start_ms + 300_000
    assert short.pace[-1].minute == pytest.approx(10.0)
    assert short.target_due_fen(start_ms + 25_000) == 500
    assert short.target_due_fen(start_ms + 25_000, "west") == 125
    assert short.target_due_fen(short.end_ms) == 1000
    assert (short.scale, short.rules) == (0.001, small.rules)
    assert (short.version, short.fingerprint) == (small.version, small.fingerprint)
    with pytest.raises(ValueError, match="rehearsal"):
        short.rehearsed(start_ms)


def test_a_rehearsal_may_have_its_own_size_and_pace() -> None:
    text = GOOD.replace(
        "scale = 0.001", "scale = 0.001\ngmv_scale = 0.5\ncurve = [[5, 0.0], [10, 1.0]]"
    )
    short = parse(text, "small.toml").rehearsed(0)

    assert short.gmv_fen == 500_000
    assert short.capacity["dual"].requests_per_s == 1.0
    assert [short.target_due_fen(minute * 60_000) for minute in (4, 5, 6, 10)] == [
        0,
        0,
        100_000,
        500_000,
    ]


def test_fingerprint_covers_labels_and_cuts_only() -> None:
    def fingerprint(old: str, new: str) -> str:
        assert old in GOOD
        return parse(GOOD.replace(old, new), "small.toml").fingerprint

    same = parse(GOOD, "other.toml").fingerprint
    assert fingerprint("min_samples = 100", "min_samples = 99") == same
    assert fingerprint("gmv_fen = 1_000_000", "gmv_fen = 2_000_000") == same
    assert fingerprint('["books"]', '["books", "food"]') != same
    assert fingerprint('[["promotion"]]', '[["promotion"], ["promotion", "region"]]') != same


def test_version_covers_the_whole_text() -> None:
    assert parse(GOOD, "a").version == parse(GOOD, "b").version
    assert parse(GOOD + "# a comment\n", "a").version != parse(GOOD, "a").version


def test_the_shipped_campaign(double11: Campaign) -> None:
    ids = [rule.id for rule in double11.rules]

    assert len(ids) >= 12
    assert double11.gmv_fen == 600 * 10**9 * 100
    assert [line.requests_per_s for line in double11.capacity.values()] == [4e6, 7e6, 8e6]
    assert len(double11.labels["region"]) == 5
    assert len(double11.labels["category"]) == 12
    assert len(double11.labels["system"]) == 8
    assert {phase.id for phase in double11.phases} == {"warm_up", "burst", "extension"}
    change = double11.rule("order_rate_drop").metric
    assert isinstance(change, Change)
    assert double11.rule("order_rate_drop").window_s == change.window_s + change.baseline_s
    age = double11.rule("data_age")
    assert isinstance(age.metric, Age)
    assert (age.ladder.enter_of(Level.BLUE), age.window_s) == (5.0, 0)


@pytest.mark.parametrize(
    "dimension", ["region", "category", "channel", "payment", "system", "type"]
)
def test_every_label_of_the_shipped_campaign_has_a_title(
    double11: Campaign, dimension: str
) -> None:
    assert set(double11.titles[dimension]) == set(double11.labels_of(dimension))


def test_the_shipped_rehearsal_fits_its_comment(double11: Campaign) -> None:
    """600 order events/s of which 272 are paid at 221 yuan, 1 400 requests/s."""
    short = load(SHIPPED, rehearsal_start_ms=0)
    paid_fen = 272 * 22_137 * (600 - 15)

    assert 1.02 < paid_fen / short.gmv_fen < 1.04
    assert 0.53 < 1400 / short.capacity["dual"].requests_per_s < 0.55
    assert short.capacity["old"].requests_per_s > 1400
    assert short.target_due_fen(15_000) == 0
    assert short.target_due_fen(600_000) == short.gmv_fen == round(double11.gmv_fen * 0.000_057)
