"""The page behind a proxy that shows it below a path of its own."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.api.server import Story, story
from tests.ui.proxy import below
from tests.ui.test_page import Seen, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("path", ["/ops/wall/", "/a%20b/c/"])
def test_the_page_works_below_any_path(chromium: "Browser", path: str, tmp_path: Path) -> None:
    with story() as played, below(path, played.address) as address:
        behind = Story(played.process, address.rstrip("/"))
        with opened(chromium, behind) as seen:
            _works(seen, address)
            seen.page.screenshot(path=tmp_path / "below.png")


def _works(seen: Seen, address: str) -> None:
    seen.wait("document.querySelectorAll('.alarm').length >= 6")
    seen.wait("document.documentElement.dataset.state === 'live'")
    assert seen.page.evaluate("document.fonts.check('16px \"Inter Wall\"')")
    seen.page.locator(".plan:visible").first.click()
    seen.wait("document.querySelectorAll('.sheet li').length > 1")
    seen.page.keyboard.press("Escape")
    seen.page.locator("button.switch").click()
    assert seen.text(".board h2") == "Warnings"
    seen.page.goto(address)
    seen.page.wait_for_selector('html[data-ready="1"]')
    assert seen.text(".board h2") == "Warnings", "the cookie holds below this path"
    # of the api's own kind only: a 404 of the proxy is a line on the console
    assert seen.complaints == []
