"""Notes: what is to be known about clocks and sources just now, in words. No clock, no I/O."""

from collections.abc import Mapping

from fenghuo.schemas.notes import TIME_SERVER, skewed
from fenghuo.schemas.wire.pulse import Head
from fenghuo.schemas.wire.status import Board, Note

NOTES_MAX = 8
"""Most notes of one code: the first few say what is wrong."""


def of(board: Board, judge_skew_ms: int = 0) -> tuple[Note, ...]:
    """What a board says about partitions that are stopped or read by nobody, late sources, wrong
    clocks, and records that are gone. judge_skew_ms: how far the judge's host's clock is ahead.
    """
    stopped = [_stopped(head) for head in board.heads if head.stopped]
    late = [_late(one.source, one.by_ms) for kind in board.kinds for one in kind.behind]
    gone = [_gone(head) for head in board.heads if head.gaps.missing]
    unread = [_unread(board.orphans)] if board.orphans else []
    groups = (stopped, unread, late, _clocks(board, judge_skew_ms), gone)
    return tuple(note for group in groups for note in group[:NOTES_MAX])


def _clocks(board: Board, judge_skew_ms: int) -> list[Note]:
    """Hosts whose clock is wrong; where nobody can tell, workers that differ from the judge."""
    told = [("judge", judge_skew_ms)]
    told += [(f"gather {head.source}", head.skew_ms) for head in board.heads]
    wrong = [note for who, by_ms in told for note in skewed(who, by_ms)]
    skews = {source: min(seen, key=abs) for source, seen in sorted(board.skews_ms.items())}
    return wrong + [_differs(source, by_ms) for source, by_ms in skews.items() if by_ms]


def _stopped(head: Head) -> Note:
    place = f"{head.source} {head.next_offset}"
    return Note(
        "partition_stopped",
        place,
        f"分区 {head.source} 停在 offset {head.next_offset}，其余分区照常计数：{head.stopped}",
        f"partition {head.source} is stopped at offset {head.next_offset}, the others go on: "
        f"{head.stopped}",
        f"fenghuo dlq skip {head.source.topic} {head.source.partition} {head.next_offset} passes "
        "over that record, on record",
    )


def _unread(orphans: Mapping[str, int]) -> Note:
    named, many = list(orphans)[:NOTES_MAX], sum(orphans.values())
    more = ", ..." if len(orphans) > NOTES_MAX else ""
    where = ", ".join(named) + more
    return Note(
        "partition_unread",
        where,
        f"分区 {where} 无人读取，积压 {many} 条",
        f"nobody reads {where}: {many} records wait",
        "see whether a gather worker runs, and what its log says",
    )


def _gone(head: Head) -> Note:
    start, end = head.gaps.newest[-1]
    return Note(
        "records_gone",
        str(head.source),
        f"分区 {head.source} 有 {head.gaps.missing} 个 offset 未读先删（最近 {start}–{end - 1}），"
        "其中的事件不详",
        f"{head.gaps.missing} offsets of {head.source} were deleted before they were read (newest "
        f"{start} to {end - 1}): their events are unknown",
        "lengthen the retention of the topic (retention.ms, retention.bytes)",
    )


def _late(source: str, by_ms: int) -> Note:
    seconds = round(by_ms / 1000)
    return Note(
        "source_behind",
        source,
        f"数据源 {source} 落后 {seconds} 秒：其余照常判定，它的事件到达后补计",
        f"source {source} is {seconds} s behind: the others are judged on time, its events are "
        "counted as they come",
        "look at the clock and the queue of the producer that writes to it",
    )


def _differs(source: str, behind_ms: int) -> Note:
    seconds = abs(behind_ms) / 1000
    zh, en = ("慢", "behind") if behind_ms > 0 else ("快", "ahead of")
    return Note(
        "clock_skew",
        f"gather {source}",
        f"读取 {source} 的进程时钟比判定进程{zh} {seconds:.1f} 秒",
        f"the clock of the worker that reads {source} is {seconds:.1f} s {en} the judge's",
        TIME_SERVER,
    )
