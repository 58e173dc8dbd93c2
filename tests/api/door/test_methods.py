"""What every address has in common: HEAD and OPTIONS, and that none begins at a root."""

import re

import httpx
import pytest

from fenghuo.api.pages import STATIC
from tests.api.boards import FakeSource
from tests.api.test_routes import Client, visit

EVERY = [
    *("/", "/runbook", "/readyz", "/healthz", "/metrics", "/api/v1/status", "/api/v1/users"),
    *("/api/v1/campaign", "/api/v1/playbooks/payment_risk", "/api/v1/playbooks/none"),
    *("/static/x/app.js", "/static/x/none.js", "/api/v1/nothing", "/api/v1/status?x=1"),
    *("/api/v1/totals?kind=order", "/api/v1/history?metric=order.paid"),
]


@pytest.mark.parametrize("address", EVERY)
def test_head_is_get_without_its_body(address: str) -> None:
    async def use(client: Client, _: FakeSource) -> tuple[httpx.Response, httpx.Response]:
        plain = {"Accept-Encoding": "identity"}
        return await client.get(address, headers=plain), await client.head(address, headers=plain)

    whole, head = visit(use)
    assert head.status_code == whole.status_code
    assert head.content == b""
    same = {name: value for name, value in whole.headers.items() if name != "content-length"}
    assert {name: head.headers[name] for name in same} == same
    if address != "/metrics":  # which counts its own requests
        assert head.headers["content-length"] == str(len(whole.content))


def _options(address: str) -> httpx.Response:
    found: httpx.Response = visit(lambda client, _: client.options(address))
    return found


def test_every_address_says_what_it_takes() -> None:
    """OPTIONS opens nothing to other origins; what is not there stays not there."""
    for address in (*EVERY, "/api/v1/stream"):
        answer = _options(address)
        assert answer.status_code == (404 if address == "/api/v1/nothing" else 204), address
        assert not [name for name in answer.headers if name.startswith("access-control")]
        if answer.status_code == 204:
            assert (answer.headers["allow"], answer.content) == ("GET, HEAD, OPTIONS", b"")


def test_no_served_file_has_an_address_of_its_own_root() -> None:
    """Below any path of a proxy everything is found: all addresses are relative."""
    for file in sorted(STATIC.rglob("*")):
        if file.suffix in (".html", ".js", ".css", ".svg"):
            found = re.findall(r"""["'`(=](/(?:api|static)[^\s"'`)]*)""", file.read_text())
            assert found == [], file.name
