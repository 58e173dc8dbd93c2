"""App: puts the window together, and runs it until it is told to stop."""

import asyncio
import contextlib
import importlib.metadata
import logging
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.routing import Route

from fenghuo.api import errors, routes
from fenghuo.api.campaign_watch import InForce
from fenghuo.api.door import limits
from fenghuo.api.door.connection import IDLE_S, Connection, Waiting
from fenghuo.api.door.door import HEAD_BYTES_MAX
from fenghuo.api.door.outer import Outer
from fenghuo.api.history.stores import Stores
from fenghuo.api.live.feed import Feed
from fenghuo.api.live.follower import BoardSource, Reader, Told
from fenghuo.api.live.users import Crowd, Known
from fenghuo.api.metrics import Metrics
from fenghuo.api.pages import Pages
from fenghuo.api.view.latest import Latest
from fenghuo.schemas import addresses, hosts
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.campaign.reload import CampaignFile
from fenghuo.schemas.hosts import Hosts
from fenghuo.schemas.log.broker_clock import BrokerClock
from fenghuo.schemas.notes import skewed
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store import port as store
from fenghuo.schemas.wire import topics
from fenghuo.schemas.wire.warning import Transition

LOG = logging.getLogger(__name__)
STREAM = "/api/v1/stream"
GRACE_S = 2
"""How long a request may go on after a stop was asked for."""
DEAD_PEER_MS = 20_000
"""A connection that takes no byte for this long is dropped by the kernel, buffer and all."""


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def create_app(
    settings: Settings,
    *,
    campaign: Campaign | CampaignFile,
    stores: Stores,
    source: BoardSource,
    crowd: Crowd | None = None,
    clock: BrokerClock | None = None,
    clock_ms: Callable[[], int] = now_ms,
) -> FastAPI:
    """The window over its three sources: campaign file, store, boards. A campaign that is no file
    stays as it is. clock: goes before clock_ms, and follows the broker's.
    """
    clock_ms = clock.now_ms if clock else clock_ms
    pages = Pages()
    room = limits.limits(limits.files(), settings.viewers_max)
    feed = Feed(source.latest, clock_ms=clock_ms, page=pages.version, viewers_max=room.viewers)
    known = crowd.known if crowd else Known()
    source.latest.users = known.estimates
    in_force = InForce(campaign, settings.lane, clock_ms)
    metrics = Metrics(source, feed, clock_ms, settings.lane, known=known, in_force=in_force)
    if clock is not None:
        metrics.tell(clock)
        source.latest.notes = lambda: skewed("api", clock.skew_ms)

    def told(_: tuple[Transition, ...]) -> None:
        feed.wake()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        works = [_read(source, clock, told), _forever("feed", feed.run)]
        works.append(_forever("campaign", in_force.follow))
        if crowd:
            works.append(_forever("crowd", crowd.follow))
        async with _alive(works):
            try:
                yield
            finally:
                feed.close()
        stores.close()

    # /docs and /redoc load from a CDN: they would be blank where there is no way out.
    app = FastAPI(
        docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=lifespan
    )
    app.state.feed = feed
    app.state.waiting = Waiting(room.waiting, metrics.ended)
    errors.install(app)
    parts = routes.Parts(
        settings=settings,
        in_force=in_force,
        stores=stores,
        latest=source.latest,
        metrics=metrics,
        known=known,
        pages=pages,
        clock_ms=clock_ms,
        version=version(),
    )
    app.router.routes.append(Route(STREAM, endpoint=feed, methods=["GET"]))
    app.include_router(routes.make(parts))
    around = partial(Outer, metrics=metrics, hosts=_hosts(settings), answers_max=room.answers)
    app.add_middleware(around, endless=STREAM)
    return app


def _hosts(settings: Settings) -> Hosts | None:
    """The names to be asked for by; any, where nobody beyond this machine can ask and none is
    set: there a proxy may pass on a name of its own.
    """
    names = hosts.read(settings.hosts)
    if not names and hosts.is_loopback(settings.http_host):
        return None
    return Hosts((*names, settings.http_host.lower(), socket.gethostname().lower()))


def serve(settings: Settings) -> None:
    """Build everything and run it until SIGTERM or SIGINT; then stop within GRACE_S."""
    start_ms = settings.rehearsal_start_ms or None
    campaign = CampaignFile(settings.campaign, start_ms, now_ms())
    public = addresses.store(settings.store).public
    login = settings.store_login
    stores = Stores(lambda: store.connect(login), public, login)
    topic = topics.of(topics.STATUS, settings.lane)
    clock = BrokerClock("api", settings)
    source = Reader(settings.kafka, Latest(clock.now_ms()), clock.now_ms, topic=topic)
    crowd = Crowd(settings.kafka, topics.of(topics.USERS, settings.lane))
    app = create_app(
        settings,
        campaign=campaign,
        stores=stores,
        source=source,
        crowd=crowd,
        clock=clock,
    )
    if threading.current_thread() is threading.main_thread():
        # uvicorn raises the signal once more when it is done: a clean stop is no death by signal.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
    if (most := app.state.feed.viewers_max) < settings.viewers_max:
        LOG.warning(
            "%d open files are allowed: at most %d viewers, expected %d (FENGHUO_VIEWERS_MAX):"
            " raise the limit (ulimit -Hn, LimitNOFILE=)",
            *(limits.files(), most, settings.viewers_max),
        )
    run(app, listen(settings.http_host, settings.http_port))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections end by themselves when the other side takes nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return listener


def run(app: FastAPI, listener: socket.socket) -> None:
    """Run uvicorn on a socket until it is told to stop."""
    server(app).run(sockets=[listener])


def server(app: FastAPI) -> uvicorn.Server:
    """A server for this app that lets its viewers go before it stops."""
    protocol: Any = partial(Connection, waiting=app.state.waiting, endless=STREAM)
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        timeout_keep_alive=IDLE_S,
        access_log=False,
        log_level="error",  # what strangers send is counted, not logged
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    return _Server(config, app.state.feed)


def version() -> str:
    """The version that is installed; a checkout that is not has none."""
    try:
        return importlib.metadata.version("fenghuo")
    except importlib.metadata.PackageNotFoundError:
        return "checkout"


class _Server(uvicorn.Server):
    """Ends the streams first: uvicorn would wait for them."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
        super().__init__(config)
        self._feed = feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._feed.close()
        await super().shutdown(sockets)


@contextlib.asynccontextmanager
async def _alive(works: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """These go on until the block ends."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(source: BoardSource, clock: BrokerClock | None, told: Told) -> None:
    """Boards for ever; from the first one on its age is told by the right time."""
    if clock is None:
        return await _forever("reader", lambda: source.run(told))
    try:
        await clock.start()
        source.latest.started_ms = clock.now_ms()
        return await _forever("reader", lambda: source.run(told))
    finally:
        await clock.stop()


async def _forever(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """A background task that failed is started again: the window must not go blind in silence."""
    while True:
        try:
            await work()
            return
        except Exception:
            LOG.exception("%s failed; it starts again", name)
            await asyncio.sleep(1)
