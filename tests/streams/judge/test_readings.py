"""Readings by example: where windows end, who holds them back, and when there is none."""

from collections.abc import Mapping

import numpy as np
import pytest

from fenghuo.schemas.kinds.measures import KINDS, Measure, columns
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
from fenghuo.schemas.metrics.reading import Reading
from fenghuo.schemas.wire.pulse import Head, Rows, Source, Tally
from fenghuo.schemas.wire.topics import TOPIC_OF
from fenghuo.schemas.wire.visitors import Estimate
from fenghuo.streams.judge.clocks import SLACK_S, UNHEARD_MS, clocks
from fenghuo.streams.judge.readings import STALE_MS, View, series_of
from fenghuo.streams.judge.ring import Ring
from fenghuo.streams.judge.unread import unread
from tests.laws.judge.duty import campaign
from tests.strategies import START_MS

S = START_MS // 1000
NOW_MS = START_MS + 100_000
ORDERS = Measure("order", "events")
PAID, FAILED = Measure("order", "paid"), Measure("order", "failed")
COMPLAINTS = Measure("complaint", "complaints")
REQUESTS = Measure("traffic", "requests")
SERIES = (("", "", ""), ("region", "east", ""))


class Scene:
    """What the judge knows at NOW_MS, put there by hand. Seconds count from midnight."""

    def __init__(self) -> None:
        self.rings = {kind: Ring(kind, 400) for kind in KINDS}
        self.heads: dict[Source, Head] = {}
        self.now_ms = NOW_MS
        self.campaign = campaign()
        self.users: tuple[Estimate, ...] = ()

    def second(self, kind: str, at_s: int, partition: int = 0, **values: int) -> None:
        """A second of a partition: the same in the total and in the east."""
        names = columns(kind)
        row = [values.get(name, 0) for name in names]
        rows = Rows(
            np.full(2, (S + at_s) * 1000, np.int64),
            np.arange(2, dtype=np.int64),
            SERIES,
            np.array([row, row], np.int64),
            {"version": np.full(2, 1, np.int64)},
        )
        self.rings[kind].see(Source("log", TOPIC_OF[kind], partition), rows, 0)

    def head(
        self,
        kind: str,
        frontier_ms: int | None,
        partition: int = 0,
        *,
        idle: bool = False,
        sent_ms: int = NOW_MS,
        record_ms: int | None = NOW_MS,
        by_region: Mapping[str, tuple[int, int]] | None = None,
        lag: int = 0,
    ) -> None:
        """A partition's head; the frontier counts from midnight."""
        source = Source("log", TOPIC_OF[kind], partition)
        frontier = None if frontier_ms is None else START_MS + frontier_ms
        self.heads[source] = Head(
            *(kind, source, 0, 0, lag, frontier, None if frontier is None else frontier - 10_000),
            *(sent_ms, record_ms, idle, Tally(by_region=dict(by_region or {}))),
        )

    def view(self) -> View:
        times = clocks(self.heads, self.rings, self.now_ms)
        return View(
            *(self.campaign, self.rings, self.heads, times),
            now_ms=self.now_ms,
            users=lambda: self.users,
            waiting=unread(self.heads.values(), {}, self.now_ms).by_kind,
        )

    def as_of(self, kind: str = "order") -> int | None:
        found = clocks(self.heads, self.rings, self.now_ms)[kind].as_of_ms
        return None if found is None else found - START_MS


def test_a_window_ends_at_the_last_full_second() -> None:
    """
    second      94   95   96   97   98(filling)
    orders      1    2    4    8    16           frontier 98.4: the window of 2 s is [96, 98)
    """
    scene = Scene()
    for i, at in enumerate((94, 95, 96, 97, 98)):
        scene.second("order", at, events=1 << i)
    scene.head("order", 98_400)

    assert scene.view().read(Rate(ORDERS, 2), "total") == Reading(6.0, 12)
    assert scene.view().read(Rate(ORDERS, 2), "region=east") == Reading(6.0, 12)
    assert scene.view().read(Rate(ORDERS, 2), "region=west") == Reading(0.0, 0)


def test_a_window_that_begins_before_everything_knows_only_the_rest() -> None:
    scene = Scene()
    for at in (96, 97):
        scene.second("order", at, events=10)
    scene.head("order", 98_000)

    assert scene.view().read(Rate(ORDERS, 60), "total") == Reading(10.0, 20)


