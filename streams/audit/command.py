"""`fenghuo audit`: reads the log and the store, waits until they meet, prints the books."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from fenghuo.schemas.campaign.campaign import Campaign, load
from fenghuo.schemas.kinds.events import ALL
from fenghuo.schemas.lane import Lane
from fenghuo.schemas.log import reading
from fenghuo.schemas.log.foreign import FOREIGN
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.port import Store, StoreError, connect
from fenghuo.schemas.wire import pulse, skips, topics
from fenghuo.schemas.wire.pulse import Head, Source
from fenghuo.streams.audit import reconcile, shortened
from fenghuo.streams.audit.reconcile import Key, Ledger, Stored
from fenghuo.streams.audit.shortened import Recorded
from fenghuo.streams.counting.limits import stated
from fenghuo.streams.decode.codec import Codec
from fenghuo.streams.gather import lanes, places
from fenghuo.streams.gather.places import Part
from fenghuo.streams.gather.taken import coders
from fenghuo.streams.transport import kafka

CLOSED, DIFFERS, CANNOT_TELL = 0, 1, 2
SOURCES = tuple(topics.TOPIC_OF.values())
KEPT = (topics.PULSES, topics.LATE, topics.REFUSED)


class CannotTell(RuntimeError):
    """The audit has no answer: says why."""


def main(settings: Settings, *, wait_s: int, as_json: bool) -> int:
    """Run the audit; the exit code."""
    try:
        result = asyncio.run(_audit(settings, wait_s))
    except (CannotTell, StoreError, reading.KafkaDown) as error:
        if as_json:
            print(
                json.dumps(
                    {"closed": None, "reason": str(error), "partitions": [], "differences": []}
                )
            )
        print(f"audit: cannot tell: {error}", file=sys.stderr)
        return CANNOT_TELL
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        _print(result)
    return CLOSED if result["closed"] else DIFFERS


async def _audit(settings: Settings, wait_s: int) -> dict[str, Any]:
    log = await kafka.prepare(settings)
    count = await kafka.partitions_of(settings.kafka, SOURCES)
    parts = [(topic, partition) for topic in SOURCES for partition in range(count[topic])]
    bounds = await reading.bounds(settings.kafka, parts)
    store = await asyncio.to_thread(connect, settings.store_login)
    deadline = time.monotonic() + wait_s
    logs = await _logs(settings, log, parts)
    ends = {part: end for part, (_, end) in bounds.items()}
    await _gathered(settings, logs, ends, deadline)
    campaign = load(settings.campaign, settings.rehearsal_start_ms or None)
    begun = await _begun(settings, campaign, logs, {part: bounds[part][0] for part in parts})
    ends |= {part: max(ends[part], below.offset) for part, below in begun.items()}
    await _archived(settings, deadline)
    codecs = {kind: Codec(coder) for kind, coder in coders(campaign).items()}
    books, differences = [], []
    held = await asyncio.to_thread(_stored, store, settings.lane, logs, ends)
    topic = topics.of(topics.SKIPS, settings.lane)
    passed = await skips.read(reading.records(settings.kafka, topic), topic)
    after = await reading.bounds(settings.kafka, parts)
    for part in parts:
        below = begun.get(part)
        ledger = Ledger(
            *part,
            codecs[topics.KIND_OF[part[0]]],
            lateness_ms=settings.lateness_ms,
            future_ms=settings.future_ms,
            limits=held[part].limits,
            skips=passed.get(Source(logs[part], *part), {}),
            newest_ms=below.head.frontier_ms if below else None,
        )
        await _read(settings, ledger, below.offset if below else 0, ends[part])
        growing = after[part][1] != ends[part]
        found = (
            shortened.compare(ledger, held[part], below, growing=growing)
            if below
            else reconcile.compare(ledger, held[part], growing=growing)
        )
        books.append(found[0])
        differences += found[1]
    store.close()
    for (topic, partition), (first, _) in (await reading.bounds(settings.kafka, parts)).items():
        if first > bounds[topic, partition][0]:
            raise CannotTell(
                f"records of {topic}/{partition} below {first} were deleted meanwhile: ask again"
            )
    return reconcile.report(books, differences)


async def _begun(
    settings: Settings, campaign: Campaign, logs: Mapping[Part, str], firsts: Mapping[Part, int]
) -> dict[Part, Recorded]:
    """What is on record of the partitions whose first records are gone."""
    wanted = {Source(logs[part], *part): first for part, first in firsts.items() if first > 0}
    if not wanted:
        return {}
    topic = topics.of(topics.PULSES, settings.lane)
    heads: dict[Source, Head] = {}
    async for record in reading.records(settings.kafka, topic):
        head = FOREIGN.read(topic, record.offset, pulse.head_of, record.value or b"")
        if head is None or head.next_offset < wanted.get(head.source, head.next_offset + 1):
            continue
        known = heads.get(head.source)
        if known is None or shortened.supersedes(head, known):
            heads[head.source] = head
    for source in wanted.keys() - heads.keys():
        raise CannotTell(f"{source} begins at offset {wanted[source]}, and no head says what was")
    span_ms = (campaign.start_ms, campaign.end_ms)
    return {
        (source.topic, source.partition): Recorded(wanted[source], head, span_ms)
        for source, head in heads.items()
    }


async def _logs(settings: Settings, log: str, parts: Sequence[Part]) -> dict[Part, str]:
    """What the log of each partition is called: that of a topic made anew has a name of its own."""
    topic = topics.of(topics.POSITIONS, settings.lane)
    found = await places.read(reading.records(settings.kafka, topic), topic)
    lives = await kafka.lives(settings.kafka, SOURCES)
    return {part: places.named(found, Source(log, *part), lives[part[0]]) for part in parts}


async def _gathered(
    settings: Settings, logs: Mapping[Part, str], ends: Mapping[Part, int], deadline: float
) -> None:
    """Wait until gather has read every partition up to where the audit reads it."""
    pulses = topics.of(topics.PULSES, settings.lane)
    while True:
        read: dict[Part, int] = {}
        for last in (500, None):
            async for record in reading.records(settings.kafka, pulses, last):
                frame = FOREIGN.read(pulses, record.offset, pulse.decode, record.value or b"")
                if frame is None:
                    continue
                head = frame[0]
                part = (head.source.topic, head.source.partition)
                if head.source.log == logs.get(part):
                    read[part] = max(read.get(part, 0), head.next_offset)
            if ends.keys() <= read.keys():
                break
        behind = {part: end for part, end in ends.items() if read.get(part, 0) < end}
        if not behind:
            return
        if time.monotonic() > deadline:
            part, end = next(iter(behind.items()))
            raise CannotTell(
                f"gather has read {part[0]}/{part[1]} up to {read.get(part, 0)} of {end} "
                f"({len(behind)} partitions behind): is it running?"
            )
        await asyncio.sleep(0.5)


async def _archived(settings: Settings, deadline: float) -> None:
    """Wait until the archive has stored everything that is on its topics now."""
    parts = [(topics.of(topic, settings.lane), 0) for topic in KEPT]
    group = kafka.group("archive", settings.lane)
    ends = await reading.bounds(settings.kafka, parts)
    while True:
        done = await kafka.committed(settings.kafka, group, parts)
        behind = {part: end for part, (_, end) in ends.items() if done.get(part, 0) < end}
        if not behind:
            return
        if time.monotonic() > deadline:
            part, end = next(iter(behind.items()))
            raise CannotTell(
                f"the archive has stored {part[0]} up to {done.get(part, 0)} of {end}: "
                "is it running?"
            )
        await asyncio.sleep(0.5)


async def _read(settings: Settings, ledger: Ledger, first: int, end: int) -> None:
    """Enter the lane's records of one partition from `first` to before `end`."""
    found = reading.fetches(settings.kafka, ledger.topic, ledger.partition, first=first, end=end)
    async with contextlib.aclosing(found):
        async for fetch in found:
            mine = lanes.only(fetch, settings.lane)
            if mine.values or mine.unreadable:
                ledger.read(mine)


