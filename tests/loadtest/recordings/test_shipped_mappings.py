"""The shipped mappings against the real files: every row accounted for, sums to the fen."""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from fenghuo.loadtest.recordings import recording
from fenghuo.loadtest.recordings.mapping import parse
from fenghuo.schemas.campaign import campaign
from fenghuo.schemas.kinds.events import EVENT_OF
from fenghuo.schemas.wire.topics import KIND_OF
from tests.loadtest.recordings import polars_truth, sets
from tests.paths import CAMPAIGNS

NOW = 1_700_000_000_000
CAMPAIGN = CAMPAIGNS / "replays.toml"
Events = list[dict[str, Any]]


def replayed(name: str, paths: list[Path]) -> tuple[recording.Recording, Events]:
    """The recording and its events, each decoded with the wire's own types."""
    text = (sets.MAPPINGS / f"{name}.toml").read_text(encoding="utf-8")
    found = recording.read(parse(text, f"{name}.toml"), paths, NOW)
    decoders = {kind: msgspec.json.Decoder(kind_type) for kind, kind_type in EVENT_OF.items()}
    events, paid, fen = [], 0, 0
    for batch in recording.messages(found, recording.Pace(None, "keep", 0), lambda: NOW):
        for message in batch:
            event = decoders[KIND_OF[message.topic]].decode(message.payload)
            events.append(msgspec.to_builtins(event))
            paid, fen = paid + message.paid, fen + message.paid_amount_fen
    assert len(events) == found.events
    assert events == sorted(events, key=lambda event: event["ts"])
    good = [event for event in events if event.get("status") == "paid"]
    assert (paid, fen) == (len(good), sum(event["amount_fen"] for event in good))
    return found, events


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The file again, by the standard library alone."""
    with gzip.open(path, "rb") as raw:
        text = raw.read().decode("utf-8")
    return csv.DictReader(io.StringIO(text, newline=""))


def fen(text: str) -> int:
    return int(Decimal(text) * 100)


def ms(text: str, hours: int) -> int:
    """Epoch ms of a local time, without binary fractions."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=hours)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def by_status(events: Events) -> Counter[str]:
    return Counter(event["status"] for event in events if event["kind"] == "order")


