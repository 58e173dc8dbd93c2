"""Answers: reads parameters, asks the store, gives /totals and /history their JSON."""

from typing import Any

import msgspec

from fenghuo.api.errors import bad_parameter, shown
from fenghuo.api.history import query as history
from fenghuo.api.history.query import POINTS_MAX, STEP_S_MAX, TIME_STEPS_S, Metric, Span, Steps
from fenghuo.api.history.questions import History, Totals
from fenghuo.api.history.stores import Stores
from fenghuo.api.view.latest import Latest
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.kinds.kind import Cut
from fenghuo.schemas.kinds.measures import KINDS, cut_name
from fenghuo.schemas.lane import REAL, Lane

DEFAULT_POINTS = 60


class Answers:
    """What the store knows of a lane, as JSON."""

    def __init__(
        self, campaign: Campaign, stores: Stores, latest: Latest, lane: Lane = REAL
    ) -> None:
        self._campaign = campaign
        self._stores = stores
        self._latest = latest
        self._lane = lane

    @property
    def version(self) -> str:
        """Of the campaign that answers are made by."""
        return self._campaign.version

    async def totals(self, kind: str, by: str, span: Span) -> bytes:
        """Sums of every measure, late events included."""
        if kind not in KINDS:
            raise bad_parameter(f"kind: no kind {shown(kind)!r}", f"use {', '.join(KINDS)}")
        _check(span)
        cut, time = self._by(kind, by, times=tuple(TIME_STEPS_S))
        offset = self._campaign.utc_offset_minutes
        books = await self._books(kind, span)
        rows = await self._stores.ask(Totals(kind, cut, time, offset, span, self._lane))
        answer = {
            "kind": kind,
            "utc_offset_minutes": offset,
            "as_of_ms": history.as_of_ms(books),
            "watermark_ms": self._watermark_ms(kind),
            "late": int(books[0]["late"]),
            "refused": int(books[0]["refused"]),
            "rows": msgspec.Raw(rows),
        }
        return msgspec.json.encode(answer)

    async def history(self, name: str, step_s: int, by: str, span: Span) -> bytes:
        """One metric over event time."""
        metric = self._metric(name)
        if not 1 <= step_s <= STEP_S_MAX:
            raise bad_parameter(f"step: expected 1 to {STEP_S_MAX} seconds, got {step_s}", "")
        cut, _ = self._by(metric.kind, by, times=())
        _check(span)
        books = await self._books(metric.kind, span)
        as_of_ms = history.as_of_ms(books)
        steps = self._steps(step_s)
        span = _closed(span, steps, as_of_ms)
        begins = _begins(span, steps)
        answer = {
            "metric": metric.name,
            "step_s": step_s,
            "utc_offset_minutes": self._campaign.utc_offset_minutes,
            "from_ms": begins.start if begins else None,
            "to_ms": span.to_ms,
            "as_of_ms": as_of_ms,
            "watermark_ms": self._watermark_ms(metric.kind),
        }
        if not begins:
            return msgspec.json.encode(answer | {"series": []})
        if len(begins) > POINTS_MAX:
            wide = f"expected at most {POINTS_MAX} points, these are {len(begins)}"
            raise bad_parameter(f"step: {wide}", "take a longer step, or less time")
        ends_ms = (begins.start, begins.stop)
        question = History(metric.name, cut, steps, ends_ms, span, self._lane)
        series = msgspec.Raw(await self._stores.ask(question))
        return msgspec.json.encode(answer | {"series": series})

    async def _books(self, kind: str, span: Span) -> list[dict[str, Any]]:
        return await self._stores.query(*history.books_query(kind, span, lane=self._lane))

    def _metric(self, name: str) -> Metric:
        metrics = history.metrics()
        if name not in metrics:
            known = ", ".join(metrics)
            raise bad_parameter(f"metric: no metric {shown(name)!r}", f"use one of {known}")
        return metrics[name]

    def _steps(self, step_s: int) -> Steps:
        return Steps(step_s * 1000, self._campaign.utc_offset_minutes)

    def _by(self, kind: str, by: str, *, times: tuple[str, ...]) -> tuple[Cut, str | None]:
        """The cut of these dimensions, in whatever order they are named; and the time unit."""
        names = [name for name in by.split(",") if name] if by else []
        found = [name for name in names if name in times]
        wanted = [name for name in names if name not in times]
        cuts = {frozenset(cut): cut for cut in self._campaign.cuts_of(kind)}
        cut = cuts.get(frozenset(wanted))
        if cut is None or len(found) > 1 or len(set(names)) < len(names):
            known = " | ".join(cut_name(cut) or '""' for cut in cuts.values())
            more = f", each with at most one of {', '.join(times)}" if times else ""
            message = f"by: no cut {shown(by)!r} of {kind}"
            raise bad_parameter(message, f"known cuts are {known}{more}")
        return cut, found[0] if found else None

    def _watermark_ms(self, kind: str) -> int | None:
        board = self._latest.board
        kinds = board.kinds if board else ()
        return next((found.watermark_ms for found in kinds if found.kind == kind), None)


def _check(span: Span) -> None:
    if span.from_ms is not None and span.to_ms is not None and span.from_ms >= span.to_ms:
        message = f"to_ms: expected more than from_ms {span.from_ms}, got {span.to_ms}"
        raise bad_parameter(message, "from_ms is included, to_ms is not")


def _closed(span: Span, steps: Steps, as_of_ms: int | None) -> Span:
    """Both ends known; open where the store is empty."""
    to_ms = span.to_ms if span.to_ms is not None else as_of_ms
    if to_ms is None:
        return Span()
    if span.from_ms is not None:
        return Span(span.from_ms, to_ms)
    return Span(max(0, steps.begin(to_ms - DEFAULT_POINTS * steps.step_ms)), to_ms)


def _begins(span: Span, steps: Steps) -> range:
    """Where each step of a closed span begins; none of an open one."""
    if span.from_ms is None or span.to_ms is None:
        return range(0)
    return range(steps.begin(span.from_ms), span.to_ms, steps.step_ms)
