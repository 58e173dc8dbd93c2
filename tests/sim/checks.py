"""What must be true of a simulated day, whatever went wrong in it. A failure names seed, tick and
invariant.
"""

from typing import TYPE_CHECKING

import msgspec

from fenghuo.schemas.wire.pulse import Head, Source, Tally
from fenghuo.schemas.wire.status import Board
from fenghuo.schemas.wire.topics import KIND_OF
from fenghuo.schemas.wire.warning import Transition
from tests.laws.judge.duty import campaign, plain
from tests.laws.model import Counted, count
from tests.laws.river import rows_by_second
from tests.sim.feed import Place
from tests.sim.workers import LOG, TERMS, decoded
from tests.strategies import Record

if TYPE_CHECKING:
    from tests.sim.day import Day

TOTAL = ("", "", "")


class BrokenInvariant(AssertionError):
    """The first thing that is not as it must be."""


def same(day: "Day", what: str, found: object, expected: object) -> None:
    """Two things that must be equal; the error shows where they first differ."""
    if found == expected:
        return
    where, one, other = _difference(what, found, expected)
    raise BrokenInvariant(
        f"seed {day.seed}, tick {day.ticks}, {day.now_ms} ms: {where}: "
        f"found {str(one)[:600]}, expected {str(other)[:600]}; again: make sim SEED={day.seed}"
    )


def _difference(what: str, found: object, expected: object) -> tuple[str, object, object]:
    """The path to the first difference."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in [*expected, *found]:
            if key not in found or key not in expected or found[key] != expected[key]:
                inner = (found.get(key, "nothing"), expected.get(key, "nothing"))
                return _difference(f"{what}[{key!r}]", *inner)
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        for i, (one, other) in enumerate(zip(found, expected, strict=False)):
            if one != other:
                return _difference(f"{what}[{i}]", one, other)
    return what, found, expected


def check_boards(day: "Day", board: Board, meant: Board) -> None:
    """A judge that was restarted says what one says that never was. Only when heads came it cannot
    know of what it did not see live: what follows from that is in everything else.
    """
    boards = [msgspec.structs.replace(one, skews_ms={}) for one in (board, meant)]
    same(day, "the board of a judge that was restarted", *map(plain, boards))


def check_heads(day: "Day") -> None:
    """Of each partition: the running totals are those of the log up to where it was read, and books
    close.
    """
    for source, head in newest_heads(day).items():
        log = day.log((source.topic, source.partition))
        read = [record for record in log if record.offset < head.next_offset]
        same(day, f"totals of {source}", head.tally, tally_of(model_of(source, read)))
        outcomes = sum(len(record.message.outcomes) for record in read)
        same(day, f"books of {source}", head.tally.events, outcomes)


def newest_heads(day: "Day") -> dict[Source, Head]:
    """The newest head of each source partition on topic `pulses`."""
    found: dict[Source, Head] = {}
    for data in day.broker.pulses:
        head, _ = decoded(data)
        known = found.get(head.source)
        if known is None or head.next_offset >= known.next_offset:
            found[head.source] = head
    return found


def model_of(source: Source, records: list[Record]) -> Counted:
    """The log counted by the book."""
    return count(
        KIND_OF[source.topic],
        records,
        lateness_ms=TERMS.lateness_ms,
        future_ms=TERMS.future_ms,
        campaign=(TERMS.start_ms, TERMS.end_ms),
    )


def tally_of(model: Counted) -> Tally:
    """The running totals that a model amounts to."""
    late = {key[:2] for key in model.late}
    return Tally(
        model.accepted,
        len(late),
        len(model.letters),
        model.unknown_labels,
        model.unknown_fields,
        model.by_region,
    )


def check_end(day: "Day") -> None:
    """Everything was read and stored: the table is the log, counted by the book."""
    heads = newest_heads(day)
    paid_fen = 0
    for place, log in day.feed.logs.items():
        source = Source(LOG, *place)
        if not log:
            continue
        model = model_of(source, day.log(place))
        same(day, f"the end of {source}", heads[source].next_offset, log[-1].offset + 1)
        _check_table(day, place, model)
        _check_books(day, place, model)
        paid_fen += sum(fen for _, fen in model.by_region.values())
    check_heads(day)
    _check_pulses(day)
    _check_transitions(day)
    assert day.judge is not None
    board, _ = day.judge.judge.grade(day.now_ms, day.judge.next)
    same(day, "GMV on the board", board.overview.gmv_fen, paid_fen)
    for topic, offset in day.committed.items():
        same(day, f"committed offset of {topic}", offset, len(getattr(day.broker, topic)))


def _check_table(day: "Day", place: Place, model: Counted) -> None:
    kept = {
        key[3]: found for key, found in day.table.seconds(place[0]).items() if key[2] == place[1]
    }
    same(day, f"stored seconds of {place}", kept, model.pulses)
    late = {
        (offset, idx, series): (where[3], values)
        for (where, offset, idx, _), (series, values) in day.table.late_rows.items()
        if where[1:3] == place
    }
    same(day, f"late rows of {place}", late, model.late)
    refused = {
        key[3:]: reason for key, reason in day.table.refused_rows.items() if key[1:3] == place
    }
    same(day, f"refused rows of {place}", refused, model.letters)


def _check_books(day: "Day", place: Place, model: Counted) -> None:
    """Events in the log = accepted + late + refused, to the fen, from the table's own rows."""
    stored = [
        rows[TOTAL] for key, (_, rows) in day.table.seconds(place[0]).items() if key[2] == place[1]
    ]
    late = [
        values
        for (where, _, _, _), (series, values) in day.table.late_rows.items()
        if where[1:3] == place and series == TOTAL
    ]
    refused = sum(key[1:3] == place for key in day.table.refused_rows)
    outcomes = [one for record in day.log(place) for one in record.message.outcomes]
    events = sum(row[0] for row in [*stored, *late])
    same(day, f"books of {place}", events + refused, len(outcomes))
    if place[0] == "orders":
        refused_at = model.letters
        fen = sum(
            one["amount_fen"]
            for record in day.log(place)
            for idx, one in enumerate(record.message.outcomes)
            if isinstance(one, dict)
            and one["status"] == "paid"
            and (record.offset, idx) not in refused_at
        )
        same(day, f"fen of {place}", sum(row[2] for row in [*stored, *late]), fen)


