"""One block for each table, made by the real core out of a few events, and what they stand for."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fenghuo.schemas.campaign.campaign import load
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire.letters import Letter
from fenghuo.schemas.wire.pulse import Head, Source, Tally
from fenghuo.schemas.wire.topics import TOPIC_OF
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams.archive.held import Block, Pulses, late_block, refused_block, transition_block
from fenghuo.streams.decode.codec import Codec
from fenghuo.streams.gather.gather import Gather
from fenghuo.streams.gather.places import begin
from fenghuo.streams.gather.taken import coders, terms

SECOND_MS = 1_000
COMMON = {"region": "east", "channel": "app"}
FIELDS: Mapping[str, Mapping[str, Any]] = {
    "order": COMMON
    | {"order_id": "o", "user_id": "u", "category": "food", "amount_fen": 1_234}
    | {"status": "paid", "payment": "alipay"},
    "traffic": COMMON
    | {"system": "cart", "action": "view", "status": 200, "latency_ms": 12, "user_id": "u"},
    "complaint": COMMON | {"category": "food", "type": "", "severity": 3, "text": "too late"},
}


def event(kind: str, ts_ms: int, number: int = 0, **changes: Any) -> bytes:
    """One valid event, or one spoilt by the changes."""
    head = {"kind": kind, "event_id": f"{kind}-{number}", "ts": ts_ms}
    return json.dumps({**head, **FIELDS[kind], **changes}, ensure_ascii=False).encode()


def blocks(log: str, base_ms: int) -> dict[str, Block]:
    """Table -> block: of each kind 20 events, one late and two refused; and two transitions."""
    campaign, settings = load(Settings().campaign), Settings()
    made: dict[str, Block] = {}
    letters: list[Letter] = []
    for kind, coder in coders(campaign).items():
        source = Source(log, TOPIC_OF[kind], 1)
        chosen = terms(settings, campaign)
        state = Gather(source, Codec(coder), chosen, begin(source, (), (0, 0), chosen).place)
        regions = ["east", "west", "nowhere", "x\"'\\%"]
        values: list[bytes | None] = [
            event(kind, base_ms + 100 * i, i, region=regions[i % 4]) for i in range(20)
        ]
        values += [b"\xff\x00 no json '\\%", event(kind, base_ms - 20_000), event(kind, 5)]
        stamps = np.full(len(values), base_ms + 5_000, np.int64)
        offsets = np.arange(len(values), dtype=np.int64)
        state.add(Fetch(offsets, values, stamps, 0, len(values)))
        taken = state.take()
        held = Pulses()
        now, end = base_ms + 5_000, taken.next_offset
        bounds = taken.frontier_ms, taken.watermark_ms
        head = Head(kind, source, 0, end, end, *bounds, now, now, False, Tally())
        held.see(head, taken.pulses, 0, now)
        (pulses,) = held.due(now + 60_000)
        late = late_block(kind, [(source, taken.late)])
        made |= {pulses.table: pulses, late.table: late}
        letters += taken.letters
    made["refused"] = refused_block(letters)
    moved = [
        Transition("gmv_pace", "region=east", 1, 1, 0, 5, base_ms, 0.25, 10, 0.5, "'far' \\ %"),
        Transition("gmv_pace", "total", 2, 1, 5, None, base_ms + 1, None, 0, None, "没有数据"),
    ]
    made["transitions"] = transition_block("double11", log, moved)
    return made


def rows(columns: Mapping[str, Sequence[Any]]) -> list[tuple[Any, ...]]:
    """The rows of a block in plain values, in an order of their own; NaN as None."""
    plain = [
        column.tolist() if hasattr(column, "tolist") else list(column)
        for column in columns.values()
    ]
    return ordered(zip(*plain, strict=True))


def ordered(found: Any) -> list[tuple[Any, ...]]:
    """Rows that can be compared whatever order the store gives."""
    cleaned = [tuple(_plain(value) for value in row) for row in found]
    return sorted(cleaned, key=repr)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value != value:  # noqa: PLR0124  the meaning of NaN
        return None
    return tuple(value) if isinstance(value, list) else value