@pytest.mark.parametrize("path", sorted(sets.MAPPINGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_mapping_parses(path: Path) -> None:
    assert parse(path.read_text(encoding="utf-8"), path.name).name == path.stem
    assert path.stem in sets.FILES


@pytest.mark.slow
def test_online_retail_equals_the_truth_to_the_row_and_to_the_fen() -> None:
    paths = sets.files("online-retail-uci")

    found, events = replayed("online-retail-uci", paths)

    paid = pl.col("status") == "paid"
    keys = [pl.col("region"), (pl.col("ts") // 1000).alias("second")]
    columns = ["region", "ts", "status", "amount_fen"]
    frame = pl.DataFrame({name: [event[name] for event in events] for name in columns})
    totals = frame.group_by(keys).agg(
        pl.len().alias("events"),
        paid.sum().alias("paid"),
        pl.col("amount_fen").filter(paid).sum().alias("paid_amount_fen"),
        (pl.col("status") == "cancelled").sum().alias("cancelled"),
    )
    truth = polars_truth.totals([str(path) for path in paths])
    assert totals.sort("region", "second").equals(truth)
    assert found.rows == found.events == truth["events"].sum()
    assert found.skipped == {}
    assert len({event["event_id"] for event in events}) == found.rows


def test_tmall_orders_are_created_paid_and_refunded() -> None:
    (path,) = sets.files("tmall-orders-2020-02")

    found, events = replayed("tmall-orders-2020-02", [path])

    orders = list(rows(path))
    paid = [row for row in orders if row["订单付款时间"]]
    refunded = [row for row in orders if Decimal(row["退款金额"]) > 0]
    assert found.rows == len(orders)
    assert by_status(events) == {
        "created": len(orders),
        "paid": len(paid),
        "refunded": len(refunded),
    }
    for status, source, column in (
        ("created", orders, "总金额"),
        ("paid", paid, "总金额"),
        ("refunded", refunded, "退款金额"),
    ):
        sums = sum(event["amount_fen"] for event in events if event.get("status") == status)
        assert sums == sum(fen(row[column]) for row in source)
    assert Counter(e["ts"] for e in events if e.get("status") == "paid") == Counter(
        ms(row["订单付款时间"], 8) for row in paid
    )
    complaints = [event for event in events if event["kind"] == "complaint"]
    assert len(complaints) == len(refunded)
    assert {event["type"] for event in complaints} == {"refund"}


def test_olist_orders_go_through_their_stages_and_bad_reviews_complain() -> None:
    (path,) = sets.files("olist-classified")

    found, events = replayed("olist-classified", [path])

    orders = list(rows(path))
    delivered = [row for row in orders if row["order_delivered_customer_date"]]
    bad = [row for row in orders if int(row["review_score"]) <= 2]
    assert found.rows == len(orders)
    assert by_status(events) == {
        "created": len(orders),
        "paid": len(orders),
        "delivered": len(delivered),
        "cancelled": sum(row["order_status"] == "canceled" for row in orders),
    }
    assert sum(event["amount_fen"] for event in events if event.get("status") == "paid") == sum(
        fen(row["order_products_value"]) + fen(row["order_freight_value"]) for row in orders
    )
    complaints = [event for event in events if event["kind"] == "complaint"]
    assert Counter(event["type"] for event in complaints) == Counter(
        row["most_voted_subclass"] for row in bad
    )
    assert Counter(event["severity"] for event in complaints) == Counter(
        6 - int(row["review_score"]) for row in bad
    )
    assert Counter(e["ts"] for e in events if e.get("status") == "created") == Counter(
        ms(row["order_purchase_timestamp"], -3) for row in orders
    )
    late = sum(e["delivered_ts"] > e["promised_ts"] for e in events if e.get("delivered_ts"))
    assert late == sum(
        row["order_delivered_customer_date"] > row["order_estimated_delivery_date"]
        for row in delivered
    )


def test_taobao_visits_and_purchases() -> None:
    (path,) = sets.files("taobao-userbehavior-2017")

    found, events = replayed("taobao-userbehavior-2017", [path])

    lines = gzip.decompress(path.read_bytes()).decode().split()
    visits = [event for event in events if event["kind"] == "traffic"]
    orders = [event for event in events if event["kind"] == "order"]
    assert found.rows == len(visits) == len(lines)
    assert Counter((e["ts"], e["action"], e["user_id"]) for e in visits) == Counter(
        (int(c[4]) * 1000, c[3], c[0]) for c in (line.split(",") for line in lines)
    )
    assert Counter(event["category"] for event in orders) == Counter(
        f"bucket-{int(c[2]) % 32:02}" for c in (line.split(",") for line in lines) if c[3] == "buy"
    )


@pytest.mark.parametrize("name", ["invocation_count.csv.gz", "requests_bytes.csv.gz"])
def test_worldcup_minutes_carry_their_counts(name: str) -> None:
    (path,) = sets.files("worldcup98", name)

    found, events = replayed("worldcup98", [path])

    minutes = list(rows(path))
    assert found.rows == found.events == len(minutes)
    count = "count" if "count" in minutes[0] else "num_request"
    assert sum(event["count"] for event in events) == sum(int(row[count]) for row in minutes)
    assert sum(event["bytes"] or 0 for event in events) == sum(
        int(row.get("size", 0)) for row in minutes
    )
    first = minutes[0].get("period") or minutes[0]["timestamp"]
    assert events[0]["ts"] == ms(first, 0)


def test_alibaba_requests_have_their_latency_and_result() -> None:
    (path,) = sets.files("alibaba-gentd26")

    found, events = replayed("alibaba-gentd26", [path])

    requests = list(rows(path))
    codes = {"SUCCEED": 200, "FAILED": 500, "PENDING": 202, "PROCESSING": 202}
    assert found.rows == found.events == len(requests)
    assert Counter((e["ts"], e["status"], e["latency_ms"]) for e in events) == Counter(
        (
            ms(row["gmt_create"], 0),
            codes[row["predict_status"]],
            int(Decimal(row["exec_time_seconds"]) * 1000),
        )
        for row in requests
    )


def test_cfpb_complaints_are_spread_over_their_day() -> None:
    (path,) = sets.files("cfpb-complaints")

    found, events = replayed("cfpb-complaints", [path])

    complaints = list(rows(path))
    assert found.rows == found.events == len(complaints)
    days = Counter(
        datetime.strptime(row["Date received"], "%m/%d/%Y").replace(tzinfo=UTC).date().toordinal()
        for row in complaints
    )
    epoch = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    assert Counter(event["ts"] // 86_400_000 + epoch for event in events) == days
    assert len({event["ts"] for event in events}) == len(events)
    assert Counter(event["region"] for event in events) == Counter(
        f"US-{row['State'] or 'unknown'}" for row in complaints
    )
    assert Counter(event["type"] for event in events) == Counter(
        row["Issue"].replace(",", ";") for row in complaints
    )


def test_negative_reviews_become_complaints_with_a_type() -> None:
    (path,) = sets.files("online-shopping-10-cats")

    found, events = replayed("online-shopping-10-cats", [path])

    reviews = list(rows(path))
    negative = [row for row in reviews if row["label"] == "0"]
    assert found.rows == len(reviews)
    assert found.skipped == {recording.UNMATCHED: len(reviews) - len(negative)}
    assert Counter(e["category"] for e in events) == Counter(row["cat"] for row in negative)
    assert [event["ts"] - NOW for event in events] == [i * 50 for i in range(len(negative))]
    types = Counter(event["type"] for event in events)
    assert types["logistics"] > 1000
    assert types["quality"] > 1000
    assert 0 < types[""] < len(events) * 0.7


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(sets.FILES))
def test_the_campaign_for_replays_knows_every_label(name: str) -> None:
    labels = campaign.load(CAMPAIGN).labels
    _, events = replayed(name, sets.files(name))

    for dimension in ("region", "category", "channel", "payment", "system", "type", "action"):
        used = {event[dimension] for event in events if event.get(dimension)}
        assert used <= set(labels[dimension])
