"""The dashboard's routes: overview, traces, one trace, and the way in.

The ledger is read and pages are rendered in threads; the event loop only hands them over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol, TypeVar
from urllib.parse import parse_qs

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from gateway.dashboard.access import (
    PageRoute,
    Viewer,
    accounts_of,
    administrator,
    begin_session,
    end_session,
    local_path,
    name_of,
    same_site,
    viewer,
)
from gateway.dashboard.listing import CACHE, DEGRADED, PAGE, SINCE, STATUS, Asked, pages
from gateway.dashboard.overview import PERIODS, USUAL, busy, overview_charts, tiles
from gateway.dashboard.rendering import Frame, page
from gateway.dashboard.story import story
from gateway.errors import Forbidden, GatewayError, LedgerAway, NotFound, TooLarge, Unauthorized
from gateway.ledger.queries import AmbiguousTrace
from gateway.ledger.types import Filters, Overview, Page, Recorded
from gateway.types import Caller

LATEST_ERRORS = 8
LONGEST_FORM = 4096  # bytes
T = TypeVar("T")

router = APIRouter(include_in_schema=False, route_class=PageRoute)
_log = logging.getLogger(__name__)


class Ledger(Protocol):
    """What the pages read. All of it blocks."""

    def overview(self, since: float, bucket: float, until: float | None = None) -> Overview: ...

    def traces(self, limit: int = 50, offset: int = 0, filters: Filters | None = None) -> Page: ...

    def trace(self, prefix: str) -> Recorded | None: ...


def ledger_of(request: Request) -> Ledger:
    """Where the application keeps what the ledger is read through."""
    ledger: Ledger = request.app.state.gateway.accounting.queries
    return ledger


@router.get("/")
async def overview(request: Request, caller: Viewer) -> Response:
    """What happened lately."""
    ledger, now = ledger_of(request), time.time()
    period = PERIODS.get(request.query_params.get("period", ""), USUAL)
    since = period.since(now)
    seen = await _read(lambda: ledger.overview(since, period.step, now))
    failed = Filters(status="error", since=since)
    errors = await _read(lambda: ledger.traces(LATEST_ERRORS, 0, failed))
    return await page(
        "overview.html",
        _frame(request, caller),
        periods=tuple(PERIODS.values()),
        period=period,
        seen=seen,
        tiles=tiles(seen.totals),
        charts=overview_charts(seen),
        busy=busy(seen),
        errors=errors.requests,
    )


@router.get("/traces")
async def traces(request: Request, caller: Viewer) -> Response:
    """Requests, the newest first."""
    ledger, now = ledger_of(request), time.time()
    asked = Asked.of(request.query_params)
    filters, offset = asked.filters(now), (asked.number - 1) * PAGE
    found = await _read(lambda: ledger.traces(PAGE, offset, filters))
    keys = sorted({each.key for each in found.requests if each.key})
    return await page(
        "traces.html",
        _frame(request, caller),
        asked=asked,
        found=found.requests,
        pages=pages(asked, found),
        models=sorted({each.model for each in found.requests if each.model}),
        keys={key: name_of(request, key) for key in keys},
        statuses=STATUS,
        caches=CACHE,
        degraded=DEGRADED,
        sinces={name: label for name, (label, _) in SINCE.items()},
    )


@router.get("/traces/{trace_id}")
async def trace(trace_id: str, request: Request, caller: Viewer) -> Response:
    """One request from door to answer. The first digits of an id are enough."""
    ledger = ledger_of(request)
    # PostgreSQL refuses to look for NUL.
    recorded = await _read(lambda: ledger.trace(trace_id)) if "\0" not in trace_id else None
    if recorded is None:
        raise NotFound(
            f"There is no trace “{trace_id[:64]}”. It may never have been, or it is older than "
            "what the ledger keeps."
        )
    if recorded.request.trace_id != trace_id:
        return RedirectResponse(f"/traces/{recorded.request.trace_id}", HTTPStatus.SEE_OTHER)
    key = name_of(request, recorded.request.key)
    return await page("trace.html", _frame(request, caller), story=story(recorded), key=key)


@router.get("/login")
async def login(request: Request) -> Response:
    """Asks for an admin key, unless it is known who looks."""
    target = local_path(request.query_params.get("next", "/"))
    try:
        await viewer(request)
    except GatewayError:
        return await _login(request, target)
    return RedirectResponse(target, HTTPStatus.SEE_OTHER)


@router.post("/login")
async def sign_in(request: Request) -> Response:
    """Begins a session with the key of the form."""
    same_site(request)
    form = await _form(request)
    target = local_path(form.get("next", "/"))
    try:
        secret = form.get("key", "").strip()
        caller = administrator(accounts_of(request).identify(f"Bearer {secret}"))
    except (Unauthorized, Forbidden) as error:
        return await _login(request, target, error)
    response = RedirectResponse(target, HTTPStatus.SEE_OTHER)
    begin_session(request, response, caller)
    return response


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """Ends the session."""
    same_site(request)
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    end_session(request, response)
    return response


async def _login(request: Request, target: str, error: GatewayError | None = None) -> Response:
    return await page(
        "login.html",
        _frame(request),
        status=error.status if error else HTTPStatus.OK,
        target=target,
        error=error.message if error else None,
    )


async def _form(request: Request) -> dict[str, str]:
    """The fields of a posted form. Raises TooLarge before reading one that is no sign-in."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_FORM:
            raise TooLarge("That is too long for a key.")
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


async def _read(work: Callable[[], T]) -> T:
    """What the ledger says. Raises NotFound, LedgerAway."""
    try:
        return await anyio.to_thread.run_sync(work)
    except AmbiguousTrace as error:
        raise NotFound(str(error)) from error
    except Exception as error:
        # Each database has errors of its own; the page says that it is away, the log says why.
        _log.exception("The ledger cannot be read")
        raise LedgerAway("The ledger cannot be read right now. The gateway's log says why.") from (
            error
        )


def _frame(request: Request, caller: Caller | None = None) -> Frame:
    return Frame(request.url.path, str(request.base_url), caller)
