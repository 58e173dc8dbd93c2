"""The client's fetches, read by our own reader: the bytes as they came, whatever they unpack to.

The client (aiokafka) asks the broker, and keeps what comes; its own reading of records is never
begun, for that unpacks without a bound, ends at a batch it cannot read, and makes an object of each
record. This rests on private names of a pinned version (tests/contract/log/test_private_names.py).
"""

import logging
from collections.abc import Container
from typing import Any

from aiokafka.consumer import fetcher as client
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from fenghuo.schemas.records.batches import ANYWHERE, Aborted, Damaged
from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.records.records import read

LOG = logging.getLogger("fenghuo.reading")
_damaged: dict[object, int] = {}
"""Where the checksum of a partition's batch was wrong the last time: read once more, it is passed
over.
"""


class RawRecords:
    """What the client makes of a fetched partition: its own records, and the bytes they are read
    from.
    """

    def __init__(self, data: bytes) -> None:
        self.data = bytes(data)
        own = MemoryRecords(self.data)
        self.size_in_bytes, self.has_next = own.size_in_bytes, own.has_next
        self.next_batch = own.next_batch


client.MemoryRecords = RawRecords  # looked up by name at each fetch: keeps the bytes of it


def drain(
    fetcher: Any, partitions: Container[tuple[str, int]] | None = None
) -> dict[TopicPartition, Fetch]:
    """Everything that lies in the client's buffers for these partitions (or all), one Fetch each.
    Raises what the broker answered instead.
    """
    fetches: dict[TopicPartition, Fetch] = {}
    for tp in list(fetcher._records):
        if partitions and tp not in partitions:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        result = fetcher._records[tp]
        if type(result) is not FetchResult:
            if fetches:
                return fetches  # the error is raised by the next call
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
            result.check_raise()
            continue
        fetch = _from_result(result)
        del fetcher._records[tp]
        fetcher._notify(fetcher._wait_consume_future)
        if fetch is not None:
            fetches[tp] = fetch
    return fetches


def _from_result(result: Any) -> Fetch | None:
    """What one FetchResult brought; None when that is nothing (any more)."""
    tp = result._topic_partition
    if not result.check_assignment(tp) or not result.has_more():
        return None
    records, end = result._partition_records, result._assignment.state_value(tp).highwater
    fetch = _read(tp, records, records._aborted_transactions, end)
    if fetch is not None:
        records.next_fetch_offset = fetch.next_offset
    result._update_position()
    result._partition_records = None
    # it refers to its records: a cycle that would keep the bytes until the collector comes by
    records._records_iterator = None
    return fetch


def _read(tp: Any, records: Any, aborted: Aborted, end: int | None) -> Fetch | None:
    """A wrong checksum may be the network's: the client asks again, and then it is the disk's."""
    start, is_again = records.next_fetch_offset, _damaged.pop(tp, None)
    try:
        return read(
            records._records.data,
            start,
            tp,
            aborted,
            end=ANYWHERE if end is None else end,
            is_again=is_again == start,
        )
    except Damaged as error:
        LOG.warning("%s: asked again", error)
        _damaged[tp] = start
        return None
