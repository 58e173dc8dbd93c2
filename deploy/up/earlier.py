"""What earlier logs came to, told to a new one: so that a page and its store say one number.

A broker in memory begins a new log at each start; a store that is kept still holds the sums of the
logs before. Each of their source partitions is told once more on topic `pulses`, by a head without
rows: a tally that no more grows. The judge adds it to what it counts now, and its boards carry it
on. Of Kafka's logs nothing is told here: a new cluster may hold the same records again.
"""

import asyncio
import os
import time
from collections.abc import Iterable, Mapping

import aiokafka

from fenghuo.deploy.up.up import IN_MEMORY
from fenghuo.schemas.campaign.campaign import Campaign, load
from fenghuo.schemas.kinds.events import ALL
from fenghuo.schemas.lane import Lane
from fenghuo.schemas.settings import Settings, read
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.port import Store, StoreError, connect, wide_sum
from fenghuo.schemas.wire import pulse, topics
from fenghuo.schemas.wire.pulse import Head, Source, Tally
from fenghuo.streams.transport import kafka

STORE_S_MAX = 60
"""How long a store that is still starting is waited for."""


def tallies(store: Store, lane: Lane, campaign: Campaign, log: str) -> dict[Source, Tally]:
    """What the logs in memory other than `log` came to, by source partition. Raises StoreError."""
    known = {"log": log, "memory": IN_MEMORY + "%"}
    within = known | {"from_ms": campaign.start_ms, "to_ms": campaign.end_ms}
    found: dict[Source, Tally] = {}

    def add(kind: str, row: Mapping[str, int | str], tally: Tally) -> None:
        at = Source(str(row["log"]), topics.TOPIC_OF[kind], int(row["partition"]))
        found[at] = found.get(at, Tally()).plus(tally)

    for kind, table in tables.PULSE_TABLE.items():
        pulses = tables.of(table, lane)
        late = tables.of(tables.LATE_TABLE[kind], lane)
        for row in store.query(_ACCEPTED.format(table=pulses), known):
            add(kind, row, Tally(accepted=int(row["events"])))
        for row in store.query(_LATE.format(table=late), known):
            add(kind, row, Tally(late=int(row["events"])))
        if not ALL[kind].sales:
            continue
        for row in store.query(_PAID.format(table=pulses, late=late), within):
            paid = {str(row["region"]): (int(row["paid"]), int(row["fen"]))}
            add(kind, row, Tally(by_region=paid))
    messages = tables.refused_events(lane, _OLDER)
    for row in store.query(_REFUSED.format(messages=messages), known):
        add(topics.KIND_OF[str(row["topic"])], row, Tally(refused=int(row["refused"])))
    return found


def heads(found: Mapping[Source, Tally]) -> list[Head]:
    """Heads that say no more than their tallies: no clock goes by them, nothing of them waits."""
    return [
        Head(topics.KIND_OF[at.topic], at, 0, 0, 0, None, None, 0, None, idle=True, tally=tally)
        for at, tally in sorted(found.items())
    ]


def main() -> None:
    """Tell the log of this broker what the store holds of earlier ones; then end."""
    settings = read(os.environ)
    campaign = load(settings.campaign, settings.rehearsal_start_ms or None)
    asyncio.run(_tell(settings, campaign))


async def _tell(settings: Settings, campaign: Campaign) -> None:
    log = await kafka.prepare(settings)
    found = await asyncio.to_thread(_stored, settings, campaign, log)
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=settings.kafka)
    await producer.start()
    try:
        topic = topics.of(topics.PULSES, settings.lane)
        for key, value in _frames(heads(found)):
            await producer.send_and_wait(topic, value, key)
    finally:
        await producer.stop()
    fen = sum(fen for tally in found.values() for _, fen in tally.by_region.values())
    print(f"{len(found)} partitions of earlier logs, {fen} fen")


def _frames(told: Iterable[Head]) -> Iterable[tuple[bytes, bytes]]:
    for head in told:
        for frame in pulse.encode(head, pulse.no_rows(head.kind, ("version",))):
            yield str(head.source).encode(), frame


def _stored(settings: Settings, campaign: Campaign, log: str) -> dict[Source, Tally]:
    deadline = time.monotonic() + STORE_S_MAX
    while True:
        try:
            store = connect(settings.store_login)
            try:
                for statement in tables.ddl(settings.lane):
                    store.execute(statement)
                return tallies(store, settings.lane, campaign, log)
            finally:
                store.close()
        except StoreError as error:
            if not error.retry or time.monotonic() > deadline:
                raise
        time.sleep(0.2)


_OLDER = "`log` != %(log)s AND `log` LIKE %(memory)s"
_PULSE = "`log`, `topic`, `partition`, second_ms"
_NEWEST = (
    f"SELECT {_PULSE}, max(version) FROM {{table}} WHERE cut = '' AND {_OLDER} GROUP BY {_PULSE}"
)
_ACCEPTED = f"""
SELECT `log`, `partition`, sum(e) AS events FROM (
    SELECT {_PULSE}, any(events) AS e FROM {{table}}
    WHERE cut = '' AND {_OLDER} AND ({_PULSE}, version) IN (
        {_NEWEST})
    GROUP BY {_PULSE})
GROUP BY `log`, `partition`
"""
_LATE = f"""
SELECT `log`, `partition`, count() AS events FROM (
    SELECT DISTINCT `log`, `partition`, `offset`, idx FROM {{table}} WHERE cut = '' AND {_OLDER})
GROUP BY `log`, `partition`
"""
_PAID = f"""
SELECT `log`, `partition`, k1 AS region, sum(p) AS paid, {wide_sum("f")} AS fen FROM (
    SELECT {_PULSE}, k1, any(paid) AS p, any(paid_amount_fen) AS f FROM {{table}}
    WHERE cut = 'region' AND {_OLDER} AND ({_PULSE}, version) IN (
        {_NEWEST})
    GROUP BY {_PULSE}, k1
    UNION ALL
    SELECT `log`, `topic`, `partition`, any(second_ms) AS second_ms, any(k1) AS k1,
        any(paid) AS p, any(paid_amount_fen) AS f FROM {{late}}
    WHERE cut = 'region' AND {_OLDER} GROUP BY `log`, `topic`, `partition`, `offset`, idx)
WHERE second_ms >= %(from_ms)s AND second_ms < %(to_ms)s AND p > 0
GROUP BY `log`, `partition`, k1
"""
_REFUSED = """
SELECT `log`, `topic`, `partition`, sum(`events`) AS refused FROM ({messages})
GROUP BY `log`, `topic`, `partition`
"""

if __name__ == "__main__":
    main()
