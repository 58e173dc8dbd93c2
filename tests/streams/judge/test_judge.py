"""The judge by example, its board as bytes, and what a board of an earlier release still means."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from fenghuo.schemas.campaign.parts import Phase, Title, Variant
from fenghuo.schemas.kinds.measures import Measure
from fenghuo.schemas.metrics.forms.change import Change
from fenghuo.schemas.metrics.forms.freshness import Age, Lag, Silence
from fenghuo.schemas.metrics.forms.growth import Growth
from fenghuo.schemas.metrics.forms.pace import Pace
from fenghuo.schemas.metrics.forms.quantile import Quantile
from fenghuo.schemas.metrics.forms.rate import Rate
from fenghuo.schemas.metrics.forms.ratio import Ratio
from fenghuo.schemas.metrics.forms.share import Share
from fenghuo.schemas.metrics.forms.slope import Slope
from fenghuo.schemas.metrics.forms.users import Users
from fenghuo.schemas.wire import status, visitors
from fenghuo.schemas.wire.pulse import Source
from fenghuo.schemas.wire.status import Board
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams.counting.users import Users as Counter
from fenghuo.streams.judge.judge import USERS_MS, Judge, scopes_of
from tests.laws.judge.duty import campaign
from tests.laws.judge.test_judge_laws import Teller, check_chain
from tests.paths import GOLDEN
from tests.strategies import START_MS
from tests.streams.judge.test_readings import NOW_MS, SERIES, Scene

GOLDEN = GOLDEN / "board.json"
ORDERS = Measure("order", "events")


def scene_board() -> Board:
    """The board of one scripted moment: orders flow at red rate, a tenth of the payments fail."""
    scene = Scene()
    judge = Judge(replace(campaign(), version="0" * 12))
    for at in range(90, 98):
        scene.second("order", at, events=20, paid=9, failed=1)
        scene.second("traffic", at, events=4, requests=4, latency_ms_11=4)
    scene.head("order", 98_400, by_region={"east": (72, 5_000)})
    scene.head("traffic", 98_000)
    judge._rings, judge._heads = scene.rings, scene.heads
    board, _ = judge.grade(NOW_MS, next_offset=7)
    board, _ = judge.grade(NOW_MS + 5_000, next_offset=9)
    return board


def test_a_board_reads_back_as_it_was_written() -> None:
    board = scene_board()

    assert status.decode(status.encode(board)) == board


def test_the_board_of_the_first_release_still_reads() -> None:
    """A judge of this release goes on from it: the golden file is never written anew, fields only
    come.
    """
    old = status.decode(GOLDEN.read_bytes())
    judge = Judge(campaign(), old)
    board, moved = judge.grade(old.now_ms, next_offset=0)

    assert board.seq == old.seq + 1
    assert {v.rule: v.memory.seq for v in board.verdicts if v.scope == "total"} == {
        v.rule: v.memory.seq + sum(t.rule == v.rule and t.scope == "total" for t in moved)
        for v in old.verdicts
        if v.scope == "total"
    }
    assert list(board.recent) == [*old.recent, *moved]


def test_what_a_board_says_has_not_changed() -> None:
    """Every field of the golden board is still there, with the value of the same moment."""
    old = msgspec.json.decode(GOLDEN.read_bytes())
    new = msgspec.json.decode(status.encode(scene_board()))

    assert _kept(old, new) == old


def _kept(old: object, new: object) -> object:
    """`new` without what `old` does not know."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {name: _kept(value, new[name]) for name, value in old.items() if name in new}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [_kept(one, other) for one, other in zip(old, new, strict=True)]
    return new


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"schema":1}'])
def test_other_bytes_are_no_board(data: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        status.decode(data)


def test_the_board_of_one_moment() -> None:
    board = scene_board()
    verdicts = {(v.rule, v.scope): v for v in board.verdicts}

    assert board.overview.orders_per_s == 20.0
    assert board.overview.gmv_fen == 5_000
    assert board.overview.requests_per_s == 4.0
    assert board.overview.complaints_per_10k == 0.0
    assert verdicts["ordering", "total"].level == 5
    assert verdicts["ordering", "total"].threshold == 10
    assert verdicts["ordering", "total"].next_threshold is None
    assert verdicts["failing", "total"].value == 10.0
    assert verdicts["failing", "total"].provisional
    assert verdicts["ordering", "region=west"].value == 0.0
    assert verdicts["complaining", "region=west"].state == "no_data"
    assert board.level == 5
    assert board.rewind_offset == 0
    assert [region.region for region in board.overview.regions] == ["east", "west"]
    assert board.overview.regions[0].gmv_fen == 5_000
    assert board.overview.regions[1].gmv_fen == 0


def test_before_any_pulse_there_is_no_data_and_no_zero() -> None:
    board, moved = Judge(campaign()).grade(NOW_MS, next_offset=3)

    assert {v.level for v in board.verdicts} == {None}
    assert (board.level, board.as_of_ms, board.watermark_ms) == (None, None, None)
    assert board.overview.gmv_fen is None
    assert board.overview.orders_per_s is None
    assert board.rewind_offset == 3
    assert list(moved) == []


def test_boards_are_numbered_and_transitions_remembered() -> None:
    story = Teller(11).tell(30)
    judge = Judge(campaign())
    moved: list[Transition] = []
    read = 0
    for i, tick in enumerate(story.ticks, 1):
        for offset in range(read, tick.end):
            judge.see(*story.topic[offset], offset)
        read = tick.end
        board, changes = judge.grade(tick.now_ms, read)
        moved += changes
        assert board.seq == i
        assert list(board.recent) == moved[-status.RECENT_TRANSITIONS_MAX :]
    check_chain(moved)
    assert moved


def test_a_board_of_another_campaign_is_not_gone_on_from() -> None:
    other = msgspec.structs.replace(
        scene_board(), campaign=msgspec.structs.replace(scene_board().campaign, name="another")
    )
    board, _ = Judge(campaign(), other).grade(NOW_MS, next_offset=0)

    assert board.seq == 1
    assert board.recent == ()


def test_of_two_heads_the_one_that_read_further_counts() -> None:
    scene = Scene()
    scene.head("order", 98_000, by_region={"east": (1, 100)})
    (head,) = scene.heads.values()
    rows = Teller(1).tell(1).topic[0][1].only(slice(0, 0))
    ahead = msgspec.structs.replace(head, next_offset=9)
    again = msgspec.structs.replace(head, epoch=1)

    for order in ([head, ahead, again], [again, ahead, head], [ahead, again, head]):
        judge = Judge(campaign())
        for offset, one in enumerate(order):
            judge.see(one, rows, offset)
        assert judge._heads[Source("log", "orders", 0)] == again


def test_every_scope_of_a_rule_is_watched_once() -> None:
    rules = {rule.id: rule for rule in campaign().rules}

    assert scopes_of(campaign(), rules["ordering"]) == ["total", "region=east", "region=west"]
    assert scopes_of(campaign(), rules["stale"]) == ["total"]
    assert SERIES[0] == ("", "", "")


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        (Rate(Measure("traffic", "requests"), 5), "traffic"),
        (Ratio((Measure("complaint", "complaints"),), (ORDERS,), 5, 1.0), "order"),
        (Quantile(Measure("traffic", "latency_ms"), 0.5, 5), "traffic"),
        (Change(ORDERS, 5, 20), "order"),
        (Share(Measure("traffic", "requests"), 5, "old"), "traffic"),
        (Pace(Measure("order", "paid_amount_fen")), "order"),
        (Age("complaint"), "complaint"),
        (Silence("traffic"), "traffic"),
        (Growth(ORDERS, 5), "order"),
        (Slope(Measure("traffic", "requests"), 6), "traffic"),
        (Users("new"), "order"),
        (Lag("complaint"), "complaint"),
    ],
)
def test_the_kind_whose_clock_a_metric_goes_by(metric: Rate, kind: str) -> None:
    assert metric.kind == kind


