"""What people do, and what was counted last year: read whole, or every problem told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.alerts.judging.forecast import counted_by
from fenghuo.schemas.campaign.campaign import Campaign, CampaignError, load, parse
from fenghuo.schemas.campaign.parts import PacePoint, Title
from fenghuo.schemas.campaign.plans import Budgets, Department, Playbook
from fenghuo.schemas.campaign.toml_reader import Problem
from fenghuo.schemas.level import Level
from tests.paths import CAMPAIGN
from tests.schemas.campaign.campaign_texts import FULL

SHIPPED = CAMPAIGN
PLANS = """
[last_year]
file = "before.csv"

[departments.technology]
title = { zh = "技术", en = "Technology" }
channel = "war-room"

[playbooks.failure]
title = { zh = "故障", en = "Failure" }
owner = "technology"
within_minutes = 30
steps = [{ zh = "先看", en = "Look" }, { zh = "再修", en = "Mend" }]

[[duty]]
department = "technology"
people = ["an", "bo"]
start = "2026-11-11T08:00:00+08:00"
end = "2026-11-11T20:00:00+08:00"
wake_from = "yellow"

[[duty]]
department = "technology"
people = ["an"]
start = "2026-11-11T00:00:00+08:00"
end = "2026-11-11T08:00:00+08:00"

