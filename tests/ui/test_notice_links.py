"""Where a notice's links lead, in a real Chromium: to its warning and to its playbook."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.api import boards
from tests.api.server import Story, story
from tests.ui.test_page import CLIPPED, DESK, PHONE, Seen, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

NAME = "payment_risk"
PLAYBOOK = boards.campaign().plans.playbooks[NAME]
OPEN = "document.querySelector('.sheet').open"


def _go(seen: Seen, played: Story, address: str) -> None:
    seen.page.goto("about:blank")
    seen.page.goto(f"{played.address}/{address}")
    seen.page.wait_for_selector('html[data-ready="1"]', timeout=15_000)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_playbook_opens_by_its_address_and_closes(
    chromium: "Browser", size: tuple[int, int], lang: str, tmp_path: Path
) -> None:
    with story() as played, opened(chromium, played, size=size) as seen:
        _go(seen, played, f"?lang={lang}#playbook={NAME}")
        seen.wait(f"document.querySelectorAll('.sheet li').length === {len(PLAYBOOK.steps)}")
        steps = [getattr(step, lang) for step in PLAYBOOK.steps]
        assert seen.page.locator(".sheet li").all_inner_texts() == steps
        assert seen.text(".sheet h2") == getattr(PLAYBOOK.title, lang)
        assert str(PLAYBOOK.within_minutes) in seen.text(".sheet p")
        department = boards.campaign().plans.departments[PLAYBOOK.owner]
        assert getattr(department.title, lang) in seen.text(".sheet p")
        box = seen.page.locator(".sheet").bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= size[0]
        seen.page.screenshot(path=tmp_path / f"playbook-{lang}-{size[0]}.png")

        seen.page.keyboard.press("Escape")
        seen.wait(f"!{OPEN} && location.hash === ''")
        assert seen.complaints == []


def test_a_warning_opens_its_playbook(chromium: "Browser") -> None:
    """By mouse, by finger, by key; a click beside the sheet closes it, and so does its button."""
    with story() as played, opened(chromium, played, size=PHONE) as seen:
        seen.wait("document.querySelectorAll('.plan:not([hidden])').length > 1")
        link = seen.page.locator(".plan:visible").first
        box = link.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        link.tap()
        seen.wait(OPEN)
        seen.wait("document.querySelectorAll('.sheet li').length > 1")
        seen.page.locator(".sheet .close").tap()
        seen.wait(f"!{OPEN}")
        link.focus()
        seen.page.keyboard.press("Enter")
        seen.wait(OPEN)
        seen.page.mouse.click(2, 2)
        seen.wait(f"!{OPEN}")
        assert seen.page.evaluate(CLIPPED) == []


def test_an_unknown_playbook_is_named(chromium: "Browser") -> None:
    with story() as played, opened(chromium, played) as seen:
        for name, shown in (("nothing", "nothing"), ("%3Cimg%20src=x%3E", "<img src=x>")):
            _go(seen, played, f"?lang=zh#playbook={name}")
            seen.wait("document.querySelector('.sheet p').textContent.includes('没有名为')")
            assert shown in seen.text(".sheet p")
            assert seen.page.locator(".sheet img").count() == 0
        _go(seen, played, "?lang=zh#playbook=%")
        seen.page.wait_for_timeout(300)
        assert not seen.page.evaluate(OPEN)


def _asked(rule: str, scope: str) -> str:
    return f"?lang=zh&rule={rule}&scope={quote(scope)}"


def test_a_panel_link_shows_its_warning_also_when_folded_or_green(chromium: "Browser") -> None:
    with story() as played, opened(chromium, played) as seen:
        played.tell(varied=True)
        seen.wait("document.querySelectorAll('.more-folded:not([hidden])').length === 1")
        seen.page.locator(".more-folded:visible").click()
        view = seen.page.evaluate("fetch('/api/v1/status').then((answer) => answer.json())")
        verdicts = view["verdicts"]
        folded = next(one for one in verdicts if one["cause"] and one["level"])
        green = next(one for one in verdicts if one["level"] == 0 and one["state"] == "graded")
        for one in (folded, green):
            _go(seen, played, _asked(one["rule"], one["scope"]))
            seen.wait("document.querySelectorAll('.alarm[data-asked]').length === 1")
            row = seen.page.locator(".alarm[data-asked]")
            assert row.get_attribute("data-level") == str(one["level"])
            assert row.evaluate(
                "(row) => { const [a, b] = [row, row.parentElement]"
                ".map((node) => node.getBoundingClientRect());"
                " return a.top >= b.top - 1 && a.bottom <= b.bottom + 1; }"
            ), "in sight"
        _go(seen, played, _asked("no_such_rule", "total"))
        assert seen.page.locator(".alarm[data-asked]").count() == 0
        assert seen.complaints == []
