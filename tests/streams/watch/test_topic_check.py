"""Which settings of topics are told, and that the command that is told cures them."""

import re

import pytest

from fenghuo.schemas.lane import REAL
from fenghuo.schemas.wire import topics
from fenghuo.streams.watch.topic_check import DAY_MS, Topic, check

CAMPAIGN_MS = 14 * DAY_MS
BROKER = "kafka-1:9092"


def as_made(name: str, **changes: str) -> Topic:
    """A topic as fenghuo makes it, with what Kafka adds; some settings otherwise."""
    count, configs = topics.plan(1)[name]
    usual = {
        "message.timestamp.type": "CreateTime",
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
    }
    named = {key.replace("_", "."): value for key, value in changes.items()}
    return Topic(name, count, {**usual, **configs, **named})


def found(*other: Topic) -> dict[str, Topic]:
    return {name: as_made(name) for name in topics.plan(1)} | {one.name: one for one in other}


def test_topics_as_fenghuo_makes_them_are_well() -> None:
    assert check(found(), REAL, CAMPAIGN_MS, BROKER) == ()


@pytest.mark.parametrize(
    ("topic", "setting", "value", "cure"),
    [
        ("orders", "message_timestamp_type", "CreateTime", "message.timestamp.type=LogAppendTime"),
        ("traffic", "cleanup_policy", "compact", "cleanup.policy=delete"),
        ("traffic", "cleanup_policy", "compact,delete", "cleanup.policy=delete"),
        ("orders", "retention_ms", str(7 * DAY_MS), f"retention.ms={15 * DAY_MS}"),
        ("complaints", "retention_bytes", "1073741824", "retention.bytes=-1"),
        ("positions", "cleanup_policy", "delete", "cleanup.policy=compact"),
        ("pulses", "cleanup_policy", "compact", "cleanup.policy=delete"),
        ("users", "segment_bytes", "1073741824", "segment.bytes=16777216"),
        ("skips", "min_cleanable_dirty_ratio", "0.5", "min.cleanable.dirty.ratio=0.1"),
        ("status", "max_message_bytes", "1048588", "max.message.bytes=8388608"),
        ("clock", "message_timestamp_type", "CreateTime", "message.timestamp.type=LogAppendTime"),
    ],
)
def test_a_setting_that_hurts_is_told_and_its_command_cures_it(
    topic: str, setting: str, value: str, cure: str
) -> None:
    (note,) = check(found(as_made(topic, **{setting: value})), REAL, CAMPAIGN_MS, BROKER)

    assert (note.code, note.where) == ("topic_setting", topic)
    assert note.cure == (
        f"kafka-configs.sh --bootstrap-server {BROKER} --alter --entity-type topics "
        f"--entity-name {topic} --add-config {cure}"
    )
    assert topic in note.en
    assert re.search(r"[\u4e00-\u9fff]", note.zh)
    name, _, cured = cure.partition("=")
    assert check(found(as_made(topic, **{name: cured})), REAL, CAMPAIGN_MS, BROKER) == ()


def test_a_compacted_topic_of_an_earlier_release_is_told_and_one_command_cures_it() -> None:
    """It was made with Kafka's own: segments of a gigabyte or a week, which nobody compacts."""
    kafkas = {
        "segment_ms": "604800000",
        "segment_bytes": "1073741824",
        "min_cleanable_dirty_ratio": "0.5",
        "max_compaction_lag_ms": "9223372036854775807",
    }
    (note,) = check(found(as_made("users", **kafkas)), REAL, CAMPAIGN_MS, BROKER)
    setting = note.cure.rpartition(" ")[2]
    assert dict(one.split("=") for one in setting.split(",")) == topics.COMPACTED

    cured = {name.replace(".", "_"): value for name, value in topics.COMPACTED.items()}
    assert check(found(as_made("users", **(kafkas | cured))), REAL, CAMPAIGN_MS, BROKER) == ()


def test_an_own_topic_of_several_partitions_is_told() -> None:
    wide = Topic("pulses", 3, as_made("pulses").configs)
    (note,) = check(found(wide), REAL, CAMPAIGN_MS, BROKER)

    assert "3 partitions" in note.en


def test_a_missing_right_is_told_once_and_stops_nothing() -> None:
    hidden = [Topic(name, 1, None, "TopicAuthorizationFailedError") for name in topics.plan(1)]
    (note,) = check({one.name: one for one in hidden}, REAL, CAMPAIGN_MS, BROKER)

    assert note.code == "topic_setting_unknown"
    assert "TopicAuthorizationFailedError" in note.en
    assert "DescribeConfigs" in note.cure


def test_a_broker_that_names_no_settings_is_not_blamed() -> None:
    silent = {name: Topic(name, 1, {}) for name in topics.plan(1)}

    assert check(silent, REAL, CAMPAIGN_MS, BROKER) == ()
