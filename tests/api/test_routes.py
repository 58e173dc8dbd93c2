"""Every address: what it answers, and that each failure has the one shape."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fenghuo.api import app as api
from fenghuo.api.errors import ApiError
from fenghuo.api.history import stores as stores_module
from fenghuo.api.history.stores import Stores
from fenghuo.api.view.latest import Latest
from fenghuo.schemas.lane import LANES, REAL, Lane
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.store.faults import Fault
from fenghuo.schemas.store.port import StoreError
from fenghuo.schemas.wire.topics import KINDS
from tests.api import boards
from tests.api.boards import START_MS, FakeSource, board, campaign
from tests.api.server import NoStore, make_app

Client = httpx.AsyncClient


def visit(
    use: Callable[[Client, FakeSource], Awaitable[Any]],
    *,
    second: float | None = 60,
    late_ms: int = 0,
    stores: Stores | None = None,
    lane: Lane = REAL,
) -> Any:
    """Run `use` against the app, its clock standing still."""

    async def run() -> Any:
        now_ms = START_MS + round((second or 0) * 1000)
        source = FakeSource(Latest(0))
        app = api.create_app(
            Settings(lane=lane),
            campaign=campaign(),
            stores=stores or Stores(NoStore, NoStore.address),
            source=source,
            clock_ms=lambda: now_ms + late_ms,
        )
        async with app.router.lifespan_context(app):
            await asyncio.sleep(0)
            if second is not None:
                source.push(board(second), now_ms)
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with Client(transport=transport, base_url="http://window") as client:
                return await use(client, source)

    return asyncio.run(run())


def get(address: str, **options: Any) -> httpx.Response:
    answer: httpx.Response = visit(lambda client, _: client.get(address), **options)
    return answer


def test_status_shows_every_verdict() -> None:
    body = get("/api/v1/status").json()

    assert len(body["verdicts"]) == len(board(60).verdicts)
    assert {"as_of_ms", "watermark_ms", "overview", "kinds", "level"} <= set(body)
    assert {"accepted", "late", "refused"} <= set(body["kinds"][0])


@pytest.mark.parametrize("address", ["/api/v1/status", "/readyz"])
def test_without_a_board_there_is_no_status(address: str) -> None:
    answer = get(address, second=None)

    assert answer.status_code == 503
    assert set(answer.json()["error"]) == {"code", "message", "cure"}
    assert int(answer.headers["retry-after"]) > 0


def test_campaign_names_everything_that_status_speaks_of() -> None:
    body = get("/api/v1/campaign").json()
    rules = {rule["id"]: rule for rule in body["rules"]}

    assert [level["name"] for level in body["levels"]] == [
        *("green", "blue", "cyan", "yellow", "orange", "red"),
    ]
    for verdict in board(60).verdicts:
        assert rules[verdict.rule]["title"]["zh"]
        dimension, _, label = verdict.scope.partition("=")
        if dimension in body["titles"]:
            assert body["titles"][dimension][label]["en"]
    assert rules["payment_failure_rate"]["ladder"]["orange"]["enter"] == 10
    assert body["targets"]["gmv_fen"] == campaign().gmv_fen
    assert body["rehearsal_scale"] == campaign().scale


def test_a_playbook_is_read_where_the_alert_says() -> None:
    """Every rule's playbook is served, with its steps in both languages."""
    names = {rule.playbook for rule in campaign().rules if rule.playbook}
    assert names
    for name in names:
        found = get(f"/api/v1/playbooks/{name}").json()
        assert (found["id"], found["lane"]) == (name, "real")
        assert found["owner"] in campaign().plans.departments
        assert all(step["zh"] and step["en"] for step in found["steps"])
    missing = get("/api/v1/playbooks/none")
    assert missing.status_code == 404
    assert "technical_failure" in missing.text


def test_health_names_its_parts() -> None:
    body = get("/healthz", late_ms=1500).json()

    assert body["ok"] is True
    assert body["kafka"] == Settings().kafka
    assert body["store"] == NoStore.address
    assert body["board_age_ms"] == 1500
    assert body["version"]
    assert get("/healthz", second=None).json()["board_age_ms"] is None


def test_ready_without_a_store_but_not_without_boards() -> None:
    assert get("/readyz").json()["store"] == "down"
    assert get("/readyz", late_ms=5_000).status_code == 200
    assert get("/readyz", late_ms=5_001).status_code == 503


