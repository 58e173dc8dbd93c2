"""Generated visitors and the plan made of them: same seed, same bytes; shares are as asked for."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from fenghuo.loadtest.plan.people import (
    RING,
    USERS,
    Crowd,
    Incident,
    Kind,
    Scene,
    crowd,
    demo_incidents,
)
from fenghuo.loadtest.plan.plan import Message
from fenghuo.loadtest.plan.shape import shape
from fenghuo.loadtest.plan.storm import TICK_MS, Storm
from fenghuo.schemas.kinds.events import EVENT_OF
from fenghuo.schemas.wire.topics import KIND_OF

START = 1_700_000_000_000
LABELS = {
    "region": ("east", "south", "north", "west", "central"),
    "category": tuple(f"c{i}" for i in range(12)),
    "channel": ("app", "web", "mini", "live"),
    "payment": ("alipay", "card", "credit"),
    "system": ("order", "payment", "search"),
    "type": ("logistics", "payment", "quality"),
}
SCENE = Scene(labels=LABELS, seed=7)
STORM = Storm(SCENE, rate_per_s=2_000, seconds=2, form="json")
ROWS = 100_000


def sent(storm: Storm) -> list[Message]:
    return [message for batch in storm.messages(START) for message in batch]


def payloads(storm: Storm) -> list[bytes]:
    return [message.payload for message in sent(storm)]


def shares(rows: Crowd, column: str) -> Counter[Any]:
    return Counter(rows.profiles[column][rows.code].tolist())


@pytest.mark.parametrize("form", ["json", "frame"])
def test_the_same_seed_gives_the_same_bytes(form: str) -> None:
    storm = replace(STORM, form=form)

    assert payloads(storm) == payloads(replace(storm))
    assert payloads(storm) != payloads(replace(storm, scene=replace(SCENE, seed=8)))


def test_every_event_fits_the_wire_and_the_rate_is_exact() -> None:
    ids = set()
    batches = list(replace(STORM, rate_per_s=1_234, seconds=3).messages(START))
    for number, batch in enumerate(batches):
        assert [m.due_ms for m in batch] == sorted(m.due_ms for m in batch)
        for message in batch:
            event = msgspec.json.decode(message.payload, type=EVENT_OF[KIND_OF[message.topic]])
            assert event.ts == START + message.due_ms
            assert number * TICK_MS <= message.due_ms < (number + 1) * TICK_MS
            ids.add(event.event_id)

    assert sum(map(len, batches)) == len(ids) == 3 * 1_234


@pytest.mark.parametrize("rate", [3, 900, 60_000])
@pytest.mark.parametrize("producers", [1, 3])
@pytest.mark.parametrize("name", ["constant", "festival"])
def test_any_rate_adds_up_whoever_sends_it(rate: int, producers: int, name: str) -> None:
    whole = replace(STORM, rate_per_s=rate, form="frame", shape=shape(name))
    parts = [replace(whole, producer=i, producers=producers) for i in range(producers)]

    assert sum(m.events for part in parts for m in sent(part)) == whole.rows
    for at_ms in range(0, 2_001, 77):
        due = whole.shape.events_by(at_ms, rate, whole.seconds)
        assert sum(part.due_by(at_ms) for part in parts) == due


def test_shares_are_as_asked() -> None:
    scene = replace(SCENE, region_share={"south": 0.6})
    kinds = Counter(KIND_OF[m.topic] for m in sent(replace(STORM, scene=scene, rate_per_s=10_000)))
    regions = shares(crowd(scene, "traffic", ROWS), "region")
    status = shares(crowd(scene, "order", ROWS), "status")

    assert kinds["order"] / kinds.total() == pytest.approx(0.30, abs=0.02)
    assert kinds["complaint"] / kinds.total() == pytest.approx(0.02, abs=0.005)
    assert regions["south"] / regions.total() == pytest.approx(0.6, abs=0.01)
    assert regions["east"] > regions["north"] > regions["west"]
    failed = status["failed"] / (status["failed"] + status["paid"])
    assert failed == pytest.approx(0.015, abs=0.005)


def test_the_incident_of_the_demo_is_seen() -> None:
    incidents = demo_incidents(LABELS)
    calm, ill = (), tuple(i for i in incidents if i.active(20_000))

    def failing(active: tuple[Incident, ...]) -> float:
        orders = crowd(SCENE, "order", ROWS, active)
        south = (orders.profiles["region"] == "south")[orders.code]
        found = Counter(orders.profiles["status"][orders.code][south].tolist())
        return found["failed"] / (found["failed"] + found["paid"])

    def slow(active: tuple[Incident, ...]) -> float:
        visits = crowd(SCENE, "traffic", ROWS, active)
        paying = (visits.profiles["system"] == "payment")[visits.code]
        return float(np.median(visits.values["latency_ms"][paying]))

    assert failing(calm) == pytest.approx(0.015, abs=0.01)
    assert failing(ill) == pytest.approx(0.12, abs=0.02)
    assert slow(ill) / slow(calm) == pytest.approx(6.0, rel=0.1)
    types = shares(crowd(SCENE, "complaint", ROWS, ill), "type")
    assert types["payment"] / types.total() > 0.8


def test_a_burst_brings_more_complaints_while_it_lasts() -> None:
    burst = (Incident("complaint_burst", "quality", 8.0, 1_000, 2_000),)
    storm = replace(STORM, scene=replace(SCENE, incidents=burst), rate_per_s=20_000)
    seconds: list[Counter[str]] = [Counter(), Counter()]
    for message in sent(storm):
        seconds[message.due_ms // 1_000][message.topic] += 1

    assert seconds[1]["complaints"] > 5 * seconds[0]["complaints"]


def test_a_campaign_without_these_names_has_an_incident_of_its_own() -> None:
    labels = {**LABELS, "region": ("a",), "system": ("b",), "type": ("c",)}

    assert [i.label for i in demo_incidents(labels)] == ["a", "b", "c"]


def test_an_incident_begins_and_ends_when_it_says() -> None:
    incident = Incident("slow_system", "payment", 2.0, 100, 200)

    assert [incident.active(ms) for ms in (99, 100, 199, 200)] == [False, True, True, False]


def test_a_ring_of_fake_buyers_has_its_share_and_pays() -> None:
    orders = crowd(replace(SCENE, brushing=0.2), "order", ROWS)
    ring = orders.values["user_id"] >= USERS

    assert ring.mean() == pytest.approx(0.2, abs=0.01)
    assert len(set(orders.values["user_id"][ring].tolist())) <= RING
    assert set(orders.profiles["status"][orders.code[ring]].tolist()) == {"paid"}


def test_users_move_on_from_tick_to_tick() -> None:
    storm = replace(STORM, rate_per_s=20_000, seconds=10)
    users = {json.loads(text).get("user_id") for text in payloads(storm)}

    assert len(users) > 150_000


@pytest.mark.parametrize("kind", ["order", "traffic", "complaint"])
def test_profiles_are_spread_and_not_drawn(kind: Kind) -> None:
    """1 024 profiles drawn by chance would miss a share of a third by one and a half percent."""
    regions = Counter(crowd(SCENE, kind, 10).profiles["region"].tolist())
    ranks = [1 / np.sqrt(i) for i in range(1, 6)]

    for name, rank in zip(LABELS["region"], ranks, strict=True):
        assert regions[name] == pytest.approx(1_024 * rank / sum(ranks), abs=1)


def test_json_texts_are_escaped() -> None:
    scene = replace(SCENE, labels={**LABELS, "region": ('a"b\\', "华东")})

    regions = {json.loads(text)["region"] for text in payloads(replace(STORM, scene=scene))}

    assert regions == {'a"b\\', "华东"}
