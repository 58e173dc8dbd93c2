"""Many tabs of one browser: one stream for all of them; and a page where they cannot share."""

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.api.server import Story, story
from tests.ui.test_page import Seen, opened, streams

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

TABS = 8
LIVE = "document.documentElement.dataset.state === 'live'"
ALONE = "delete window.SharedWorker"
BROKEN = "window.SharedWorker = class { constructor() { throw new Error('forbidden') } }"
SILENT = """window.SharedWorker = class extends EventTarget {
  constructor() { super(); this.port = new MessageChannel().port1; }
}"""


def _tab(first: Seen, played: Story, lang: str) -> Seen:
    seen = Seen(first.page.context.new_page())
    seen.page.goto(f"{played.address}/?lang={lang}")
    seen.wait("document.documentElement.dataset.ready === '1'", 60)
    return seen


def test_eight_tabs_are_live_over_one_stream(chromium: "Browser") -> None:
    """A browser opens six connections to a host: with a stream each, the seventh tab is black."""
    with story() as played, opened(chromium, played) as first:
        tabs = [first, *(_tab(first, played, lang) for lang in ("en", "zh") * 4)][:TABS]
        for seen in tabs:
            seen.wait(LIVE, 60)
            seen.wait("document.querySelectorAll('.rate .line[d]').length === 4")
        assert streams(played) == 1
        for seen in tabs[1:]:  # who joins has the past that the first was given
            path = "document.querySelector('.rate .line').getAttribute('d').length"
            assert seen.page.evaluate(path) > 200
            assert seen.complaints == []
        for seen in tabs[:-1]:
            seen.page.close()
        last = tabs[-1]
        last.page.wait_for_timeout(1_500)
        last.wait(LIVE)
        before = last.page.evaluate("document.querySelector('.clock').textContent")
        last.wait(f"document.querySelector('.clock').textContent !== '{before}'")
        assert streams(played) == 1


def test_a_tab_that_joins_a_broken_line_is_not_told_old_news_as_new(chromium: "Browser") -> None:
    with story() as played, opened(chromium, played) as first:
        os.kill(played.process.pid, signal.SIGSTOP)
        try:
            first.wait("document.documentElement.dataset.state === 'offline'", 20)
        finally:
            os.kill(played.process.pid, signal.SIGCONT)
        seen = _tab(first, played, "zh")
        for tab in (first, seen):
            tab.wait(LIVE, 20)
        assert seen.complaints == []


@pytest.mark.parametrize("script", [ALONE, BROKEN, SILENT], ids=["none", "forbidden", "silent"])
def test_a_page_without_shared_workers_has_a_stream_of_its_own(
    chromium: "Browser", script: str
) -> None:
    with story() as played, opened(chromium, played) as first:
        first.page.context.add_init_script(script)
        seen = _tab(first, played, "zh")
        seen.wait(LIVE)
        assert streams(played) == 2
        seen.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        seen.page.wait_for_timeout(500)
        assert streams(played) == 3, "who comes back gets a new stream"
        assert seen.fresh(".gmv") == "live"
        assert seen.complaints == []
