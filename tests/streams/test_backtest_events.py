"""Recorded events through the parts in process: what the live judge would have said."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fenghuo.alerts.backtest.spans import Track, conduct
from fenghuo.schemas.lane import REAL
from fenghuo.schemas.level import Level
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire.warning import Transition
from fenghuo.streams.backtest_events import TICKS_MAX, Recorded, judge_events, tick_of
from tests.laws.judge.duty import TEXT, campaign
from tests.sim.workers import Broker, GatherWorker, JudgeWorker
from tests.strategies import START_MS, Message, Record


def order(number: int, at_ms: int, region: str = "east", status: str = "paid") -> Recorded:
    """An order as it lies in a log."""
    event = {
        "kind": "order", "event_id": f"o{number}", "ts": at_ms, "region": region,
        "order_id": f"o{number}", "user_id": f"u{number}", "category": "books", "channel": "app",
        "payment": "card", "status": status, "amount_fen": 100,
    }  # fmt: skip
    return Recorded(at_ms, "order", json.dumps(event).encode())


def flow(per_s: int, seconds: int, start_s: int = 0) -> Iterator[Recorded]:
    """Orders of the east, so many each second."""
    for i in range(per_s * seconds):
        yield order(start_s * 1000 + i, START_MS + start_s * 1000 + i * 1000 // per_s)


def test_a_surge_is_red_in_its_region_and_nowhere_else() -> None:
    records = [*flow(1, 60), *flow(30, 30, 60), *flow(1, 60, 90)]
    found = judge_events(campaign(), records, Settings(), tick_ms=1000)
    east, west = found["ordering", "region=east"], found["ordering", "region=west"]
    assert east.fired == (1, 1, 1, 1, 1)
    assert 20 < east.minutes[Level.RED] * 60 < 45
    assert west.fired == (0,) * 5
    assert found["ordering", "total"].fired == east.fired
    assert east.hours == pytest.approx(150 / 3600, abs=3 / 3600)


def test_every_rule_and_scope_has_its_figures_even_of_nothing() -> None:
    of_nothing = judge_events(campaign(), [], Settings(), tick_ms=1000)
    of_one = judge_events(campaign(), [order(1, START_MS)], Settings(), tick_ms=1000)
    assert set(of_nothing) == set(of_one)
    assert ("failing", "region=west") in of_one
    assert all(sum(done.fired) == 0 for done in of_nothing.values())


@settings(max_examples=15)
@given(st.integers(1, 40), st.integers(1, 12))
def test_the_same_recording_says_the_same_twice(per_s: int, seconds: int) -> None:
    once, again = (
        judge_events(campaign(), flow(per_s, seconds), Settings(), tick_ms=500) for _ in range(2)
    )
    assert once == again


@settings(max_examples=20)
@given(st.lists(st.integers(0, 15), min_size=1, max_size=25), st.sampled_from(("paid", "failed")))
def test_the_parts_over_a_broker_say_the_same(counts: list[int], status: str) -> None:
    records = [
        order(second * 100 + i, START_MS + second * 1000 + i * 50, "west" if i % 3 else "east",
              "paid" if i % 2 else status)
        for second, count in enumerate(counts)
        for i in range(count)
    ]  # fmt: skip
    assume(records)
    place = ("orders", 0)
    log = [Record(i, one.at_ms, Message(one.value, ())) for i, one in enumerate(records)]
    broker = Broker({place: log, ("traffic", 0): [], ("complaints", 0): []})
    gather = GatherWorker(broker, lambda: False, REAL)
    gather.assign(broker.sources)
    judge = JudgeWorker(broker, lambda: False)
    first_ms = records[0].at_ms // 1000 * 1000
    for now_ms in range(first_ms + 1000, records[-1].at_ms + 1001, 1000):
        come = [one for one in log if now_ms - 1000 <= one.record_ms < now_ms]
        if come:
            gather.on_fetch(place, come, come[-1].record_ms)
        gather.on_tick(now_ms)
        judge.read(len(broker.pulses))
        judge.on_tick(now_ms)
    live: dict[tuple[str, str], list[tuple[int, int | None]]] = {}
    for data in broker.transitions:
        one = msgspec.json.decode(data, type=Transition)
        live.setdefault((one.rule, one.scope), []).append((one.at_ms, one.to_level))
    found = judge_events(campaign(), records, Settings(), tick_ms=1000)
    for name, done in found.items():
        track = Track(first_ms + 1000, now_ms + 1000, tuple(live.get(name, ())))
        assert done == conduct(track, campaign().rule(name[0]).flapping), name


def test_ticks_are_a_second_apart_until_there_would_be_too_many() -> None:
    assert tick_of(0, 3_600_000) == 1000
    month_ms = 30 * 86_400_000
    assert month_ms / tick_of(0, month_ms) <= TICKS_MAX
    assert tick_of(0, month_ms) % 1000 == 0


def test_the_command_judges_a_mapped_file_and_tells_two_campaigns_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from fenghuo.alerts.backtest.command import Asked, main
    from fenghuo.deploy.cli.backtest import _judging

    rows = "".join(f"{i},7,8,buy,{1511658000 + i // 20}\n" for i in range(600))
    (tmp_path / "rows.csv").write_text(rows)
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text(TEXT)
    # orders come at 20 a second: red from 10, and in the new campaign only from 100
    new.write_text(
        TEXT.replace("red = { enter = 10, leave = 9 }", "red = { enter = 100, leave = 9 }")
    )
    judge = _judging("taobao-userbehavior-2017", [tmp_path / "rows.csv"], 1.0)
    asked = Asked((tmp_path / "rows.csv",), str(old), "ordering", diff=(old, new), as_json=True)
    assert main(asked, judge) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (total,) = [line for line in told if line["scope"] == "total"]
    assert total["before"]["fired"]["red"] == 1
    assert total["after"]["fired"] == {**total["before"]["fired"], "red": 0}
    assert main(Asked((tmp_path / "rows.csv",), str(old), "none"), judge) == 2
    assert "expected a rule" in capsys.readouterr().err