[budgets]
spend_fen = 500
elastic_share = 0.1
notices_per_hour = 60
wakes_per_shift = 4
"""
TEXT = FULL.replace('id = "failing"', 'id = "failing"\nplaybook = "failure"\nowner = "technology"')
TEXT = TEXT.replace("order.events over 60s", "order.events over 60s").replace(
    "[flapping]", PLANS + "\n[flapping]"
)
CSV = "# ours\nminute,order.events,order.paid\n0,0,0\n60,100,10\n\n1440,700,70\n"


def read(text: str = TEXT, csv: str = CSV) -> Campaign:
    def beside(name: str) -> str:
        if name != "before.csv":
            raise FileNotFoundError(2, "no such file", name)
        return csv

    return parse(text, "small.toml", beside)


def problems(text: str = TEXT, csv: str = CSV) -> list[Problem]:
    with pytest.raises(CampaignError) as caught:
        read(text, csv)
    return list(caught.value.problems)


def test_the_parts_of_the_plans() -> None:
    plans = read().plans

    assert plans.departments["technology"] == Department(
        "technology", Title("技术", "Technology"), "war-room"
    )
    assert plans.playbooks["failure"] == Playbook(
        *("failure", Title("故障", "Failure"), "technology", 30),
        (Title("先看", "Look"), Title("再修", "Mend")),
    )
    assert [(one.people, one.wake_from) for one in plans.duty] == [
        (("an",), Level.BLUE),
        (("an", "bo"), Level.YELLOW),
    ]
    assert plans.budgets == Budgets(500, 0.1, 60, 4)


@pytest.mark.parametrize(
    ("old", "new", "path", "expected"),
    [
        (
            'channel = "war-room"',
            'channel = "warroom"',
            "departments.technology.channel",
            "war-room",
        ),
        (
            'owner = "technology"\nwithin',
            'owner = "tech"\nwithin',
            "playbooks.failure.owner",
            "techn",
        ),
        ("within_minutes = 30", "within_minutes = 0", "playbooks.failure.within_minutes", "1 to"),
        ('"再修", en = "Mend" }', '"再修" }', "playbooks.failure.steps[1].en", "text"),
        (
            'department = "technology"\npeople = ["an"]',
            'department = "x"\npeople = ["an"]',
            "duty[1].department",
            "techn",
        ),
        ('people = ["an", "bo"]', 'people = ["an", "an"]', "duty[0].people[1]", "differ"),
        (
            'end = "2026-11-11T08:00:00',
            'end = "2026-11-11T09:00:00',
            "duty[1].people",
            "no other duty",
        ),
        (
            'end = "2026-11-11T20:00:00',
            'end = "2026-11-11T07:00:00',
            "duty[0].end",
            "after the start",
        ),
        ('start = "2026-11-11T08:00:00', 'start = "2026-11-10T08:00:00', "duty[0].start", "inside"),
        ('wake_from = "yellow"', 'wake_from = "green"', "duty[0].wake_from", "one of blue"),
        ("elastic_share = 0.1", "elastic_share = 10", "budgets.elastic_share", "0 to 1"),
        ("wakes_per_shift = 4", "wakes = 4", "budgets.wakes", "known key"),
        ('playbook = "failure"', 'playbook = "failur"', "rules[0].playbook", "failure"),
        (
            'playbook = "failure"\nowner = "technology"',
            'playbook = "failure"\nowner = "it"',
            "rules[0].owner",
            "techn",
        ),
        ('file = "before.csv"', 'file = "../before.csv"', "last_year.file", "campaign's folder"),
        ('file = "before.csv"', 'file = "other.csv"', "last_year.file", "readable CSV"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_plan_is_told(old: str, new: str, path: str, expected: str) -> None:
    assert old in TEXT
    found = {one.path: one.expected for one in problems(TEXT.replace(old, new, 1))}

    assert expected in found[path]
    assert len(found) <= 2  # a start too early makes the duty too long, too


@pytest.mark.parametrize(
    ("old", "new", "path", "expected"),
    [
        ("minute,", "minutes,", "line 2", '"minute"'),
        ("order.paid\n", "order.payed\n", "line 2", "order.paid"),
        ("order.paid\n", "order.events\n", "line 2", "differ"),
        ("60,100,10", "60,100", "line 4", "3 columns"),
        ("60,100,10", "60,many,10", "line 4, column order.events", "number"),
        ("60,100,10", "60,nan,10", "line 4, column order.events", "number"),
        ("60,100,10", "0,100,10", "line 4, column minute", "after the one before"),
        ("1440,700,70", "1441,700,70", "line 6, column minute", "at most 1440"),
        ("1440,700,70", "1440,99,70", "line 6, column order.events", "at least 100"),
        (CSV, "", "line 1", "header"),
        (CSV, "minute,order.events\n0,0\n", "", "two rows"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_last_year_is_told_by_line(
    old: str, new: str, path: str, expected: str
) -> None:
    assert old in CSV
    found = problems(csv=CSV.replace(old, new))[0]

    assert (found.file, found.path) == ("before.csv", path)
    assert expected in found.expected


@given(st.text(max_size=60), st.integers(0, len(CSV)))
def test_no_csv_gets_past_the_reader_with_another_error(junk: str, at: int) -> None:
    try:
        read(csv=CSV[:at] + junk + CSV[at:])
    except CampaignError as error:
        problems_of = error.problems
        assert problems_of


def test_last_year_is_measured_against_and_changes_the_version() -> None:
    campaign = read(
        TEXT.replace("order.events over 60s", "order.events over 60s vs last year")
        .replace('"per_s"', '"ratio"')
        .replace(', "region,category"', "")
    )
    other = read(csv=CSV.replace("700", "800"))

    curve = campaign.last_year["order.events"]
    assert curve == (PacePoint(0.0, 0.0), PacePoint(60.0, 100.0), PacePoint(1440.0, 700.0))
    assert counted_by(curve, 30.0) == 50.0
    assert other.version != read().version


def test_a_rehearsal_had_a_small_last_year_with_its_own_pace() -> None:
    plain = read().rehearsed(0).last_year["order.events"]
    paced = read(TEXT.replace("scale = 0.001", "scale = 0.001\ncurve = [[0, 0.0], [10, 1.0]]"))

    # 1 440 minutes become ten, and a thousandth is left of every sum
    assert [point.minute for point in plain] == pytest.approx([0.0, 60 / 144, 10.0])
    assert [point.share for point in plain] == pytest.approx([0.0, 0.1, 0.7])
    own = paced.rehearsed(0).last_year["order.events"]
    assert [(point.minute, round(point.share, 9)) for point in own] == [(0.0, 0.0), (10.0, 0.7)]


def test_every_rule_of_the_shipped_campaign_has_its_playbook_and_owner() -> None:
    campaign = load(SHIPPED)

    assert {rule.playbook for rule in campaign.rules} <= set(campaign.plans.playbooks)
    assert {rule.owner for rule in campaign.rules} <= set(campaign.plans.departments)
    assert campaign.last_year["order.paid_amount_fen"][-1].share == 54_030_000_000_000
