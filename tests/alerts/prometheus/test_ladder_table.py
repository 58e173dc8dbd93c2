"""The table of ladders says everything that the campaign says of them."""

from dataclasses import replace

from fenghuo.alerts.prometheus.ladder_table import PATH, files
from fenghuo.schemas.campaign.campaign import load, parse
from fenghuo.schemas.level import WARNINGS
from tests.paths import CAMPAIGN
from tests.schemas.campaign.campaign_texts import FULL

SHIPPED = CAMPAIGN


def test_every_bound_of_every_rule_and_variant_is_there() -> None:
    campaign = load(SHIPPED)
    rows = {
        row.split(" | ")[0].removeprefix("| "): row
        for row in files(campaign)[PATH].splitlines()
        if row.startswith("| ")
    }
    for rule in campaign.rules:
        row = rows.pop(rule.id)
        for level in WARNINGS:
            enter, leave = rule.ladder.enter_of(level), rule.ladder.leave_of(level)
            assert f"| {enter:g} / {leave:g}" in row, rule.id
    assert set(rows) == {"rule", "---", "complaint_rate, extension"}


def test_what_a_rule_knows_besides_is_told() -> None:
    text = files(parse(FULL, "small.toml"))[PATH]

    assert "- `order.events over 1min` in total, region,category; deviations" in text
    assert "deviations below what is expected from the same time of the days before" in text
    assert "a deviation is at least 2 per s and 5 % of what is expected" in text
    assert "- not judged in burst (爆发)" in text
    assert "- at least blue when orange is 10 min away at this pace" in text
    assert "| filling, total in burst | 0.65 / 0.55 |" in text
    assert "- `filling` explains `failing`, `unusual` (its total, everywhere)" in text


def test_a_campaign_without_causes_says_nothing_of_them() -> None:
    campaign = replace(parse(FULL, "small.toml"), folds=())

    assert "explains" not in files(campaign)[PATH]
