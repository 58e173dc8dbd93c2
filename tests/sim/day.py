"""A campaign day with everything going wrong that may go wrong, drawn from a seed."""

from bisect import bisect_left
from dataclasses import dataclass, field
from random import Random

from fenghuo.schemas.lane import REAL, SHADOW, Lane
from fenghuo.schemas.wire.status import Board
from tests.laws.archive.table import Table
from tests.sim import checks
from tests.sim.feed import Feed, Place, moments
from tests.sim.workers import ArchiveWorker, Broker, Died, Dies, GatherWorker, JudgeWorker
from tests.strategies import Record

"""(rule, scope, seq) of a transition."""
TOPICS = ("pulses", "late", "refused", "transitions")


@dataclass
class Faults:
    """How often what happens; all of it drawn from the seed."""

    random: Random
    counts: dict[str, int] = field(default_factory=dict)
    is_over: bool = False

    def strike(self, what: str, chance: float) -> bool:
        """Whether it happens now."""
        if self.is_over or self.random.random() >= chance:
            return False
        self.counts[what] = self.counts.get(what, 0) + 1
        return True


class Day:
    """The world of one day, as the parts of one lane see it."""

    def __init__(self, seed: int, lane: Lane = REAL) -> None:
        self.seed = seed
        self.lane = lane
        self.random = Random(seed)
        self.faults = Faults(Random(seed + 1))
        self.feed = Feed(Random(seed + 2))
        self.broker = Broker(self.feed.logs)
        self.table = Table()
        self.committed = dict.fromkeys(TOPICS, 0)
        self.gathers = [self._new_gather() for _ in range(2)]
        self.zombies: list[tuple[GatherWorker, int]] = []
        self.judge: JudgeWorker | None = JudgeWorker(self.broker, self._dies("judge"))
        self.steady: JudgeWorker | None = self._new_steady()
        self.is_board_sent = True
        self.archive = self._new_archive()
        self.store_down_until_ms = 0
        self.now_ms = self.ticks = 0
        self.rebalance()

    def run(self) -> None:
        """The whole day, then quiet until everything has caught up, then the last reckoning."""
        for now_ms in moments(Random(self.seed + 3)):
            self.now_ms = now_ms
            self.ticks += 1
            self.feed.produce(self.now_ms)
            self.tick()
            if self.ticks == 200:
                checks.check_heads(self)
        self.settle()
        checks.check_end(self)

    def tick(self) -> None:
        """One moment: each part does what it would do, or dies of it."""
        if self.faults.strike("rebalance", 0.03):
            self.rebalance()
        if self.faults.strike("compaction", 0.05):
            self.broker.compact(self.random.randint(1, 3))
        for worker in [*self.gathers, *(zombie for zombie, _ in self.zombies)]:
            self.gather(worker)
        self.zombies = [(zombie, left - 1) for zombie, left in self.zombies if left > 0]
        self.judgement()
        self.archiving()

    def rebalance(self) -> None:
        """Partitions move. Now and then a worker is dead but does not know it, and goes on for a
        while.
        """
        places = list(self.broker.sources)
        self.random.shuffle(places)
        for i, worker in enumerate(self.gathers):
            if worker.states and self.faults.strike("zombie", 0.4):
                self.zombies.append((worker, self.random.randint(1, 15)))
                self.gathers[i] = self._new_gather()
        at = self.random.randint(0, len(places))
        for worker, mine in zip(self.gathers, (places[:at], places[at:]), strict=True):
            worker.assign(mine)

    def gather(self, worker: GatherWorker) -> None:
        try:
            for place in list(worker.states):
                if not self.faults.strike("slow fetch", 0.1):
                    self.fetch(worker, place)
            if not self.faults.strike("slow tick", 0.1):
                worker.on_tick(self.now_ms)
        except Died:
            self.revive(worker)

    def fetch(self, worker: GatherWorker, place: Place) -> None:
        """What lies ahead, in fetches of any size; at times one that was read comes again."""
        state, log = worker.states[place], self.broker.sources[place]
        ahead = bisect_left(log, state.next_offset, key=lambda record: record.offset)
        if ahead and self.faults.strike("fetch twice", 0.05):
            worker.on_fetch(place, log[max(ahead - 3, 0) : ahead], self.now_ms)
        while ahead < len(log):
            size = self.random.choice((1, 2, 5, 50))
            worker.on_fetch(place, log[ahead : ahead + size], self.now_ms)
            ahead += size
            if self.faults.strike("half a backlog", 0.3):
                break

    def revive(self, worker: GatherWorker) -> None:
        """A dead worker comes back without memory, or (a zombie) not at all."""
        if worker not in self.gathers:
            self.zombies = [one for one in self.zombies if one[0] is not worker]
            return
        places = list(worker.states)
        fresh = self._new_gather()
        fresh.assign(places)
        self.gathers[self.gathers.index(worker)] = fresh

    def judgement(self) -> None:
        if self.judge is None:
            if self.faults.strike("judge comes back", 0.5):
                self.judge = JudgeWorker(self.broker, self._dies("judge"))
                self.steady = self.steady or self._new_steady()
            return
        end = len(self.broker.pulses)
        self.judge.read(end - self.random.choice((0, 0, 0, 3)) if end > 3 else end)
        try:
            answer = self.judge.on_tick(self.now_ms)
        except Died:
            self.stop_judge(is_clean=False)
            return
        if answer is not None:
            board, self.is_board_sent = answer
            self.compare(board)
        if self.faults.strike("judge stops", 0.03):
            self.stop_judge(is_clean=self.is_board_sent)

    def stop_judge(self, *, is_clean: bool) -> None:
        """Killed after its board was sent it loses nothing; else what it graded since, which nobody
        saw.
        """
        self.judge = None
        if not is_clean:
            self.steady = None

    def compare(self, board: Board) -> None:
        """The judge says what one says that was never stopped."""
        assert self.judge is not None
        assert self.steady is not None
        self.steady.read(self.judge.next)
        meant, _ = self.steady.judge.grade(self.now_ms, self.steady.next)
        checks.check_boards(self, board, meant)

    def archiving(self) -> None:
        if self.faults.strike("store outage", 0.01):
            self.store_down_until_ms = self.now_ms + self.random.choice((2_000, 60_000, 3_600_000))
        for topic in TOPICS:
            self.archive.read(topic, self.random.choice((0, 1, 7, 1_000)), self.now_ms)
        try:
            self.archive.on_tick(self.now_ms, is_store_up=self.now_ms >= self.store_down_until_ms)
            dead = self.faults.strike("archive stops", 0.02)
        except Died:
            dead = True
        if dead:
            self.archive = self._new_archive()

    def settle(self) -> None:
        """No more faults: everybody reads to the end, the store is up."""
        self.faults.is_over = True
        self.store_down_until_ms = 0
        for _ in range(12):
            self.now_ms += 1_000
            for topic in TOPICS:
                self.archive.read(topic, 10**9, self.now_ms)
            self.judge = self.judge or JudgeWorker(self.broker, self._dies("judge"))
            self.steady = self.steady or self._new_steady()
            self.tick()
        for _ in range(2):  # nobody speaks any more: the archive hears the last words
            self.now_ms += 10_000
            for topic in TOPICS:
                self.archive.read(topic, 10**9, self.now_ms)
            self.archive.on_tick(self.now_ms, is_store_up=True)

    def log(self, place: Place) -> list[Record]:
        """The lane's records of a source partition."""
        return [r for r in self.feed.logs[place] if r.shadow == (self.lane == SHADOW)]

    def _new_gather(self) -> GatherWorker:
        return GatherWorker(self.broker, self._dies("gather"), self.lane)

    def _new_steady(self) -> JudgeWorker:
        return JudgeWorker(self.broker, lambda: False)

    def _new_archive(self) -> ArchiveWorker:
        return ArchiveWorker(self.broker, self.table, self.committed, self._dies("archive"))

    def _dies(self, part: str) -> Dies:
        return lambda: self.faults.strike(f"{part} dies", 0.002)
