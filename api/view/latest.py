"""Latest: the newest board of the judge, its recent past for sparklines, the view made of both.

Pure: time is an argument. Ages are computed here, on the server; they keep growing when no board
comes.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fenghuo.api.view.judge_time import JudgeTime
from fenghuo.schemas.level import Level
from fenghuo.schemas.notes import by_weight, differs
from fenghuo.schemas.wire.reign import Reign
from fenghuo.schemas.wire.status import SCHEMA, Board, KindStatus, Note, Overview, Verdict
from fenghuo.schemas.wire.visitors import Estimate
from fenghuo.schemas.wire.warning import Transition

STEP_MS = 2_000
POINTS_MAX = 300
"""Ten minutes of sparkline: 300 points of two seconds."""
REGIONS_MAX = 200
STUBBORN_MS = 10_000
"""When nothing was taken for this long, a board is taken even if it seems older: a new judge may
have started counting anew on a machine whose clock is behind."""

Point = float | int | None
_SERIES: Mapping[str, Callable[[Overview], Point]] = {
    "gmv_fen": lambda o: o.gmv_fen,
    "gmv_due_fen": lambda o: o.gmv_due_fen,
    "orders_per_s": lambda o: o.orders_per_s,
    "requests_per_s": lambda o: o.requests_per_s,
    "complaints_per_10k": lambda o: o.complaints_per_10k,
    "error_rate": lambda o: o.error_rate,
    "latency_p99_ms": lambda o: o.latency_p99_ms,
}


class Latest:
    """Takes boards as they come; those of a judge that was replaced, and older ones of the one that
    speaks, are dropped.
    """

    def __init__(self, started_ms: int) -> None:
        self.board: Board | None = None
        self.version = 0
        """Rises by one with each board taken."""
        self.users: Callable[[], Sequence[Estimate]] = tuple
        """How many distinct users there are, where somebody counts them."""
        self.notes: Callable[[], Sequence[Note]] = tuple
        """What the api has to add to those of the judge."""
        self.started_ms = started_ms
        """Changes of level before are no news."""
        self._taken_ms = 0
        self._time = JudgeTime()
        self._reign = Reign()
        self._heard_ms = 0
        self._past: deque[tuple[int, Overview]] = deque(maxlen=POINTS_MAX)
        self._told: dict[tuple[str, str], int] = {}

    def apply(self, board: Board, now_ms: int, offset: int = 0) -> tuple[Transition, ...] | None:
        """Take a board; None if it is an old one or a claim, else the transitions not seen before.
        offset: its place on topic `status`.
        """
        if board.schema != SCHEMA or not self._counts(board, now_ms, offset):
            return None
        if self._is_old(board, now_ms):
            return None
        self.board = board
        self.version += 1
        self._taken_ms = now_ms
        self._time.see(board.now_ms, now_ms)
        self._remember(board)
        return self._news(board)

    def age_ms(self, now_ms: int) -> int | None:
        """How old the newest board is: since it was made or since it came, whichever is longer."""
        if self.board is None:
            return None
        return max(0, now_ms - min(self.board.now_ms + self._time.ahead_ms, self._taken_ms))

    def view(self, now_ms: int) -> dict[str, Any] | None:
        """Everything the page and /api/v1/status show; None while no board has come."""
        board, age_ms = self.board, self.age_ms(now_ms)
        if board is None or age_ms is None:
            return None
        return {
            "seq": board.seq,
            "server_ms": now_ms - self._time.ahead_ms,
            "board_ms": board.now_ms,
            "board_age_ms": age_ms,
            "as_of_ms": board.as_of_ms,
            "watermark_ms": board.watermark_ms,
            "level": board.level,
            "level_name": level_name(board.level),
            "campaign": board.campaign,
            "notes": by_weight((*board.notes, *self.notes(), *differs(self._time.ahead_ms))),
            "kinds": [_kind(kind, age_ms) for kind in board.kinds],
            "overview": board.overview,
            "users": [one for one in self.users() if not one.region],
            "verdicts": [_verdict(verdict) for verdict in board.verdicts],
            "recent": [_transition(transition) for transition in board.recent],
        }

    def snapshot(self, now_ms: int) -> dict[str, Any] | None:
        """The view, and the recent past of a few series."""
        view = self.view(now_ms)
        return None if view is None else view | {"past": self.past()}

    def past(self) -> dict[str, Any]:
        """Evenly spaced points, oldest first; a step without a board is null, never 0."""
        if not self._past:
            return {"step_ms": STEP_MS, "end_ms": None, "series": {}, "regions": {}}
        last = self._past[-1][0]
        known = {step: overview for step, overview in self._past if step > last - POINTS_MAX}
        steps = [known.get(step) for step in range(min(known), last + 1)]
        regions = [region.region for region in self._past[-1][1].regions[:REGIONS_MAX]]
        rates = [
            {region.region: region.orders_per_s for region in overview.regions} if overview else {}
            for overview in steps
        ]
        return {
            "step_ms": STEP_MS,
            "end_ms": (last + 1) * STEP_MS,
            "series": {
                name: [short(read(overview)) if overview else None for overview in steps]
                for name, read in _SERIES.items()
            },
            "regions": {name: [short(rate.get(name)) for rate in rates] for name in regions},
        }

    def _counts(self, board: Board, now_ms: int, offset: int) -> bool:
        """Whether it is a board of the judge that speaks."""
        if now_ms - self._heard_ms >= STUBBORN_MS:
            self._reign = Reign()  # the topic may have been made anew
        if not self._reign.hears(board, offset):
            return False
        self._heard_ms = now_ms
        return board.claim is None

    def _is_old(self, board: Board, now_ms: int) -> bool:
        mine = self.board
        if mine is None or now_ms - self._taken_ms >= STUBBORN_MS:
            return False
        is_same = board.generation == mine.generation
        return is_same and board.seq <= mine.seq and board.now_ms <= mine.now_ms

    def _remember(self, board: Board) -> None:
        step = board.now_ms // STEP_MS
        while self._past and self._past[-1][0] >= step:
            self._past.pop()
        self._past.append((step, board.overview))

    def _news(self, board: Board) -> tuple[Transition, ...]:
        news = []
        for transition in sorted(board.recent, key=lambda t: t.seq):
            key = (transition.rule, transition.scope)
            if transition.seq > self._told.get(key, 0):
                self._told[key] = transition.seq
                if transition.at_ms >= self.started_ms:
                    news.append(transition)
        return tuple(news)


def level_name(level: int | None) -> str | None:
    """`green`, `blue`, ...; None is no data."""
    return None if level is None else Level(level).word


def short(value: Point) -> Point:
    """A point needs no more than five digits after the dot."""
    return round(value, 5) if isinstance(value, float) else value


def _kind(kind: KindStatus, board_age_ms: int) -> dict[str, Any]:
    books = kind.books
    return {
        "kind": kind.kind,
        "as_of_ms": kind.as_of_ms,
        "watermark_ms": kind.watermark_ms,
        "age_ms": _grown(kind.age_ms, board_age_ms),
        "silence_ms": _grown(kind.silence_ms, board_age_ms),
        "lag_events": kind.lag_events,
        "partitions": kind.partitions,
        "accepted": books.accepted,
        "late": books.late,
        "refused": books.refused,
        "unknown_labels": books.unknown_labels,
        "unknown_fields": books.unknown_fields,
        "behind": kind.behind,
    }


def _grown(age_ms: int | None, by_ms: int) -> int | None:
    return None if age_ms is None else age_ms + by_ms


def _verdict(verdict: Verdict) -> dict[str, Any]:
    memory = verdict.memory
    return {
        "rule": verdict.rule,
        "scope": verdict.scope,
        "unit": verdict.unit,
        "value": verdict.value,
        "samples": verdict.samples,
        "state": verdict.state,
        "level": verdict.level,
        "level_name": level_name(verdict.level),
        "since_ms": memory.since_ms,
        "opened_ms": memory.opened_ms,
        "incident": memory.incident,
        "peak": memory.peak,
        "as_of_ms": verdict.as_of_ms,
        "provisional": verdict.provisional,
        "threshold": verdict.threshold,
        "next_threshold": verdict.next_threshold,
        "reason": verdict.reason,
        "expected": verdict.expected,
        "deviation": verdict.deviation,
        "projected": verdict.projected,
        "cause": verdict.cause,
        "first_out": verdict.first_out,
        "flapping": memory.flapping,
    }


def _transition(transition: Transition) -> dict[str, Any]:
    return {
        "rule": transition.rule,
        "scope": transition.scope,
        "seq": transition.seq,
        "incident": transition.incident,
        "from_level": transition.from_level,
        "from_level_name": level_name(transition.from_level),
        "to_level": transition.to_level,
        "to_level_name": level_name(transition.to_level),
        "at_ms": transition.at_ms,
        "value": transition.value,
        "samples": transition.samples,
        "threshold": transition.threshold,
        "reason": transition.reason,
    }
