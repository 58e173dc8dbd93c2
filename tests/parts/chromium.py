"""A headless Chromium of the system, driven by Playwright, which never downloads its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
]


def missing() -> str | None:
    """Why this part cannot run here, or None."""
    return None if _binary() else f"none of {', '.join(NAMES)} on the path"


@contextmanager
def chromium() -> "Iterator[Browser]":
    """One browser with a fresh profile.

    Playwright's sync API occupies the event loop of the thread, so `asyncio.run` fails until
    this is left: tests marked `browser` run last, and talk to servers in other processes.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_binary(), headless=True, args=ARGS)
        try:
            yield browser
        finally:
            browser.close()


def _binary() -> str | None:
    chosen = os.environ.get("FENGHUO_CHROMIUM")
    names = (chosen,) if chosen else NAMES
    return next((path for name in names if (path := shutil.which(name))), None)
