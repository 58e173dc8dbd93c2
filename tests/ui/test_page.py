"""The page in a real Chromium: ready, honest about its data, the same in both languages, nobody's
guest. Pictures of every state go to the test's folder."""

import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.api.server import Story, story

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

DESK = (1920, 1080)
PHONE = (390, 844)
EVIL = "<img src=x onerror=alert(1)>"

# Every element with a text of its own that does not fit into its box, or sticks out of its panel.
CLIPPED = """() => {
  const found = [];
  for (const node of document.querySelectorAll('#wall *')) {
    const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim());
    if (!own || !node.offsetParent && node.tagName !== 'text') continue;
    const box = node.getBoundingClientRect();
    if (!box.width) continue;
    const hides = getComputedStyle(node).overflowX !== 'visible';
    let out = hides && node.scrollWidth > node.clientWidth + 1;
    const panel = node.closest('.panel, .top, .books, .regions, .lane');
    const frame = panel.getBoundingClientRect();
    const scrolls = node.closest('.alarms, .changes');
    if (box.right > frame.right + 1 || box.left < frame.left - 1) out = true;
    if (!scrolls && (box.bottom > frame.bottom + 1 || box.top < frame.top - 1)) out = true;
    if (out) found.push(`${node.className}: ${node.textContent}`);
  }
  return found;
}"""


class Seen:
    """A page with what it asked for and complained about."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        page.on("request", lambda request: self._asked(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self._said(line.type, line.text, line.location["url"]))

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()

    def wait(self, condition: str, limit_s: float = 15) -> None:
        """Playwright's own waiting evaluates a string in the page, which its policy forbids."""
        end = time.monotonic() + limit_s
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"not true within {limit_s} s: {condition}"
            self.page.wait_for_timeout(50)

    def fresh(self, selector: str) -> str | None:
        return self.page.locator(selector).first.get_attribute("data-fresh")

    def _asked(self, url: str) -> None:
        self.hosts.add(urlsplit(url).netloc)

    def _said(self, kind: str, text: str, url: str) -> None:
        # The story has no store: the page does without.
        if kind in ("error", "warning") and "/api/v1/history" not in url:
            self.complaints.append(text)


def streams(played: Story) -> int:
    """How many streams were asked for so far, by the api's own count."""
    with urllib.request.urlopen(f"{played.address}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = re.findall(
        r'^fenghuo_http_requests_total{.*"/api/v1/stream".*} (\d+)', text, re.MULTILINE
    )
    return sum(map(int, found))


@contextmanager
def opened(
    chromium: "Browser", played: Story, *, lang: str = "zh", size: tuple[int, int] = DESK
) -> Iterator[Seen]:
    width, height = size
    phone: dict[str, Any] = (
        {"device_scale_factor": 2, "is_mobile": True, "has_touch": True} if width < 700 else {}
    )
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        locale="zh-CN" if lang == "zh" else "en-US",
        timezone_id="Asia/Tokyo",
        color_scheme="dark",
        reduced_motion="reduce",
        **phone,
    )
    try:
        seen = Seen(context.new_page())
        seen.page.goto(f"{played.address}/?lang={lang}")
        seen.page.wait_for_selector('html[data-ready="1"]', timeout=15_000)
        seen.page.evaluate("document.fonts.ready")
        yield seen
    finally:
        context.close()


@pytest.fixture
def played() -> Iterator[Story]:
    with story() as running:
        yield running


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_ready_without_asking_anyone_else(
    chromium: "Browser", played: Story, lang: str, tmp_path: Path
) -> None:
    with opened(chromium, played, lang=lang) as seen:
        seen.wait("document.querySelectorAll('.alarm').length >= 6")
        seen.page.screenshot(path=tmp_path / f"desk-{lang}.png")

        assert seen.hosts == {urlsplit(played.address).netloc}
        assert seen.complaints == []
        assert seen.page.evaluate("document.documentElement.lang") == (
            "zh-CN" if lang == "zh" else "en"
        )
        assert seen.page.evaluate("document.fonts.check('16px \"Inter Wall\"')")
        # One screen: nothing to scroll.
        assert seen.page.evaluate(
            "document.documentElement.scrollHeight <= innerHeight && "
            "document.documentElement.scrollWidth <= innerWidth"
        )


