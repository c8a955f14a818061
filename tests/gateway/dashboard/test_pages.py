"""The pages, through HTTP, over a ledger that is ten lines."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from gateway.ledger.types import Filters, Totals
from gateway.tracing.trace import Span
from tests.gateway.dashboard.sample import HOSTILE
from tests.gateway.dashboard.world import (
    ADMIN,
    FakeAccounts,
    FakeLedger,
    client,
    overview,
    recorded,
    share,
)

ID = "4f2a91c0" * 4
MS = 1_000_000


class Markup(HTMLParser):
    """The tags of a page, and what its scripts and styles are."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def named(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.tags if name == tag)


async def page(path: str, ledger: FakeLedger | None = None, accounts: Any = None) -> str:
    async with client(ledger, accounts) as pages:
        response = await pages.get(path)
    assert response.status_code == 200
    return response.text


def full() -> FakeLedger:
    """One request that has been through every stage."""
    passages = [
        {
            "n": 1,
            "document": "returns.md",
            "title": "Returns",
            "section": "Audio › Opened",
            "page": 4,
            "score": 0.91234,
            "dense": 0.61,
            "sparse": 12.5,
            "text": "Thirty days from delivery.",
        },
        {"n": 2, "document": "faq.md", "text": "Ask us."},
    ]
    spans = (
        Span("authenticate", 0, MS),
        Span("route", MS, 2 * MS, None, {"reason": "by rule", "task": "lookup"}),
        Span("retrieve", 2 * MS, 20 * MS, None, {"passages": passages}),
        Span(
            "pack",
            20 * MS,
            22 * MS,
            None,
            {"prompt": [{"role": "system", "content": "Cite."}], "tokens": {"system": 12}},
        ),
        Span(
            "dispatch",
            22 * MS,
            900 * MS,
            None,
            {"attempts": [{"model": "slow/one", "ms": 500.0, "error": "timed out"}]},
        ),
    )
    return FakeLedger(
        (
            recorded(
                *spans,
                attributes={"question": "How long?", "answer": "Thirty days [1]."},
                model="fast/two",
                route="by rule",
                cost_usd=0.0042,
                faithfulness=0.93,
                grounded=True,
                cache="miss",
            ),
        )
    )


@pytest.mark.anyio
async def test_the_overview_shows_tiles_charts_and_tables() -> None:
    some = Totals(requests=7, errors=1, cost_usd=0.5, p50_ms=480.0, p95_ms=900.0)
    ledger = FakeLedger(
        (recorded(status=503, error_code="no_model_available"),),
        overview(0, 1800, [some], models=(share("fast/two"),), keys=(share("k_1"),)),
    )
    text = await page("/", ledger)
    assert text.count('<figure class="panel chart">') == 4
    assert "480 ms" in text
    assert 'href="/traces?model=fast%2Ftwo"' in text
    assert 'href="/traces?key=k_1"' in text
    assert "no_model_available" in text
    assert "OK: 6\nError: 1" in text


@pytest.mark.anyio
async def test_the_overview_without_requests_is_calm() -> None:
    text = await page("/")
    assert text.count("Nothing in this period.") == 7  # four charts, three tables
    assert "No errors in this period." in text


@pytest.mark.anyio
async def test_an_empty_ledger_says_how_to_begin() -> None:
    assert "curl http://127.0.0.1:8080/v1/chat/completions" in await page("/?period=30d")
    assert "curl http://127.0.0.1:8080/v1/chat/completions" in await page("/traces")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "step"),
    [("", 1800), ("?period=1h", 60), ("?period=30d", 43_200), ("?period=soon", 1800)],
)
async def test_the_address_names_the_period(query: str, step: int) -> None:
    ledger = FakeLedger()
    await page(f"/{query}", ledger)
    assert ledger.asked[0][1] == step


@pytest.mark.anyio
async def test_the_list_shows_each_request_with_its_facts() -> None:
    text = await page("/traces", full())
    row = text[text.index("<tbody>") : text.index("</tbody>")]
    for fact in ("How long is the return window?", "fast/two", "by rule", "miss", "yes", "$0.0042"):
        assert fact in row
    assert f'href="/traces/{ID}"' in row


@pytest.mark.anyio
async def test_the_filters_reach_the_ledger_and_stay_in_the_form() -> None:
    ledger = full()
    text = await page("/traces?status=ok&model=fast%2Ftwo&q=window&page=3", ledger)
    assert ledger.asked[0] == (
        50,
        100,
        Filters(status="ok", model="fast/two", text="window"),
    )
    assert '<option value="ok" selected>' in text
    assert 'value="fast/two"' in text
    assert 'value="window"' in text


