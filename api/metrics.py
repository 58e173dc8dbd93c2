"""Metrics: every Prometheus name of the api. What is not known is absent, never 0. An api serves
one lane: all it tells carries that label.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from fenghuo.alerts.judging.decide import score_of
from fenghuo.api.campaign_watch import InForce
from fenghuo.api.live.feed import Feed
from fenghuo.api.live.follower import BoardSource
from fenghuo.api.live.users import Known
from fenghuo.api.view.latest import Latest
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.campaign.parts import OUTSIDE
from fenghuo.schemas.lane import Lane
from fenghuo.schemas.log.broker_clock import BrokerClock
from fenghuo.schemas.metric_names import ForeignRecords, HostClocks, in_lane
from fenghuo.schemas.wire.status import Board

_BOOKS: Mapping[str, tuple[str, str]] = {
    "accepted": ("fenghuo_accepted_events", "Events counted, from the judge's books."),
    "late": ("fenghuo_late_events", "Events whose second was closed when they came."),
    "refused": ("fenghuo_refused_events", "Events that could not be counted."),
    "unknown_labels": ("fenghuo_unknown_labels", "Labels counted as other."),
    "unknown_fields": ("fenghuo_unknown_fields", "Fields that no event has."),
}


class Metrics(Collector):
    """One registry for each app, so that tests and replicas do not meet in a global one."""

    def __init__(
        self,
        source: BoardSource,
        feed: Feed,
        clock_ms: Callable[[], int],
        lane: Lane,
        *,
        known: Known,
        in_force: InForce,
    ) -> None:
        self._registry = CollectorRegistry()
        self._lane = lane
        self.requests = Counter(
            "fenghuo_http_requests_total",
            "Requests answered.",
            ["route", "code"],
            registry=self._registry,
        )
        self._ended = Counter(
            "fenghuo_connections_ended_total",
            "Connections ended for what their other side did not do in time.",
            ["why"],
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_Boards(source.latest, clock_ms, in_force))
        self._registry.register(_Window(source, feed))
        self._registry.register(_Crowd(known))
        self._registry.register(ForeignRecords())
        self._registry.register(_Campaign(source.latest, in_force))

    def tell(self, clock: BrokerClock) -> None:
        """Tell how wrong the clock of this host is, too."""
        self._registry.register(HostClocks({"api": clock}))

    def collect(self) -> Iterator[Metric]:
        """Everything, each sample with the lane."""
        return in_lane(self._registry, self._lane)

    def ended(self, why: str) -> None:
        """Count a connection that was ended."""
        self._ended.labels(why).inc()


class _Boards(Collector):
    """What the newest board says."""

    def __init__(self, latest: Latest, clock_ms: Callable[[], int], in_force: InForce) -> None:
        self._latest = latest
        self._clock_ms = clock_ms
        self._in_force = in_force

    def collect(self) -> Iterator[Metric]:
        board, age_ms = self._latest.board, self._latest.age_ms(self._clock_ms())
        if board is None or age_ms is None:
            return
        yield _one("fenghuo_board_age_seconds", "Age of the newest board.", age_ms / 1000)
        yield from _verdicts(board)
        yield from _judged(board, self._in_force.campaign)
        yield from _kinds(board, age_ms)


class _Crowd(Collector):
    """Distinct users, as far as anybody has told."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def collect(self) -> Iterator[Metric]:
        users = GaugeMetricFamily(
            "fenghuo_distinct_users",
            "Distinct users by measure and region, estimated.",
            labels=["measure", "region"],
        )
        for one in self._known.estimates():
            users.add_metric([one.measure, one.region or "total"], one.users)
        yield users


class _Campaign(Collector):
    """Whether the campaign file as it is now is in force."""

    def __init__(self, latest: Latest, in_force: InForce) -> None:
        self._latest = latest
        self._in_force = in_force

    def collect(self) -> Iterator[Metric]:
        refused = GaugeMetricFamily(
            "fenghuo_campaign_refused",
            "1 while the campaign file is refused and the one before stays in force.",
            labels=["part"],
        )
        refused.add_metric(["api"], int(bool(self._in_force.refused)))
        if self._latest.board is not None:
            refused.add_metric(["judge"], int(bool(self._latest.board.campaign.refused)))
        yield refused


class _Window(Collector):
    """How the api itself does."""

    def __init__(self, source: BoardSource, feed: Feed) -> None:
        self._source = source
        self._feed = feed

    def collect(self) -> Iterator[Metric]:
        yield _one("fenghuo_viewers", "Browsers on the stream.", self._feed.viewers)
        yield _counter("fenghuo_frames_sent", "Views sent to viewers.", self._feed.frames_sent)
        yield _counter("fenghuo_viewers_cut", "Viewers that read nothing.", self._feed.slow_cut)
        displaced = self._feed.displaced
        yield _counter("fenghuo_viewers_displaced", "Viewers whose place went on.", displaced)
        boards = self._source.latest.version
        yield _counter("fenghuo_boards", "Boards taken from topic status.", boards)
        refused = self._source.undecodable
        yield _counter("fenghuo_boards_refused", "Boards that cannot be read.", refused)