def test_the_numbers_are_those_of_the_board(chromium: "Browser", played: Story) -> None:
    with opened(chromium, played) as seen:
        played.tell(rate=0)
        seen.page.wait_for_timeout(600)
        view = seen.page.evaluate("fetch('/api/v1/status').then((answer) => answer.json())")
        yuan = view["overview"]["gmv_fen"] / 100

        assert seen.text(".gmv .big").replace("\n", "") == f"¥{yuan / 10_000:,.2f}万"
        assert seen.page.locator(".regions .zone").count() == 5
        first = seen.page.locator(".alarm").first
        assert first.get_attribute("data-level") == "5"
        assert "错误率 · 支付" in first.inner_text()
        shown = seen.page.locator(".step b").all_inner_texts()
        levels = [one["level"] for one in view["verdicts"]]
        assert [int(number) for number in shown] == [levels.count(n) for n in range(1, 6)]
        assert "演练" in seen.text(".badge")
        assert re.fullmatch(r"\d\d:\d\d:\d\d", seen.text(".clock"))
        assert seen.fresh(".gmv") == "live"
        # Beijing, although this browser sits in Tokyo.
        assert seen.text(".clock")[:2] == f"{(view['server_ms'] // 3_600_000 + 8) % 24:02}"


def test_red_first_each_with_shape_and_letter(chromium: "Browser", played: Story) -> None:
    with opened(chromium, played) as seen:
        levels = [row.get_attribute("data-level") for row in seen.page.locator(".alarm").all()]
        known = [int(level) for level in levels if level and level != "n"]

        assert known == sorted(known, reverse=True)
        letters = seen.page.locator(".alarm .sign text").all_text_contents()
        assert letters[:3] == ["红", "橙", "黄"]
        names = seen.page.locator(".alarm .sign").evaluate_all(
            "(signs) => signs.map((sign) => sign.getAttribute('aria-label'))"
        )
        assert names[0] == "红色预警"
        assert levels[-1] == "n"
        assert names[-1] == "无数据"


def test_late_then_stale_then_back(chromium: "Browser", played: Story, tmp_path: Path) -> None:
    with opened(chromium, played) as seen:
        bright = seen.page.evaluate("getComputedStyle(document.querySelector('.big')).color")
        played.tell(rate=0, skip_ms=3_000)
        seen.wait("document.querySelector('.gmv').dataset.fresh === 'late'")
        dim = seen.page.evaluate("getComputedStyle(document.querySelector('.big')).color")
        seen.page.screenshot(path=tmp_path / "late.png")
        assert dim != bright

        played.tell(skip_ms=44_000)
        seen.wait("document.querySelector('.gmv').dataset.fresh === 'stale'")
        seen.page.screenshot(path=tmp_path / "stale.png")
        assert re.fullmatch(r"数据已停 \d\d 秒", seen.text(".gmv .stopped"))
        assert seen.page.locator(".panel:not([data-fresh=stale])").count() == 0
        # The line itself is fine: nobody is told otherwise.
        assert seen.page.locator(".banner").is_hidden()

        played.tell(rate=4, second=70)
        seen.wait("document.querySelector('.gmv').dataset.fresh === 'live'")
        assert seen.text(".gmv .stopped") == ""


def test_no_data_is_a_dash_never_zero(chromium: "Browser", played: Story, tmp_path: Path) -> None:
    with opened(chromium, played) as seen:
        played.tell(empty=True)
        seen.wait("document.querySelector('.gmv .big').textContent.includes('—')")
        seen.page.screenshot(path=tmp_path / "empty.png")

        assert seen.fresh(".gmv") == "none"
        for selector in (".traffic .big", ".rate .value", ".zone-sum", ".share", ".zone dd"):
            for shown in seen.page.locator(selector).all_inner_texts():
                assert "—" in shown, selector
                assert not re.search(r"\d", shown), selector
        assert seen.text(".headline") == "无数据"
        assert seen.complaints == []


def test_a_broken_line_says_so_and_heals(
    chromium: "Browser", played: Story, tmp_path: Path
) -> None:
    with opened(chromium, played) as seen:
        os.kill(played.process.pid, signal.SIGSTOP)
        try:
            seen.wait("document.documentElement.dataset.state === 'late'", 8)
            seen.wait("document.documentElement.dataset.state === 'offline'", 12)
            seen.page.screenshot(path=tmp_path / "offline.png")
            banner = seen.text(".banner")
            assert re.match(r"已断开 00:1\d · 画面为 \d\d:\d\d:\d\d 的数据", banner)
            assert seen.fresh(".gmv") == "stale"
        finally:
            os.kill(played.process.pid, signal.SIGCONT)
        seen.wait("document.documentElement.dataset.state === 'live'", 20)
        assert seen.page.locator(".banner").is_hidden()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", [DESK, (1366, 768), (1100, 800), PHONE])
