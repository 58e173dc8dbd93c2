"""Places are bounded, and one address does not keep them from the others."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.api.door.limits import ANSWERS_MAX, OWN_FILES, WAITING_MAX, limits
from fenghuo.api.door.places import SHARE, Full, Places

ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1", "2001:db8::2")
NETWORK = dict(zip(ADDRESSES, (*ADDRESSES[:3], "v6", "v6"), strict=True))


@given(
    most=st.integers(0, 12),
    steps=st.lists(st.tuples(st.sampled_from(ADDRESSES), st.booleans()), max_size=80),
)
def test_places_are_given_once_and_taken_from_a_crowd_alone(
    most: int, steps: list[tuple[str, bool]]
) -> None:
    places: Places[int] = Places(most)
    held: dict[int, str] = {}
    for number, (address, comes) in enumerate(steps):
        by = Counter(NETWORK[one] for one in held.values())
        crowded = {network for network, many in by.items() if many > most // SHARE}
        mine = NETWORK[address]
        if not comes:
            for one in [one for one, at in held.items() if at == address][:1]:
                places.leave(one, address)
                places.leave(one, address)  # twice is once
                del held[one]
        elif len(held) < most:
            assert places.take(number, address) is None
            held[number] = address
        elif mine in crowded or not crowded:
            with pytest.raises(Full):
                places.take(number, address)
        else:
            lost = places.take(number, address)
            assert lost is not None
            network = NETWORK[held.pop(lost)]
            assert by[network] == max(by.values())
            places.leave(lost, address)  # has none any more
            held[number] = address
        assert len(places) == len(held) <= most


def test_behind_a_proxy_nobody_loses_a_place() -> None:
    places: Places[int] = Places(4)
    assert [places.take(number, "10.0.0.1") for number in range(4)] == [None] * 4
    with pytest.raises(Full):
        places.take(4, "10.0.0.1")


@given(files=st.integers(1, 1 << 31), viewers_max=st.integers(0, 100_000))
def test_all_places_fit_into_the_files_that_are_allowed(files: int, viewers_max: int) -> None:
    room = limits(files, viewers_max)
    assert min(room.waiting, room.answers) >= 1
    assert 0 <= room.viewers <= viewers_max
    if files >= OWN_FILES + SHARE:
        assert sum((room.waiting, room.answers, room.viewers)) <= files - OWN_FILES
    if files >= OWN_FILES + WAITING_MAX * SHARE + viewers_max:
        assert (room.waiting, room.answers) == (WAITING_MAX, ANSWERS_MAX)
        assert room.viewers == viewers_max
