"""Every Prometheus name of the workers, its kind and its meaning, once. Emitted per fetch or tick,
never per event. A worker serves one lane: all it tells carries that label.
"""

import socket
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from fenghuo.schemas.lane import Lane
from fenghuo.schemas.log.broker_clock import BrokerClock
from fenghuo.schemas.metric_names import ForeignRecords, HostClocks, in_lane
from fenghuo.streams.bounded import Bounded

READ = Counter("fenghuo_read_messages", "messages read from the source topics", ["kind"])
EVENTS = Counter("fenghuo_gathered_events", "events by what became of them", ["kind", "fate"])
REFUSED = Counter("fenghuo_refused_reasons", "refused events by reason", ["kind", "reason"])
LAG = Gauge(
    "fenghuo_worker_lag_messages",
    "messages in the log that gather has not read",
    ["topic", "partition"],
)
HELD_BACK = Gauge(
    "fenghuo_worker_uncommitted_messages",
    "messages in the log that nobody may read yet, for a transaction before them is open",
    ["topic", "partition"],
)
PUBLISHED = Counter("fenghuo_published_rows", "rows published by gather", ["topic"])
TICK = Histogram(
    "fenghuo_tick_seconds",
    "time of one tick of a part, publishing included",
    ["part"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
TRANSITIONS = Counter("fenghuo_transitions", "changes of level", ["rule", "to_level"])
INSERTED = Counter("fenghuo_archived_rows", "rows inserted into the store", ["table"])
INSERT_FAILED = Counter(
    "fenghuo_archive_failures", "inserts that failed and were tried again", ["table"]
)
SET_ASIDE = Counter(
    "fenghuo_archive_aside_rows", "rows that the store can never take, passed over", ["table"]
)
STORE_UP = Gauge(
    "fenghuo_store_up",
    "1 while the store takes what a part has, 0 while it is waited for",
    ["part"],
)
ARCHIVE_DELAY = Gauge(
    "fenghuo_archive_delay_seconds",
    "age of the oldest record that archive has read and not stored yet",
)
CLOCKS: dict[str, BrokerClock] = {}
"""The clock of each part of this process."""
PENDING = Gauge(
    "fenghuo_pending_rows", "rows held in memory, waiting to be published or stored", ["part"]
)


REGISTRY.register(ForeignRecords())
REGISTRY.register(HostClocks(CLOCKS))


class InLane(Collector):
    """What another collector tells, each sample with the lane."""

    def __init__(self, told: Collector, lane: Lane) -> None:
        self._told = told
        self._lane = lane

    def collect(self) -> Iterator[Metric]:
        return in_lane(self._told, self._lane)

    def restricted_registry(self, names: Iterable[str]) -> "InLane":
        """Only some names: what `/metrics?name[]=` asks for."""
        return InLane(REGISTRY.restricted_registry(names), self._lane)


def serve(host: str, port: int, lane: Lane) -> str:
    """Offer /metrics; port 0 means none. Why it cannot be offered, or ""."""
    if not port:
        return ""
    try:
        threading.Thread(target=server(host, port, lane).serve_forever, daemon=True).start()
    except OSError as error:
        return f"{host}:{port}: {error.strerror or error}"
    return ""


def server(host: str, port: int, lane: Lane) -> WSGIServer:
    """What answers /metrics, listening already. Raises OSError where the port is taken."""
    kind = _Server6 if ":" in host else _Server
    told = make_wsgi_app(InLane(REGISTRY, lane))
    return make_server(host, port, told, kind, handler_class=_Handler)


class _Server(Bounded, WSGIServer):
    """Few connections, short ones."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nobody reads who asked."""