def test_no_text_is_cut(
    chromium: "Browser", played: Story, lang: str, size: tuple[int, int], tmp_path: Path
) -> None:
    with opened(chromium, played, lang=lang, size=size) as seen:
        seen.page.wait_for_timeout(400)
        seen.page.screenshot(path=tmp_path / f"{size[0]}-{lang}.png", full_page=True)

        assert seen.page.evaluate(CLIPPED) == []
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("size", [DESK, (1366, 768), (1100, 800), PHONE])
@pytest.mark.parametrize(("lang", "words"), [("zh", "压测影子数据"), ("en", "shadow data")])
def test_a_shadow_lane_says_so_above_everything(
    chromium: "Browser", lang: str, words: str, size: tuple[int, int], tmp_path: Path
) -> None:
    with (
        story(lane="shadow") as played,
        opened(chromium, played, lang=lang, size=size) as seen,
    ):
        seen.page.wait_for_timeout(400)
        seen.page.screenshot(path=tmp_path / f"shadow-{size[0]}-{lang}.png", full_page=True)

        assert words in seen.text(".lane")
        assert seen.page.title().startswith("[压测] " if lang == "zh" else "[load test] ")
        first = seen.page.evaluate("document.querySelector('#wall').firstElementChild.className")
        assert first == "lane"
        assert seen.page.evaluate(CLIPPED) == []
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if size == DESK:
            assert seen.page.evaluate("document.documentElement.scrollHeight <= innerHeight")


def test_the_real_lane_has_no_such_words(chromium: "Browser", played: Story) -> None:
    with opened(chromium, played) as seen:
        assert seen.page.locator(".lane").count() == 0
        assert seen.page.title().startswith("烽火 · ")


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_many_regions_show_the_worst(
    chromium: "Browser", played: Story, size: tuple[int, int], tmp_path: Path
) -> None:
    with opened(chromium, played, size=size) as seen:
        played.tell(many=38)
        seen.wait("document.querySelectorAll('.zone').length === 12")
        seen.page.screenshot(path=tmp_path / f"many-{size[0]}.png", full_page=True)

        assert {row.get_attribute("data-level") for row in seen.page.locator(".zone").all()} == {
            "5",
            "4",
        }
        assert "另有 26 个大区" in seen.text(".more")
        assert seen.page.evaluate(CLIPPED) == []


def test_a_finger_finds_the_button(chromium: "Browser", played: Story) -> None:
    with opened(chromium, played, size=PHONE) as seen:
        box = seen.page.locator("button").first.bounding_box()

        assert box is not None
        assert min(box["width"], box["height"]) >= 44


def test_the_language_changes_without_a_new_stream(chromium: "Browser", played: Story) -> None:
    with opened(chromium, played) as seen:
        before = streams(played)
        seen.page.locator("button.switch").click()

        assert seen.text(".gmv h2") == "GMV"
        assert seen.text(".board h2") == "Warnings"
        assert streams(played) == before == 1
        assert "lang=" not in seen.page.url
        seen.page.reload()
        seen.page.wait_for_selector('html[data-ready="1"]')
        assert seen.text(".board h2") == "Warnings"


def test_data_is_text_and_never_markup(chromium: "Browser", played: Story) -> None:
    with opened(chromium, played) as seen:
        played.tell(evil=EVIL)
        seen.wait("document.querySelector('.zone h2').textContent.includes('onerror')")

        assert seen.text(".zone h2") == EVIL
        assert seen.page.locator("img").count() == 0
        assert seen.complaints == []


def test_the_page_does_not_grow(chromium: "Browser", played: Story) -> None:
    with opened(chromium, played) as seen:
        seen.page.wait_for_timeout(500)
        before = seen.page.evaluate("document.querySelectorAll('*').length")
        seen.page.wait_for_timeout(4_000)

        assert seen.page.evaluate("document.querySelectorAll('*').length") <= before + 20


def test_a_page_that_is_up_before_the_data_waits(chromium: "Browser") -> None:
    with story(second=-9999) as played:
        context = chromium.new_context(locale="zh-CN")
        try:
            page = context.new_page()
            page.goto(played.address)
            page.wait_for_selector(".banner:not([hidden])")
            assert "正在等待数据" in page.locator(".banner").inner_text()
            assert page.evaluate("document.documentElement.dataset.state") == "waiting"
            played.tell(second=60, rate=4)
            page.wait_for_selector('html[data-ready="1"]', timeout=15_000)
            assert page.locator(".banner").is_hidden()
        finally:
            context.close()
