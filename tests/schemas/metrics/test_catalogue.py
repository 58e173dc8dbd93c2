"""A metric is one line: what it says is what is measured, and what it cannot say is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.kinds.measures import KINDS, Measure, counters, histograms
from fenghuo.schemas.metrics.catalogue import read
from fenghuo.schemas.metrics.form import Form
from fenghuo.schemas.metrics.forms.change import Change
from fenghuo.schemas.metrics.forms.freshness import Age, Lag, Silence
from fenghuo.schemas.metrics.forms.growth import Growth
from fenghuo.schemas.metrics.forms.pace import TARGETED, Pace
from fenghuo.schemas.metrics.forms.quantile import Quantile
from fenghuo.schemas.metrics.forms.rate import Rate
from fenghuo.schemas.metrics.forms.ratio import Ratio
from fenghuo.schemas.metrics.forms.share import Share
from fenghuo.schemas.metrics.forms.slope import Slope
from fenghuo.schemas.metrics.forms.users import Users
from fenghuo.schemas.metrics.slots import SPAN_S_MAX
from fenghuo.schemas.metrics.words import Known, MetricError

KNOWN = Known(("dual", "old"), has_target=True, last_year=counters())


def _of(name: str) -> Measure:
    kind, _, measure = name.partition(".")
    return Measure(kind, measure)


def _read(text: str) -> Form | MetricError:
    try:
        return read(text, KNOWN)
    except MetricError as error:
        return error


spans = st.integers(1, SPAN_S_MAX)
measures = st.sampled_from(counters()).map(_of)
sums = st.lists(measures, min_size=1, max_size=10, unique=True).map(tuple)
kinds = st.sampled_from(KINDS)
metrics: st.SearchStrategy[Form] = st.one_of(
    st.builds(Rate, measures, spans),
    st.builds(Ratio, sums, sums, spans, st.just(1.0)),
    st.builds(
        Quantile,
        st.sampled_from(histograms()).map(_of),
        st.integers(0, 99_999).map(lambda n: n / 100_000),
        spans,
    ),
    st.builds(Change, measures, spans, spans),
    st.builds(Share, measures, spans, st.sampled_from(KNOWN.lines)),
    st.builds(Growth, measures, spans),
    st.builds(Slope, measures, spans),
    st.just(Pace(_of(TARGETED))),
    st.builds(Age, kinds),
    st.builds(Silence, kinds),
    st.builds(Lag, kinds),
    st.builds(Users, st.sampled_from(("active", "new"))),
)
WORDS = (
    "order.events order.paid traffic.latency_ms ( ) / + over of vs last year target p99 10s 0s 2h "
    "9999s ٣s capacity.dual slope age order active users"
)
words = st.sampled_from(WORDS.split())


@given(metrics)
def test_every_metric_can_be_written_and_read_again(metric: Form) -> None:
    assert read(str(metric), KNOWN) == metric


@given(metrics, st.data())
def test_spaces_say_nothing(metric: Form, data: st.DataObject) -> None:
    text = str(metric)
    for sign in "()/+":
        text = text.replace(sign, data.draw(st.sampled_from((sign, f"  {sign} ", f"\t{sign}"))))

    assert read(f" {text}  ", KNOWN) == metric


@given(st.one_of(st.text(max_size=400), st.lists(words, max_size=12).map(" ".join)))
def test_a_text_is_a_metric_or_an_error_that_points_into_it(text: str) -> None:
    found = _read(text)
    if isinstance(found, MetricError):
        assert 1 <= found.column <= len(text) + 1
        assert found.expected
        assert found.got
    else:
        assert read(str(found), KNOWN) == found


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("order.events over 10s", Rate(Measure("order", "events"), 10)),
        ("order.paid_amount_fen over 1h", Rate(Measure("order", "paid_amount_fen"), 3600)),
        (
            "order.failed / (order.paid + order.failed) over 5min",
            Ratio(
                (Measure("order", "failed"),),
                (Measure("order", "paid"), Measure("order", "failed")),
                300,
                1.0,
            ),
        ),
        (
            "p99.9 of traffic.latency_ms over 15s",
            Quantile(Measure("traffic", "latency_ms"), 0.999, 15),
        ),
        (
            "traffic.requests over 10s of capacity.dual",
            Share(Measure("traffic", "requests"), 10, "dual"),
        ),
        ("order.paid_amount_fen of target", Pace(Measure("order", "paid_amount_fen"))),
        ("order.events over 10s vs last 120s", Change(Measure("order", "events"), 10, 120)),
        ("order.events over 60s vs last year", Growth(Measure("order", "events"), 60)),
        ("slope of order.events over 60s", Slope(Measure("order", "events"), 60)),
        ("silence of traffic", Silence("traffic")),
        ("new users", Users("new")),
    ],
)
def test_what_a_line_says(text: str, metric: Form) -> None:
    assert read(text, KNOWN) == metric


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"column 1: expected a counter \(order.events, .*\), got the end"),
        ("order.faild over 10s", r'column 1: expected a counter .*, got "order.faild"'),
        ("order.failed", r'column 13: expected "over" and a span, .*, got the end'),
        ("order.failed over 10", r'column 19: expected a span like 10s, .*, got "10"'),
        ("order.failed over 2h", r"at most 3600 s"),
        ("order.failed / order.paid", r'column 26: expected "over", got the end'),
        ("(order.paid + order.failed) over 9s", r'expected "/": a sum stands in a ratio only'),
        ("order.paid / (order.paid + order.paid) over 9s", r"column 28: .*measures that differ"),
        ("p99 of order.events over 9s", r"expected a histogram \(traffic.latency_ms\)"),
        ("p100 of traffic.latency_ms over 9s", r'expected a quantile like .*, got "p100"'),
        ("traffic.requests over 9s of capacity.duel", r"capacity.dual, capacity.old"),
        ("order.events of target", r"there is a target of order.paid_amount_fen only"),
        ("age of orders", r"expected a kind \(order, traffic, complaint\)"),
        ("order.events over 9s twice", r'column 22: expected the end, got "twice"'),
    ],
)
def test_what_cannot_be_read_says_where_and_what_would_do(text: str, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        read(text, KNOWN)


def test_what_the_campaign_does_not_have_cannot_be_measured_against() -> None:
    bare = Known()
    for text, message in (
        ("order.paid_amount_fen of target", "targets.gmv_fen"),
        ("order.events over 9s vs last year", "last_year has no curve of order.events"),
        ("traffic.requests over 9s of capacity.dual", "there is none"),
    ):
        with pytest.raises(MetricError, match=message):
            read(text, bare)
