"""Latest: takes boards in order, lets ages grow, keeps ten minutes, tells each transition once."""

import re

import msgspec
from msgspec.structs import replace

from fenghuo.api.view.latest import POINTS_MAX, STEP_MS, STUBBORN_MS, Latest
from fenghuo.schemas.notes import WEIGHT
from fenghuo.schemas.wire.status import Note
from tests.api import boards
from tests.api.boards import START_MS, board
from tests.paths import ROOT


def at(second: float) -> int:
    return START_MS + round(second * 1000)


def test_nothing_came_yet() -> None:
    latest = Latest(0)

    assert latest.view(at(0)) is None
    assert latest.snapshot(at(0)) is None
    assert latest.age_ms(at(0)) is None


def test_the_view_holds_every_verdict_with_its_level_since_and_books() -> None:
    latest = Latest(0)
    made = board(60)
    latest.apply(made, at(60))

    view = latest.view(at(60))

    assert view is not None
    assert len(view["verdicts"]) == len(made.verdicts)
    south = next(
        v
        for v in view["verdicts"]
        if (v["rule"], v["scope"]) == ("payment_failure_rate", "region=south")
    )
    assert (south["level"], south["level_name"]) == (4, "orange")
    assert south["since_ms"] == at(30)
    assert view["kinds"][0]["accepted"] == made.kinds[0].books.accepted
    assert view["level_name"] == "red"
    assert msgspec.json.decode(msgspec.json.encode(view))["seq"] == made.seq


def test_the_view_says_what_was_expected_what_comes_and_what_explains_it() -> None:
    latest = Latest(0)
    latest.apply(boards.varied(board(60)), at(60))
    view = latest.view(at(60))
    assert view is not None
    found = {(v["rule"], v["scope"]): v for v in view["verdicts"]}
    east = found["complaint_rate", "region=east"]

    assert (east["expected"], east["deviation"], east["flapping"]) == (2.0, 0.5, True)
    assert found["error_rate", "system=payment"]["first_out"]
    assert found["payment_failure_rate", "total"]["cause"] == "error_rate|system=payment"
    assert (
        found["traffic_capacity", "total"]["projected"]
        > found["traffic_capacity", "total"]["value"]
    )
    assert found["latency_p99", "system=recommendation"]["cause"] is None
    assert found["complaint_burst", "type=quality"]["state"] == "learning"
    assert view["overview"].ahead_ms == 720_000


def test_ages_keep_growing_when_no_board_comes() -> None:
    latest = Latest(0)
    latest.apply(board(60), at(60))

    fresh, old = latest.view(at(60)), latest.view(at(107))

    assert fresh is not None
    assert old is not None
    assert (fresh["board_age_ms"], old["board_age_ms"]) == (0, 47_000)
    assert old["kinds"][0]["age_ms"] - fresh["kinds"][0]["age_ms"] == 47_000


def test_a_board_that_lay_in_the_topic_is_as_old_as_it_is() -> None:
    latest = Latest(0)
    latest.apply(board(0), at(300))

    assert latest.age_ms(at(300)) == 300_000


def test_older_boards_of_the_same_judge_are_dropped() -> None:
    latest = Latest(0)
    latest.apply(board(60), at(60))

    assert latest.apply(board(59), at(60)) is None
    assert latest.apply(board(60), at(60)) is None
    assert latest.version == 1


def test_a_new_judge_that_counts_anew_is_taken() -> None:
    latest = Latest(0)
    latest.apply(board(60), at(60))

    assert latest.apply(board(61, seq=1), at(61)) is not None
    assert latest.apply(board(59, seq=1), at(61)) is None
    # its clock is behind, but nothing else has come for long
    assert latest.apply(board(30, seq=2), at(61) + STUBBORN_MS) is not None


def test_boards_of_a_judge_that_was_replaced_are_dropped() -> None:
    latest = Latest(0)
    old, claim = board(60), replace(board(60), claim="b")
    new = replace(board(61, seq=board(61).seq), generation=8)
    latest.apply(old, at(60), 6)

    assert latest.apply(claim, at(60), 7) is None
    assert latest.apply(board(62), at(62), 8) is None, "what was told behind the claim"
    assert latest.apply(new, at(62), 9) is not None
    assert latest.apply(board(70), at(63), 10) is None
    assert latest.board == new


