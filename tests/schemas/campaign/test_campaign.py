"""A campaign file is read whole: what it says is what is watched."""

import pickle
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.campaign.campaign import Campaign, load, parse
from fenghuo.schemas.campaign.parts import (
    DEFAULT_SCORES,
    Adaptive,
    Early,
    Flapping,
    Fold,
    Ladder,
    Title,
)
from fenghuo.schemas.kinds.measures import scope_names
from fenghuo.schemas.level import Level
from fenghuo.schemas.metrics.forms.change import Change
from fenghuo.schemas.metrics.forms.freshness import Age
from fenghuo.schemas.metrics.forms.pace import Pace
from fenghuo.schemas.metrics.forms.ratio import Ratio
from tests.paths import ROOT
from tests.schemas.campaign.campaign_texts import FULL, GOOD, PACE, SCOPES

SHIPPED = ROOT / "deploy/campaigns/double11.toml"
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def small() -> Campaign:
    return parse(GOOD, "small.toml")


@pytest.fixture(scope="module")
def double11() -> Campaign:
    return load(SHIPPED)


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
        ("order.events over 60s", 60),
        ("order.events over 10s vs last 100s", 110),
        ("order.events over 7s of capacity.dual", 7),
        ("silence of order", 0),
    ],
)
def test_how_far_back_a_rule_looks(metric: str, window_s: int) -> None:
    unit = {"over 60s": "per_s", "of order": "s"}.get(metric.split(" ", 1)[1], "ratio")
    text = GOOD.replace(PACE, f'metric = "{metric}"').replace('"ratio"\ndir', f'"{unit}"\ndir')
    text = text.replace(SCOPES + f'metric = "{metric}"', f'scopes = ["total"]\nmetric = "{metric}"')

    assert parse(text, "f.toml").rules[1].window_s == window_s


def test_the_parts_of_a_rule_that_knows_more() -> None:
    campaign = parse(FULL, "full.toml")
    unusual, filling = campaign.rule("unusual"), campaign.rule("filling")

    assert unusual.adaptive == Adaptive("day", "below", 2.0, 0.05)
    assert unusual.ladder == DEFAULT_SCORES
    assert unusual.suspended == ("burst",)
    assert scope_names(unusual.scopes[1], campaign.labels) == (
        "region=east,category=books",
        "region=west,category=books",
    )
    assert filling.early == Early(600, Level.ORANGE, Level.BLUE)
    assert filling.ladder_of("burst", "total").enter_of(Level.BLUE) == 0.65
    assert filling.ladder_of(None, "total").enter_of(Level.BLUE) == 0.6
    assert {rule.flapping for rule in campaign.rules} == {Flapping(4, 120_000, 60_000)}
    assert campaign.folds == (Fold("filling", ("failing", "unusual"), "total"),)


def test_what_a_rule_does_not_say_is_as_shipped() -> None:
    text = FULL.replace('season = "day", side = "below", floor = 2, floor_share = 0.05', "")
    text = text[: text.index("[flapping]")]
    campaign = parse(text, "full.toml")

    assert campaign.rule("unusual").adaptive == Adaptive()
    assert campaign.rule("failing").flapping == Flapping()
    assert campaign.folds == ()


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


def test_links_of_a_page_below_a_path_have_one_slash() -> None:
    text = GOOD.replace("[campaign]", '[campaign]\npage_url = "https://wall.example/ops/wall/"', 1)

    assert parse(text, "c.toml").page_url == "https://wall.example/ops/wall"


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


def test_a_rehearsal_begins_on_a_whole_second(small: Campaign) -> None:
    """The store keeps sums of seconds: what was paid before its start can be told apart there."""
    short = small.rehearsed(1_700_000_000_999)

    assert (short.start_ms, short.end_ms % 1000) == (1_700_000_000_000, 0)


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