BAD = [
    ("/api/v1/status?x=1", 400, "x: no such parameter"),
    ("/api/v1/totals", 400, "kind: expected a value"),
    ("/api/v1/totals?kind=visits", 400, "kind: no kind 'visits'"),
    ("/api/v1/totals?kind=order&by=payment,region", 400, "by: no cut"),
    ("/api/v1/totals?kind=order&by=region,region", 400, "by: no cut"),
    ("/api/v1/totals?kind=order&by=second,minute", 400, "by: no cut"),
    ("/api/v1/totals?kind=order&from_ms=soon", 400, "from_ms: "),
    ("/api/v1/totals?kind=order&from_ms=-1", 400, "from_ms: "),
    ("/api/v1/totals?kind=order&from_ms=99999999999999", 400, "from_ms: "),
    ("/api/v1/totals?kind=order&from_ms=5&to_ms=5", 400, "to_ms: expected more"),
    ("/api/v1/totals?kind=order&kind=traffic", 400, "kind: given 2 times"),
    ("/api/v1/totals?kind=order&form_ms=1", 400, "form_ms: no such parameter"),
    ("/api/v1/totals?kind=" + "x" * 300, 400, "kind: "),
    ("/api/v1/history", 400, "metric: expected a value"),
    ("/api/v1/history?metric=order.joy", 400, "metric: no metric 'order.joy'"),
    ("/api/v1/history?metric=order.paid&step=0", 400, "step: expected 1 to 604800"),
    ("/api/v1/history?metric=order.paid&by=second", 400, "by: no cut"),
    ("/api/v1/nothing", 404, "get /api/v1/nothing"),
    ("/static/x/nothing.js", 404, "no such file"),
    ("/static/x/../app.py", 404, ""),
    ("/docs", 404, ""),
    ("/redoc", 404, ""),
    ("/openapi.json", 404, ""),
    ("/api/v1/stream?speed=9", 400, "speed: no such parameter"),
    ("/api/v1/totals?kind=order", 503, "connection refused"),
    ("/api/v1/history?metric=order.paid", 503, "connection refused"),
]


@pytest.mark.parametrize(("address", "status", "message"), BAD)
def test_every_error_has_the_one_shape(address: str, status: int, message: str) -> None:
    answer = get(address)
    body = answer.json()

    assert answer.status_code == status, body
    assert list(body) == ["error"]
    assert set(body["error"]) == {"code", "message", "cure"}
    assert body["error"]["message"].startswith(message) or message in body["error"]["message"]
    assert len(body["error"]["message"]) < 600


def test_unknown_cuts_name_the_known_ones() -> None:
    cure = get("/api/v1/totals?kind=traffic&by=category").json()["error"]["cure"]

    assert "region | channel | system" in cure


@pytest.mark.parametrize("address", ["/api/v1/status", "/api/v1/stream", "/metrics", "/"])
def test_only_reading(address: str) -> None:
    answer = visit(lambda client, _: client.post(address))

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert answer.json()["error"]["code"] == "method_not_allowed"


def test_a_surprise_is_told_in_the_same_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Latest, "view", broken)
    answer = get("/api/v1/status")

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "ZeroDivision" not in answer.text


