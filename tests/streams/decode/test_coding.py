"""Codes: what an event counts in, labels bounded by the campaign, memory bounded whatever producers
send.
"""

from typing import Any

import numpy as np
import pytest

from fenghuo.schemas.kinds.measures import BUCKETS, LATENCY_BOUNDS_MS, MEASURES, bucket_of, columns
from fenghuo.streams.decode import codes as coding
from fenghuo.streams.decode.codes import Coder, buckets_of
from tests.laws.decode.test_codec_laws import SAMPLES
from tests.laws.model import CUTS, series_of, values_of
from tests.strategies import KINDS, LABELS

ONE = np.array([1], np.int64)


def coder_of(kind: str) -> Coder:
    return Coder(kind, LABELS, CUTS[kind])


def key_of(coder: Coder, event: dict[str, Any]) -> tuple[object, ...]:
    return tuple(event.get(name) for name in coder.fields)


def counted(
    coder: Coder, event: dict[str, Any], x: int = 0
) -> dict[tuple[str, str, str], dict[str, int]]:
    """Series -> the measures in which this event counts."""
    cell = np.array([coder.code(key_of(coder, event)) * coder.buckets], np.int64)
    _, code, values = coder.spread(ONE * 0, cell, ONE, ONE * x)
    names = MEASURES[coder.kind]
    return {
        coder.series[i]: {name: n for name, n in zip(names, row, strict=False) if n}
        for i, row in zip(code.tolist(), values.tolist(), strict=True)
    }


@pytest.mark.parametrize(
    ("changes", "meant"),
    [
        ({"status": "created"}, {"events": 1}),
        ({"status": "paid"}, {"events": 1, "paid": 1, "paid_amount_fen": 700}),
        ({"status": "failed"}, {"events": 1, "failed": 1}),
        ({"status": "cancelled"}, {"events": 1, "cancelled": 1}),
        ({"status": "refunded"}, {"events": 1, "refunded": 1}),
        ({"status": "shipped"}, {"events": 1}),
        ({"status": "created", "new_user": True}, {"events": 1, "new_users": 1}),
        # an order of a new user is created and paid: it is one new buyer
        (
            {"status": "paid", "new_user": True, "repeat": True},
            {"events": 1, "paid": 1, "paid_amount_fen": 700, "new_users": 1, "repeat": 1}
            | {"new_paid": 1, "repeat_paid": 1},
        ),
        ({"status": "created", "new_user": False, "repeat": True}, {"events": 1, "repeat": 1}),
    ],
    ids=str,
)
def test_what_an_order_counts_in(changes: dict[str, Any], meant: dict[str, int]) -> None:
    found = counted(coder_of("order"), {**SAMPLES["order"], **changes}, x=700)

    assert set(map(str, found.values())) == {str(meant)}  # the same in every cut


@pytest.mark.parametrize(
    ("status", "meant"),
    [
        (200, {"events": 1, "requests": 50}),
        (499, {"events": 1, "requests": 50}),
        (500, {"events": 1, "requests": 50, "errors": 50}),
    ],
)
def test_what_fifty_requests_count_in(status: int, meant: dict[str, int]) -> None:
    found = counted(coder_of("traffic"), {**SAMPLES["traffic"], "status": status}, x=50)

    assert found["", "", ""] == meant


@pytest.mark.parametrize(
    ("field", "value", "label", "unknown"),
    [
        ("region", "east", "east", 0),
        ("region", "Mars", "other", 1),
        ("region", "", "other", 1),
        ("region", "East", "other", 1),
        ("region", "other", "other", 0),
        ("type", "quality", "quality", 0),
        ("type", "", "unclassified", 0),
        ("type", "rudeness", "other", 1),
        ("severity", 5, "5", 0),
    ],
)
def test_the_label_an_event_counts_under(
    field: str, value: object, label: str, unknown: int
) -> None:
    coder = coder_of("complaint")
    event = {**SAMPLES["complaint"], field: value}

    assert (field, label, "") in counted(coder, event)
    assert coder.unknown(np.array([coder.code(key_of(coder, event))]), ONE) == unknown


