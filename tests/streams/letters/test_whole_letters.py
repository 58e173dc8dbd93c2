"""What nobody can read, and what is only kept in part: in the books it stands as often as it says,
and nobody sends its bytes again as if they were events.
"""

import asyncio
import json

import numpy as np
from msgspec.structs import replace

from fenghuo.schemas.records.fetch import Fetch, Unreadable
from fenghuo.schemas.wire.letters import Letter
from fenghuo.schemas.wire.pulse import Source
from fenghuo.streams.audit.reconcile import Ledger
from fenghuo.streams.letters.whole_letters import whole
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.river import codec_of

LETTER = Letter(Source("log", "orders", 0), 4, 0, "schema", "why", 0, b"{}")


def test_the_books_have_the_events_of_a_batch_that_nobody_can_read() -> None:
    ledger = Ledger("orders", 0, codec_of("order"), lateness_ms=10_000, future_ms=10_000)
    lost = Unreadable(3, 9, 4, "broken", 100, 0, b"?")
    none = np.empty(0, np.int64)
    ledger.read(Fetch(none, (), none, 3, 9, unreadable=(lost,)))

    assert ledger.events == 4
    assert ledger.refused == {3: 4}


def test_the_books_have_a_record_that_was_passed_over_as_one_refused_event() -> None:
    ledger = Ledger("orders", 0, codec_of("order"), lateness_ms=10_000, future_ms=10_000, skips={4})
    event = json.dumps(SAMPLES["order"]).encode()
    ts = SAMPLES["order"]["ts"]
    stamps = np.full(3, ts, np.int64)
    ledger.read(Fetch(np.arange(3, 6), (event, event * 2, event), stamps, 3, 6))

    assert ledger.events == 3
    assert ledger.refused == {4: 1}
    assert sum(second.events for second in ledger.seconds.values()) == 2


def test_a_whole_letter_is_sent_as_it_is_and_a_batch_is_not() -> None:
    assert asyncio.run(whole("nowhere:1", LETTER, {})) == LETTER.data
    lost = replace(LETTER, reason="unreadable", last_offset=9, count=4)
    assert asyncio.run(whole("nowhere:1", lost, {})) is None