def test_every_answer_is_guarded() -> None:
    for address in ("/", "/api/v1/status", "/api/v1/nothing", "/metrics"):
        headers = get(address).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_static_files_carry_their_version_and_are_not_sent_twice() -> None:
    async def use(client: Client, _: FakeSource) -> None:
        page = await client.get("/?lang=en&view=whatever")
        names = re.findall(r'(?:src|href)="(static/[^"]+)"', page.text)
        assert names
        for name in names:
            answer = await client.get(f"/{name}")
            assert answer.status_code == 200, name
            assert "immutable" in answer.headers["cache-control"]
            again = await client.get(f"/{name}", headers={"If-None-Match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            _, version, rest = name.split("/", 2)
            assert re.fullmatch("[0-9a-f]{12}", version)
            old = await client.get(f"/static/000000000000/{rest}")
            assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")

    visit(use)


def families(text: str) -> Mapping[str, list[Any]]:
    return {family.name: family.samples for family in text_string_to_metric_families(text)}


def told(sample: Any) -> tuple[str, ...]:
    """The labels of a sample but the lane, which all have."""
    return tuple(value for name, value in sample.labels.items() if name != "lane")


@pytest.mark.parametrize("lane", LANES)
def test_an_api_says_whose_data_it_shows(lane: Lane) -> None:
    async def use(client: Client, source: FakeSource) -> list[httpx.Response]:
        source.push(board(150), START_MS + 60_000)
        paths = ("api/v1/status", "api/v1/campaign", "healthz", "metrics")
        return [await client.get(f"/{path}") for path in paths]

    *plain, metrics = visit(use, lane=lane)
    samples = [sample for found in families(metrics.text).values() for sample in found]

    assert [answer.json()["lane"] for answer in plain] == [lane] * 3
    assert {sample.name for sample in samples} >= {"fenghuo_reading", "fenghuo_http_requests_total"}
    assert {sample.labels["lane"] for sample in samples} == {lane}


def test_metrics_hold_readings_levels_ages_and_books() -> None:
    async def use(client: Client, source: FakeSource) -> tuple[str, str]:
        await client.get("/api/v1/status")
        await client.get("/api/v1/nothing")
        source.push(board(150), START_MS + 60_000)
        first = (await client.get("/metrics")).text
        source.push(boards.without_data(board(151)), START_MS + 60_000)
        return first, (await client.get("/metrics")).text

    first, empty = (families(text) for text in visit(use))
    made = board(150)

    readings = {told(s): s.value for s in first["fenghuo_reading"]}
    assert readings == {(v.rule, v.scope): v.value for v in made.verdicts if v.value is not None}
    levels = {told(s): s.value for s in first["fenghuo_level"]}
    assert levels == {(v.rule, v.scope): v.level for v in made.verdicts if v.level is not None}
    assert len(first["fenghuo_reading_samples"]) == len(made.verdicts)
    accepted = {s.labels["kind"]: s.value for s in first["fenghuo_accepted_events"]}
    assert accepted == {kind.kind: kind.books.accepted for kind in made.kinds}
    for name in (
        *("fenghuo_data_age_seconds", "fenghuo_watermark_seconds", "fenghuo_lag_events"),
        *("fenghuo_late_events", "fenghuo_refused_events", "fenghuo_unknown_labels"),
    ):
        assert {s.labels["kind"] for s in first[name]} == set(KINDS)
    requests = {
        (s.labels["route"], s.labels["code"]): s.value for s in first["fenghuo_http_requests"]
    }
    assert requests["/api/v1/status", "200"] == 1
    assert requests["unmatched", "404"] == 1
    assert first["fenghuo_viewers"][0].value == 0
    assert "fenghuo_frames_sent" in first
    # What is not known is absent.
    assert empty["fenghuo_reading"] == []
    assert empty["fenghuo_level"] == []
    assert empty["fenghuo_data_age_seconds"] == []


def test_metrics_hold_what_the_rules_of_prometheus_judge() -> None:
    """What an adaptive rule is graded by, what an early warning sees, and the phase."""
    made = boards.varied(board(150))

    async def use(client: Client, source: FakeSource) -> str:
        source.push(made, START_MS + 60_000)
        return (await client.get("/metrics")).text

    found = families(visit(use))
    ahead = next(v.projected for v in made.verdicts if v.projected is not None)
    phases = {told(s)[0]: s.value for s in found["fenghuo_phase"]}

    # 6.1 is 8.2 times the usual 0.5 above the expected 2
    scores = {told(s): round(s.value, 6) for s in found["fenghuo_score"]}
    assert scores == {("complaint_rate", "region=east"): 8.2}
    projected = {told(s): s.value for s in found["fenghuo_projected"]}
    assert projected == {("traffic_capacity", "total"): ahead}
    assert {*phases} == {*(phase.id for phase in campaign().phases), "outside"}
    assert [name for name, on in phases.items() if on] == [made.campaign.phase]


def test_metrics_answer_before_any_board_has_come() -> None:
    found = families(get("/metrics", second=None).text)

    assert "fenghuo_level" not in found
    assert found["fenghuo_boards"][0].value == 0


class Slow(NoStore):
    """A store that holds every question until it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.most = 0

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        import time

        self.asked += 1
        self.most = max(self.most, self.asked)
        time.sleep(0.15)
        self.asked -= 1
        return [{"one": 1}]


def test_the_store_is_asked_by_few_at_a_time_and_within_a_limit() -> None:
    slow = Slow()
    stores = Stores(lambda: slow, "slow")

    async def ask() -> None:
        await asyncio.gather(*(stores.query("SELECT 1", {}) for _ in range(12)))
        with pytest.raises(ApiError) as caught:
            await stores.query("SELECT 1", {}, limit_s=0.05)
        assert caught.value.status == 504
        found = await asyncio.gather(
            *(stores.query("SELECT 1", {}) for _ in range(60)), return_exceptions=True
        )
        busy = [one for one in found if isinstance(one, ApiError)]
        assert {one.code for one in busy} == {"store_busy"}
        assert len(found) - len(busy) >= stores_module.WAITING_MAX
        stores.close()

    asyncio.run(ask())
    assert slow.most == stores_module.WORKERS


def test_a_store_that_comes_back_is_used_again() -> None:
    tries = iter([StoreError("away", Fault("away")), None])

    def connect() -> Slow:
        if (error := next(tries)) is not None:
            raise error
        return Slow()

    stores = Stores(connect, "flaky")

    async def ask() -> list[dict[str, Any]]:
        with pytest.raises(StoreError):
            await stores.query("SELECT 1", {})
        return await stores.query("SELECT 1", {})

    assert asyncio.run(ask()) == [{"one": 1}]
    stores.close()


def test_an_app_can_be_made_without_any_part_running() -> None:
    assert make_app(FakeSource()).state.feed.viewers == 0
