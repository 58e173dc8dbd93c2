"""The watchdog: a part that has work and does none ends itself; one that has none, or works, goes
on.
"""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace

import pytest
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.structs import TopicPartition
from faust.types import TP

from fenghuo.schemas.records.fetch import Fetch
from fenghuo.schemas.settings import Settings
from fenghuo.streams import part

BEGAN_MS = 1_000_000


class Idle(part.Part):
    """A part without a broker: only its watchdog is looked at."""

    name = "idle"
    topics = ()

    def __init__(self, *, behind: bool) -> None:
        self.settings = Settings(watchdog_ms=60_000)
        self.progress_ms = BEGAN_MS
        self.behind = behind

    def is_behind(self) -> bool:
        return self.behind

    async def start_offsets(self, assigned: set[TP]) -> Mapping[TP, int]:
        return {}

    async def on_fetch(self, tp: TP, fetch: Fetch) -> None:
        pass

    async def on_tick(self) -> None:
        pass


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    reasons: list[str] = []
    monkeypatch.setattr(part, "die", reasons.append)
    return reasons


def test_work_waiting_and_no_progress_ends_the_part(ended: list[str]) -> None:
    worker = Idle(behind=True)
    worker._watch(BEGAN_MS + 60_000)
    assert ended == []
    worker._watch(BEGAN_MS + 60_001)
    assert ended == ["idle: no progress for 60000 ms with work waiting"]


def test_progress_or_nothing_to_do_keeps_it_alive(ended: list[str]) -> None:
    worker = Idle(behind=False)
    worker._watch(BEGAN_MS + 600_000)
    worker.behind = True
    worker._watch(BEGAN_MS + 660_000)
    worker.progress_ms = BEGAN_MS + 700_000
    worker._watch(BEGAN_MS + 760_000)
    assert ended == []


def test_a_partition_of_another_worker_ends_nowhere() -> None:
    """Asked of the client's own state: the client itself ends whoever asks for what is not his."""
    worker, tp = Idle(behind=False), TP("orders", 0)

    async def ends() -> list[int]:
        client = SimpleNamespace(_subscription=SubscriptionState())
        thread = SimpleNamespace(_consumer=None)
        worker.app = SimpleNamespace(consumer=SimpleNamespace(_thread=thread))
        found = [worker._end(tp)]
        thread._consumer = client
        found.append(worker._end(tp))
        client._subscription.assign_from_user([TopicPartition("orders", 1)])
        found.append(worker._end(tp))
        client._subscription.assign_from_user([TopicPartition("orders", 0)])
        found.append(worker._end(tp))
        state = client._subscription.subscription.assignment.state_value(tp)
        state.highwater = 7
        found.append(worker._end(tp))
        state.lso = 5  # a transaction is open behind it
        return [*found, worker._end(tp), worker._held_back(tp)]

    assert asyncio.run(ends()) == [0, 0, 0, 0, 7, 5, 2]
