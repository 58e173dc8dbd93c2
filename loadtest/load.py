"""A load run from plan to verdict: books before, the crew, the observer, census, books after.

The shell around the pure parts: everything that decides is in plan, proof, verdict and capacity.
"""

import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

from fenghuo.loadtest.books import books as accounts
from fenghuo.loadtest.books import census as logs
from fenghuo.loadtest.books.books import Books
from fenghuo.loadtest.books.census import Census, CensusError, Place
from fenghuo.loadtest.plan.plan import BatchIterator
from fenghuo.loadtest.proof import proof
from fenghuo.loadtest.send import crew
from fenghuo.loadtest.send.producer import Job
from fenghuo.loadtest.verdict import verdict
from fenghuo.loadtest.verdict.expect import Expectation
from fenghuo.loadtest.verdict.result import Produced, Proof, Run, Told, Watched
from fenghuo.loadtest.watch.live import Live
from fenghuo.loadtest.watch.observe import Observer
from fenghuo.schemas.lane import REAL, SHADOW, Lane
from fenghuo.schemas.wire.topics import TOPIC_OF

QUIET_S: Final = 15.0
"""How long a run waits for what came before it to be counted and stored."""
CURVE_STEPS: Final = 60
"""Of the plan's curve, as the live view draws it."""
WARM_S: Final = 1.5
"""The observer has heard of every partition by then: an idle one speaks once a second."""


class Plan(Protocol):
    """What is to be sent, whole or in parts."""

    @property
    def form(self) -> str:
        """json or frame."""

    @property
    def seconds(self) -> int:
        """How long it lasts."""

    @property
    def rate_per_s(self) -> int:
        """Events a second at its peak."""

    @property
    def kind(self) -> str:
        """The kind of most of its events."""

    def messages(self, start_ms: int) -> BatchIterator:
        """Messages by their due times."""

    def due_by(self, at_ms: int) -> int:
        """About how many events are due by then."""

    def part(self, run: str, number: int, of: int) -> "Plan":
        """What one of several producers sends."""


@dataclass(frozen=True)
class Options:
    """How a plan is run, and what is expected of it."""

    bootstrap: str
    partitions: Mapping[str, int]
    url: str
    """Of the lane's api."""
    store: str = field(repr=False)  # it may hold a password
    processes: int = 1
    shadow: bool = False
    skew: float = 0.0
    watch: bool = True
    settle_s: float = 30.0
    """Patience when nothing moves any more."""
    expected: tuple[Expectation, ...] = ()
    quiet: bool = False