def test_a_judge_that_was_replaced_long_ago_is_not_taken_after_a_silence() -> None:
    latest = Latest(0)
    latest.apply(replace(board(60), generation=5), at(60), 6)
    latest.apply(replace(board(60), generation=5, claim="b"), at(80), 7)

    assert latest.apply(replace(board(80), generation=5), at(80), 8) is None
    assert latest.apply(replace(board(81), generation=8), at(81), 9) is not None


def test_a_topic_made_anew_is_followed_after_a_silence() -> None:
    latest = Latest(0)
    latest.apply(replace(board(60), generation=5_000), at(60), 5_001)

    assert latest.apply(replace(board(61, seq=1), generation=1), at(61), 1) is None
    assert (
        latest.apply(replace(board(80, seq=2), generation=1), at(60) + STUBBORN_MS, 2) is not None
    )


def test_a_board_of_another_schema_is_not_taken() -> None:
    assert Latest(0).apply(replace(board(60), schema=99), at(60)) is None


def test_the_past_is_bounded_and_even() -> None:
    latest = Latest(0)
    for second in range(0, 700, 2):
        if second not in (400, 402):
            latest.apply(board(second), at(second))

    past = latest.past()
    points = past["series"]["orders_per_s"]

    assert len(points) == POINTS_MAX
    assert past["end_ms"] == at(698) // STEP_MS * STEP_MS + STEP_MS
    assert [place for place, point in enumerate(points) if point is None] == [
        (place - 100) // 2 for place in (400, 402)
    ]
    assert set(past["regions"]) == {"east", "south", "north", "central", "west"}
    assert all(len(line) == POINTS_MAX for line in past["regions"].values())


def test_several_boards_of_one_step_are_one_point() -> None:
    latest = Latest(0)
    for quarter in range(8):
        latest.apply(board(quarter / 4), at(quarter / 4))

    assert latest.past()["series"]["gmv_fen"] == [board(1.75).overview.gmv_fen]


def test_no_data_is_null() -> None:
    latest = Latest(0)
    latest.apply(boards.without_data(board(60)), at(60))

    snapshot = msgspec.json.decode(msgspec.json.encode(latest.snapshot(at(60))))

    assert snapshot["overview"]["gmv_fen"] is None
    assert snapshot["level"] is None
    assert snapshot["level_name"] is None
    assert snapshot["kinds"][0]["age_ms"] is None
    assert snapshot["past"]["series"]["orders_per_s"] == [None]


def test_each_transition_is_told_once_and_old_ones_never() -> None:
    latest = Latest(started_ms=at(29))

    told = [latest.apply(board(second), at(second)) or () for second in (27, 31, 32, 60)]

    assert [len(news) for news in told] == [0, 1, 0, 4]
    assert (told[1][0].rule, told[1][0].to_level) == ("payment_failure_rate", 4)


def test_the_worst_note_comes_first_and_none_of_ours_is_without_a_weight() -> None:
    codes = [*reversed(WEIGHT), "of a later release", WEIGHT[0]]
    notes = tuple(Note(code, str(at), "", "") for at, code in enumerate(codes))
    latest = Latest(0)
    latest.apply(replace(board(60), notes=notes), at(60))
    view = latest.view(at(60))

    assert view is not None
    found = [note.code for note in view["notes"]]
    assert found == ["of a later release", WEIGHT[0], *WEIGHT]
    assert [note.where for note in view["notes"]][1:3] == [
        str(len(WEIGHT) - 1),
        str(len(codes) - 1),
    ]
    root, parts = ROOT, ("schemas", "streams", "api")
    code = "".join(file.read_text() for part in parts for file in (root / part).rglob("*.py"))
    assert set(re.findall(r"Note\(\n? *\"(\w+)\"", code)) == set(WEIGHT)
