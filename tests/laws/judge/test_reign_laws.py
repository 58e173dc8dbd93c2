"""One voice: whatever judges sleep, wake, claim and send late, everybody who follows topic `status`
follows the same judge, and no change of level is told with two contents.
"""

from dataclasses import dataclass, field

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.schemas.wire.reign import Reign
from fenghuo.schemas.wire.status import Board, CampaignNote, blank
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams.judge.lead import SILENCE_S, Lead

BLANK = blank(CampaignNote("day", "日", "Day", "1", 0, 1, None, None), 0)
JUDGES = 3


def change(seq: int, by: str) -> Transition:
    return Transition("rule", "total", seq, 1, 0, 5, 0, 1.0, 1, None, by)


@dataclass
class World:
    """A log, and what judges have told of it."""

    now_s: float = 0.0
    log: list[Board] = field(default_factory=list)
    told: list[Transition] = field(default_factory=list)


class Judge:
    """Lead as part_judge uses it, around a judge that only numbers what it changes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lead = Lead(world.now_s)
        self.read = 0
        self.on_the_way: list[Board] = []
        self.to_tell: list[Transition] = []
        self.changes = 0
        self.led: int | None = None
        self.boards = 0

    def hear(self) -> None:
        """Read one more record."""
        if self.read < len(self.world.log):
            board = self.world.log[self.read]
            self.to_tell += self.lead.hear(board, self.read, self.world.now_s)
            self.read += 1

    def arrive(self) -> None:
        """What was sent gets its place in the log."""
        if self.on_the_way:
            self.world.log.append(self.on_the_way.pop(0))

    def tick(self, *, moves: bool) -> None:
        """One turn: nothing is sent while the answer to the last record is awaited."""
        if self.on_the_way:
            return
        self.world.told += self.to_tell
        self.to_tell = []
        if not self.lead.speaks:
            self.led = None
            if self.lead.wants(self.world.now_s):
                self.on_the_way.append(self.lead.claim(BLANK, self.world.now_s))
            return
        if self.led != self.lead.generation:
            self.led = self.lead.generation
            last = self.lead.board
            self.changes = last.seq if last else 0
            self.to_tell += last.moved if last else ()
        if self.to_tell or self.lead.is_waiting:
            return
        moved = (change(self.changes + 1, f"{self.lead.name} {self.world.now_s}"),) if moves else ()
        self.changes += len(moved)
        board = msgspec.structs.replace(BLANK, seq=self.changes, moved=moved)
        self.on_the_way.append(self.lead.signed(board))

    def leave(self) -> None:
        if self.lead.speaks and not self.on_the_way:
            self.on_the_way.append(self.lead.leave(BLANK))


def counted(log: list[Board], start: int) -> list[int]:
    """The offsets of what counts, for a reader that begins at `start`."""
    reign = Reign()
    return [at for at in range(start, len(log)) if reign.hears(log[at], at)]


step = st.tuples(
    st.integers(0, JUDGES - 1),
    st.sampled_from(["hear", "hear", "hear", "arrive", "arrive", "tick", "move", "leave", "sleep"]),
)


def lived(steps: list[tuple[int, str]]) -> World:
    """What comes of it; in the end everything arrives, is heard and told."""
    world = World()
    judges = [Judge(world) for _ in range(JUDGES)]
    for who, what in steps:
        judge = judges[who]
        match what:
            case "hear":
                judge.hear()
            case "arrive":
                judge.arrive()
            case "leave":
                judge.leave()
            case "sleep":
                world.now_s += SILENCE_S
            case _:
                world.now_s += 0.25
                judge.tick(moves=what == "move")
    for judge in judges:
        while judge.on_the_way:
            judge.arrive()
    for judge in judges:
        while judge.read < len(world.log):
            judge.hear()
        judge.tick(moves=False)
    return world


@settings(max_examples=200)
@given(st.lists(step, min_size=20, max_size=200))
def test_no_change_of_level_has_two_contents(steps: list[tuple[int, str]]) -> None:
    world = lived(steps)
    chain = [
        moved
        for at in counted(world.log, 0)
        if world.log[at].claim is None
        for moved in world.log[at].moved
    ]

    assert [moved.seq for moved in chain] == list(range(1, len(chain) + 1))
    assert all(chain[told.seq - 1] == told for told in world.told)


@settings(max_examples=200)
@given(st.lists(step, min_size=20, max_size=200), st.data())
def test_whoever_begins_later_follows_the_same_judge(
    steps: list[tuple[int, str]], data: st.DataObject
) -> None:
    log = lived(steps).log
    start = data.draw(st.integers(0, len(log)))
    all_of_it = [at for at in counted(log, 0) if at >= start]
    boards = [at for at in all_of_it if log[at].claim is None]
    sure = boards[0] if boards else len(log)

    assert [at for at in counted(log, start) if at >= sure] == [a for a in all_of_it if a >= sure]


def test_of_two_claims_the_first_in_the_log_wins() -> None:
    board = msgspec.structs.replace(BLANK, generation=0)
    one = msgspec.structs.replace(BLANK, claim="one")
    two = msgspec.structs.replace(BLANK, claim="two")
    won = msgspec.structs.replace(BLANK, generation=2)
    lost = msgspec.structs.replace(BLANK, generation=3)
    log = [board, one, two, board, won, lost]

    assert counted(log[:5], 0) == [0, 1, 4]
    assert counted(log[:5], 2)[-1] == 4
