"""Proof: the books of every hop of a run, and whether they agree, to the event and to the fen.
Pure.

planned -> sent -> acknowledged -> in the log -> counted -> in the store -> shown by the api. What
was missed or failed is told by the producers themselves; from the acknowledgement on nothing may be
lost or doubled.
"""

from collections.abc import Iterable, Mapping

from fenghuo.loadtest.books import Books, Fate
from fenghuo.loadtest.census import Census
from fenghuo.loadtest.result import Fates, Hop, Produced, Proof, Totals

CURE = "use --shadow, or stop the other producers"


def prove(
    produced: Produced,
    census: Census | None,
    before: Books | None,
    after: Books | None,
    *,
    why: Iterable[str] = (),
) -> Proof:
    """The proof of a run; `why`: reasons known already why a hop could not be asked."""
    problems, unknown = [], list(why)
    hops = [
        _hop("planned", produced.planned),
        _hop("sent", produced.sent),
        _hop("acknowledged", produced.acknowledged),
    ]
    if census is None:
        hops += [Hop(name, None, why="the log was not read back") for name in _LATER]
        return Proof(tuple(hops), (), None, None, (), 0, None, tuple(unknown))
    log = _total(census.sums.values())
    hops.append(_hop("log", log))
    problems += _log_problems(produced, census, log)
    hops += [Hop("counted", None), Hop("store", None), Hop("api", None)]
    fates: tuple[Fates, ...] = ()
    if census.foreign:
        unknown.append(
            f"{census.foreign} records of others were written to this lane meanwhile: what came "
            f"after the log cannot be told apart; {CURE}"
        )
        hops[4:] = [Hop(name, None, why="others wrote to this lane") for name in _LATER[1:]]
    elif before is None or after is None:
        hops[4:] = [Hop(name, None, why="nobody was asked") for name in _LATER[1:]]
        unknown.append("api and store were not asked")
    else:
        unknown += after.why
        fates, hops[4] = _counted(census, before.shown, after.shown)
        hops[5] = _grown("store", before.stored, after.stored)
        hops[6] = _grown("api", before.told, after.told)
        problems += [text for hop in hops[4:] for text in _differences(hop, log)]
        problems += _fate_problems(fates, produced.planted)
    asked = [hop for hop in hops[4:] if hop.events is not None]
    lost = max(
        [_events_unread(produced, census, log), *(log.events - (h.events or 0) for h in asked)]
    )
    closed = None if unknown or len(asked) < 3 else not problems
    return Proof(
        hops=tuple(hops),
        fates=fates,
        lost=max(0, lost),
        duplicates=census.duplicates,
        missing=tuple(census.missing),
        foreign_messages=census.foreign,
        closed=False if problems else closed,
        problems=tuple(problems + unknown),
    )


_LATER = ("log", "counted", "store", "api")


def _hop(name: str, totals: Totals) -> Hop:
    return Hop(name, totals.events, totals.messages, totals.paid, totals.paid_amount_fen)


def _log_problems(produced: Produced, census: Census, log: Totals) -> list[str]:
    found = []
    if census.unread:
        ranges = ", ".join(f"{m.producer}: {m.first} to {m.last}" for m in census.missing[:5])
        found.append(f"{census.unread} acknowledged records are not in the log ({ranges})")
    if census.duplicates:
        found.append(f"{census.duplicates} records are in the log twice")
    if not (census.unread or census.duplicates or produced.failed.messages):
        found += _differences(_hop("log", log), produced.acknowledged, "acknowledged")
    return found


def _events_unread(produced: Produced, census: Census, log: Totals) -> int:
    """Events of the records that are not there. Records differ in size: when some were doubled or
    are unsure, it is told by the number of records.
    """
    if not census.unread:
        return 0
    return max(produced.acknowledged.events - log.events, census.unread)


def _counted(
    census: Census, before: Mapping[str, Fate] | None, after: Mapping[str, Fate] | None
) -> tuple[tuple[Fates, ...], Hop]:
    if before is None or after is None:
        return (), Hop("counted", None, why="the live view could not be asked")
    fates = []
    for kind, totals in sorted(census.sums.items()):
        then, now = before.get(kind, Fate()), after.get(kind, Fate())
        fates.append(
            Fates(
                kind,
                totals.events,
                now.accepted - then.accepted,
                now.late - then.late,
                now.refused - then.refused,
            )
        )
    events = sum(fate.accepted + fate.late + fate.refused for fate in fates)
    return tuple(fates), Hop("counted", events)


def _grown(
    name: str, before: Mapping[str, Totals] | None, after: Mapping[str, Totals] | None
) -> Hop:
    if before is None or after is None:
        return Hop(name, None, why="it could not be asked")
    old, new = _total(before.values()), _total(after.values())
    return Hop(
        name,
        new.events - old.events,
        None,
        new.paid - old.paid,
        new.paid_amount_fen - old.paid_amount_fen,
    )


def _differences(hop: Hop, expected: Totals, of: str = "the log") -> list[str]:
    """A sentence for each figure of a hop that is not what it should be."""
    pairs = (
        ("events", hop.events, expected.events),
        ("paid orders", hop.paid, expected.paid),
        ("fen", hop.paid_amount_fen, expected.paid_amount_fen),
    )
    return [
        f"{hop.name}: {found} {what}, {of} has {wanted} ({found - wanted:+d})"
        for what, found, wanted in pairs
        if found is not None and found != wanted
    ]


def _fate_problems(fates: Iterable[Fates], planted: Mapping[str, int]) -> list[str]:
    refused, late = (sum(getattr(f, name) for f in fates) for name in ("refused", "late"))
    found = []
    if refused != planted.get("malformed", 0):
        wanted = planted.get("malformed", 0)
        found.append(f"{refused} events were refused, {wanted} were malformed on purpose")
    if late < planted.get("late", 0):
        found.append(f"{late} events were late, {planted['late']} were sent late on purpose")
    return found


def _total(parts: Iterable[Totals]) -> Totals:
    total = Totals()
    for part in parts:
        total = total.plus(part)
    return total