@pytest.mark.anyio
async def test_the_list_is_turned_page_by_page() -> None:
    ledger = full()
    ledger.total = 120
    text = await page("/traces?q=window&page=2", ledger)
    assert 'rel="prev" href="/traces?q=window&amp;page=1"' in text
    assert 'rel="next" href="/traces?q=window&amp;page=3"' in text


@pytest.mark.anyio
async def test_a_filter_that_nothing_fits_says_so() -> None:
    assert "No request matches" in await page("/traces?q=nothing")


@pytest.mark.anyio
async def test_a_page_behind_the_end_leads_back() -> None:
    assert "The list ends before this page" in await page("/traces?page=9", FakeLedger(total=120))


@pytest.mark.anyio
async def test_a_key_is_called_by_its_name() -> None:
    ledger = FakeLedger((recorded(key=ADMIN.key),))
    accounts = FakeAccounts({"sk-admin": ADMIN})
    async with client(ledger, accounts) as pages:
        response = await pages.get("/traces", headers={"Authorization": "Bearer sk-admin"})
    assert f'<td class="name widest" title="{ADMIN.key}">ops</td>' in response.text


@pytest.mark.anyio
async def test_a_trace_tells_the_whole_story() -> None:
    text = await page(f"/traces/{ID}", full())
    assert text.count('class="span ') == 5
    for fact in (
        *("fast/two", "by rule", "lookup", "$0.0042", "93%", "returns.md", "Audio › Opened"),
        *("page 4", "0.912", "12.500", "Thirty days from delivery.", "timed out", "Cite."),
    ):
        assert fact in text
    assert '<a class="marker" href="#passage-1">[1]</a>' in text
    assert "2 found, 1 cited" in text


@pytest.mark.anyio
async def test_a_bar_is_as_long_as_its_stage() -> None:
    text = await page(f"/traces/{ID}", FakeLedger((recorded(Span("embed", 0, 617 * MS)),)))
    assert 'x="0.0%" width="50.0%"' in text


@pytest.mark.anyio
async def test_a_failed_stage_is_red_and_open() -> None:
    span = Span("screen", 0, MS, "Refused: blocked by prompt_injection")
    ledger = FakeLedger((recorded(span, status=400, error_code="content_policy_violation"),))
    text = await page(f"/traces/{ID}", ledger)
    assert "<details open>" in text
    assert 'class="span tone-error"' in text
    assert "Refused: blocked by prompt_injection" in text
    assert "The request ended before there was an answer." in text


@pytest.mark.anyio
async def test_a_trace_of_which_only_the_row_is_left_is_shown() -> None:
    text = await page(f"/traces/{ID}", FakeLedger((recorded(question="", model="", key=""),)))
    for empty in ("No stages are kept", "The question is not kept", "The answer is not kept"):
        assert empty in text


@pytest.mark.anyio
async def test_a_trace_that_was_too_long_says_so() -> None:
    ledger = FakeLedger((recorded(attributes={"too_long": 2_345_678}),))
    assert "too long to keep whole (2.35M bytes)" in await page(f"/traces/{ID}", ledger)


@pytest.mark.anyio
@pytest.mark.parametrize("trace_id", ["0000<b>", "%00", "x" * 5000])
async def test_a_trace_that_does_not_exist_is_a_friendly_page(trace_id: str) -> None:
    async with client(full()) as pages:
        response = await pages.get(f"/traces/{trace_id}")
    assert response.status_code == 404
    assert "There is no trace “" in response.text
    assert "<b>" not in response.text
    assert 'href="/traces"' in response.text


@pytest.mark.anyio
async def test_the_first_digits_lead_to_the_trace() -> None:
    async with client(full()) as pages:
        response = await pages.get("/traces/4f2a")
    assert response.headers["location"] == f"/traces/{ID}"


@pytest.mark.anyio
async def test_a_ledger_that_is_away_is_said_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    ledger = FakeLedger(broken=sqlite3.OperationalError("disk I/O error at /secret/place"))
    async with client(ledger) as pages:
        response = await pages.get("/")
    assert response.status_code == 503
    assert "The ledger cannot be read right now" in response.text
    assert "/secret/place" not in response.text
    assert "disk I/O error" in caplog.text


