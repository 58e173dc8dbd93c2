"""What parts of every kind tell Prometheus alike: the lane on each sample, the foreign records
that were passed over, and how wrong the clocks of their hosts are.
"""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from fenghuo.schemas.lane import Lane
from fenghuo.schemas.log.broker_clock import BrokerClock
from fenghuo.schemas.log.foreign import FOREIGN


class ForeignRecords(Collector):
    """What this process has passed over on topics of ours."""

    def collect(self) -> Iterator[Metric]:
        made = CounterMetricFamily(
            "fenghuo_foreign_records",
            "Records on topics of ours that are none of ours, passed over.",
            labels=["topic"],
        )
        for topic, many in FOREIGN.passed.items():
            made.add_metric([topic], many)
        yield made


class HostClocks(Collector):
    """How wrong the clock of the host is, for each part of this process."""

    def __init__(self, clocks: Mapping[str, BrokerClock]) -> None:
        self._clocks = clocks

    def collect(self) -> Iterator[Metric]:
        skew = GaugeMetricFamily(
            "fenghuo_clock_skew_seconds",
            "How far the host's clock is ahead of the time the part goes by, the broker's where it"
            " tells.",
            labels=["part"],
        )
        jumps = CounterMetricFamily(
            "fenghuo_clock_jumps", "Times the host's clock was set.", labels=["part"]
        )
        for part, clock in list(self._clocks.items()):
            skew.add_metric([part], clock.skew_ms / 1000)
            jumps.add_metric([part], clock.jumps)
        yield from (skew, jumps)


def in_lane(told: Collector, lane: Lane) -> Iterator[Metric]:
    """All that a collector tells, each sample with the lane."""
    for metric in told.collect():
        metric.samples = [
            sample._replace(labels={**sample.labels, "lane": lane}) for sample in metric.samples
        ]
        yield metric