def test_the_slowest_partition_holds_the_window_back() -> None:
    scene = Scene()
    scene.head("order", 98_000, 0)
    scene.head("order", 95_000, 1)

    assert scene.as_of() == 95_000


@pytest.mark.parametrize(
    ("idle", "said_ms_ago", "as_of"),
    [
        (False, 0, 95_000),
        (True, 0, 98_000),
        (True, UNHEARD_MS - 1, 98_000),
        (True, UNHEARD_MS, 95_000),
    ],
    ids=["busy", "idle", "idle, said just in time", "idle, but nobody has said so lately"],
)
def test_an_idle_partition_holds_nobody_back(idle: bool, said_ms_ago: int, as_of: int) -> None:
    scene = Scene()
    scene.head("order", 98_000, 0)
    scene.head("order", 95_000, 1, idle=idle, sent_ms=NOW_MS - said_ms_ago)

    assert scene.as_of() == as_of


def test_when_all_partitions_are_idle_the_newest_counts() -> None:
    scene = Scene()
    scene.head("order", 90_000, 0, idle=True)
    scene.head("order", 95_000, 1, idle=True)

    assert scene.as_of() == 95_000


def test_a_kind_that_stopped_goes_with_the_others_and_its_rate_falls_to_zero() -> None:
    scene = Scene()
    for at in range(60, 90):
        scene.second("order", at, events=10)
    scene.head("order", 90_000, idle=True)
    scene.head("traffic", 98_000)

    assert scene.as_of("order") == 98_000
    assert scene.view().read(Rate(ORDERS, 5), "total") == Reading(0.0, 0)
    assert scene.view().read(Rate(ORDERS, 10), "total") == Reading(2.0, 20)


def test_a_clock_that_runs_ahead_does_not_carry_the_window_with_it() -> None:
    scene = Scene()
    scene.head("order", 500_000, record_ms=NOW_MS - 2_000)

    assert scene.as_of() == 100_000


def test_a_partition_far_behind_is_waited_for_no_longer_than_the_ring_allows() -> None:
    scene = Scene()
    scene.second("order", 98, events=1)
    scene.head("order", 98_000, 0)
    scene.head("order", -3_600_000, 1, lag=7)

    assert scene.as_of() == (98 - SLACK_S) * 1000


@pytest.mark.parametrize(
    "metric",
    [
        Rate(ORDERS, 5),
        Ratio((FAILED,), (PAID, FAILED), 5, 100.0),
        Quantile(Measure("traffic", "latency_ms"), 0.9, 5),
        Change(ORDERS, 5, 20),
        Share(REQUESTS, 5, "old"),
        Pace(Measure("order", "paid_amount_fen")),
        Age("order"),
        Silence("order"),
        Growth(ORDERS, 5),
        Slope(ORDERS, 6),
        Users("active"),
        Lag("order"),
    ],
    ids=lambda metric: type(metric).__name__,
)
def test_without_anything_there_is_no_reading(metric: Rate) -> None:
    scene = Scene()
    scene.now_ms = START_MS - 1

    assert scene.view().read(metric, "total").value is None


def test_an_old_value_is_no_value() -> None:
    scene = Scene()
    scene.second("order", 97, events=10)
    scene.head("order", 98_000, record_ms=NOW_MS - STALE_MS)
    assert scene.view().read(Rate(ORDERS, 1), "total").value == 10.0
    scene.head("order", 98_000, record_ms=NOW_MS - STALE_MS - 1)
    assert scene.view().read(Rate(ORDERS, 1), "total").value is None
    assert scene.view().read(Silence("order"), "total") == Reading((STALE_MS + 1) / 1000, 1)


def test_a_ratio_counts_its_denominator_as_samples() -> None:
    scene = Scene()
    scene.second("order", 97, paid=90, failed=10)
    scene.head("order", 98_000)
    metric = Ratio((FAILED,), (PAID, FAILED), 5, 100.0)

    assert scene.view().read(metric, "total") == Reading(10.0, 100)
    assert scene.view().read(metric, "region=west") == Reading(None, 0)


def test_a_ratio_across_kinds_takes_each_at_its_own_end() -> None:
    scene = Scene()
    scene.second("order", 97, events=100)
    scene.second("complaint", 92, complaints=3)
    scene.head("order", 98_000)
    scene.head("complaint", 93_000)
    metric = Ratio((COMPLAINTS,), (ORDERS,), 1, 10_000.0)

    assert scene.view().read(metric, "total") == Reading(300.0, 100)


