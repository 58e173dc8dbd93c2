"""The time a process goes by: on with the monotonic clock, never back, near the broker's."""

from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.clock import JUMP_MS, LASTS_MS, READINGS, WAY_MS_MAX, Clock

WALL_MS = 1_794_326_400_000
HOUR_MS = 3_600_000
LOOKS = st.lists(
    st.tuples(
        st.integers(0, 5_000),  # what passes
        st.sampled_from(("wall", "broker", "none")),
        st.one_of(st.integers(-900, 900), st.sampled_from((-HOUR_MS, HOUR_MS, 2_000, -2_000))),
        st.integers(0, 3_000),  # the way to the broker and back
    ),
    max_size=60,
)


@given(LOOKS)
def test_time_never_runs_backwards_nor_slower_than_half_whatever_clocks_say(
    looks: list[tuple[int, str, int, int]],
) -> None:
    """But for the first reading of the broker, which sets it."""
    clock, mono_ms = Clock(WALL_MS, 0), 0
    clock.see_broker(WALL_MS, 0, 0)
    before = clock.now_ms(0)
    for passed, what, off_ms, way_ms in looks:
        mono_ms += passed
        if what == "wall":
            clock.see_wall(WALL_MS + mono_ms + off_ms, mono_ms)
        elif what == "broker":
            clock.see_broker(WALL_MS + mono_ms + off_ms, mono_ms - way_ms, mono_ms)
        now = clock.now_ms(mono_ms)
        assert now >= before + passed // 2
        before = now


@given(
    st.integers(-HOUR_MS, HOUR_MS),
    st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1)), min_size=1, max_size=30),
)
def test_the_time_is_the_brokers_to_half_of_the_shortest_way(
    skew_ms: int, ways: list[tuple[int, float]]
) -> None:
    """Wherever on the way the broker looked at its clock."""
    clock, mono_ms = Clock(WALL_MS + skew_ms, 0), 0
    for way_ms, share in ways:
        mono_ms += 5_000
        clock.see_broker(WALL_MS + mono_ms + round(way_ms * share), mono_ms, mono_ms + way_ms)
        clock.see_wall(WALL_MS + mono_ms + skew_ms, mono_ms)
    mono_ms += HOUR_MS  # long after: what was slewed has been
    error_ms = min(way_ms for way_ms, _ in ways[-READINGS:]) / 2

    assert abs(clock.now_ms(mono_ms) - WALL_MS - mono_ms) <= error_ms + 1
    assert abs(clock.skew_ms - skew_ms) <= error_ms + 1
    assert clock.is_measured


@given(st.sampled_from((HOUR_MS, -HOUR_MS, 5_000, -5_000)), st.integers(1, LASTS_MS // 1000 - 1))
def test_a_wall_clock_that_is_set_for_a_while_moves_no_time(jump_ms: int, seconds: int) -> None:
    clock = Clock(WALL_MS, 0)
    jumps = []
    for at_s in range(1, seconds + 10):
        off_ms = jump_ms if 3 <= at_s < 3 + seconds else 0
        jumps.append(clock.see_wall(WALL_MS + at_s * 1000 + off_ms, at_s * 1000))
        assert clock.now_ms(at_s * 1000) == WALL_MS + at_s * 1000
        assert clock.skew_ms == off_ms
    assert [jump for jump in jumps if jump] == [jump_ms, -jump_ms]


def test_a_wall_clock_that_stays_where_it_was_set_is_the_time_after_a_while() -> None:
    clock = Clock(WALL_MS, 0)
    for at_ms in range(1_000, LASTS_MS + 3_000, 1_000):
        clock.see_wall(WALL_MS + HOUR_MS + at_ms, at_ms)

    assert clock.now_ms(LASTS_MS + 3_000) == WALL_MS + HOUR_MS + LASTS_MS + 3_000
    assert clock.skew_ms == 0


def test_a_drift_is_followed() -> None:
    clock = Clock(WALL_MS, 0)
    for at_s in range(1, 7_200):
        assert clock.see_wall(WALL_MS + at_s * 1001, at_s * 1000) == 0

    assert abs(clock.now_ms(7_200_000) - WALL_MS - 7_200 * 1001) <= 2


def test_a_brokers_clock_that_is_set_back_an_hour_freezes_nothing() -> None:
    clock = Clock(WALL_MS, 0)
    for at_s in range(0, 60, 5):
        off_ms = -HOUR_MS if at_s >= 20 else 0
        clock.see_broker(WALL_MS + at_s * 1000 + off_ms, at_s * 1000, at_s * 1000 + 4)

    assert abs(clock.now_ms(60_000) - WALL_MS - 60_000) <= JUMP_MS


def test_a_reading_that_took_too_long_is_none() -> None:
    clock = Clock(WALL_MS, 0)
    clock.see_broker(WALL_MS + HOUR_MS, 0, WAY_MS_MAX + 1)

    assert not clock.is_measured
