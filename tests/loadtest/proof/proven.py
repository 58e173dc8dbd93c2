"""A run that never was, for tests of what is proven of runs: its books, and its records."""

from collections.abc import Mapping
from typing import Any

import msgspec

from fenghuo.loadtest.send.ledger import merged
from fenghuo.loadtest.verdict.result import Acknowledged, Numbers, Produced, Totals

RUN = "1111-000000-abcd"


def produced(by_kind: Mapping[str, Totals] | None = None, **changes: Any) -> Produced:
    """Books of a run in which everything that was planned was acknowledged, but for the changes."""
    kinds = dict(by_kind or {})
    total = Totals()
    for totals in kinds.values():
        total = total.plus(totals)
    nothing = merged([])
    books = Produced(
        run=RUN,
        producers=1,
        planned=total,
        sent=total,
        acknowledged=total,
        missed=Totals(),
        failed=Totals(),
        failures={},
        late_sends=0,
        late_ms_max=0,
        queue_full=0,
        handed=nothing,
        acked=nothing,
        seconds=(),
        partitions=(),
        numbers=(Numbers(0, total.messages),),
        planted={},
        by_kind=kinds,
        start_ms=1_760_000_000_000,
        ended_ms=1_760_000_010_000,
        clock_step_ms=0,
        cpu_s=0.0,
        stopped=False,
    )
    return msgspec.structs.replace(books, **changes)


def place(topic: str, partition: int, first: int, end: int) -> Acknowledged:
    """What one partition acknowledged, without its sums."""
    return Acknowledged(topic, partition, Totals(), first, end)