def _stored(
    store: Store, lane: Lane, logs: Mapping[Part, str], ends: Mapping[Part, int]
) -> dict[Part, Stored]:
    """What the store holds of every partition, below these offsets."""
    seconds: dict[Part, dict[int, tuple[int, int]]] = {part: {} for part in ends}
    uneven: dict[Part, dict[int, str]] = {part: {} for part in ends}
    late: dict[Part, dict[Key, tuple[int, int, int]]] = {part: {} for part in ends}
    refused: dict[Part, dict[int, int]] = {part: {} for part in ends}
    limits: dict[Part, dict[int, int]] = {part: {} for part in ends}

    def rows(sql: str) -> list[tuple[Part, Mapping[str, Any]]]:
        return [
            (part, row)
            for log in sorted(set(logs.values()))
            for row in store.query(sql, {"log": log})
            if logs.get(part := (row["topic"], row["partition"])) == log
        ]

    for kind, table in tables.PULSE_TABLE.items():
        sales = ALL[kind].sales
        fen = sales[1] if sales else "toInt64(0)"
        sql = _PULSES.format(table=tables.of(table, lane), fen=fen)
        pulses = rows(sql)
        for part, row in pulses:
            if row["cut"] == "":
                seconds[part][row["second_ms"]] = (row["e"], row["f"])
        for part, row in pulses:
            if (row["e"], row["f"]) != seconds[part].get(row["second_ms"]):
                uneven[part][row["second_ms"]] = row["cut"] or "total"
        sql = _LATE.format(table=tables.of(tables.LATE_TABLE[kind], lane), fen=fen)
        for part, row in rows(sql):
            if row["offset"] < ends[part]:
                late[part][row["offset"], row["idx"]] = (row["second_ms"], row["e"], row["f"])
    future = "if(`reason` = 'time_future', `detail`, '')"
    for part, row in rows(tables.refused_events(lane, "`log` = %(log)s", future)):
        if row["offset"] < ends[part]:
            refused[part][row["offset"]] = row["events"]
            limit_ms = stated(row["told"])
            if limit_ms is not None:
                limits[part][row["offset"]] = limit_ms
    return {
        part: Stored(seconds[part], late[part], refused[part], uneven[part], limits[part])
        for part in ends
    }


