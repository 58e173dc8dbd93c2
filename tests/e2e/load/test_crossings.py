"""A threshold that is crossed live is graded and reaches whoever watches the stream. How soon is
measured by `python -m tests.bench.rows.crossings`; here nothing rests on it.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest.watch.watch import View
from fenghuo.schemas.campaign.campaign import parse
from tests.bench.rows import crossings as bench
from tests.e2e.load.shadow_run import stored
from tests.e2e.river import River
from tests.parts.tansu import tansu as tansu_part

CROSSINGS = 100


@given(st.integers(0, 2 * bench.REGIONS), st.integers())
def test_regions_take_turns_and_cross_too_seldom_to_flap(count: int, seed: int) -> None:
    planned = bench.planned(count, seed)
    (flapping,) = {
        rule.flapping.changes for rule in parse(bench.campaign(2 * 10**12), "crossings.toml").rules
    }

    assert [one.due_ms for one in planned] == sorted(one.due_ms for one in planned)
    for region in bench.names():
        due_ms = [one.due_ms for one in planned if one.region == region]
        assert all(later - due > 10_000 for due, later in pairwise(due_ms))
        assert 1 + 2 * len(due_ms) < flapping


def test_a_red_from_before_the_crossing_is_not_taken_for_it() -> None:
    crossing = bench.Crossing("r00", due_ms=1_000)
    watch = bench.Watch({"r00": crossing})

    def view(since_ms: int, level: int) -> View:
        red = {"rule": bench.RULE, "scope": "region=r00", "level": level, "since_ms": since_ms}
        return {"verdicts": [red]}

    watch.see(1_500, view(999, 5))
    watch.see(1_600, view(1_000, 4))
    assert crossing.seen_ms is None
    watch.see(1_700, view(1_000, 5))
    watch.see(1_800, view(1_000, 5))
    assert crossing.seen_ms == 1_700


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(500)
# kafka-python leaves refused sockets to the garbage collector
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_every_crossing_is_graded_and_seen_on_the_stream(
    need: Callable[[str], None], tmp_path: Path
) -> None:
    need("tansu")
    file = tmp_path / "crossings.toml"
    file.write_text(bench.campaign(bench.now_ms()), encoding="utf-8")
    with (
        tansu_part() as broker,
        stored(tmp_path / "store") as store,
        River(broker.bootstrap, store, tmp_path, file, partitions=1) as river,
    ):
        url = f"http://127.0.0.1:{river.port}/"
        crossings = bench.inject(url, broker.bootstrap, CROSSINGS, seed=2)

        assert len(crossings) == CROSSINGS
        unseen = [one for one in crossings if one.seen_ms is None]
        assert not unseen, river.logs()
        assert min(bench.waits_ms(crossings)) >= 0
