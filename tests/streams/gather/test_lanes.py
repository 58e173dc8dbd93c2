"""The shell's side of lanes: groups, metrics and the replays of dead letters keep to theirs."""

import itertools

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fenghuo.schemas.lane import LANES, REAL, SHADOW
from fenghuo.schemas.records.marks import RUN_HEADER, SHADOW_HEADER, is_shadow
from fenghuo.schemas.wire.letters import REPLAY_HEADER, Letter, replay_of
from fenghuo.schemas.wire.pulse import Source
from fenghuo.streams.letters import dead_letters
from fenghuo.streams.metrics import InLane
from fenghuo.streams.transport import kafka

PARTS = ("gather", "judge", "archive")
MARKS = (None, (RUN_HEADER, b"r.0.1"), (SHADOW_HEADER, b"r.0.1"), (SHADOW_HEADER, b""))


def test_every_part_of_every_lane_has_a_group_of_its_own() -> None:
    groups = [kafka.group(part, lane) for part in PARTS for lane in LANES]

    assert len(set(groups)) == len(groups)
    assert kafka.group("archive", REAL) == "fenghuo-archive"


def test_everything_a_worker_tells_carries_its_lane() -> None:
    registry = CollectorRegistry()
    counter = Counter("things", "some things", ["kind"], registry=registry)
    counter.labels("order").inc(3)
    for lane in LANES:
        told = list(
            text_string_to_metric_families(generate_latest(InLane(registry, lane)).decode())
        )
        samples = [sample for family in told for sample in family.samples]

        assert {sample.labels["lane"] for sample in samples} == {lane}
        assert {s.labels["kind"]: s.value for s in samples if s.name == "things_total"} == {
            "order": 3
        }


def test_a_replay_stays_in_the_lane_of_its_letter() -> None:
    for lane, mark in itertools.product(LANES, MARKS):
        found = dead_letters._headers(letter(mark), lane)

        assert replay_of(found) == (17, 2)
        assert is_shadow(found) == (lane == SHADOW or mark in MARKS[2:])
        assert mark is None or mark in found


def test_a_letter_without_a_mark_is_replayed_as_it_was() -> None:
    assert dead_letters._headers(letter(None), REAL) == [(REPLAY_HEADER, b"17/2")]


def letter(mark: tuple[str, bytes] | None) -> Letter:
    return Letter(Source("log", "orders", 3), 17, 2, "schema", "", 0, b"{}", mark=mark)
