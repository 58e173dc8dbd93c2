"""What the system says it has counted, asked from outside: the live view, the api's totals, and the
store by SQL of our own.
"""

import http.client
import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from fenghuo.loadtest.verdict.result import Totals
from fenghuo.schemas.lane import Lane
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.port import Store, StoreError, connect, wide_sum
from fenghuo.schemas.wire.topics import KINDS, TOPIC_OF

ASK_S: Final = 10.0
AGAIN_S: Final = 0.5
STORE_EVERY: Final = 4
"""The store is asked once in so many looks: its answer costs more."""
SETTLE_S_MAX: Final = 900.0
"""Others may keep the figures moving for ever while what is waited for is lost."""
_ASKED = (StoreError, OSError, http.client.HTTPException, ValueError, KeyError, TypeError)
"""How asking may fail: away, cut off, or an answer that is none."""


class Fate(msgspec.Struct, frozen=True):
    """Counts of the live view of one kind."""

    accepted: int = 0
    late: int = 0
    refused: int = 0

    @property
    def events(self) -> int:
        """All of them."""
        return self.accepted + self.late + self.refused


class Books(msgspec.Struct, frozen=True):
    """One look at everything, by kind; what could not be asked is None and `why` says so."""

    shown: dict[str, Fate] | None
    stored: dict[str, Totals] | None
    told: dict[str, Totals] | None
    why: tuple[str, ...] = ()


class Source:
    """Where a lane's books are asked: its api and its store."""

    def __init__(self, url: str, store: str, lane: Lane) -> None:
        self.url = url.rstrip("/") + "/"
        self._address = store
        self._lane = lane
        self._store: Store | None = None

    def close(self) -> None:
        """Give the store's connection back."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def again(self) -> "Source":
        """The same for another thread."""
        return Source(self.url, self._address, self._lane)

    def look_stored(self) -> int | None:
        """Events in the store by now; None when it cannot be asked."""
        stored = _try(self.stored, "the store", [])
        return None if stored is None else sum(totals.events for totals in stored.values())

    def look(self) -> Books:
        """Everything, now."""
        why: list[str] = []
        return Books(
            _try(self.shown, "the live view", why),
            _try(self.stored, "the store", why),
            _try(self.told, "the api's totals", why),
            tuple(why),
        )

    def shown(self) -> dict[str, Fate]:
        """What the live view says."""
        view = self._get("api/v1/status")
        return {
            kind["kind"]: Fate(kind["accepted"], kind["late"], kind["refused"])
            for kind in view["kinds"]
        }

    def told(self) -> dict[str, Totals]:
        """What /api/v1/totals says; messages are not known there."""
        found = {}
        for kind in KINDS:
            answer = self._get(f"api/v1/totals?kind={kind}")
            row = answer["rows"][0] if answer["rows"] else {}
            events = row.get("events", 0) + answer["refused"]
            found[kind] = Totals(0, events, row.get("paid", 0), row.get("paid_amount_fen", 0))
        return found

    def stored(self) -> dict[str, Totals]:
        """What the tables hold, added up here."""
        if self._store is None:
            self._store = connect(self._address)
        try:
            return {kind: _stored(self._store, kind, self._lane) for kind in KINDS}
        except StoreError:
            self.close()
            raise

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=ASK_S) as answer:
            return json.loads(answer.read())


def settle(
    source: Source,
    expected: Mapping[str, int],
    before: Books,
    *,
    patience_s: float,
    saw: Callable[[Books], None] = lambda _books: None,
    limit_s: float = SETTLE_S_MAX,
) -> Books:
    """Wait until view, totals and store have so many events of each kind more than before, or none
    of them has moved for patience_s, or limit_s is over; the last look.
    """
    books, moved_s, turn = Books(before.shown, before.stored, before.told), time.monotonic(), 0
    deadline = moved_s + limit_s
    while True:
        if turn % STORE_EVERY == 0 or _reached(books.shown, before.shown, expected):
            new = source.look()
        else:
            why: list[str] = []
            new = Books(_try(source.shown, "the live view", why), books.stored, books.told)
        saw(new)
        if (new.shown, new.stored, new.told) != (books.shown, books.stored, books.told):
            moved_s = time.monotonic()
        books, turn = new, turn + 1
        pairs = (
            (books.shown, before.shown),
            (books.stored, before.stored),
            (books.told, before.told),
        )
        if all(_reached(now, then, expected) for now, then in pairs):
            return books
        if time.monotonic() - moved_s > patience_s or time.monotonic() > deadline:
            return source.look()
        time.sleep(AGAIN_S)


def _reached(
    now: Mapping[str, Fate | Totals] | None,
    then: Mapping[str, Fate | Totals] | None,
    expected: Mapping[str, int],
) -> bool:
    if now is None or then is None:
        return False
    return all(
        (now[kind].events if kind in now else 0) - (then[kind].events if kind in then else 0)
        >= events
        for kind, events in expected.items()
    )


def _try(ask: Callable[[], Any], what: str, why: list[str]) -> Any:
    try:
        return ask()
    except _ASKED as error:
        why.append(f"{what} could not be asked: {error or type(error).__name__}")
        return None


def _stored(store: Store, kind: str, lane: Lane) -> Totals:
    """Accepted, late and refused of a kind. Of one second of one source partition the rows with the
    highest version count, once however often they were written.
    """
    sums = ["events", *(("paid", "paid_amount_fen") if kind == "order" else ())]
    pulse = "log, topic, partition, second_ms"
    kept = ", ".join(f"argMax({name}, version) AS one_{name}" for name in sums)
    added = ", ".join(f"{wide_sum(f'one_{name}')} AS {name}" for name in sums)
    table = tables.of(tables.PULSE_TABLE[kind], lane)
    accepted = f"SELECT {pulse}, {kept} FROM {table} WHERE cut = '' GROUP BY {pulse}"
    late = tables.of(tables.LATE_TABLE[kind], lane)
    event = "log, topic, partition, `offset`, idx"
    once = ", ".join(f"any({name}) AS one_{name}" for name in sums)
    after = f"SELECT {event}, {once} FROM {late} WHERE cut = '' GROUP BY {event}"
    refused = tables.refused_events(lane, "`topic` = %(topic)s")
    total = Totals()
    for part in (accepted, after):
        (row,) = store.query(f"SELECT {added} FROM ({part})")
        total = total.plus(Totals(0, *(int(row[name] or 0) for name in sums)))
    (row,) = store.query(f"SELECT sum(`events`) AS n FROM ({refused})", {"topic": TOPIC_OF[kind]})
    return total.plus(Totals(0, int(row["n"])))