def _check_pulses(day: "Day") -> None:
    """Topic `pulses` alone says the same as the table: what a reader without a store would know."""
    merged: dict[tuple[Source, int], tuple[int, object]] = {}
    for data in day.broker.pulses:
        head, rows = decoded(data)
        for second, (version, series) in rows_by_second(rows).items():
            if version >= merged.get((head.source, second), (0, None))[0]:
                merged[head.source, second] = (version, series)
    stored = {
        (Source(LOG, key[1], key[2]), key[3]): found for key, found in day.table.seconds().items()
    }
    same(day, "pulses merged by hand", merged, stored)


def _check_transitions(day: "Day") -> None:
    """Of each rule and scope: no gap, no repetition, each begins where the last one ended."""
    last: dict[tuple[str, str, int], Transition] = {}
    for data in day.broker.transitions:
        one = msgspec.json.decode(data, type=Transition)
        last[one.rule, one.scope, one.seq] = one
    chains: dict[tuple[str, str], list[Transition]] = {}
    for (rule, scope, _), one in sorted(last.items()):
        chains.setdefault((rule, scope), []).append(one)
    for name, chain in chains.items():
        same(day, f"numbers of {name}", [one.seq for one in chain], list(range(1, len(chain) + 1)))
        went = [None, *(one.to_level for one in chain)]
        same(day, f"levels of {name}", [one.from_level for one in chain], went[:-1])
        assert day.judge is not None
        memory = day.judge.judge._memory[name]
        same(day, f"memory of {name}", (memory.seq, memory.level), (len(went) - 1, went[-1]))
    same(day, "stored transitions", set(day.table.transition_rows), set(last))
    rules = {rule.id for rule in campaign().rules}
    same(day, "rules that moved", {rule for rule, _ in chains} - rules, set())
