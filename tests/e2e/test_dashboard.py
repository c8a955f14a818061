"""The dashboard in a real browser, over a real ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
import uvicorn

from gateway.accounts.keys import Accounts
from gateway.ledger.config import SqliteLedger
from gateway.ledger.database import Database, open_database
from gateway.ledger.queries import Queries
from gateway.ledger.writer import LedgerWriter
from tests.browser import Visit, chromium, visit
from tests.gateway.dashboard import sample
from tests.gateway.dashboard.world import app
from tests.servers import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

REQUESTS = 200
STARTS_WITHIN = 20.0  # seconds
STATUSES = {"400", "429", "499"}
AUTO_REFRESH = 10_000  # milliseconds


@dataclass(frozen=True, slots=True)
class Site:
    """A served dashboard and what it is served from."""

    port: int
    database: Database
    accounts: Accounts

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def served(folder: Path, requests: int = REQUESTS) -> Iterator[Site]:
    """The pages over a ledger of this many requests."""
    database = open_database(SqliteLedger(), folder)
    write(database, requests)
    accounts = Accounts(database)
    port = free_port()
    config = uvicorn.Config(
        app(Queries(database), accounts), host="127.0.0.1", port=port, log_level="warning"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + STARTS_WITHIN
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        thread.join(0.02)
    assert server.started
    try:
        yield Site(port, database, accounts)
    finally:
        server.should_exit = True
        thread.join()
        database.close()


def write(database: Database, requests: int, seed: int = 7) -> None:
    writer = LedgerWriter(database)
    writer.start()
    for request, trace in sample.requests(time.time(), requests, Random(seed)):
        writer.write(request, trace)
    writer.close()
    assert writer.dropped == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("ledger")) as site:
        yield site


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visit]:
    with visit(browser) as visitor:
        yield visitor


def tile(page: Page, label: str) -> str:
    return page.locator(".tile", has_text=label).locator(".tile-value").inner_text()


def test_from_the_overview_to_a_trace(site: Site, visitor: Visit) -> None:
    page = visitor.page
    page.goto(f"{site.url}/?period=7d")
    assert tile(page, "Requests") == str(REQUESTS)
    assert page.locator("figure.chart").count() == 4
    assert page.locator(".bar").count() > 10

    page.get_by_role("link", name="Traces", exact=True).click()
    rows = page.locator("tbody tr")
    assert rows.count() == 50
    page.get_by_role("link", name="Older").click()
    page.get_by_text(f"51–100 of {REQUESTS}").wait_for()

    rows.filter(has_text="miss").first.locator("a.asked").click()
    page.get_by_role("heading", name="Stages").wait_for()
    assert page.locator("li.card").count() == 5

    assert visitor.complaints == []
    assert visitor.foreign(site.url) == []


def test_bars_are_where_and_as_long_as_their_stages(site: Site, visitor: Visit) -> None:
    recorded = next(
        each
        for each in map(Queries(site.database).trace, trace_ids(site))
        if each and len(each.spans) > 12
    )
    visitor.page.goto(f"{site.url}/traces/{recorded.request.trace_id}")
    tracks = visitor.page.locator(".fall-rows .fall-track")
    bars = visitor.page.locator(".fall-rows rect.span")
    assert bars.count() == len(recorded.spans)
    whole = recorded.request.latency_ms * 1e6
    for place, span in enumerate(recorded.spans):
        track = tracks.nth(place).bounding_box()
        bar = bars.nth(place).bounding_box()
        assert track
        assert bar
        # A bar's outline, which keeps the shortest visible, adds up to two pixels.
        wide = (span.end - span.start) / whole * track["width"]
        assert bar["width"] == pytest.approx(wide, abs=2.5)
        left = span.start / whole * track["width"]
        assert bar["x"] - track["x"] == pytest.approx(left, abs=2.5)


def test_a_stage_opens_by_keyboard(site: Site, visitor: Visit) -> None:
    page = visitor.page
    page.goto(f"{site.url}/traces?status=503")
    page.locator("a.asked").first.press("Enter")
    route = page.locator("details", has=page.locator("summary", has_text="route"))
    assert not route.get_by_text("complexity").is_visible()
    route.locator("summary").press("Enter")
    assert route.get_by_text("complexity").is_visible()
    assert page.get_by_text("NoModelAvailable: No model answered.").is_visible()  # open at once


def test_the_keyboard_comes_to_the_content_first(site: Site, visitor: Visit) -> None:
    page = visitor.page
    page.goto(f"{site.url}/traces")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_filters_narrow_the_list(site: Site, visitor: Visit) -> None:
    page = visitor.page
    page.goto(f"{site.url}/traces")
    page.get_by_label("Status").select_option("4xx")
    page.get_by_label("Question contains").fill("return")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="Clear", exact=True).wait_for()
    assert set(page.locator("tbody tr td:last-child .badge").all_inner_texts()) <= STATUSES
    asked = page.locator("a.asked").all_inner_texts()
    assert asked
    assert all("return" in question for question in asked)
    assert page.get_by_label("Status").input_value() == "4xx"


def test_a_step_of_a_chart_tells_its_figures_and_leads_to_its_requests(
    site: Site, visitor: Visit
) -> None:
    page = visitor.page
    page.goto(f"{site.url}/?period=7d")
    column = page.locator(".chart").first.locator(".column").nth(-2)
    column.hover()
    tip = page.locator(".tip").inner_text()
    good, bad = (int(line.rpartition(" ")[2]) for line in tip.splitlines()[1:])
    column.click()
    page.get_by_text(f"of {good + bad}").wait_for()


def test_what_a_client_wrote_stays_text(site: Site, visitor: Visit) -> None:
    page = visitor.page
    page.goto(f"{site.url}/traces")
    page.get_by_text(sample.HOSTILE).first.click()
    page.get_by_role("heading", name="Stages").wait_for()
    assert page.title().startswith("Trace ")
    assert page.locator("img").count() == 0
    assert visitor.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_page_is_wider_than_the_screen(
    site: Site, browser: Browser, width: int, scheme: str
) -> None:
    screen = {"width": width, "height": 800}
    with visit(browser, viewport=screen, color_scheme=scheme) as visitor:
        for path in ("/?period=7d", "/traces", f"/traces/{trace_ids(site)[0]}", "/traces/none"):
            visitor.page.goto(f"{site.url}{path}")
            wide = visitor.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, path


def test_auto_refresh_brings_what_is_new_and_keeps_what_was_opened(
    tmp_path: Path, visitor: Visit
) -> None:
    page = visitor.page
    with served(tmp_path, 20) as site:
        page.clock.install()
        page.goto(f"{site.url}/?period=30d")
        page.locator("#figures summary").click()
        page.get_by_role("button", name="Auto-refresh").click()
        page.get_by_text("Updated").wait_for()
        write(site.database, 5, seed=8)
        page.clock.run_for(AUTO_REFRESH)
        page.locator(".tile-value", has_text="25").wait_for()
        assert page.locator("#figures").get_attribute("open") is not None
        assert page.evaluate("document.activeElement.textContent") == "Auto-refresh"
        assert visitor.complaints == []


def test_auto_refresh_rests_while_nobody_looks(site: Site, visitor: Visit) -> None:
    page = visitor.page
    page.clock.install()
    page.goto(site.url)
    page.get_by_role("button", name="Auto-refresh").click()
    page.get_by_text("Updated").wait_for()
    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { value: true, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    before = len(visitor.requests)
    page.clock.run_for(5 * AUTO_REFRESH)
    assert len(visitor.requests) == before
    with page.expect_response(f"{site.url}/"):  # and begins again at once
        page.evaluate(
            """() => {
                delete document.hidden;
                document.dispatchEvent(new Event("visibilitychange"));
            }"""
        )


def test_signing_in_with_a_key_until_it_is_revoked(tmp_path: Path, visitor: Visit) -> None:
    page = visitor.page
    with served(tmp_path, 5) as site:
        key = site.accounts.store.create("ops", admin=True)
        site.accounts.refresh()
        page.goto(f"{site.url}/traces")
        page.get_by_label("Admin key").fill(key.secret)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{site.url}/traces")
        assert page.locator(".who-name").inner_text() == "ops"
        assert page.evaluate("document.cookie") == ""  # scripts do not see it

        # A link from another site brings the session along after all.
        page.goto(f"http://localhost:{site.port}/login")
        page.evaluate(f"location.href = '{site.url}/traces?status=ok'")
        page.wait_for_url(f"{site.url}/traces?status=ok")
        page.locator(".who-name").wait_for()

        site.accounts.store.revoke(key.key.id)
        site.accounts.refresh()
        page.reload()
        page.get_by_label("Admin key").wait_for()


def test_signing_out(tmp_path: Path, visitor: Visit) -> None:
    page = visitor.page
    with served(tmp_path, 5) as site:
        key = site.accounts.store.create("ops", admin=True)
        site.accounts.refresh()
        page.goto(site.url)
        page.get_by_label("Admin key").fill(key.secret)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Admin key").wait_for()
        page.goto(f"{site.url}/traces")
        assert page.url.startswith(f"{site.url}/login")
        assert visitor.complaints == []


def trace_ids(site: Site) -> list[str]:
    return [request.trace_id for request in Queries(site.database).traces(REQUESTS).requests]
