"""Notes that parts of several kinds have, and their order. Pure."""

from collections.abc import Iterable

from fenghuo.schemas.clock import JUMP_MS
from fenghuo.schemas.wire.status import Note

TIME_SERVER = "let all hosts follow one time server (chrony, ntpd)"
WEIGHT = (
    "partition_stopped",
    "records_gone",
    "partition_unread",
    "source_behind",
    "clock_skew",
    "topic_setting",
    "topic_setting_unknown",
)
"""Codes of notes, the worst first: what is not counted, what is judged without, what may hurt."""


def by_weight(notes: Iterable[Note]) -> tuple[Note, ...]:
    """The worst first, in the order in which they came; a code of a later release goes before."""
    weights = {code: weight for weight, code in enumerate(WEIGHT)}
    return tuple(sorted(notes, key=lambda note: weights.get(note.code, -1)))


def differs(ahead_ms: int) -> tuple[Note, ...]:
    """That the time of the api is not the judge's; nothing for 0."""
    if not ahead_ms:
        return ()
    seconds = abs(ahead_ms) / 1000
    zh, en = ("快", "ahead of") if ahead_ms > 0 else ("慢", "behind")
    return (
        Note(
            "clock_skew",
            "api",
            f"api 的时钟比判定进程{zh} {seconds:.1f} 秒（数据年龄已按判定进程的时间计算）",
            f"the clock of the api is {seconds:.1f} s {en} the judge's (ages go by the judge's)",
            TIME_SERVER,
        ),
    )


def skewed(who: str, ahead_ms: int) -> tuple[Note, ...]:
    """That the clock of the host of a part is wrong; nothing while it is right to a second."""
    if abs(ahead_ms) <= JUMP_MS:
        return ()
    seconds = abs(ahead_ms) / 1000
    zh, en = ("快", "ahead") if ahead_ms > 0 else ("慢", "behind")
    return (
        Note(
            "clock_skew",
            who,
            f"{who} 所在主机的时钟{zh}了 {seconds:.1f} 秒（已按正确时间运行）",
            f"the clock of the host of {who} is {seconds:.1f} s {en} (it goes by the right time)",
            TIME_SERVER,
        ),
    )
