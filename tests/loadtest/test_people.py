"""Generated visitors: the same seed gives the same bytes, and shares are as asked for."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from fenghuo.loadtest.commands import generated
from fenghuo.loadtest.people import Draw, Incident, Scene, demo_incidents, draw
from fenghuo.schemas.events import EVENT_OF
from fenghuo.schemas.topics import KIND_OF

START = 1_700_000_000_000
LABELS = {
    "region": ("east", "south", "north", "west", "central"),
    "category": tuple(f"c{i}" for i in range(12)),
    "channel": ("app", "web", "mini", "live"),
    "payment": ("alipay", "card", "credit"),
    "system": ("order", "payment", "search"),
    "type": ("logistics", "payment", "quality"),
}
SCENE = Scene(labels=LABELS, rate_per_s=2_000, seed=7)


def payloads(scene: Scene, seconds: int, form: str) -> list[bytes]:
    return [m.payload for batch in generated(scene, seconds, START, form) for m in batch]


def rows(scene: Scene, ticks: range, kind: str) -> list[tuple[Draw, Any]]:
    return [(d, tick) for tick in ticks for d in draw(scene, tick) if d.kind == kind]


def spread(scene: Scene, kind: str, column: str, ticks: range) -> Counter[Any]:
    found: Counter[Any] = Counter()
    for d, _ in rows(scene, ticks, kind):
        found.update(d.profiles[column][d.code].tolist())
    return found


@pytest.mark.parametrize("form", ["json", "frame"])
def test_the_same_seed_gives_the_same_bytes(form: str) -> None:
    again = payloads(replace(SCENE), 2, form)

    assert payloads(SCENE, 2, form) == again
    assert payloads(replace(SCENE, seed=8), 2, form) != again


def test_every_event_fits_the_wire_and_the_rate_is_exact() -> None:
    scene = replace(SCENE, rate_per_s=1_234)
    batches = list(generated(scene, 3, START, "json"))
    ids = set()
    for number, batch in enumerate(batches):
        assert [m.due_ms for m in batch] == sorted(m.due_ms for m in batch)
        for message in batch:
            event = msgspec.json.decode(message.payload, type=EVENT_OF[KIND_OF[message.topic]])
            assert event.ts == START + message.due_ms
            assert number * 100 <= message.due_ms < number * 100 + 100
            ids.add(event.event_id)

    assert sum(map(len, batches)) == len(ids) == 3 * 1_234


@pytest.mark.parametrize("rate", [3, 900, 60_000])
def test_any_rate_adds_up(rate: int) -> None:
    scene = replace(SCENE, rate_per_s=rate)
    counts = [sum(len(d.code) for d in draw(scene, tick)) for tick in range(20)]

    assert sum(counts) == 2 * rate
    assert all(len(d.profiles["region"]) <= 1_024 for d in draw(scene, 0))


def test_shares_are_as_asked() -> None:
    scene = replace(SCENE, rate_per_s=20_000, region_share={"south": 0.6})
    kinds = Counter(d.kind for tick in range(200) for d in draw(scene, tick) for _ in d.code)
    regions = spread(scene, "traffic", "region", range(200))
    status = spread(scene, "order", "status", range(200))

    assert kinds["order"] / kinds.total() == pytest.approx(0.30, abs=0.01)
    assert kinds["complaint"] / kinds.total() == pytest.approx(0.02, abs=0.003)
    assert regions["south"] / regions.total() == pytest.approx(0.6, abs=0.02)
    assert regions["east"] > regions["north"] > regions["west"]
    failed = status["failed"] / (status["failed"] + status["paid"])
    assert failed == pytest.approx(0.015, abs=0.004)


def test_the_incident_of_the_demo_is_seen_and_passes() -> None:
    scene = replace(SCENE, rate_per_s=5_000, incidents=demo_incidents(LABELS))
    before, during, after = range(100), range(200, 300), range(400, 500)

    def failing(ticks: range) -> float:
        found: Counter[str] = Counter()
        for d, _ in rows(scene, ticks, "order"):
            south = (d.profiles["region"] == "south")[d.code]
            found.update(d.profiles["status"][d.code][south].tolist())
        return found["failed"] / (found["failed"] + found["paid"])

    def slow(ticks: range) -> float:
        parts = []
        for d, _ in rows(scene, ticks, "traffic"):
            parts.append(d.values["latency_ms"][(d.profiles["system"] == "payment")[d.code]])
        return float(np.median(np.concatenate(parts)))

    assert failing(before) == pytest.approx(0.015, abs=0.015)
    assert failing(during) == pytest.approx(0.12, abs=0.04)
    assert failing(after) == pytest.approx(0.015, abs=0.015)
    assert slow(during) / slow(before) == pytest.approx(6.0, rel=0.1)
    assert slow(after) / slow(before) == pytest.approx(1.0, rel=0.1)
    calm = spread(scene, "complaint", "type", before)
    burst = spread(scene, "complaint", "type", during)
    assert burst.total() > 5 * calm.total()
    assert burst["payment"] / burst.total() > 0.8


def test_a_campaign_without_these_names_has_an_incident_of_its_own() -> None:
    labels = {**LABELS, "region": ("a",), "system": ("b",), "type": ("c",)}

    assert [i.label for i in demo_incidents(labels)] == ["a", "b", "c"]


def test_an_incident_begins_and_ends_when_it_says() -> None:
    incident = Incident("slow_system", "payment", 2.0, 100, 200)

    assert [incident.active(ms) for ms in (99, 100, 199, 200)] == [False, True, True, False]


def test_json_texts_are_escaped() -> None:
    scene = replace(SCENE, labels={**LABELS, "region": ('a"b\\', "华东")})

    regions = {json.loads(text)["region"] for text in payloads(scene, 1, "json")}

    assert regions == {'a"b\\', "华东"}