def hostile() -> FakeLedger:
    """A request in which everything that can be text is an attack."""
    passage = dict.fromkeys(("document", "title", "section", "page", "score", "text"), HOSTILE)
    spans = (
        Span("retrieve", 0, MS, HOSTILE, {"passages": [{"n": 1, **passage}], HOSTILE: HOSTILE}),
        Span(HOSTILE, 0, MS, None, {"nested": {HOSTILE: [HOSTILE, {"a": HOSTILE}]}}),
        Span("route", 0, MS, None, {"task": HOSTILE, "complexity": HOSTILE}),
        Span(
            "pack",
            0,
            MS,
            None,
            {"prompt": [{"role": HOSTILE, "content": HOSTILE}], "tokens": {HOSTILE: 3}},
        ),
        Span("dispatch", 0, MS, None, {"attempts": [{"model": HOSTILE, "error": HOSTILE}]}),
    )
    row = dict.fromkeys(("model", "model_asked", "route", "team", "question", "key"), HOSTILE)
    row |= dict.fromkeys(("provider", "collection", "error_code", "grounding"), HOSTILE)
    answer = f"{HOSTILE} [1] {HOSTILE}"
    some = Totals(requests=1, errors=1)
    return FakeLedger(
        (recorded(*spans, attributes={"question": HOSTILE, "answer": answer}, status=500, **row),),
        overview(
            0, 60, [some], models=(share(HOSTILE),), keys=(share(HOSTILE),), teams=(share(HOSTILE),)
        ),
    )


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/", "/traces", f"/traces/{ID}", f'/traces?q={HOSTILE}&model="'])
async def test_what_people_and_documents_wrote_is_never_markup(path: str) -> None:
    markup = Markup(await page(path, hostile()))
    scripts = list(markup.named("script"))
    assert [str(script.get("src"))[:20] for script in scripts] == ["/static/moorline.js?"]
    assert not list(markup.named("img"))
    for _, attributes in markup.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert "style" not in attributes  # the policy would refuse it
        assert not (attributes.get("href") or "").lower().startswith("javascript:")


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/", "/traces", f"/traces/{ID}", "/traces/none", "/login"])
async def test_every_page_tells_the_browser_to_trust_nothing(path: str) -> None:
    async with client(full(), FakeAccounts({"sk-admin": ADMIN})) as pages:
        for headers in ({}, {"Authorization": "Bearer sk-admin"}):
            response = await pages.get(path, headers=headers)
            policy = response.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
            assert "unsafe" not in policy
            assert response.headers["x-frame-options"] == "DENY"
            assert response.headers["x-content-type-options"] == "nosniff"
            assert response.headers["referrer-policy"] == "no-referrer"
            assert response.headers["cache-control"] == "no-store"


@pytest.mark.anyio
async def test_the_pages_need_nothing_from_elsewhere() -> None:
    async with client(full()) as pages:
        for path in ("/", "/traces", f"/traces/{ID}"):
            for tag, attributes in Markup((await pages.get(path)).text).tags:
                address = attributes.get("src") or attributes.get("href") or "/"
                assert address.startswith(("/", "#")), (tag, address)
                if address.startswith("/static/"):
                    assert (await pages.get(address)).status_code == 200


@pytest.mark.anyio
async def test_what_cannot_be_seen_can_be_heard() -> None:
    """Columns have headers, fields labels, pictures words, and a page one heading."""
    for path in ("/", "/traces", f"/traces/{ID}"):
        ledger = full()
        ledger.seen = overview(0, 60, [Totals(requests=1)], models=(share("a"),))
        markup = Markup(await page(path, ledger))
        assert len(list(markup.named("h1"))) == 1
        assert all(head.get("scope") == "col" for head in markup.named("th"))
        assert all(
            {"aria-hidden", "aria-label", "x"} & svg.keys()  # hidden, told, or inside a told one
            for svg in markup.named("svg")
        )
        ids = [attributes["id"] for _, attributes in markup.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        told = {attributes.get("aria-labelledby") for _, attributes in markup.tags} - {None}
        assert told <= set(ids)


@pytest.mark.anyio
async def test_what_stood_in_for_a_model_is_on_the_list_and_on_the_page() -> None:
    tried = [{"step": "cached", "why": "No earlier answer fits."}]
    span = Span("degrade", 0, MS, None, {"tried": tried})
    ledger = FakeLedger((recorded(span, degraded="canned", door="chat"),))
    row = await page("/traces?degraded=canned", ledger)
    assert '<span class="badge tone-warn">canned</span>' in row
    assert '<option value="canned" selected>' in row
    text = await page(f"/traces/{ID}", ledger)
    for fact in ("degraded: canned", "No earlier answer fits.", "stood in", "<dd>chat</dd>"):
        assert fact in text
