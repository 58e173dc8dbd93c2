"""The campaign file is written anew under running processes: thresholds move inside the same
incident, a bad file is refused where everybody sees it, and mending it is enough.
"""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fenghuo.alerts.judging.removed import REMOVED
from fenghuo.schemas.campaign.campaign import parse
from fenghuo.schemas.campaign.reload import COUNTED_ANEW
from fenghuo.schemas.level import Level
from tests.e2e import failing
from tests.e2e.failing import Shop, unrepeated
from tests.e2e.load.shadow_run import stored
from tests.e2e.river import River
from tests.parts.tansu import tansu as tansu_part

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(500),
    # kafka-python leaves refused sockets to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
REGIONS = ["bad", "good"]
PATIENCE_S = 60
RULE = "failing"
STEEP = failing.rule(RULE)
LOW = failing.rule(RULE).replace("enter = 80, leave = 75", "enter = 40, leave = 35")
"""Half is orange now."""
LONGER = failing.rule("failing_longer", window=300)


def write(path: Path, text: str) -> None:
    aside = path.with_suffix(".new")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


def until(river: River, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first view of the api that is as wanted."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        view: dict[str, Any] = river.get("api/v1/status")
        if done(view):
            return view
        assert time.monotonic() < deadline, (view["campaign"], view["verdicts"], river.logs())
        time.sleep(0.1)


def of(view: dict[str, Any], region: str, rule: str = RULE) -> dict[str, Any]:
    (found,) = (
        v for v in view["verdicts"] if (v["rule"], v["scope"]) == (rule, f"region={region}")
    )
    return dict(found)


def refused(river: River) -> dict[str, float]:
    """The metric by part."""
    lines = river.read("metrics").decode().splitlines()
    found = [line for line in lines if line.startswith("fenghuo_campaign_refused{")]
    return {
        line.partition('part="')[2].partition('"')[0]: float(line.split()[-1]) for line in found
    }


def await_refused(river: River, value: float) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while refused(river) != {"api": value, "judge": value}:
        assert time.monotonic() < deadline, refused(river)
        time.sleep(0.1)


def test_a_campaign_written_anew_takes_force_and_a_bad_one_does_not(
    need: Callable[[str], None], tmp_path: Path
) -> None:
    need("tansu")
    file = tmp_path / "failing.toml"
    first, lower = failing.campaign(REGIONS, STEEP), failing.campaign(REGIONS, LOW)
    write(file, first)
    with (
        tansu_part() as broker,
        stored(tmp_path / "store") as store,
        River(broker.bootstrap, store, tmp_path, file, partitions=1) as river,
        Shop(broker.bootstrap, REGIONS) as shop,
    ):
        until(river, lambda view: of(view, "good")["level"] == 0)
        shop.percent["bad"] = 50
        yellow = until(river, lambda view: of(view, "bad")["level"] == Level.YELLOW)
        incident = of(yellow, "bad")["incident"]
        assert (yellow["campaign"]["version"], yellow["campaign"]["refused"]) == (
            parse(first, file.name).version,
            "",
        )

        write(file, lower)
        orange = until(river, lambda view: of(view, "bad")["level"] == Level.ORANGE)
        assert orange["campaign"]["version"] == parse(lower, file.name).version
        assert orange["campaign"]["loaded_ms"] > yellow["campaign"]["loaded_ms"] > 0
        assert of(orange, "bad")["incident"] == incident
        assert of(orange, "bad")["opened_ms"] == of(yellow, "bad")["opened_ms"]

        check_refusals(river, file, lower)
        check_longer_and_gone(river, file)
        # a judge tells what a board changed before it makes the next one
        last = river.get("api/v1/status")["seq"]
        until(river, lambda view: view["seq"] > last)
        moved, _ = asyncio.run(failing.told(broker.bootstrap))
    chain = unrepeated(moved)[RULE, "region=bad"]
    assert {one.incident for one in chain if one.to_level != 0} == {incident}
    assert (chain[-1].to_level, chain[-1].reason) == (None, REMOVED)
    assert REMOVED not in [t.reason for t in moved if t.scope == "region=good"]


def check_refusals(river: River, file: Path, good: str) -> None:
    """A file with mistakes, one with other labels, and the good one again."""
    version = parse(good, file.name).version
    write(file, good.replace('"percent"', '"parts"').replace("over 3s", "over 3"))
    view = until(river, lambda view: bool(view["campaign"]["refused"]))
    assert "(and 1 more)" in view["campaign"]["refused"]
    assert view["campaign"]["version"] == version
    assert of(view, "bad")["level"] == Level.ORANGE
    await_refused(river, 1)
    log = river.parts["judge"].log.read_text()
    assert "unit: expected" in log
    assert "metric: expected" in log

    write(file, good.replace('"good"', '"good", "new"'))
    view = until(river, lambda view: view["campaign"]["refused"] == COUNTED_ANEW)
    assert view["campaign"]["version"] == version

    write(file, good)
    view = until(river, lambda view: not view["campaign"]["refused"])
    assert view["campaign"]["version"] == version
    await_refused(river, 0)


def check_longer_and_gone(river: River, file: Path) -> None:
    """The rule gives way to one with a window of minutes: it knows what was before its time."""
    before = river.get("api/v1/status")["kinds"][0]["accepted"]
    text = failing.campaign(REGIONS, LONGER)
    write(file, text)
    view = until(river, lambda view: view["verdicts"][0]["rule"] == "failing_longer")
    # all that was counted so far but for the second that is filling
    assert sum(verdict["samples"] for verdict in view["verdicts"]) >= before
    until(river, lambda _: river.get("api/v1/campaign")["version"] == parse(text, "").version)