@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_counts_an_event_once(kind: str) -> None:
    found = counted(coder_of(kind), SAMPLES[kind])

    assert sorted(found) == sorted(series_of(kind, SAMPLES[kind]))
    assert {next(iter(row.items())) for row in found.values()} == {("events", 1)}


def test_an_absent_promotion_counts_as_other_and_is_no_unknown_label() -> None:
    coder = coder_of("order")
    codes = np.array([coder.code(key_of(coder, SAMPLES["order"]))])

    assert ("promotion", "other", "") in counted(coder, SAMPLES["order"])
    assert coder.unknown(codes, ONE) == 0


def test_ten_thousand_unknown_regions_are_one_series_and_take_no_memory() -> None:
    coder = coder_of("order")
    keys = [key_of(coder, {**SAMPLES["order"], "region": f"planet {i}"}) for i in range(10_000)]
    codes = coder.codes(keys)

    assert set(codes.tolist()) == {codes[0]}
    assert {series for series in coder.series if series[0] == "region"} == {("region", "other", "")}
    assert coder.unknown(codes, np.ones(10_000, np.int64)) == 10_000
    assert len(coder.series) == len(CUTS["order"])


def test_the_memory_of_raw_labels_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is emptied when it is full; codes given before keep their meaning."""
    monkeypatch.setattr(coding, "RAW_KEYS_MAX", 50)
    coder = coder_of("order")
    known = key_of(coder, SAMPLES["order"])
    first = coder.code(known)
    keys = [key_of(coder, {**SAMPLES["order"], "region": f"planet {i}"}) for i in range(500)]
    coder.codes([*keys, known])

    assert len(coder._raw) <= 51
    assert coder.code(known) == first
    assert coder.codes([known]).tolist() == [first]


def test_a_code_never_changes_its_meaning_as_others_come() -> None:
    coder = coder_of("complaint")
    events = [
        {**SAMPLES["complaint"], "region": region, "severity": severity, "category": category}
        for region in ("east", "west", "Mars")
        for severity in range(1, 6)
        for category in ("books", "food", "toys")
    ]
    before = [coder.code(key_of(coder, event)) for event in events]

    for event, code in zip(events, before, strict=True):
        assert coder.code(key_of(coder, event)) == code
        assert sorted(counted(coder, event)) == sorted(series_of("complaint", event))


def test_buckets_agree_with_the_bounds_by_table_and_by_search() -> None:
    edges = [
        0,
        *LATENCY_BOUNDS_MS,
        *(b + 1 for b in LATENCY_BOUNDS_MS),
        *(b - 1 for b in LATENCY_BOUNDS_MS),
    ]
    narrow = np.array([edge for edge in edges if edge < 65_536])
    wide = np.array([*edges, 86_400_000])

    assert buckets_of(narrow.astype(np.uint16)).tolist() == [bucket_of(v) for v in narrow.tolist()]
    assert buckets_of(narrow).tolist() == [bucket_of(v) for v in narrow.tolist()]
    assert buckets_of(wide).tolist() == [bucket_of(v) for v in wide.tolist()]


def test_the_columns_of_a_kind_are_its_counters_then_its_buckets() -> None:
    assert columns("order") == MEASURES["order"]
    assert len(columns("traffic")) == len(MEASURES["traffic"]) + BUCKETS
    assert len(values_of("traffic", SAMPLES["traffic"])) == len(columns("traffic"))


def test_the_largest_orders_of_a_second_add_up_exactly() -> None:
    """100 000 orders of a billion yuan: beyond what a float could hold to the fen."""
    coder = coder_of("order")
    size = 100_000
    cell = np.full(size, coder.code(key_of(coder, SAMPLES["order"])))
    x = np.full(size, 10**11) - np.arange(size) % 2
    _, code, values = coder.spread(np.zeros(size, np.int64), cell, np.ones(size, np.int64), x)
    total = values[code.tolist().index(coder.series.index(("", "", "")))]

    assert total[columns("order").index("paid_amount_fen")] == size * 10**11 - size // 2
