"""What topics must be set to, and the command that cures each that is not. No clock, no I/O.

Nothing stops for it: what can be counted is counted, and whoever looks at the numbers is told.
"""

from collections.abc import Mapping

import msgspec

from fenghuo.schemas.lane import Lane
from fenghuo.schemas.wire import topics
from fenghuo.schemas.wire.status import Note

Configs = Mapping[str, str]
DAY_MS = 86_400_000
_STAMPED = "LogAppendTime"


class Topic(msgspec.Struct, frozen=True):
    """A topic as it is. configs: None where the broker does not tell, why in `untold`."""

    name: str
    partitions: int
    configs: Configs | None
    untold: str = ""


def check(
    found: Mapping[str, Topic], lane: Lane, campaign_ms: int, bootstrap: str
) -> tuple[Note, ...]:
    """A note for each setting that hurts. campaign_ms: how long the campaign lasts."""
    notes = []
    alter = f"kafka-configs.sh --bootstrap-server {bootstrap} --alter --entity-type topics"
    for name in topics.TOPIC_OF.values():
        if topic := found.get(name):
            notes += _source(topic, campaign_ms, alter)
    for name, (_, meant) in topics.plan(1, lane).items():
        if name not in topics.KIND_OF and (topic := found.get(name)):
            notes += _own(topic, meant, alter)
    untold = [topic for topic in found.values() if topic.configs is None]
    return (*notes, *_untold(untold))


def _source(topic: Topic, campaign_ms: int, alter: str) -> list[Note]:
    configs, notes = topic.configs or {}, []
    if configs.get("message.timestamp.type", _STAMPED) != _STAMPED:
        zh = "保留生产者的时间，未来事件改按代理时钟判定"
        en = "keeps its producers' time: what lies in the future is judged by the broker's clock"
        notes.append(_note(topic, f"message.timestamp.type={_STAMPED}", alter, zh=zh, en=en))
    if "compact" in configs.get("cleanup.policy", ""):
        zh, en = "会压实，同键的事件会丢失", "is compacted: events with the same key get lost"
        notes.append(_note(topic, "cleanup.policy=delete", alter, zh=zh, en=en))
    keeps_ms = int(configs.get("retention.ms", -1))
    if 0 <= keeps_ms < campaign_ms:
        days, wanted = keeps_ms / DAY_MS, campaign_ms / DAY_MS
        zh = f"只保留 {days:.1f} 天，战役有 {wanted:.1f} 天，删除后无法重算或对账"
        en = (
            f"keeps {days:.1f} days of a campaign of {wanted:.1f}: what is gone cannot be audited "
            "or counted anew"
        )
        notes.append(_note(topic, f"retention.ms={campaign_ms + DAY_MS}", alter, zh=zh, en=en))
    if int(configs.get("retention.bytes", -1)) >= 0:
        zh, en = "按大小清理，高峰时会提前删除", "is cut by size: at a peak events go early"
        notes.append(_note(topic, "retention.bytes=-1", alter, zh=zh, en=en))
    return notes


def _own(topic: Topic, meant: Configs, alter: str) -> list[Note]:
    configs, notes = topic.configs or {}, []
    if topic.partitions != 1:
        notes.append(
            Note(
                "topic_setting",
                topic.name,
                f"主题 {topic.name} 有 {topic.partitions} 个分区，应为 1 个",
                f"topic {topic.name} has {topic.partitions} partitions, expected 1: what is beyond "
                "the first is not read",
                f"stop fenghuo, delete topic {topic.name} and let fenghuo make it again",
            )
        )
    policy = meant.get("cleanup.policy", "delete")
    if configs.get("cleanup.policy", policy) != policy:
        zh, en = (
            f"清理策略应为 {policy}",
            f"is cleaned by {configs['cleanup.policy']}, not {policy}",
        )
        notes.append(_note(topic, f"cleanup.policy={policy}", alter, zh=zh, en=en))
    if policy == "compact" and (slow := _slow(configs)):
        zh = "压实过慢，主题随时间增长，每次启动都要全部读取"
        en = "is compacted too late: it grows with time, and a start reads all of it"
        notes.append(_note(topic, ",".join(slow), alter, zh=zh, en=en))
    most = topics.MESSAGE_BYTES_MAX
    if int(configs.get("max.message.bytes", most)) < most:
        zh, en = "消息上限过小，发布会失败", "takes too small messages: publishing will fail"
        notes.append(_note(topic, f"max.message.bytes={most}", alter, zh=zh, en=en))
    stamp = meant.get("message.timestamp.type")
    if stamp and configs.get("message.timestamp.type", stamp) != stamp:
        zh, en = "读不到代理时钟", "does not tell the broker's time"
        notes.append(_note(topic, f"message.timestamp.type={stamp}", alter, zh=zh, en=en))
    return notes


def _slow(configs: Configs) -> list[str]:
    """What a compacted topic should be set to, where it keeps more than it has to."""
    kept = {name: value for name, value in topics.COMPACTED.items() if name in configs}
    return [f"{name}={most}" for name, most in kept.items() if float(configs[name]) > float(most)]


def _note(topic: Topic, setting: str, alter: str, *, zh: str, en: str) -> Note:
    return Note(
        "topic_setting",
        topic.name,
        f"主题 {topic.name} {zh}",
        f"topic {topic.name} {en}",
        f"{alter} --entity-name {topic.name} --add-config {setting}",
    )


def _untold(untold: list[Topic]) -> list[Note]:
    if not untold:
        return []
    names = ", ".join(topic.name for topic in untold[:3]) + (", ..." if len(untold) > 3 else "")
    return [
        Note(
            "topic_setting_unknown",
            names,
            f"无法查看主题设置（{untold[0].untold}）",
            f"the settings of topics cannot be looked at: {untold[0].untold}",
            "give fenghuo the right DescribeConfigs on its topics",
        )
    ]
