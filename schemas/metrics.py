"""What parts of every kind tell Prometheus alike: the lane on each sample, and the foreign records
that were passed over.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from fenghuo.schemas.foreign import FOREIGN
from fenghuo.schemas.lane import Lane


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


def in_lane(told: Collector, lane: Lane) -> Iterator[Metric]:
    """All that a collector tells, each sample with the lane."""
    for metric in told.collect():
        metric.samples = [
            sample._replace(labels={**sample.labels, "lane": lane}) for sample in metric.samples
        ]
        yield metric