def run(plan: Plan, name: str, options: Options, told: Told, *, stop: threading.Event) -> Run:
    """One run. Raises CrewError, CensusError before anything was sent; later troubles are in its
    proof.
    """
    with ExitStack() as stack:
        title = f"{told.shape}, peak {told.rate_per_s:,} events/s, lane {told.lane}"
        steps_ms = [plan.seconds * 1000 * i // CURVE_STEPS for i in range(CURVE_STEPS + 1)]
        due = [plan.due_by(at_ms) for at_ms in steps_ms]
        curve = [float(after - before) for before, after in pairwise(due)]
        screen = Live(title, plan.seconds, quiet=options.quiet, curve=curve)
        live = stack.enter_context(screen)
        lane: Lane = SHADOW if options.shadow else REAL
        source = accounts.Source(options.url, options.store, lane) if options.watch else None
        if source:
            stack.callback(source.close)
        begin = logs.ends(options.bootstrap, options.partitions) if source else {}
        before, why = _quiet(source, stop) if source else (None, "")
        observer = stack.enter_context(Observer(source, before, options.bootstrap, lane=lane))
        time.sleep(WARM_S if source else 0)
        jobs = [
            Job(
                plan.part(name, number, options.processes),
                options.bootstrap,
                dict(options.partitions),
                *(name, number, options.shadow, options.skew),
            )
            for number in range(options.processes)
        ]
        produced = crew.send(
            jobs,
            stop,
            begun=lambda start_ms: observer.begin(
                start_ms, start_ms + plan.seconds * 1000, plan.kind
            ),
            watch=lambda progress: observer.look(progress, live.show),
        )
        observer.sent(produced)
        if not source:
            nothing = proof.prove(produced, None, None, None)
            return _closed(told, produced, nothing, observer.watched(None), options=options)
        asked = (source, before, why)
        found, watched = _proven(
            produced, begin, asked, observer=observer, live=live, options=options, stop=stop
        )
        return _closed(told, produced, found, watched, options=options)


def _proven(
    produced: Produced,
    begin: Mapping[Place, int],
    asked: tuple[accounts.Source, Books | None, str],
    *,
    observer: Observer,
    live: Live,
    options: Options,
    stop: threading.Event,
) -> tuple[Proof, Watched]:
    """The books of every hop after the acknowledgement."""
    source, before, why = asked
    unread, after, census = [why] if why else [], None, None
    live.say("waiting until all of it is shown")
    settled_ms = _shown(produced, observer, live, patience_s=_patience_s(options, stop))
    live.say("reading the log back")
    try:
        census = _count(produced, begin, options, observer, live=live)
    except CensusError as error:
        unread.append(str(error))
    if census and before and not why:
        live.say("waiting until all of it is stored")
        after = accounts.settle(
            source,
            {kind: totals.events for kind, totals in census.sums.items()},
            before,
            patience_s=_patience_s(options, stop),
            saw=lambda _books: observer.again(live.show),
        )
    found = proof.prove(produced, census, before if not why else None, after, why=unread)
    return found, observer.watched(settled_ms)


def _shown(produced: Produced, observer: Observer, live: Live, *, patience_s: float) -> int | None:
    """Until viewers have been shown everything: the time from the last answer; None if never."""
    best, moved_s = 0, time.monotonic()
    while time.monotonic() - moved_s < patience_s:
        observer.again(live.show)
        shown = observer.shown()
        if shown is None:
            return None
        if shown >= produced.acknowledged.events:
            return time.time_ns() // 1_000_000 - produced.ended_ms
        if shown > best:
            best, moved_s = shown, time.monotonic()
        time.sleep(0.05)
    return None


def _patience_s(options: Options, stop: threading.Event) -> float:
    return 3.0 if stop.is_set() else options.settle_s


def _count(
    produced: Produced,
    begin: Mapping[Place, int],
    options: Options,
    observer: Observer,
    *,
    live: Live,
) -> Census:
    """The census in a thread, so that the observer goes on looking."""
    result: list[Census | Exception] = []

    def work() -> None:
        try:
            result.append(logs.take(options.bootstrap, produced, begin, shadow=options.shadow))
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.1)
        observer.again(live.show)
    if isinstance(result[0], Exception):
        raise CensusError(str(result[0])) from result[0]
    return result[0]


def _quiet(source: accounts.Source, stop: threading.Event) -> tuple[Books, str]:
    """The books before the run, once view, store and totals agree: what is still on its way would
    be taken for the run's.
    """
    deadline = time.monotonic() + QUIET_S
    while True:
        books = source.look()
        if books.shown is None or books.stored is None or books.told is None:
            return books, "; ".join(books.why)
        apart = [
            kind
            for kind in TOPIC_OF
            if len(
                {
                    table[kind].events if kind in table else 0
                    for table in (books.shown, books.stored, books.told)
                }
            )
            > 1
        ]
        if not apart:
            return books, ""
        if time.monotonic() > deadline or stop.is_set():
            kinds = ", ".join(apart)
            return books, (
                f"events of {kinds} from before the run were still on their way after "
                f"{QUIET_S:.0f} s: view, store and totals differ; stop other producers or wait"
            )
        time.sleep(0.5)


def _closed(
    told: Told, produced: Produced, proven: Proof, watched: Watched, *, options: Options
) -> Run:
    judged = verdict.judge(produced, proven, watched, options.expected)
    return Run(told, produced, proven, watched, judged)
