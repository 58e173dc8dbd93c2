"""The judge is killed with -9 while one warning is red and two wait for their hold, and again and
again while levels change: nothing is lost, repeated or resolved by it.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fenghuo.schemas.level import Level
from fenghuo.schemas.wire.status import Board
from fenghuo.schemas.wire.warning import State, Transition
from tests.e2e import failing
from tests.e2e.failing import Shop, of, unrepeated
from tests.e2e.load.shadow_run import stored
from tests.e2e.river import River
from tests.parts.tansu import tansu as tansu_part

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    # kafka-python leaves refused sockets to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
RED, WAITING = "red", ("waits1", "waits2")
MOVING = [f"moves{i}" for i in range(12)]
REGIONS = [RED, *WAITING, *MOVING]
HOLD_S = 30
KILLS = 4
PATIENCE_S = 90


def until(river: River, done: Callable[[dict[tuple[str, str], Any]], bool]) -> None:
    """Until the verdicts of the api are as wanted."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = {(v["rule"], v["scope"]): v for v in river.get("api/v1/status")["verdicts"]}
        if done(found):
            return
        assert time.monotonic() < deadline, river.logs()
        time.sleep(0.1)


def settled(found: dict[tuple[str, str], Any], percent: dict[str, int]) -> bool:
    """Whether each level is the one its failures lead to in the end: nothing is on its way."""
    ends = {0: Level.GREEN, 50: Level.YELLOW, 100: Level.RED}
    return all(
        one["level"] == ends[percent[scope.removeprefix("region=")]]
        for (_, scope), one in found.items()
    )


def boards_now(broker: str) -> tuple[list[Transition], list[Board]]:
    return asyncio.run(failing.told(broker))


def await_pending(broker: str) -> Board:
    """A board in which both wait for yellow."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        _, boards = boards_now(broker)
        found = [of(boards[-1], "slow", region).memory.pending_level for region in WAITING]
        if found == [Level.YELLOW] * len(WAITING):
            return boards[-1]
        assert time.monotonic() < deadline
        time.sleep(0.2)


def await_newer(broker: str, seq: int) -> Board:
    """A board of a judge that goes on from this one."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        _, boards = boards_now(broker)
        if boards[-1].seq > seq:
            return boards[-1]
        assert time.monotonic() < deadline
        time.sleep(0.2)


def shake(river: River, shop: Shop, broker: str, seed: int) -> None:
    """Kill the judge at random moments while the moving regions go up and down, each once: more
    would be flapping.
    """
    dice, left = random.Random(seed), list(MOVING)
    for _ in range(KILLS):
        for region in (left.pop(), left.pop()):
            shop.percent[region] = 100
            time.sleep(dice.uniform(0, 1.5))
        last = boards_now(broker)[1][-1]
        river.kill("judge")
        shop.percent |= dict.fromkeys(MOVING, 0)
        await_newer(broker, last.seq)
    shop.percent |= dict.fromkeys(left, 100)


def test_a_judge_killed_with_one_red_and_two_waiting(
    need: Callable[[str], None], tmp_path: Path
) -> None:
    need("tansu")
    file = tmp_path / "failing.toml"
    # windows of a second: a rise or fall through every level would be flapping
    slow = failing.rule("slow", up=str(HOLD_S), down="2", window=1)
    quick = failing.rule("quick", window=1)
    file.write_text(failing.campaign(REGIONS, slow, quick), encoding="utf-8")
    with (
        tansu_part() as broker,
        stored(tmp_path / "store") as store,
        River(
            broker.bootstrap,
            store,
            tmp_path,
            file,
            partitions=1,
            session_timeout_ms=3_000,
        ) as river,
        Shop(broker.bootstrap, REGIONS) as shop,
    ):
        until(river, lambda v: all(one["level"] == 0 for one in v.values()))
        shop.percent[RED] = 100
        until(river, lambda v: v["slow", f"region={RED}"]["level"] == Level.RED)
        shop.percent |= dict.fromkeys(WAITING, 50)
        before = await_pending(broker.bootstrap)
        river.kill("judge")
        after = await_newer(broker.bootstrap, before.seq)
        assert after.now_ms > before.now_ms

        shake(river, shop, broker.bootstrap, seed=5)
        until(river, lambda v: settled(v, shop.percent))
        last = river.get("api/v1/status")["seq"]
        await_newer(broker.bootstrap, last)
        moved, boards = boards_now(broker.bootstrap)
    check_chains(moved, boards)
    check_red(boards, before)
    check_waiting(moved, boards, before)


def check_chains(moved: Sequence[Transition], boards: Sequence[Board]) -> None:
    """None lost, none made twice: the boards and the told ones agree to the last."""
    chains = unrepeated(list(moved))
    for verdict in boards[-1].verdicts:
        chain = chains.get((verdict.rule, verdict.scope), [])
        assert len(chain) == verdict.memory.seq
        assert (chain[-1].to_level if chain else None) == verdict.level
    shown = {(t.rule, t.scope, t.seq): t for board in boards for t in board.moved}
    assert {key: chains[key[:2]][key[2] - 1] for key in shown} == shown
    changes = [len(chains["quick", f"region={region}"]) for region in MOVING]
    assert sum(changes) > 2 * KILLS, "nothing happened around the kills"


def check_red(boards: Sequence[Board], before: Board) -> None:
    """One incident, from its beginning to the end."""
    memory = of(before, "slow", RED).memory
    assert memory.incident > 0
    since = [board for board in boards if board.now_ms >= before.now_ms]
    found = {(m.level, m.incident, m.opened_ms, m.seq) for m in memories(since, "slow", RED)}
    assert found == {(Level.RED, memory.incident, memory.opened_ms, memory.seq)}


def check_waiting(moved: Sequence[Transition], boards: Sequence[Board], before: Board) -> None:
    """Each level is entered at the first look after its hold, counted from before the kill: the
    grade rose through blue and cyan, whose holds may end some ticks sooner.
    """
    since = [board for board in boards if board.now_ms >= before.now_ms]
    for region in WAITING:
        clocks = of(before, "slow", region).memory.rise_since_ms
        assert len(clocks) == Level.YELLOW
        for board in since:
            memory = of(board, "slow", region).memory
            held = sum(board.now_ms - at_ms >= HOLD_S * 1000 for at_ms in clocks)
            assert memory.level == held
            assert memory.rise_since_ms == clocks[held:]
        ups = [t for t in unrepeated(list(moved))["slow", f"region={region}"] if t.to_level]
        assert ups[-1].to_level == Level.YELLOW
        assert len({up.incident for up in ups}) == 1
        assert {up.at_ms for up in ups} <= {board.now_ms for board in since}


def memories(boards: Sequence[Board], rule: str, region: str) -> list[State]:
    return [of(board, rule, region).memory for board in boards]
