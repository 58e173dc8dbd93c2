"""The warning board in a real Chromium: causes, what comes, and what is not judged."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.api.server import story
from tests.ui.test_page import CLIPPED, PHONE, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_warning_says_what_caused_it_and_what_comes(
    chromium: "Browser", lang: str, tmp_path: Path
) -> None:
    words = {
        "zh": ("最先触发", "反复波动", "归并 2 条", "照此趋势约 8 分钟后触及橙色线", "偏离 8.2 倍"),
        "en": (
            "first out",
            "flapping",
            "2 folded",
            "Orange line in about 8 min at this pace",
            "8.2 deviations off",
        ),
    }[lang]
    first_out, flapping, folded, comes, away = words
    with story() as played, opened(chromium, played, lang=lang) as seen:
        played.tell(varied=True)
        seen.wait("document.querySelectorAll('.more-folded:not([hidden])').length === 1")
        cause = seen.page.locator(".alarm").first
        assert cause.locator(".first-out").inner_text() == first_out
        assert folded in cause.locator(".more-folded").inner_text()
        assert seen.page.locator(".alarm[data-folded]").count() == 0
        assert seen.page.locator(".flapping:visible").all_inner_texts() == [flapping]
        notes = " | ".join(seen.page.locator(".note").all_inner_texts())
        assert comes.lower() in notes.lower()
        assert away in notes
        cause.locator(".more-folded").click()
        assert seen.page.locator(".alarm[data-folded]").count() == 2
        seen.page.screenshot(path=tmp_path / f"varied-{lang}.png")
        assert seen.page.evaluate(CLIPPED) == []
        assert "12" in seen.text(".finish")
        assert seen.complaints == []


def test_what_is_not_judged_has_looks_of_its_own_and_is_never_green(
    chromium: "Browser",
) -> None:
    with story() as played, opened(chromium, played) as seen:
        played.tell(varied=True)
        seen.wait("document.querySelectorAll('.alarm[data-state=suspended]').length === 1")
        states = ("suspended", "learning", "no_data")
        rows = [seen.page.locator(f".alarm[data-state={state}]").first for state in states]

        assert [row.locator(".chip").inner_text() for row in rows] == [
            "暂停判定",
            "学习中",
            "无数据",
        ]
        assert {row.get_attribute("data-level") for row in rows} == {"n"}
        drawn = {row.locator(".sign").inner_html() for row in rows}
        assert len(drawn) == 3
        names = [row.locator(".sign").get_attribute("aria-label") for row in rows]
        assert names == ["暂停判定", "学习中", "无数据"]
        assert "学习中 1" in seen.text(".board .foot")
        assert "暂停判定 1" in seen.text(".board .foot")


def test_a_finger_opens_what_a_warning_explains(chromium: "Browser") -> None:
    with story() as played, opened(chromium, played, size=PHONE) as seen:
        played.tell(varied=True)
        seen.wait("document.querySelectorAll('.more-folded:not([hidden])').length === 1")
        button = seen.page.locator(".more-folded:visible")
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
        button.click()

        assert seen.page.locator(".alarm[data-folded]").count() == 2
        assert seen.page.evaluate(CLIPPED) == []
        button.click()
        assert seen.page.locator(".alarm[data-folded]").count() == 0
