"""Routes: every address of the api but the stream."""

import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import HTMLResponse, Response, StreamingResponse

from fenghuo.api import runbook
from fenghuo.api.campaign_watch import InForce
from fenghuo.api.errors import ApiError, bad_parameter, shown
from fenghuo.api.history import stored
from fenghuo.api.history.answers import Answers
from fenghuo.api.history.query import Span
from fenghuo.api.history.shared import Shared
from fenghuo.api.history.stores import Stores
from fenghuo.api.live.users import Known
from fenghuo.api.metrics import Metrics
from fenghuo.api.pages import Pages
from fenghuo.api.view.campaign_view import playbook_view
from fenghuo.api.view.latest import Latest
from fenghuo.api.view.whole_numbers import encoded
from fenghuo.schemas.settings import Settings

READY_AGE_MS_MAX = 5_000
HISTORY_KEPT_S = 5.0
"""Every page asks for the same curve: within this time it is worked out once."""
PIECE_BYTES = 65_536
NEWEST = {"Cache-Control": "no-store"}
EPOCH_MS_MAX = 9_999_999_999_999
"""The year 2286: what is larger is not in milliseconds."""

Time = Annotated[int | None, Query(ge=0, le=EPOCH_MS_MAX)]
Name = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes are made of."""

    settings: Settings
    in_force: InForce
    stores: Stores
    latest: Latest
    metrics: Metrics
    known: Known
    pages: Pages
    clock_ms: Callable[[], int]
    version: str


def make(parts: Parts) -> APIRouter:
    """All routes over their parts."""
    router = APIRouter(dependencies=[Depends(known_parameters)])
    _live(router, parts)
    _stored(router, parts)
    _health(router, parts)
    _page(router, parts.pages)
    return router


def known_parameters(request: Request) -> None:
    """A misspelt parameter must not silently widen a question: unknown and repeated ones fail."""
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            cure = f"known are {', '.join(known)}" if known else "this address takes none"
            raise bad_parameter(f"{shown(name)}: no such parameter", cure)
        if names.count(name) > 1:
            raise bad_parameter(f"{name}: given {names.count(name)} times", "give it once")


def _live(router: APIRouter, parts: Parts) -> None:
    lane = {"lane": parts.settings.lane}

    @router.get("/api/v1/status")
    async def status() -> Response:
        view = parts.latest.view(parts.clock_ms())
        if view is None:
            raise _no_board()
        return _json(lane | view)

    @router.get("/api/v1/users")
    async def users() -> Response:
        return _json({**lane, **parts.known.answer()})

    @router.get("/api/v1/campaign")
    async def campaign_of() -> Response:
        return Response(parts.in_force.encoded, media_type="application/json")

    @router.get("/api/v1/playbooks/{name}")
    async def playbook(name: str) -> Response:
        known = parts.in_force.campaign.plans.playbooks
        if name not in known:
            message = f"{shown(name)}: no such playbook"
            cure = f"known are {', '.join(known)}" if known else "the campaign has none"
            raise ApiError(404, "not_found", message=message, cure=cure)
        return _json(lane | playbook_view(known[name]))


def _stored(router: APIRouter, parts: Parts) -> None:
    shared = Shared(time.monotonic)

    def answers() -> Answers:
        """By the campaign in force: a reload may move its clock."""
        return Answers(parts.in_force.campaign, parts.stores, parts.latest, parts.settings.lane)

    @router.get("/api/v1/totals")
    async def totals(
        kind: Name, by: Name = "", from_ms: Time = None, to_ms: Time = None
    ) -> Response:
        asked, span = answers(), Span(from_ms, to_ms)
        key = (asked.version, "totals", kind, by, span)
        return _pieces(await shared.get(key, lambda: asked.totals(kind, by, span)))

    @router.get("/api/v1/history")
    async def history(
        metric: Name, step: int = 60, by: Name = "", from_ms: Time = None, to_ms: Time = None
    ) -> Response:
        asked, span = answers(), Span(from_ms, to_ms)
        key = (asked.version, "history", metric, step, by, span)
        made = shared.get(key, lambda: asked.history(metric, step, by, span), HISTORY_KEPT_S)
        return _pieces(await made)


def _health(router: APIRouter, parts: Parts) -> None:
    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(parts.metrics), media_type=CONTENT_TYPE_LATEST)

    @router.get("/healthz")
    async def healthz() -> Response:
        return _json(
            {
                "ok": True,
                "lane": parts.settings.lane,
                "kafka": parts.settings.kafka,
                "store": parts.stores.address,
                "board_age_ms": parts.latest.age_ms(parts.clock_ms()),
                "version": parts.version,
            }
        )

    @router.get("/readyz")
    async def readyz() -> Response:
        age_ms = parts.latest.age_ms(parts.clock_ms())
        if age_ms is None or age_ms > READY_AGE_MS_MAX:
            came = "none" if age_ms is None else f"one {age_ms} ms old"
            message = f"expected a board not older than {READY_AGE_MS_MAX} ms, got {came}"
            cure = "see whether the broker and the judge are running"
            raise ApiError(503, "not_ready", message=message, cure=cure, retry_after_s=1)
        # Without the store the wall still sees everything live: ready, and says what is missing.
        history = await stored.state(parts.stores, parts.latest, parts.settings.lane)
        pid = os.getpid()  # `fenghuo up` knows by it that its own api answers
        return _json({"ready": True, "board_age_ms": age_ms, **history, "pid": pid})


def _page(router: APIRouter, pages: Pages) -> None:
    # The address of the page is its state, read in the browser: its parameters are free.
    free = APIRouter()

    text = runbook.rendered(runbook.RUNBOOK.read_text(encoding="utf-8"))

    @free.get("/runbook")
    async def alerts() -> Response:
        return HTMLResponse(text)

    @free.get("/")
    async def index(request: Request) -> Response:
        return pages.index(request)

    @free.get("/static/{version}/{name:path}")
    async def static(request: Request, version: str, name: str) -> Response:
        return pages.static(request, version, name)

    router.routes.extend(free.routes)


def _no_board() -> ApiError:
    message = "expected a board of the judge, none has come yet"
    cure = "see whether the broker and the judge are running"
    return ApiError(503, "no_board", message=message, cure=cure, retry_after_s=1)


def _json(value: Any) -> Response:
    return Response(encoded(value), headers=NEWEST, media_type="application/json")


def _pieces(body: bytes) -> Response:
    """A body that may be large: the next piece goes out when the one before it has, so that other
    connections have their turn and none holds more than it can take.
    """
    starts = range(0, len(body), PIECE_BYTES)

    async def pieces() -> AsyncIterator[memoryview]:
        for start in starts:
            yield memoryview(body)[start : start + PIECE_BYTES]

    headers = {**NEWEST, "Content-Length": str(len(body))}
    return StreamingResponse(pieces(), headers=headers, media_type="application/json")
