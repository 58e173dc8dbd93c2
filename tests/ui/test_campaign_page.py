"""The campaign on the page while it changes, in a real Chromium."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.api.server import story
from tests.ui.test_page import PHONE, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_refused_file_is_told_until_it_is_mended(
    chromium: "Browser", lang: str, tmp_path: Path
) -> None:
    reason = 'rules[0].unit: expected one of ratio, percent, per_10k, got "parts" (and 1 more)'
    words = {"zh": "战役文件有误，仍按原版本", "en": "Campaign file refused, version"}[lang]
    shown = "!document.querySelector('.banner').hidden"
    with story() as played, opened(chromium, played, lang=lang) as seen:
        assert seen.page.locator(".banner").is_hidden()
        played.tell(refused=reason)
        seen.wait(shown)
        banner = seen.text(".banner")
        assert banner.startswith(words)
        assert banner.endswith(reason)
        for size in (PHONE, (1920, 1080)):
            seen.page.set_viewport_size({"width": size[0], "height": size[1]})
            box = seen.page.locator(".banner").bounding_box()
            assert box is not None
            assert 0 <= box["x"] <= box["x"] + box["width"] <= size[0]
            assert box["y"] > size[1] / 2, "the clock is above"
            seen.page.screenshot(path=tmp_path / f"refused-{lang}-{size[0]}.png")
        played.tell(refused="")
        seen.wait(f"!({shown})")
        assert seen.complaints == []


def test_titles_and_bounds_follow_a_file_that_took_force(chromium: "Browser") -> None:
    """The page has the campaign of before; the judge goes by another version."""
    asked: list[str] = []

    def answer(route: "Route") -> None:
        found = route.fetch()
        body = found.json()
        asked.append(body["version"])
        if len(asked) == 1:
            body |= {"version": "before", "title": {"zh": "从前", "en": "Before"}}
        route.fulfill(response=found, body=json.dumps(body))

    with story() as played, opened(chromium, played) as seen:
        seen.page.route("**/api/v1/campaign", answer)
        seen.page.reload()
        seen.wait("document.title.endsWith('从前')")
        seen.wait("!document.title.endsWith('从前')")
        assert len(asked) == 2
        seen.page.wait_for_timeout(3_000)
        assert len(asked) == 2, "what is the same is not asked for again"
