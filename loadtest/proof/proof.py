"""Proof: the books of every hop of a run, and whether they agree, to the event and to the fen.
Pure.

planned -> sent -> acknowledged -> in the log -> counted -> in the store -> shown by the api. What
was missed or failed is told by the producers themselves; from the acknowledgement on nothing may be
lost or doubled. Hops are compared kind by kind, so that too many of one cannot hide too few of
another. Records that were not acknowledged and are in the log after all are no mistake of the
system: every later hop has to have them too.
"""

from collections.abc import Iterable, Iterator, Mapping

from fenghuo.loadtest.books.books import Books, Fate
from fenghuo.loadtest.books.census import Census
from fenghuo.loadtest.verdict.result import HOPS, Fates, Hop, Produced, Proof, Totals

CURE = "leave out --real, or stop the other producers"
LATER = HOPS[HOPS.index("log") :]
SUMS = (("events", "events"), ("paid", "paid orders"), ("paid_amount_fen", "fen"))
GAPS_SHOWN = 5


def prove(
    produced: Produced,
    census: Census | None,
    before: Books | None,
    after: Books | None,
    *,
    why: Iterable[str] = (),
) -> Proof:
    """The proof of a run; `why`: reasons known already why a hop could not be asked."""
    problems, unknown = list(_own_problems(produced)), list(why)
    is_told = bool(unknown)
    hops = [
        _hop("planned", produced.planned),
        _hop("sent", produced.sent),
        _hop("acknowledged", produced.acknowledged),
    ]
    if census is None:
        hops += [Hop(name, None, why="the log was not read back") for name in LATER]
        closed = False if problems else None
        return Proof(tuple(hops), (), None, None, (), 0, closed, (*problems, *unknown))
    log = census.sums
    hops.append(_log_hop(census))
    problems += _log_problems(produced, census)
    fates: tuple[Fates, ...] = ()
    lost = [_unread_events(produced, census)]
    if census.foreign or before is None or after is None:
        said = "others wrote to this lane" if census.foreign else "nobody was asked"
        unknown.append(_foreign(census.foreign) if census.foreign else _unasked(is_told=is_told))
        hops += [Hop(name, None, why=said) for name in LATER[1:]]
    else:
        unknown += [text for text in after.why if text not in unknown]
        fates = _fates(log, before.shown, after.shown)
        for name, grown in _grown(fates, before, after):
            hops.append(_later_hop(name, grown))
            if grown is not None:
                problems += _differences(name, grown, log, of="the log")
                lost.append(lost[0] + _fewer_events(grown, log))
        problems += _fate_problems(fates, produced, census)
    is_whole = not unknown and all(hop.events is not None for hop in hops)
    return Proof(
        hops=tuple(hops),
        fates=fates,
        lost=max(lost),
        duplicates=census.duplicates,
        missing=census.missing,
        foreign_messages=census.foreign,
        closed=False if problems else (True if is_whole else None),
        problems=(*problems, *unknown),
    )


def _own_problems(produced: Produced) -> Iterator[str]:
    """Books of the producers that contradict themselves: they prove nothing then."""
    planned, sent, failed = produced.planned, produced.sent, produced.failed
    known = sent.plus(produced.missed)
    if known.events > planned.events or (known.events != planned.events and not produced.stopped):
        yield (
            f"{planned.events} events were planned, {sent.events} sent and "
            f"{produced.missed.events} missed"
        )
    answered = produced.acknowledged.plus(failed)
    if (answered.messages, answered.events) != (sent.messages, sent.events):
        yield (
            f"{sent.events} events were sent, {produced.acknowledged.events} acknowledged and "
            f"{failed.events} failed"
        )
    if not failed.messages:
        yield from _differences("acknowledged", {"": produced.acknowledged}, {"": sent}, of="sent")
    by_kind = {"": _total(produced.by_kind)}
    yield from _differences("by kind", by_kind, {"": produced.acknowledged}, of="acknowledged")


def _log_problems(produced: Produced, census: Census) -> list[str]:
    found = []
    if census.unread:
        named = census.missing[:GAPS_SHOWN]
        gaps = ", ".join(f"{m.producer}: {m.first} to {m.last}" for m in named)
        more = ", ..." if len(census.missing) > len(named) else ""
        found.append(f"{census.unread} acknowledged records are not in the log ({gaps}{more})")
    if census.duplicates:
        found.append(f"{census.duplicates} records are in the log more than once")
    return [
        *found,
        *_differences("log", census.found, produced.by_kind, of="the acknowledged"),
    ]


