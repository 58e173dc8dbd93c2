"""Runs for tests: small books, proofs and observations of which one thing at a time is wrong."""

from typing import Any

import msgspec
import numpy as np

from fenghuo.loadtest.send.ledger import Latencies
from fenghuo.loadtest.verdict.result import (
    Acknowledged,
    Fates,
    Hop,
    Numbers,
    Produced,
    Proof,
    Run,
    Sample,
    Second,
    Told,
    Totals,
    Watched,
)
from fenghuo.loadtest.verdict.verdict import judge

ALL = Totals(10_000, 10_000, 1_000, 123_456)
START_MS = 1_794_000_000_000


def histogram(*ms: float) -> str:
    """These latencies as an encoded histogram."""
    latencies = Latencies()
    latencies.add((np.array(ms) * 1000).astype(np.int64))
    return latencies.encoded()


def produced(**changes: Any) -> Produced:
    """The books of a good run, but for these changes."""
    found = Produced(
        run="r1",
        producers=1,
        planned=ALL,
        sent=ALL,
        acknowledged=ALL,
        missed=Totals(),
        failed=Totals(),
        failures={},
        late_sends=0,
        late_ms_max=3,
        queue_full=0,
        handed=histogram(*[0.2] * 10_000),
        acked=histogram(*[8.0] * 9_900, *[40.0] * 100),
        seconds=tuple(Second(i, 1_000, 1_000, 1_000) for i in range(10)),
        partitions=(Acknowledged("orders", 0, ALL, 100, 10_100),),
        numbers=(Numbers(0, 10_000),),
        planted={},
        by_kind={"order": ALL},
        start_ms=START_MS,
        ended_ms=START_MS + 10_050,
        clock_step_ms=0,
        cpu_s=1.5,
        stopped=False,
    )
    return msgspec.structs.replace(found, **changes)


def proof(**changes: Any) -> Proof:
    """A proof that closes, but for these changes."""
    names = ("planned", "sent", "acknowledged", "log", "counted", "store", "api")
    found = Proof(
        hops=tuple(Hop(name, 10_000, None, 1_000, 123_456) for name in names),
        fates=(Fates("order", 10_000, 10_000, 0, 0),),
        lost=0,
        duplicates=0,
        missing=(),
        foreign_messages=0,
        closed=True,
        problems=(),
    )
    return msgspec.structs.replace(found, **changes)


def watched(**changes: Any) -> Watched:
    """A run that was seen to go well, but for these changes."""
    samples = tuple(
        Sample(
            at_ms=i * 500,
            planned=i * 500,
            sent=i * 500,
            acknowledged=i * 500,
            missed=0,
            gathered=i * 480,
            archived=i * 400,
            shown=i * 480,
            lag=20 * i,
            fresh_ms=400,
            busy=0.5,
        )
        for i in range(20)
    )
    found = Watched(samples, histogram(*[300.0] * 9_950, *[700.0] * 50), 420)
    return msgspec.structs.replace(found, **changes)


def told(**changes: Any) -> Told:
    """What stands beside the figures."""
    found = Told(
        command="fenghuo load --rate 1000",
        seed=1,
        shape="constant",
        rate_per_s=1_000,
        seconds=10,
        form="json",
        lane="real",
        version="0.1.0",
        commit="abc",
        machine="x86_64, 2 cores, 24 GiB",
        versions={"python": "3.11.7"},
        campaign="double11.toml",
        campaign_hash="0123",
        settings={"processes": "1"},
    )
    return msgspec.structs.replace(found, **changes)


def run(**changes: Any) -> Run:
    """A run that passes, but for these changes."""
    found = Run(told(), produced(), proof(), watched(), judge(produced(), proof(), watched(), []))
    return msgspec.structs.replace(found, **changes)
