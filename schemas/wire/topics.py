"""Topic names, their keys and partition counts: the wire's street plan.

The source topics are one for both lanes; of every other topic each lane has its own (`of`).
"""

from typing import Final

from fenghuo.schemas.kinds.events import ALL
from fenghuo.schemas.lane import REAL, Lane, named

KINDS: Final = tuple(ALL)

TOPIC_OF: Final = {name: kind.topic for name, kind in ALL.items()}
KIND_OF: Final = {topic: kind for kind, topic in TOPIC_OF.items()}

PULSES: Final = "pulses"
"""One pulse frame of one source partition; key = topic/partition. One partition: volume follows
series, not traffic.
"""
POSITIONS: Final = "positions"
"""Where a new owner of a source partition starts; key = topic/partition, compacted."""
USERS: Final = "users"
"""Sketches of the distinct users of a source partition; key = topic/partition and who wrote it,
compacted: sketches of several writers are united.
"""
LATE: Final = "late"
"""Events whose second was closed when they came; key = topic/partition."""
REFUSED: Final = "refused"
"""The dead letters: bytes, reason and source of what could not be counted; key = topic/partition.
"""
SKIPS: Final = "skips"
"""Records that were passed over by hand; key = topic/partition/offset, compacted."""
BASELINES: Final = "baselines"
"""What an adaptive rule has learnt of a scope; key = rule|scope, compacted."""
STATUS: Final = "status"
"""The judge's boards; key = the campaign's name."""
TRANSITIONS: Final = "transitions"
"""Changes of level; key = rule|scope."""
CLOCK: Final = "clock"
"""Empty records: the broker's answer to each says what time it is there; key = who asks."""

MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024
"""Largest message any topic takes; a larger one is refused by the broker before it is in the log.
"""

DAY_MS: Final = 86_400_000
KEPT_DAYS_MIN: Final = 60
KEPT_AFTER_DAYS: Final = 7
"""Source topics are kept for this long after the last event of a campaign could have come: all that
is counted can be counted again, and audited, from the log.
"""

COMPACTED: Final = {
    "segment.ms": "60000",
    "segment.bytes": "16777216",
    "min.cleanable.dirty.ratio": "0.1",
    "max.compaction.lag.ms": "300000",
}
"""What keeps a compacted topic about as small as its newest records: they are read whole at every
start. The broker compacts only what lies behind its newest segment; its own are a gigabyte large.
"""

_INTERNAL: Final = {
    PULSES: {"retention.ms": "86400000"},
    POSITIONS: {"cleanup.policy": "compact", **COMPACTED},
    USERS: {"cleanup.policy": "compact", **COMPACTED},
    SKIPS: {"cleanup.policy": "compact", **COMPACTED},
    BASELINES: {"cleanup.policy": "compact", **COMPACTED},
    LATE: {"retention.ms": "604800000"},
    REFUSED: {"retention.ms": "1209600000"},
    STATUS: {"retention.ms": "3600000", "segment.ms": "600000"},
    TRANSITIONS: {"retention.ms": "-1"},
    CLOCK: {
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "3600000",
        "segment.ms": "600000",
    },
}


def of(name: str, lane: Lane) -> str:
    """What the internal topic of this name is called in a lane."""
    return named(name, lane, "-")


def plan(
    partitions: int, lane: Lane = REAL, campaign_ms: int = 0
) -> dict[str, tuple[int, dict[str, str]]]:
    """Every topic of a lane with its partition count and broker settings, for a campaign that lasts
    so long (Kafka's own default would keep the source topics for a week).

    Source topics carry the broker's own time (LogAppendTime): an event is judged to lie in the
    future against the clock of the broker, which no producer can set.
    """
    limit = {"max.message.bytes": str(MESSAGE_BYTES_MAX)}
    kept_ms = max(KEPT_DAYS_MIN * DAY_MS, campaign_ms + KEPT_AFTER_DAYS * DAY_MS)
    source = {"message.timestamp.type": "LogAppendTime", "retention.ms": str(kept_ms)}
    topics = {topic: (partitions, {**limit, **source}) for topic in TOPIC_OF.values()}
    internal = {of(topic, lane): (1, {**limit, **extra}) for topic, extra in _INTERNAL.items()}
    return topics | internal