def _unread_events(produced: Produced, census: Census) -> int:
    """Events of the records that were acknowledged and are not in the log."""
    return max(_fewer_events(census.found, produced.by_kind), census.unread)


def _fates(
    log: Mapping[str, Totals],
    before: Mapping[str, Fate] | None,
    after: Mapping[str, Fate] | None,
) -> tuple[Fates, ...]:
    """What became of each kind; empty when the live view could not be asked."""
    if before is None or after is None:
        return ()
    fates = []
    for kind in sorted({*log, *before, *after}):
        then, now = before.get(kind, Fate()), after.get(kind, Fate())
        fate = Fates(
            kind,
            log.get(kind, Totals()).events,
            now.accepted - then.accepted,
            now.late - then.late,
            now.refused - then.refused,
        )
        if fate != Fates(kind, 0, 0, 0, 0):
            fates.append(fate)
    return tuple(fates)


def _grown(
    fates: tuple[Fates, ...], before: Books, after: Books
) -> Iterator[tuple[str, dict[str, Totals] | None]]:
    """What each hop has more than before, by kind; None where it could not be asked. The live view
    knows events only.
    """
    known = before.shown is not None and after.shown is not None
    counted = {f.kind: Totals(0, f.accepted + f.late + f.refused) for f in fates}
    yield "counted", counted if known else None
    yield "store", _more(before.stored, after.stored)
    yield "api", _more(before.told, after.told)


def _more(
    before: Mapping[str, Totals] | None, after: Mapping[str, Totals] | None
) -> dict[str, Totals] | None:
    if before is None or after is None:
        return None
    found = {}
    for kind in {*before, *after}:
        then, now = before.get(kind, Totals()), after.get(kind, Totals())
        found[kind] = Totals(
            0,
            now.events - then.events,
            now.paid - then.paid,
            now.paid_amount_fen - then.paid_amount_fen,
        )
    return found


def _differences(
    name: str, found: Mapping[str, Totals], expected: Mapping[str, Totals], *, of: str
) -> Iterator[str]:
    """A sentence for each figure of a hop that is not what it should be."""
    for kind in sorted({*found, *expected}):
        has, wants = found.get(kind, Totals()), expected.get(kind, Totals())
        for field, what in SUMS if name != "counted" else SUMS[:1]:
            one, other = getattr(has, field), getattr(wants, field)
            if one != other:
                which = f"{what} of {kind}" if kind else what
                yield f"{name}: {one} {which}, {of} has {other} ({one - other:+d})"


def _fewer_events(found: Mapping[str, Totals], expected: Mapping[str, Totals]) -> int:
    """Events of each kind that should be there and are not."""
    return sum(
        max(0, totals.events - found.get(kind, Totals()).events)
        for kind, totals in expected.items()
    )


def _fate_problems(fates: tuple[Fates, ...], produced: Produced, census: Census) -> Iterator[str]:
    if not fates:
        return
    refused, late = sum(f.refused for f in fates), sum(f.late for f in fates)
    malformed, sent_late = (produced.planted.get(name, 0) for name in ("malformed", "late"))
    # bad data is told of what was acknowledged; what else is in the log may be bad as well
    beyond = _total(census.unsure).plus(_total(census.again)).events
    if not malformed <= refused <= malformed + beyond:
        yield f"{refused} events were refused, {malformed} were malformed on purpose"
    if late < sent_late:
        yield f"{late} events were late, {sent_late} were sent late on purpose"


def _hop(name: str, totals: Totals, why: str = "") -> Hop:
    sums = (totals.messages, totals.paid, totals.paid_amount_fen)
    return Hop(name, totals.events, *sums, why=why)


def _log_hop(census: Census) -> Hop:
    """With a word on what is there though nobody acknowledged it."""
    unsure = _total(census.unsure).messages
    why = f"{unsure} of the records were not acknowledged" if unsure else ""
    return _hop("log", _total(census.sums), why)


def _later_hop(name: str, grown: Mapping[str, Totals] | None) -> Hop:
    if grown is None:
        return Hop(name, None, why="it could not be asked")
    totals = _total(grown)
    if name == "counted":
        return Hop(name, totals.events)
    return Hop(name, totals.events, None, totals.paid, totals.paid_amount_fen)


def _foreign(messages: int) -> str:
    return (
        f"{messages} records of others were written to this lane meanwhile: what came after the "
        f"log cannot be told apart; {CURE}"
    )


def _unasked(*, is_told: bool) -> str:
    return "api and store were not asked" + (": see before" if is_told else "")


def _total(parts: Mapping[str, Totals]) -> Totals:
    total = Totals()
    for part in parts.values():
        total = total.plus(part)
    return total
