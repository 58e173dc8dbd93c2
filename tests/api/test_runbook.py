"""Where an alert of our own leads: the address in the rules is served, with its anchor."""

import re
from functools import partial
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from fenghuo.alerts.prometheus.files import RULES_PATH, files
from fenghuo.api.runbook import rendered
from fenghuo.schemas.campaign.campaign import load
from tests.api.boards import FakeSource
from tests.api.test_routes import Client, visit
from tests.paths import ROOT

CAMPAIGN = load(ROOT / "deploy/campaigns/double11.toml")


async def opened(path: str, client: Client, _: FakeSource) -> httpx.Response:
    return await client.get(path)


def links(runbook: str = "") -> dict[str, str]:
    rules = yaml.safe_load(files(CAMPAIGN, runbook=runbook)[RULES_PATH])["groups"][1]["rules"]
    return {rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules}


def test_who_has_only_the_generated_rules_gets_to_the_alerts_own_words() -> None:
    for name, url in links().items():
        assert url.startswith(f"{CAMPAIGN.page_url}/")
        split = urlsplit(url)
        answer: httpx.Response = visit(partial(opened, split.path))
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        (words,) = re.findall(
            f'<h3 id="{split.fragment}">{name}</h3><p>(.{{20,}}?)</p>', answer.text, re.DOTALL
        )
        assert "`" not in words


def test_the_runbook_may_be_kept_elsewhere() -> None:
    assert (
        links(runbook="https://wiki.example/x")["FenghuoLag"] == "https://wiki.example/x#fenghuolag"
    )


@pytest.mark.parametrize("name", ["Alerts of fenghuo itself", "What to do when"])
def test_what_is_shown_is_shown_whole(name: str) -> None:
    """Every word of the section but its marks is there, and nothing is taken for a tag."""
    text = (ROOT / "deploy/README.md").read_text()
    section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
    shown = re.sub(r"<[^>]+>", " ", rendered(text))
    for word in re.findall(r"\w{4,}", re.sub(r"\]\([^)]+\)|```\w*", "", section)):
        assert word in shown
    hostile = rendered("## Alerts of fenghuo itself\n\n`<b>` & <i>\n\n## What to do when\n\nx\n")
    assert "<code>&lt;b&gt;</code> &amp; &lt;i&gt;" in hostile
