"""Positions: read back as written, the furthest of the newest epoch wins, and old ones stay
readable.
"""

import msgspec
import pytest

from fenghuo.schemas.wire import position
from fenghuo.schemas.wire.position import Position
from fenghuo.schemas.wire.pulse import Source, Tally
from tests.paths import GOLDEN

GOLDEN = GOLDEN / "position.json"
PLACE = Position(
    source=Source("log-1", "orders", 3),
    epoch=1,
    fingerprint="f00d",
    offset=17,
    frontier_ms=1_794_326_400_999,
    floor_ms=1_794_326_390_000,
    tally=Tally(9, 1, 2, 3, 4, {"east": (5, 600)}),
    lateness_ms=10_000,
    future_ms=9_000,
    replayed=((4, 0), (9, 2)),
)


def test_a_position_reads_back_as_it_was_written() -> None:
    assert position.decode(position.encode(PLACE)) == PLACE


def test_the_position_of_the_first_release_still_reads_the_same() -> None:
    assert position.decode(GOLDEN.read_bytes()) == PLACE


def test_the_bytes_of_a_position_have_not_changed() -> None:
    """A worker of the release before reads them, during an upgrade."""
    assert position.encode(PLACE) == GOLDEN.read_bytes().strip()


@pytest.mark.parametrize(
    ("one", "other", "wins"),
    [
        ((0, 5), None, True),
        ((0, 5), (0, 4), True),
        ((0, 5), (0, 5), False),  # the same place: no reason to change
        ((0, 5), (0, 6), False),
        ((1, 0), (0, 99), True),
        ((0, 99), (1, 0), False),
    ],
)
def test_the_furthest_of_the_newest_epoch_wins(
    one: tuple[int, int], other: tuple[int, int] | None, wins: bool
) -> None:
    def at(place: tuple[int, int]) -> Position:
        return msgspec.structs.replace(PLACE, epoch=place[0], offset=place[1])

    assert at(one).wins(None if other is None else at(other)) is wins


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"offset":"1"}'])
def test_other_bytes_are_no_position(data: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        position.decode(data)


def test_fields_of_a_later_release_are_passed_over() -> None:
    data = position.encode(PLACE)[:-1] + b',"mood":"good"}'

    assert position.decode(data) == PLACE
