"""An api whose clock differs from the judge's calls no healthy board old, and no old one new."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fenghuo.api.view.latest import Latest
from fenghuo.schemas.clock import JUMP_MS
from tests.api.boards import START_MS, board

MADE = board(60)
SKEWS = st.integers(-3_600_000, 3_600_000)
WAYS = st.lists(st.integers(0, 400), min_size=40, max_size=60)
STEP_MS = 100


def follow(latest: Latest, skew_ms: int, ways: list[int], seq: int = 1) -> int:
    """Boards each tenth of a second, and how long each was on its way; our time in the end."""
    now_ms = 0
    for number, way_ms in enumerate(ways):
        made_ms = START_MS + number * STEP_MS
        now_ms = max(now_ms, made_ms + way_ms + skew_ms)
        latest.apply(replace(MADE, now_ms=made_ms, seq=seq + number), now_ms)
    return now_ms


@given(SKEWS, WAYS)
def test_a_board_that_comes_as_it_is_made_is_not_old_whatever_the_clocks(
    skew_ms: int, ways: list[int]
) -> None:
    latest = Latest(0)
    now_ms = follow(latest, skew_ms, ways)
    view = latest.view(now_ms)

    assert view is not None
    assert view["board_age_ms"] <= JUMP_MS + 400
    assert abs(view["server_ms"] - view["board_ms"]) <= JUMP_MS + 400
    said = [note.where for note in view["notes"]]
    if abs(skew_ms) > JUMP_MS + 400:
        assert said == ["api"]
    if abs(skew_ms) < JUMP_MS - 400:
        assert said == []
    later = latest.view(now_ms + 60_000)
    assert later is not None
    assert later["board_age_ms"] >= 60_000


@given(st.integers(0, 3_600_000), st.integers(1, 600), st.integers(0, 1_900))
def test_what_lay_in_the_topic_is_as_old_as_it_is(age_ms: int, many: int, read_ms: int) -> None:
    """Of a judge that is dead: all its boards come within a moment."""
    latest = Latest(0)
    end_ms = START_MS + many * STEP_MS
    for number in range(many):
        now_ms = end_ms + age_ms + read_ms * number // many
        latest.apply(replace(MADE, now_ms=START_MS + number * STEP_MS, seq=1 + number), now_ms)

    assert (latest.age_ms(end_ms + age_ms + read_ms) or 0) >= age_ms


def test_another_judge_with_another_clock_is_believed_after_two_seconds() -> None:
    latest = Latest(0)
    follow(latest, 0, [5] * 40)
    now_ms = follow(latest, 50_000, [5] * 40, seq=1_000)

    assert (latest.age_ms(now_ms) or 0) <= JUMP_MS