_PULSES = """
SELECT `topic`, `partition`, second_ms, cut, sum(events_1) AS e, sum(fen_1) AS f FROM (
    SELECT `topic`, `partition`, second_ms, cut, k1, k2,
        any(events) AS events_1, any({fen}) AS fen_1
    FROM {table} WHERE `log` = %(log)s AND (`topic`, `partition`, second_ms, version) IN (
        SELECT `topic`, `partition`, second_ms, max(version) FROM {table}
        WHERE `log` = %(log)s AND cut = '' GROUP BY `topic`, `partition`, second_ms)
    GROUP BY `topic`, `partition`, second_ms, cut, k1, k2)
GROUP BY `topic`, `partition`, second_ms, cut
"""
_LATE = """
SELECT `topic`, `partition`, `offset`, idx,
    any(second_ms) AS second_ms, any(events) AS e, any({fen}) AS f
FROM {table} WHERE `log` = %(log)s AND cut = '' GROUP BY `topic`, `partition`, `offset`, idx
"""


def _print(result: Mapping[str, Any]) -> None:
    print(_line("partition", "log", "accepted", "late", "refused", "open", "paid fen"))
    for book in result["partitions"]:
        name = f"{book['topic']}/{book['partition']}"
        counts = [book[part] for part in ("log", "accepted", "late", "refused", "open")]
        print(_line(name, *counts, book["fen"]["log"]))
        if book["begins"]:
            print(
                f"  the log begins at {book['begins']} and is counted again from "
                f"{book['counted_from']}; before that the store is held against gather's own books"
            )
        if book["missing"]:
            print(f"  {book['missing']} offsets were deleted unread: they are in no book")
    for d in result["differences"]:
        second = "" if d["second_ms"] is None else f" second {d['second_ms']}"
        first, last = d["offsets"]
        print(
            f"differs: {d['topic']}/{d['partition']} {d['what']}{second} offsets {first}-{last}: "
            f"the log says {d['expected']}, the store {d['found']}"
        )
    hidden = result["differences_total"] - len(result["differences"])
    if hidden:
        print(f"and {hidden} more differences")
    print("the books are closed" if result["closed"] else "the books do not close")


def _line(name: str, *columns: str | int) -> str:
    return f"{name:16}" + "".join(f"{column:>14}" for column in columns)
