"""`fenghuo load` against the whole river: the three verdicts, the proof, the shadow, the abort."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fenghuo.loadtest.command import Asked, Where, main
from fenghuo.loadtest.verdict.result import Run
from tests.e2e.load.shadow_run import stored
from tests.e2e.river import River
from tests.parts import kafka as kafka_part
from tests.parts import tansu as tansu_part
from tests.paths import ROOT

pytestmark = pytest.mark.real
SHOP = ROOT / "deploy/campaigns/double11.toml"
CSV = "order,paid_at,fen\n" + "".join(f"o{i},{1_582_200_000 + i},{i}50\n" for i in range(600))
MAPPING = """
[mapping]
name = "till"
[[events]]
kind = "order"
[events.fields]
event_id = { template = "till-{order}" }
ts = { time = "paid_at", format = "epoch_s" }
region = "east"
order_id = { template = "till-{order}" }
user_id = { template = "buyer-{order}" }
category = "food"
channel = "app"
payment = "alipay"
status = "paid"
amount_fen = { number = "fen" }
"""


STARTED_S_MAX = 90
CODES = {"PASS": 0, "FAIL": 1, "INVALID": 2}


class World:
    """Both lanes on one broker and one store, and the load tester beside them."""

    def __init__(self, broker: str, store: str, folder: Path) -> None:
        (folder / "real").mkdir()
        (folder / "shadow").mkdir()
        options: dict[str, Any] = {"session_timeout_ms": 6_000}
        self.real = River(broker, store, folder / "real", SHOP, **options)
        self.shadow = River(broker, store, folder / "shadow", SHOP, lane="shadow", **options)
        self.store = store

    def command(self, *arguments: str, lane: str = "real") -> list[str]:
        port = (self.shadow if lane == "shadow" else self.real).port
        where = ["--api", f"http://127.0.0.1:{port}/"]
        mark = [] if lane == "shadow" else ["--real"]
        return [sys.executable, "-m", "fenghuo.deploy", "load", *arguments, *where, *mark]

    def load(self, *arguments: str, lane: str = "real") -> tuple[int, Run]:
        command = self.command(*arguments, "--json", lane=lane)
        env = {**os.environ, **self.real.env}
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=360
        )
        assert done.stdout, done.stderr + self.real.logs()
        return done.returncode, msgspec.json.decode(done.stdout, type=Run)


TOO_SLOW = ("starved of CPU", "took less than was offered")


def held(code: int, run: Run, outcome: str = "PASS") -> int:
    """The run came to this outcome; or to INVALID by a machine too busy to send in time alone, for
    its speed is no test's business. Returns how many events were sent.
    """
    slow = [why for why in run.verdict.reasons if any(word in why for word in TOO_SLOW)]
    wanted = "INVALID" if slow else outcome
    assert (code, run.verdict.outcome) == (CODES[wanted], wanted), run.verdict
    if outcome == "PASS":
        assert slow in ([], list(run.verdict.reasons)), run.verdict
        assert run.proof.closed is True, run.proof.problems
    return run.produced.planned.events - run.produced.missed.events


@contextmanager
def world_on(name: str, folder: Path) -> Iterator[World]:
    part = {"tansu": tansu_part, "kafka": kafka_part}[name]
    if part.missing():
        pytest.skip(f"SKIPPED: {name}: {part.missing()}")
    starts: Any = tansu_part.tansu if name == "tansu" else kafka_part.kafka
    with starts() as broker, stored(folder / "store") as store:
        found = World(broker.bootstrap, store, folder)
        with found.real, found.shadow:
            yield found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_on("tansu", tmp_path_factory.mktemp("load")) as found:
        yield found


def test_a_run_on_kafka_passes_in_frames_and_in_messages(tmp_path: Path) -> None:
    with world_on("kafka", tmp_path) as found:
        for form, rate in (("frame", 300_000), ("json", 3_000)):
            code, run = found.load("--rate", str(rate), "--seconds", "4", "--format", form)

            sent = held(code, run)
            assert [hop.events for hop in run.proof.hops] == [4 * rate, *[sent] * 6]


def test_a_run_passes_and_every_hop_has_every_event(world: World) -> None:
    code, run = world.load("--rate", "600", "--seconds", "5", "--processes", "2", "--seed", "5")

    sent = held(code, run)
    assert [hop.events for hop in run.proof.hops] == [3_000, *[sent] * 6]
    assert len({hop.paid_amount_fen for hop in run.proof.hops[1:] if hop.name != "counted"}) == 1
    assert run.produced.producers == 2
    assert run.watched.settled_ms is not None
    assert max(sample.shown or 0 for sample in run.watched.samples) == sent


def test_frames_with_bad_data_on_purpose_close_too(world: World) -> None:
    bad = ("late=0.05", "duplicate=0.05", "disorder=0.1", "malformed=0.05", "brushing=0.2")
    options = [part for share in bad for part in ("--bad", share)]
    code, run = world.load(
        *("--rate", "30000", "--seconds", "6", "--format", "frame", "--shape", "festival"),
        *options,
    )

    held(code, run)
    planted = run.produced.planted
    assert {name for name, count in planted.items() if count} == {
        *("late", "duplicate", "disorder", "malformed", "brushing")
    }
    assert sum(fate.refused for fate in run.proof.fates) == planted["malformed"]
    assert sum(fate.late for fate in run.proof.fates) >= planted["late"]


def test_an_impossible_gate_fails(world: World) -> None:
    code, run = world.load("--rate", "200", "--seconds", "3", "--expect", "p50_ms<1")

    held(code, run, "FAIL")
    assert any("p50_ms is" in reason for reason in run.verdict.reasons)


def test_an_absurd_rate_is_invalid_and_owns_up(world: World) -> None:
    code, run = world.load("--rate", "2000000", "--seconds", "2", "--settle", "60")

    assert (code, run.verdict.outcome) == (2, "INVALID")
    assert any("were not sent in time" in reason for reason in run.verdict.reasons)
    assert run.produced.missed.events > 0
    assert run.produced.planned.events == 4_000_000
    hops = [hop.events for hop in run.proof.hops]
    assert hops[0] == hops[1] + run.produced.missed.events  # type: ignore[operator]
    assert run.proof.closed is True  # what was sent arrived all the same


def test_a_shadow_run_leaves_the_real_books_alone(world: World) -> None:
    before = [world.real.read(f"api/v1/totals?kind={kind}") for kind in ("order", "traffic")]

    code, run = world.load("--rate", "500", "--seconds", "4", lane="shadow")

    held(code, run)
    after = [world.real.read(f"api/v1/totals?kind={kind}") for kind in ("order", "traffic")]
    for old, new in zip(before, after, strict=True):
        assert json.loads(old)["rows"] == json.loads(new)["rows"]


def test_a_recording_is_sent_at_many_times_its_speed(world: World, tmp_path: Path) -> None:
    (tmp_path / "till.toml").write_text(MAPPING)
    (tmp_path / "till.csv").write_text(CSV)

    code, run = world.load(
        *(str(tmp_path / "till.csv"), "--recording", str(tmp_path / "till.toml")),
        *("--speed", "200", "--processes", "2"),
    )

    sent = held(code, run)
    assert run.produced.acknowledged.events == sent
    if sent == 600:
        assert run.produced.acknowledged.paid_amount_fen == sum(100 * i + 50 for i in range(600))
    assert run.told.seconds == 3


def test_what_does_not_reach_the_store_is_missed_by_the_proof(world: World) -> None:
    archive = world.shadow.parts["archive"]
    archive.stop()
    try:
        options = ("--rate", "500", "--seconds", "3", "--settle", "4")
        code, run = world.load(*options, lane="shadow")
    finally:
        archive.start()

    sent = held(code, run, "FAIL")
    assert run.proof.closed is False
    hops = {hop.name: hop.events for hop in run.proof.hops}
    assert hops["counted"] == hops["log"] == sent
    assert run.proof.lost == sent - (hops["store"] or 0) > 0
    assert any(problem.startswith("store: ") for problem in run.proof.problems)


def accepted(world: World) -> int:
    """Events of all kinds that the page shows."""
    return sum(kind["accepted"] for kind in world.real.get("api/v1/status")["kinds"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_what_was_measured(world: World, number: signal.Signals) -> None:
    command = world.command("--rate", "300", "--seconds", "600", "--json")
    before, deadline = accepted(world), time.monotonic() + STARTED_S_MAX
    env = {**os.environ, **world.real.env}
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        while accepted(world) == before and process.poll() is None:
            assert time.monotonic() < deadline, world.real.logs()
            time.sleep(0.2)
        process.send_signal(number)
        out, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert out, said
    run: dict[str, Any] = json.loads(out)

    assert process.returncode == 2
    assert run["verdict"]["outcome"] == "INVALID"
    assert "stopped before the end of the plan" in run["verdict"]["reasons"]
    assert run["proof"]["closed"] is True, run["proof"]["problems"]
    produced = run["produced"]
    assert 0 < produced["acknowledged"]["events"] == produced["sent"]["events"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rate": 0}, "--rate: expected 1 to"),
        ({"form": "xml"}, "--format: expected json or frame, got 'xml'"),
        ({"region": ("moon=1",)}, "--region: expected NAME=SHARE with a region (east"),
        ({"weights": (-1.0, 1.0, 1.0)}, "mix: expected weights"),
        ({"shape": "flat"}, "expected one of constant"),
        ({"bad": ("noise=1",)}, "--bad: expected NAME=SHARE"),
        ({"expect": ("p99<1",)}, "no measure 'p99'"),
        ({"recording": "nothing", "files": (SHOP,)}, "expected a file or one of"),
        ({"skew": 2.0}, "--skew: expected a share"),
        ({"processes": 0}, "--processes: expected 1 to"),
        ({}, "the broker does not say where the log ends"),
    ],
)
def test_what_cannot_be_used_is_said_and_exits_2(
    arguments: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = Where("127.0.0.1:1", {"orders": 1}, "http://127.0.0.1:1/", "chdb:nowhere", SHOP)

    assert main(Asked(**({"rate": 10, "seconds": 1} | arguments)), where) == 2
    assert words in capsys.readouterr().err