def test_no_complaint_ever_is_none_but_no_orders_is_unknown() -> None:
    scene = Scene()
    scene.second("order", 97, events=100)
    scene.head("order", 98_000)
    assert scene.view().read(Ratio((COMPLAINTS,), (ORDERS,), 1, 1.0), "total") == Reading(0.0, 100)

    other = Scene()
    other.second("complaint", 97, complaints=3)
    other.head("complaint", 98_000)
    assert other.view().read(Ratio((COMPLAINTS,), (ORDERS,), 1, 1.0), "total").value is None


def test_a_quantile_lies_inside_its_bucket() -> None:
    scene = Scene()
    scene.second("traffic", 97, latency_ms_0=98, latency_ms_11=2)
    scene.head("traffic", 98_000)
    reading = scene.view().read(Quantile(Measure("traffic", "latency_ms"), 0.99, 5), "total")

    assert reading.samples == 100
    assert reading.value is not None
    assert 70 < reading.value <= 100


@pytest.mark.parametrize(
    ("first_s", "value"),
    [(60, 2.0), (88, 2.0), (89, None), (95, None)],
    ids=["a full past", "as long as the window", "shorter than the window", "no past"],
)
def test_a_change_needs_a_past_as_long_as_its_window(first_s: int, value: float | None) -> None:
    """window [93, 98) with 20 a second, before it 10 a second; the baseline is [73, 93)."""
    scene = Scene()
    for at in range(first_s, 98):
        scene.second("order", at, events=20 if at >= 93 else 10)
    scene.head("order", 98_000)
    metric = Change(ORDERS, 5, 20)

    assert scene.view().read(metric, "total").value == value


def test_a_change_from_nothing_is_no_reading() -> None:
    scene = Scene()
    scene.second("order", 60, events=0)
    scene.second("order", 97, events=10)
    scene.head("order", 98_000)

    assert scene.view().read(Change(ORDERS, 5, 20), "total") == Reading(None, 0)


def test_a_share_is_the_rate_over_the_line() -> None:
    scene = Scene()
    for at in range(93, 98):
        scene.second("traffic", at, requests=8)
    scene.head("traffic", 98_000)

    assert scene.view().read(Share(REQUESTS, 5, "old"), "total") == Reading(0.8, 40)


def test_pace_is_what_was_paid_over_what_is_due() -> None:
    """Of 1 000 000 fen half is due after an hour, and a quarter of it in the west."""
    scene = Scene()
    scene.now_ms = START_MS + 3_600_000
    scene.head("order", 98_000, 0, by_region={"east": (3, 300_000), "west": (1, 25_000)})
    scene.head("order", 98_000, 1, by_region={"east": (2, 50_000), "other": (1, 125_000)})
    pace = Pace(Measure("order", "paid_amount_fen"))

    assert scene.view().read(pace, "total") == Reading(1.0, 7)
    assert scene.view().read(pace, "region=west") == Reading(0.2, 1)
    assert scene.view().paid("east") == (5, 350_000)


def test_age_and_silence_count_from_now() -> None:
    scene = Scene()
    scene.head("order", 88_000, record_ms=NOW_MS - 1_500)
    scene.head("order", 92_000, 1, record_ms=NOW_MS - 9_000)

    assert scene.view().read(Age("order"), "total") == Reading(12.0, 1)
    assert scene.view().read(Silence("order"), "total") == Reading(1.5, 1)


def test_the_series_of_a_scope() -> None:
    assert series_of("total") == ("", "", "")
    assert series_of("region=east") == ("region", "east", "")
    assert series_of("type=a=b") == ("type", "a=b", "")


def test_lag_is_what_waits_in_every_partition() -> None:
    scene = Scene()
    scene.head("order", 98_000, lag=5)
    scene.head("order", 98_000, 1, lag=7)
    scene.head("traffic", 98_000, lag=100)

    assert scene.view().read(Lag("order"), "total") == Reading(12.0, 1)
    assert scene.view().read(Lag("complaint"), "total").value is None


def test_users_are_those_of_the_scope() -> None:
    scene = Scene()
    scene.users = (
        Estimate("active", "", 90, 80, 100),
        Estimate("active", "east", 50, 40, 60),
        Estimate("new", "", 7, 7, 7),
    )

    assert scene.view().read(Users("active"), "total") == Reading(90.0, 90)
    assert scene.view().read(Users("active"), "region=east") == Reading(50.0, 50)
    assert scene.view().read(Users("new"), "total") == Reading(7.0, 7)
    assert scene.view().read(Users("new"), "region=east").value is None
