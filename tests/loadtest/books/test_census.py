"""The count of what the log holds of a run: any loss, repetition or stranger shows, and nothing
else.
"""

import json
from collections import Counter as Tally
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest.books import census
from fenghuo.loadtest.books.census import Counter, Entry, Headers
from fenghuo.loadtest.verdict.result import Missing, Numbers, Totals
from fenghuo.schemas.lane import REAL, SHADOW
from fenghuo.schemas.records.marks import RUN_HEADER, SHADOW_HEADER, Mark, header
from tests.loadtest.proof.proven import RUN, produced

SENT = {0: 40, 3: 25}
UNSURE = {0: ((3, 5), (17, 17)), 3: ((24, 24),)}
PLACES = [("orders", 0), ("orders", 1), ("traffic", 0), ("complaints", 2)]
KIND_OF = {"orders": "order", "traffic": "traffic", "complaints": "complaint"}


class Sent(NamedTuple):
    """A record of the run: who sent it, and what it says."""

    producer: int
    number: int
    place: tuple[str, int]
    fen: int

    def entry(self, offset: int, *, shadow: bool) -> Entry:
        mark = Mark(RUN, self.producer, self.number, shadow=shadow)
        value = json.dumps({"status": "paid", "amount_fen": self.fen}).encode()
        return self.place, offset, [header(mark)], value

    @property
    def totals(self) -> Totals:
        paid = int(self.place[0] == "orders")
        return Totals(1, 1, paid, paid * self.fen)


places = st.sampled_from(PLACES)


@st.composite
def logs(draw: st.DrawFn) -> list[Sent]:
    """Records in any order, some of them again, some never."""
    everyone = [(producer, number) for producer, sent in SENT.items() for number in range(sent)]
    chosen = draw(st.lists(st.sampled_from(everyone), max_size=120))
    return [
        Sent(producer, number, PLACES[(producer + number) % 4], number * 7 + producer)
        for producer, number in chosen
    ]


def counter(*, shadow: bool) -> Counter:
    numbers = tuple(Numbers(p, sent, UNSURE[p]) for p, sent in SENT.items())
    return Counter(produced(numbers=numbers), shadow=shadow)


def excused(sent: Sent) -> bool:
    return any(first <= sent.number <= last for first, last in UNSURE[sent.producer])


@given(logs(), st.integers(1, 9), st.booleans())
def test_a_census_counts_every_record_by_what_became_of_it(
    log: list[Sent], at_once: int, shadow: bool
) -> None:
    counting = counter(shadow=shadow)
    entries = [sent.entry(offset, shadow=shadow) for offset, sent in enumerate(log)]
    for begin in range(0, len(entries), at_once):
        counting.see(entries[begin : begin + at_once])
    found = counting.census()

    expected: dict[str, dict[str, Totals]] = {"found": {}, "unsure": {}, "again": {}}
    times = Tally[tuple[int, int]]()
    for sent in log:
        times[sent.producer, sent.number] += 1
        is_again = times[sent.producer, sent.number] > 1
        part = expected["again" if is_again else "unsure" if excused(sent) else "found"]
        kind = KIND_OF[sent.place[0]]
        part[kind] = part.get(kind, Totals()).plus(sent.totals)
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.duplicates == sum(count > 1 for count in times.values())
    missing = {
        (producer, number)
        for producer, sent_ in SENT.items()
        for number in range(sent_)
        if not times[producer, number] and not excused(Sent(producer, number, PLACES[0], 0))
    }
    named = [(m.producer, n) for m in found.missing for n in range(m.first, m.last + 1)]
    assert sorted(missing) == named
    assert found.unread == len(missing)
    assert found.foreign == 0


@pytest.mark.parametrize("lane", [REAL, SHADOW])
def test_only_records_of_others_in_the_same_lane_are_foreign(lane: str) -> None:
    shadow = lane == SHADOW
    mine, other = (SHADOW_HEADER, RUN_HEADER) if shadow else (RUN_HEADER, SHADOW_HEADER)
    here: list[Headers] = [
        [(mine, b"another-run.0.1")],
        [(mine, f"{RUN}.9.1".encode())],  # no producer of ours
        [(mine, f"{RUN}.0.40".encode())],  # a number that was never given away
        [(mine, f"{RUN}.0.x".encode())],
        [(mine, f"{RUN}.0.".encode() + b"9" * 20)],
        [(mine, None)],
        [(mine, b"")],
    ]
    plain: list[Headers] = [[], [("trace", b"1")]]
    there: list[Headers] = [[(other, f"{RUN}.0.1".encode())], *(plain if shadow else [])]
    counting = counter(shadow=shadow)
    counting.see([(("orders", 0), 0, headers, b"{}") for headers in (*here, *there)])
    if not shadow:
        counting.see([(("orders", 0), 0, headers, b"{}") for headers in plain])

    found = counting.census()
    assert found.foreign == len(here) + (0 if shadow else len(plain))
    assert found.sums == {}


def test_a_record_with_more_headers_is_known_by_its_mark() -> None:
    counting = counter(shadow=False)
    headers = [("trace", b"1"), (RUN_HEADER, f"{RUN}.0.0".encode())]
    counting.see([(("traffic", 0), 0, headers, b"{}")])

    assert counting.census().found == {"traffic": Totals(1, 1)}


def test_gaps_that_are_too_many_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "MISSING_MAX", 3)
    counting = Counter(produced(numbers=(Numbers(0, 20),)), shadow=False)
    log = [Sent(0, number, PLACES[0], 1).entry(number, shadow=False) for number in range(0, 20, 2)]
    counting.see(log)

    found = counting.census()
    assert found.missing == tuple(Missing(0, n, n, "") for n in (1, 3, 5))
    assert found.unread == 10


def test_a_run_of_too_many_records_is_not_counted() -> None:
    with pytest.raises(census.CensusError, match="at most 4294967296 records, got 4294967297"):
        Counter(produced(numbers=(Numbers(0, (1 << 32) + 1),)), shadow=False)


@given(logs(), st.integers(1, 9), st.integers(1, 30))
def test_a_record_lies_where_it_is_looked_for(log: list[Sent], at_once: int, together: int) -> None:
    counting = counter(shadow=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(census, "STRETCH_RECORDS", together)
        for begin in range(0, len(log), at_once):
            part = enumerate(log[begin : begin + at_once], begin)
            counting.see([sent.entry(offset, shadow=False) for offset, sent in part])

    for offset, sent in enumerate(log):
        found = counting.where(sent.producer, sent.number)
        assert any(at == sent.place and first <= offset <= last for at, first, last in found)
    known = {(sent.producer, sent.number) for sent in log}
    for producer, sent_ in SENT.items():
        for number in {-1, sent_, *range(sent_)}:
            if (producer, number) not in known:
                assert counting.where(producer, number) == []