def _verdicts(board: Board) -> Iterator[Metric]:
    labels = ["rule", "scope"]
    reading = GaugeMetricFamily("fenghuo_reading", "Reading of a rule.", labels=labels)
    samples = GaugeMetricFamily("fenghuo_reading_samples", "Samples of a reading.", labels=labels)
    level = GaugeMetricFamily("fenghuo_level", "Level: 0 green to 5 red.", labels=labels)
    for verdict in board.verdicts:
        key = [verdict.rule, verdict.scope]
        if verdict.value is not None:
            reading.add_metric(key, verdict.value)
        samples.add_metric(key, verdict.samples)
        if verdict.level is not None:
            level.add_metric(key, verdict.level)
    yield from (reading, samples, level)


def _judged(board: Board, campaign: Campaign) -> Iterator[Metric]:
    """What the generated rules need beside readings, to judge as the machine does."""
    labels = ["rule", "scope"]
    score = GaugeMetricFamily(
        "fenghuo_score", "Usual deviations from what is expected.", labels=labels
    )
    ahead = GaugeMetricFamily(
        "fenghuo_projected",
        "Reading at the present pace, when the early warning ends.",
        labels=labels,
    )
    adaptive = {rule.id: rule.adaptive for rule in campaign.rules if rule.adaptive}
    for verdict in board.verdicts:
        key = [verdict.rule, verdict.scope]
        if verdict.projected is not None:
            ahead.add_metric(key, verdict.projected)
        by = adaptive.get(verdict.rule)
        value, expected, deviation = verdict.value, verdict.expected, verdict.deviation
        if by and value is not None and expected is not None and deviation is not None:
            score.add_metric(key, score_of(value, expected, deviation, by))
    phase = GaugeMetricFamily(
        "fenghuo_phase", "1 for the phase the campaign is in.", labels=["phase"]
    )
    now = board.campaign.phase or OUTSIDE
    for name in dict.fromkeys([*(one.id for one in campaign.phases), OUTSIDE, now]):
        phase.add_metric([name], int(name == now))
    yield from (score, ahead, phase)


def _kinds(board: Board, board_age_ms: int) -> Iterator[Metric]:
    gauges = {
        "fenghuo_data_age_seconds": ("Now minus the newest event time.", 1000),
        "fenghuo_silence_seconds": ("Wall clock since the last record.", 1000),
        "fenghuo_watermark_seconds": ("No second before it changes any more.", 1000),
        "fenghuo_lag_events": ("Records in the log that are not read yet.", 1),
    }
    for name, (text, per) in gauges.items():
        gauge = GaugeMetricFamily(name, text, labels=["kind"])
        for kind in board.kinds:
            value = {
                "fenghuo_data_age_seconds": _plus(kind.age_ms, board_age_ms),
                "fenghuo_silence_seconds": _plus(kind.silence_ms, board_age_ms),
                "fenghuo_watermark_seconds": kind.watermark_ms,
                "fenghuo_lag_events": kind.lag_events,
            }[name]
            if value is not None:
                gauge.add_metric([kind.kind], value / per)
        yield gauge
    behind = GaugeMetricFamily(
        "fenghuo_source_behind_seconds",
        "How far a source that is read to its end lies behind the newest of its kind.",
        labels=["kind", "source"],
    )
    for kind in board.kinds:
        for one in kind.behind:
            behind.add_metric([kind.kind, one.source], one.by_ms / 1000)
    yield behind
    yield from _partitions(board)
    for book, (name, text) in _BOOKS.items():
        counter = CounterMetricFamily(name, text, labels=["kind"])
        for kind in board.kinds:
            counter.add_metric([kind.kind], getattr(kind.books, book))
        yield counter


def _partitions(board: Board) -> Iterator[Metric]:
    labels = ["topic", "partition"]
    stopped = GaugeMetricFamily(
        "fenghuo_stopped_partitions",
        "1 for a partition that is stopped at a record that breaks the counting.",
        labels=labels,
    )
    gone = CounterMetricFamily(
        "fenghuo_gap_offsets",
        "Offsets that were deleted before they were read.",
        labels=labels,
    )
    missing: dict[tuple[str, str], int] = {}
    halted: dict[tuple[str, str], int] = {}
    for head in sorted(board.heads, key=lambda head: head.sent_ms):  # a log made anew comes last
        key = (head.source.topic, str(head.source.partition))
        missing[key] = missing.get(key, 0) + head.gaps.missing
        halted[key] = int(head.stopped is not None)
    for key, offsets in missing.items():
        gone.add_metric(key, offsets)
        stopped.add_metric(key, halted[key])
    yield from (stopped, gone)


def _plus(age_ms: int | None, more_ms: int) -> int | None:
    return None if age_ms is None else age_ms + more_ms


def _one(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value=value)
