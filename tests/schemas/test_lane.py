"""Lanes share the source topics and nothing else: no other topic, no table, no name."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.campaign.campaign import load
from fenghuo.schemas.lane import LANES, REAL, SHADOW
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store import tables
from fenghuo.schemas.wire import topics
from fenghuo.streams.transport import kafka
from tests import paths

CAMPAIGNS = sorted(paths.CAMPAIGNS.glob("*.toml"))


def test_lanes_share_only_the_source_topics() -> None:
    real, shadow = (topics.plan(4, lane) for lane in LANES)

    assert set(real) & set(shadow) == set(topics.TOPIC_OF.values())
    internal = set(real) - set(topics.TOPIC_OF.values())
    assert {topics.of(name, SHADOW) for name in internal} <= set(shadow)
    assert {name: shadow[topics.of(name, SHADOW)] for name in internal} == {
        name: real[name] for name in internal
    }


@given(st.integers(0, 400))
def test_the_source_topics_outlive_the_campaign_by_a_week(days: int) -> None:
    lasts_ms = days * topics.DAY_MS
    for topic in topics.TOPIC_OF.values():
        config = topics.plan(4, campaign_ms=lasts_ms)[topic][1]
        assert int(config["retention.ms"]) >= lasts_ms + 7 * topics.DAY_MS


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda path: path.stem)
def test_the_topics_that_are_made_outlive_a_shipped_campaign(path: Path) -> None:
    campaign = load(path)
    kept_ms = topics.plan(4, campaign_ms=kafka._lasts_ms(Settings(campaign=str(path))))
    assert int(kept_ms["orders"][1]["retention.ms"]) > campaign.end_ms - campaign.start_ms


def test_lanes_share_no_table_and_have_the_same_ones() -> None:
    made = [[_table(statement) for statement in tables.ddl(lane)] for lane in LANES]

    assert len(set(made[0])) == len(made[0]) == 8
    assert not set(made[0]) & set(made[1])
    assert [tables.of(name, SHADOW) for name in made[0]] == made[1]
    assert [statement.replace("shadow_", "") for statement in tables.ddl(SHADOW)] == list(
        tables.ddl(REAL)
    )


def test_the_real_lane_has_the_plain_names() -> None:
    assert topics.of(topics.PULSES, REAL) == topics.PULSES
    assert topics.of(topics.PULSES, SHADOW) == "shadow-pulses"
    assert tables.of("late_order", REAL) == "late_order"
    assert tables.of("late_order", SHADOW) == "shadow_late_order"


def _table(statement: str) -> str:
    found = re.search(r"EXISTS (\w+) ", statement)
    assert found
    return found[1]
