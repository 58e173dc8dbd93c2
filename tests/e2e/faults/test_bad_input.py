"""Everything that can be wrong with a message, sent through the real processes between good events:
each bad one is refused with a reason and can be read back, no good one is lost, no worker dies, and
no window is closed by a lie about the time.
"""

import gzip
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from fenghuo.loadtest.plan import people
from fenghuo.loadtest.plan.storm import Storm
from fenghuo.schemas.campaign import campaign
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store.port import connect
from fenghuo.streams.transport import kafka
from tests.e2e.river import River
from tests.parts.tansu import tansu as tansu_part
from tests.paths import ROOT

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(500),
    # kafka-python leaves refused sockets to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
UNKNOWN_REGIONS = 10_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def order(i: int, **fields: Any) -> dict[str, Any]:
    """A good order of one fen, paid; fields replace."""
    return {
        "kind": "order",
        "event_id": f"good-{i}",
        "ts": now_ms(),
        "region": "east",
        "order_id": f"o{i}",
        "user_id": f"u{i}",
        "category": "food",
        "channel": "app",
        "amount_fen": 1,
        "status": "paid",
        "payment": "alipay",
    } | fields


def text(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass")


def data(name: str) -> Path | None:
    folder = Path(os.environ.get("FENGHUO_TEST_DATA") or ROOT.parent / "shared" / "data") / name
    return folder if folder.is_dir() else None


def suite() -> Iterator[bytes]:
    """Every file of the JSON test suite and every naughty string, as whole messages."""
    if folder := data("json-test-suite"):
        with tarfile.open(folder / "files.tar.gz") as files:
            for member in files.getmembers():
                if member.isfile() and (file := files.extractfile(member)):
                    yield file.read()
    if folder := data("naughty-strings"):
        for line in json.loads(gzip.decompress((folder / "blns.json.gz").read_bytes())):
            yield line.encode("utf-8", "surrogatepass")


def naughty_labels() -> list[str]:
    """Naughty strings that are strings: good events whose labels fall into `other`."""
    if (folder := data("naughty-strings")) is None:
        return []
    found = json.loads(gzip.decompress((folder / "blns.json.gz").read_bytes()))
    return [line for line in found if len(line) <= 256]


def broken() -> Iterator[bytes | None]:
    """Messages that are wrong in one way each."""
    good = text(order(0))
    wrong_values: dict[str, list[Any]] = {
        "amount_fen": [-1, 2**63, 2**64, 10**30, 1.5, "1", True, None],
        "ts": [0, 86_400_000, 1_700_000_000, 4_102_444_800_000, 2**62, 2**63, -1, "now", None],
        "region": [None, 7, ["east"], {"a": 1}],
        "status": ["Paid", "", 1],
        "kind": ["traffic", "complaint", "orders", None],
        "event_id": ["", None, 3],
    }
    for field, values in wrong_values.items():
        for wrong in values:
            yield text(order(0, **{field: wrong}))
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"0x10", b"01"):
        yield good.replace(b'"amount_fen": 1', b'"amount_fen": ' + number)
    yield from (None, b"", b" ", b"{}", b"[]", b"null", b"[[]]", good[:-1], good + good)
    yield b"\xef\xbb\xbf" + good
    yield good.replace(b'"east"', b'"\xff\xfe"')
    yield good.replace(b'"east"', b'"\\ud800"')
    yield text(order(0, note="x" * 2_000_000))
    yield good[:-1] + b', "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    frame = good_frame()
    yield from (frame[: len(frame) // 2], frame[:8], frame[:4] + b"\0" * 64, b"\xff\xff\xff\xff")
    yield frame.replace(b"order", b"ordre")


def good_frame() -> bytes:
    """A frame of good orders of now."""
    labels = campaign.load(Path(Settings().campaign)).labels
    storm = Storm(people.Scene(labels, seed=3, weights=(1, 0, 0)), 500, 1, "frame")
    (message,) = next(storm.messages(now_ms() - 200))
    return message.payload


class Sender:
    """Sends to topic orders and remembers which offset is which."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap, acks="all", linger_ms=20, max_request_size=8 << 20
        )
        self._sent: list[tuple[str, int, Any]] = []
        self._i = 0

    def send(self, kind: str, value: bytes | None, events: int = 1) -> None:
        """One message: "good" or "bad"."""
        self._i += 1
        future = self._producer.send("orders", value, key=b"k", partition=self._i % 4)
        self._sent.append((kind, events, future))

    def places(self, kind: str) -> dict[tuple[int, int], int]:
        """{(partition, offset): events} of what was sent as this kind."""
        self._producer.flush()
        found = {}
        for what, events, future in self._sent:
            if what == kind:
                metadata = future.get(30)
                found[metadata.partition, metadata.offset] = events
        return found

    def close(self) -> None:
        self._producer.close()


def test_nothing_bad_gets_in_and_nothing_good_is_lost(
    need: Callable[[str], None], tmp_path: Path
) -> None:
    need("tansu")
    shop = ROOT / "deploy" / "campaigns" / "double11.toml"
    with (
        tansu_part() as broker,
        River(broker.bootstrap, f"chdb:{tmp_path}/store", tmp_path, shop) as river,
    ):
        pids = {name: part.pid for name, part in river.parts.items()}
        sender = Sender(broker.bootstrap)
        bad = [*suite(), *broken()]
        for i, value in enumerate(bad):
            sender.send("good", text(order(i)))
            sender.send("bad", value)
        for i in range(UNKNOWN_REGIONS):
            sender.send("good", text(order(i, region=f"nowhere-{i}", extra=i)))
        for i, label in enumerate(naughty_labels()):
            sender.send("good", text(order(i, region=label, category=label, payment=label)))
        sender.send("good", good_frame(), events=25)
        good, refused = sender.places("good"), sender.places("bad")
        sender.close()

        code, books = river.audit()
        assert code == 0, (books, river.logs())
        counted = [book for book in books["partitions"] if book["topic"] == "orders"]
        # on time all of it: no lie about the time has closed a second
        assert sum(book["accepted"] for book in counted) == sum(good.values())
        assert sum(book["late"] for book in counted) == 0
        with connect(river.env["FENGHUO_STORE"]) as store:  # type: ignore[attr-defined]
            rows = store.query("SELECT DISTINCT `partition`, `offset`, reason FROM refused")
        assert {(row["partition"], row["offset"]) for row in rows} == set(refused)
        assert {"empty", "not_json", "not_an_event", "schema", "too_large", "frame"} <= {
            row["reason"] for row in rows
        }
        assert {"time_past", "time_future"} <= {row["reason"] for row in rows}

        by_region = river.get("api/v1/totals?kind=order&by=region")["rows"]
        assert len(by_region) <= 6
        other = next(row for row in by_region if row["region"] == "other")
        assert other["events"] >= UNKNOWN_REGIONS
        (kind,) = (k for k in river.get("api/v1/status")["kinds"] if k["kind"] == "order")
        assert kind["unknown_labels"] >= UNKNOWN_REGIONS
        assert kind["unknown_fields"] == UNKNOWN_REGIONS

        code, out = river.run("dlq", "list", "--json", "--limit", "100000")
        letters = [json.loads(line) for line in out.splitlines()]
        assert {(letter["partition"], letter["offset"]) for letter in letters} == set(refused)
        assert {name: part.pid for name, part in river.parts.items() if part.alive()} == pids


def test_a_letter_replayed_twice_counts_once(need: Callable[[str], None], tmp_path: Path) -> None:
    """An event of the near future is refused, and welcome once its time has come; but only once."""
    need("tansu")
    shop = ROOT / "deploy" / "campaigns" / "double11.toml"
    with (
        tansu_part() as broker,
        River(broker.bootstrap, f"chdb:{tmp_path}/store", tmp_path, shop) as river,
    ):
        sender = Sender(broker.bootstrap)
        early_ms = now_ms() + 14_000
        sender.send("good", text(order(0)))
        sender.send("bad", text(order(1, ts=early_ms, amount_fen=7_000)))
        assert len(sender.places("bad")) == 1
        sender.close()
        code, books = river.audit()
        assert (code, sum(book["refused"] for book in books["partitions"])) == (0, 1)
        time.sleep(max(0.0, (early_ms - 9_000 - now_ms()) / 1000))
        for _ in range(2):
            code, out = river.run("dlq", "replay", "--reason", "time_future")
            assert code == 0, out
        river.kill("gather")
        code, out = river.run("dlq", "replay", "--reason", "time_future")
        code, books = river.audit()
        assert code == 0, books
        assert sum(book["fen"]["log"] for book in books["partitions"]) == 7_001
        assert sum(book["refused"] for book in books["partitions"]) == 3
        (total,) = river.get("api/v1/totals?kind=order")["rows"]
        assert (total["paid"], total["paid_amount_fen"]) == (2, 7_001)


def test_topics_that_a_stranger_writes_to(need: Callable[[str], None]) -> None:
    """A record that is no dead letter, on the topic of dead letters, is passed over."""
    need("tansu")
    import asyncio

    from fenghuo.schemas.wire import topics
    from fenghuo.streams.letters.dead_letters import _letters

    with tansu_part() as broker:
        settings = Settings(kafka=broker.bootstrap)
        asyncio.run(kafka.prepare(settings))
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap)
        producer.send(topics.REFUSED, b"not ours").get(10)
        producer.close()
        assert asyncio.run(_letters(settings)) == []
