"""A judge that was stopped and started again judges on as if nothing had happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.schemas.kinds.measures import KINDS, Series, columns
from fenghuo.schemas.wire import status
from fenghuo.schemas.wire.pulse import Head, Rows, Source, Tally, no_rows
from fenghuo.schemas.wire.topics import TOPIC_OF
from fenghuo.schemas.wire.warning import Transition
from tests.laws.judge.duty import Duty, plain
from tests.strategies import START_MS

SERIES: tuple[Series, ...] = (("", "", ""), ("region", "east", ""), ("region", "west", ""))
LATENESS_MS = 10_000


@dataclass
class Tick:
    """One moment: how far the topic of pulses goes, and what time it is."""

    now_ms: int
    end: int


@dataclass
class Story:
    """A topic of pulses and the ticks at which it is judged."""

    topic: list[tuple[Head, Rows]]
    ticks: list[Tick]


def rows_of(kind: str, seconds: Sequence[int], version: int, random: Random) -> Rows:
    """What some seconds look like, at random."""
    width = len(columns(kind))
    second = np.repeat(np.array(seconds, np.int64) * 1000, len(SERIES))
    code = np.tile(np.arange(len(SERIES), dtype=np.int64), len(seconds))
    drawn = [[random.choice((0, 0, 1, 3, 20)) for _ in range(width)] for _ in range(len(second))]
    values = np.array(drawn, np.int64).reshape(len(second), width)
    return Rows(second, code, SERIES, values, {"version": np.full(len(second), version)})


class Teller:
    """Tells a story: sources that publish, pause, fall idle, jump in event time, and publish again
    what is old.
    """

    def __init__(self, seed: int, *, gap_s: Sequence[int] = (0,), partitions: int = 2) -> None:
        self.random = Random(seed)
        self.gap_s = gap_s
        self.story = Story([], [])
        self.now_ms = self.event_ms = START_MS + 1_000_000
        self.sources = {
            Source("log", TOPIC_OF[kind], partition): kind
            for kind in KINDS
            for partition in range(partitions)
        }
        self.offset = dict.fromkeys(self.sources, 0)
        self.frontier: dict[Source, int] = {}
        self.record_ms: dict[Source, int] = {}
        self.paid = dict.fromkeys(self.sources, 0)

    def tell(self, ticks: int) -> Story:
        for _ in range(ticks):
            self.now_ms += self.random.choice((250, 500, 1_000))
            self.event_ms = max(
                self.event_ms + self.random.choice((0, 500, 2_000)), self.now_ms - 2_000
            )
            if self.random.random() < 0.1:
                gap_ms = self.random.choice(self.gap_s) * 1000
                self.now_ms, self.event_ms = self.now_ms + gap_ms, self.event_ms + gap_ms
            for source in self.sources:
                self.publish(source)
            self.story.ticks.append(Tick(self.now_ms, len(self.story.topic)))
        return self.story

    def publish(self, source: Source) -> None:
        """A head in any case: each partition that is read is heard of. Rows when it has some."""
        kind = self.sources[source]
        rows = no_rows(kind, ["version"])
        if self.random.random() < 0.7:
            self.offset[source] += self.random.randint(1, 9)
            newest = self.event_ms // 1000
            size = self.random.randint(1, 3)
            seconds = sorted(self.random.sample(range(newest - 6, newest + 1), size))
            rows = rows_of(kind, seconds, self.offset[source], self.random)
            frontier = seconds[-1] * 1000 + self.random.randint(0, 999)
            self.frontier[source] = max(self.frontier.get(source, 0), frontier)
            self.record_ms[source] = self.now_ms
            self.paid[source] += self.random.choice((0, 1, 500))
        topic = self.story.topic
        topic.append((self.head(source), rows))
        if self.random.random() < 0.05:  # a worker that should be dead
            topic.append(topic[self.random.randrange(max(len(topic) - 40, 0), len(topic))])

    def head(self, source: Source) -> Head:
        frontier = self.frontier.get(source)
        record_ms = self.record_ms.get(source)
        paid = self.paid[source]
        return Head(
            self.sources[source],
            source,
            0,
            self.offset[source],
            self.offset[source] + self.random.choice((0, 0, 7)),
            frontier,
            None if frontier is None else frontier - LATENESS_MS,
            self.now_ms,
            record_ms,
            record_ms is None or self.now_ms - record_ms > 2_000,
            Tally(accepted=paid, by_region={"east": (paid, 100 * paid)}),
        )


def check_restart(
    story: Story, restarts: set[int], left: Mapping[str, bytes] | None = None
) -> None:
    """Judges that are stopped after these ticks and one that never is: the same boards, the same
    transitions.
    """
    steady = Duty(story.topic, left=left)
    shaky = Duty(story.topic, left=left)
    moved: list[Transition] = []
    for i, tick in enumerate(story.ticks):
        board, changes = steady.tick(tick.now_ms, tick.end)
        again, same = shaky.tick(tick.now_ms, tick.end)
        assert plain(again) == plain(board), f"tick {i}"
        assert list(same) == list(changes)
        moved += same
        if i in restarts:
            learnt = None if left is None else shaky.left
            shaky = Duty(story.topic, status.encode(again), learnt)
    check_chain(moved)


def check_take_over(
    story: Story, changes: set[int], left: Mapping[str, bytes] | None = None
) -> None:
    """Judges that take turns, all of them reading all the time, and one that never rests: the same
    boards. The one that takes over joined in the middle of the story, or at its beginning.
    """
    steady = Duty(story.topic, left=left)
    speaks, stands = (Duty(story.topic, left=left) for _ in range(2))
    moved: list[Transition] = []
    for i, tick in enumerate(story.ticks):
        board, _ = steady.tick(tick.now_ms, tick.end)
        again, same = speaks.tick(tick.now_ms, tick.end)
        stands.read(tick.end)
        assert plain(again) == plain(board), f"tick {i}"
        moved += same
        if i in changes:
            data, learnt = status.encode(again), speaks.left
            stands.judge.succeed(status.decode(data), learnt)
            stands.left = dict(learnt)
            speaks, stands = stands, Duty(story.topic, data, None if left is None else learnt)
    check_chain(moved)


def check_chain(moved: Sequence[Transition]) -> None:
    """Of each rule and scope: numbered without gap or repetition, each from where the last one
    went.
    """
    last: dict[tuple[str, str], Transition] = {}
    for one in moved:
        before = last.get((one.rule, one.scope))
        assert one.seq == (before.seq + 1 if before else 1)
        assert one.from_level == (before.to_level if before else None)
        assert one.from_level != one.to_level
        last[one.rule, one.scope] = one


SEEDS = st.integers(0, 2**32 - 1)
RESTARTS = st.sets(st.integers(0, 24), min_size=1, max_size=4)


@settings(max_examples=30)
@given(SEEDS, RESTARTS)
def test_a_restarted_judge_goes_on_as_if_it_had_never_stopped(
    seed: int, restarts: set[int]
) -> None:
    check_restart(Teller(seed).tell(25), restarts)


@settings(max_examples=30)
@given(SEEDS, RESTARTS)
def test_a_restarted_judge_goes_on_after_gaps_of_minutes_and_weeks(
    seed: int, restarts: set[int]
) -> None:
    check_restart(Teller(seed, gap_s=(30, 200, 300, 3_000_000)).tell(25), restarts)


@settings(max_examples=12)
@given(SEEDS, RESTARTS)
def test_a_judge_that_stood_by_goes_on_where_the_other_left(seed: int, changes: set[int]) -> None:
    check_take_over(Teller(seed).tell(25), changes)


@settings(max_examples=6)
@given(SEEDS, RESTARTS)
def test_a_judge_that_stood_by_goes_on_after_gaps_of_minutes_and_weeks(
    seed: int, changes: set[int]
) -> None:
    check_take_over(Teller(seed, gap_s=(30, 200, 300, 3_000_000)).tell(25), changes)


@settings(max_examples=2)
@given(SEEDS, st.sets(st.integers(0, 149), min_size=1, max_size=5))
def test_a_judge_that_stood_by_expects_what_the_other_did(seed: int, changes: set[int]) -> None:
    check_take_over(Teller(seed).tell(150), changes, {})


@settings(max_examples=5)
@given(SEEDS, st.sets(st.integers(0, 299), min_size=1, max_size=5))
def test_a_restarted_judge_expects_what_the_one_before_did(seed: int, restarts: set[int]) -> None:
    story = Teller(seed).tell(300)
    check_restart(story, restarts, {})

    steady = Duty(story.topic, left={})
    board = [steady.tick(tick.now_ms, tick.end)[0] for tick in story.ticks][-1]
    expecting = [
        one for one in board.verdicts if one.rule == "unusual" and one.expected is not None
    ]
    assert expecting, "nothing was learnt: the law above said nothing of it"


@given(SEEDS, st.integers(0, 2**32 - 1))
def test_pulses_repeated_and_out_of_order_give_the_same_verdicts(seed: int, order: int) -> None:
    """What a judge says depends on the newest pulses and heads, not on the way they came."""
    story = Teller(seed).tell(12)
    end, now_ms = len(story.topic), story.ticks[-1].now_ms
    mixed = story.topic * 2
    Random(order).shuffle(mixed)

    one, _ = Duty(story.topic).tick(now_ms, end)
    other, _ = Duty(mixed).tick(now_ms, len(mixed))

    assert other.verdicts == one.verdicts
    assert (other.overview, other.kinds) == (one.overview, one.kinds)


def test_a_restart_in_the_first_seconds_after_a_long_silence_raises_no_rate() -> None:
    """Five events in a minute are five a minute, also for a judge that has just read the last five
    seconds only.
    """
    teller = Teller(1, partitions=1)
    teller.tell(20)
    teller.now_ms += 300_000
    teller.event_ms += 300_000
    story = teller.tell(3)

    check_restart(story, {len(story.ticks) - 2})


def test_a_partition_that_is_read_but_has_no_event_yet_is_not_forgotten_by_a_restart() -> None:
    """Its head says what was refused and when a record last came; no second of the ring does."""
    source = Source("log", "traffic", 0)
    head = Head(
        *("traffic", source, 0, 3, 3, None, None, START_MS, START_MS, False),
        Tally(refused=3),
    )
    topic = [(head, no_rows("traffic", ["version"]))]
    story = Story(
        topic, [Tick(START_MS + 100, 1), Tick(START_MS + 200, 1), Tick(START_MS + 300, 1)]
    )

    check_restart(story, {1})


@pytest.mark.parametrize("kind", KINDS)
def test_books_of_a_partition_that_fell_silent_survive_a_restart(kind: str) -> None:
    """What was paid stays paid although the pulses it came with have left the ring."""
    story = Teller(3, partitions=1).tell(4)
    lone = Source("log", TOPIC_OF[kind], 9)
    now_ms = story.ticks[-1].now_ms
    head = Head(*(kind, lone, 0, 5, 5, None, None, now_ms, now_ms, True), Tally(accepted=5))
    topic = [(head, no_rows(kind, ["version"])), *story.topic]
    later = Teller(4, partitions=1)
    later.now_ms = later.event_ms = now_ms + 600_000
    later.offset = dict.fromkeys(later.sources, 1_000)
    rest = later.tell(4)
    shift = len(topic)
    ticks = [Tick(now_ms, shift)] + [Tick(tick.now_ms, tick.end + shift) for tick in rest.ticks]

    check_restart(Story([*topic, *rest.topic], ticks), {2})