def test_the_campaign_clock_says_where_it_will_end_and_how_far_ahead_it_is() -> None:
    """Of 1 000 000 fen half is due after an hour: a tenth of it after 12 minutes."""
    scene = Scene()
    scene.head("order", 98_000, by_region={"east": (1, 100_000)})

    def clock(minute: float) -> tuple[int | None, int | None]:
        judge = Judge(campaign())
        judge._heads = scene.heads
        overview = judge.grade(round(START_MS + minute * 60_000), next_offset=0)[0].overview
        return overview.gmv_finish_fen, overview.ahead_ms

    assert clock(12) == (1_000_000, 0)
    assert clock(6) == (2_000_000, 360_000)
    assert clock(24) == (500_000, -720_000)
    assert clock(1) == (None, 660_000)
    assert clock(-1) == (None, None)
    assert clock(1_440) == (100_000, None)
    assert Judge(campaign()).grade(NOW_MS, next_offset=0)[0].overview.gmv_finish_fen is None


def test_phase_and_scope_choose_the_bounds_and_a_phase_may_suspend() -> None:
    scene = Scene()
    for at in range(90, 98):
        scene.second("order", at, events=20)
    scene.head("order", 98_400)
    high = replace(campaign().rule("ordering").ladder, enter=(21, 22, 23, 24, 25))
    rules = {
        "ordering": replace(
            campaign().rule("ordering"), variants=(Variant("night", "region=east", high),)
        ),
        "paying": replace(campaign().rule("paying"), suspended=("night",)),
    }
    phase = Phase("night", Title("夜", "Night"), START_MS, START_MS + 3_600_000)
    judge = Judge(replace(campaign(), rules=tuple(rules.values()), phases=(phase,)))
    judge._rings, judge._heads = scene.rings, scene.heads
    board, _ = judge.grade(NOW_MS, next_offset=0)
    verdicts = {(v.rule, v.scope): v for v in board.verdicts}

    assert verdicts["ordering", "total"].level == 5
    assert verdicts["ordering", "region=east"].level == 0
    assert verdicts["ordering", "region=east"].next_threshold == 21
    assert verdicts["paying", "total"].state == "suspended"
    assert verdicts["paying", "total"].level is None


def test_the_users_of_all_writers_are_united_and_a_newer_epoch_counts_anew() -> None:
    sources = [Source("log", "orders", partition) for partition in (0, 1)]

    def record(source: Source, users: range, epoch: int = 0) -> bytes:
        found = Counter(["east"], (0, 10))
        code, user = np.zeros(len(users), np.int64), np.array(users, np.int64) + 1
        found.add((code[:1], code[:1] > 0), code, code, user)
        return visitors.encode(visitors.Part(source, epoch, 9, found.whole().sketches))

    rule = replace(campaign().rule("ordering"), metric=Users("active"))
    judge = Judge(replace(campaign(), rules=(rule,)))
    at_ms = NOW_MS

    def users() -> float | None:
        nonlocal at_ms
        at_ms += USERS_MS
        return judge.grade(at_ms, next_offset=0)[0].verdicts[0].value

    assert users() is None
    judge.see_users(record(sources[0], range(100)))
    judge.see_users(record(sources[0], range(50, 150)))
    assert users() == 150
    judge.see_users(record(sources[1], range(140, 200)))
    assert users() == 200
    judge.see_users(record(sources[0], range(10), epoch=1))
    judge.see_users(record(sources[0], range(500)))
    assert users() == 70
    with pytest.raises(visitors.VisitorsError):
        judge.see_users(b"nonsense")
