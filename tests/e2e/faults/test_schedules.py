"""A few of the seeded schedules; `python -m tests.e2e.faults.schedules` lives through as many as
asked.
"""

from collections.abc import Callable

import pytest

from tests.e2e.faults.schedules import KINDS, SPAN_S, drawn, lived

SEEDS = (1,)
"""One in every run; those that failed once stay here."""


@pytest.mark.parametrize("seed", range(50))
def test_a_worker_of_each_kind_is_always_there(seed: int) -> None:
    schedule = drawn(seed)

    assert schedule == drawn(seed)
    for kind in KINDS:
        acts = [act for act in schedule.acts if act.whom.startswith(kind)]
        assert acts
        ends = 0.0
        for act in acts:
            assert ends <= act.at_s <= SPAN_S
            ends = act.at_s + act.for_s


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(600)
# kafka-python leaves refused sockets to the garbage collector
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_books_close_and_one_voice_is_heard(need: Callable[[str], None], seed: int) -> None:
    need("kafka")
    need("clickhouse")
    outcome = lived(seed)

    assert outcome.wrong == ""
    assert outcome.events > 0
    assert outcome.changes > 0
