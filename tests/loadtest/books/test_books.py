"""Waiting for a run to be counted everywhere ends: when it is, when nothing moves, or in time."""

import pytest

from fenghuo.loadtest.books import books
from fenghuo.loadtest.books.books import Books, Fate, Source, settle
from fenghuo.loadtest.verdict.result import Totals
from fenghuo.schemas.lane import REAL
from tests.api.boards import FakeSource
from tests.api.server import running

EXPECTED = {"order": 10}
PAST = Books({"order": Fate(100)}, {"order": Totals(0, 100)}, {"order": Totals(0, 100)})


class Scripted(Source):
    """A lane that counts as a list says: (shown, stored, told) events since the run began."""

    def __init__(self, steps: list[tuple[int, int, int]]) -> None:
        super().__init__("http://127.0.0.1:1", "chdb:nowhere", REAL)
        self._steps = iter(steps)
        self._last = (0, 0, 0)
        self.looks = 0

    def shown(self) -> dict[str, Fate]:
        self.looks += 1
        self._last = next(self._steps, self._last)
        return {"order": Fate(90 + self._last[0], 6, 4)}

    def stored(self) -> dict[str, Totals]:
        return {"order": Totals(0, 100 + self._last[1])}

    def told(self) -> dict[str, Totals]:
        return {"order": Totals(0, 100 + self._last[2])}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "AGAIN_S", 0.001)


def grown(found: Books) -> list[int]:
    assert found.shown
    assert found.stored
    assert found.told
    return [part["order"].events - 100 for part in (found.shown, found.stored, found.told)]


def test_it_waits_for_view_store_and_totals() -> None:
    late = [(i, 0, 0) for i in range(11)] + [(10, i, 0) for i in range(11)] + [(10, 10, 10)]

    assert grown(settle(Scripted(late), EXPECTED, PAST, patience_s=60)) == [10, 10, 10]


def test_it_gives_up_when_nothing_moves() -> None:
    assert grown(settle(Scripted([(9, 9, 8)]), EXPECTED, PAST, patience_s=0.05)) == [9, 9, 8]


def test_it_gives_up_in_time_though_others_keep_it_moving() -> None:
    others = [(i, 0, i) for i in range(100_000)]
    found = settle(Scripted(others), EXPECTED, PAST, patience_s=60, limit_s=0.2)

    assert grown(found)[1] == 0


def test_what_cannot_be_asked_is_none_and_the_rest_is_told() -> None:
    boards = FakeSource()
    with running(boards) as run:  # without a store
        run.push(60.0)
        found = Source(f"http://127.0.0.1:{run.port}/", "chdb2:nowhere", REAL).look()

    assert found.shown is not None
    assert set(found.shown) == {"order", "traffic", "complaint"}
    assert (found.stored, found.told) == (None, None)
    assert len(found.why) == 2


def test_an_answer_that_is_none_is_a_reason() -> None:
    boards = FakeSource()
    with running(boards) as run:  # no board has come: the api has nothing to say
        found = Source(f"http://127.0.0.1:{run.port}", "chdb2:nowhere", REAL).look()

    assert found.shown is None
    assert "503" in found.why[0]
