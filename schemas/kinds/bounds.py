"""Bounds of what events may hold, and the field types made of them."""

from typing import Annotated

from msgspec import Meta

TS_MIN_MS = 631_152_000_000
"""1990-01-01: an earlier event time is a mistake, most often seconds where milliseconds belong."""
AMOUNT_FEN_MAX = 100_000_000_000
"""One order of a billion yuan. More is refused."""
COUNT_MAX = 1_000_000_000
"""Largest weight of a pre-aggregated traffic event. More is refused."""
SECOND_WEIGHT_MAX = 2**63 - 1
"""What a second of one source partition may weigh: the fen of its orders, paid or not, or its
requests. 50 million orders of a billion yuan are 5e18. An event that brings more is refused, for
pulses and tables have 63 bits.
"""
LATENCY_MS_MAX = 86_400_000
ID_CHARS_MAX = 256
EVENT_BYTES_MAX = 1 << 20
"""Largest single JSON event; more is refused whatever it holds."""
EVENTS_PER_MESSAGE_MAX = 100_000
"""Most events in one message (NDJSON, array, frame)."""

I64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)] | I64
EventId = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
Label = Annotated[str, Meta(max_length=ID_CHARS_MAX)]
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
