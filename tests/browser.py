"""A headless browser for end-to-end tests: the system's Chromium, driven by Playwright.

Where either is missing the test is skipped and says what to install.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# No sandbox, since tests may run as root; and nothing that calls home.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True, slots=True)
class Visit:
    """A page, with what it asked for and what it complained of since it was opened."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def foreign(self, origin: str) -> list[str]:
        """The requests that left the origin."""
        return [url for url in self.requests if not url.startswith(f"{origin}/")]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser; $CHROMIUM names another program than the system's."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = (os.environ.get("CHROMIUM"), *(shutil.which(program) for program in PROGRAMS))
    program = next(filter(None, found), None)
    if program is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser, **options: Any) -> Iterator[Visit]:
    """A fresh page without anybody's cookies. `options` are those of a browser context."""
    context = browser.new_context(**options)
    try:
        visited = Visit(context.new_page())
        visited.page.on("console", lambda message: _heard(visited, message.type, message.text))
        visited.page.on("pageerror", lambda error: visited.complaints.append(str(error)))
        visited.page.on("request", lambda request: visited.requests.append(request.url))
        visited.page.set_default_timeout(20_000)
        yield visited
    finally:
        context.close()


def _heard(visited: Visit, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        visited.complaints.append(text)
