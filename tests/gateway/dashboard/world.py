"""A small world for the pages: a ledger and accounts that are ten lines each, and a client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from gateway.dashboard import pages
from gateway.errors import Unauthorized
from gateway.ledger.types import Bucket, Filters, Overview, Page, Recorded, Request, Share, Totals
from gateway.tracing.trace import Span
from gateway.types import Caller

LOCAL = Caller("local", "local", admin=True)
ADMIN = Caller("k_admin", "ops", admin=True)
PLAIN = Caller("k_plain", "website")


@dataclass
class FakeAccounts:
    """Secrets and their callers; nobody needs a key while there are none."""

    keys: dict[str, Caller] = field(default_factory=dict)

    def identify(self, authorization: str | None) -> Caller:
        if not self.keys:
            return LOCAL
        caller = self.keys.get((authorization or "").removeprefix("Bearer "))
        if caller is None:
            raise Unauthorized("Incorrect API key provided.")
        return caller

    def holder(self, key: str) -> Caller | None:
        return next((caller for caller in self.keys.values() if caller.key == key), None)


@dataclass
class FakeLedger:
    """Gives back what it was made with, and remembers what it was asked for."""

    recorded: tuple[Recorded, ...] = ()
    seen: Overview | None = None
    total: int | None = None
    broken: Exception | None = None
    asked: list[Any] = field(default_factory=list)

    def overview(self, since: float, bucket: float, until: float | None = None) -> Overview:
        self.asked.append((since, bucket, until))
        if self.broken:
            raise self.broken
        return self.seen or overview(since, bucket, [])

    def traces(self, limit: int = 50, offset: int = 0, filters: Filters | None = None) -> Page:
        self.asked.append((limit, offset, filters))
        requests = tuple(each.request for each in self.recorded)[:limit]
        return Page(requests, len(requests) if self.total is None else self.total)

    def trace(self, prefix: str) -> Recorded | None:
        return next((r for r in self.recorded if r.request.trace_id.startswith(prefix)), None)


def request(**given: Any) -> Request:
    usual: dict[str, Any] = {
        "trace_id": "4f2a91c0" * 4,
        "at": 1_763_800_000.0,
        "key": "k_plain",
        "team": "care",
        "model_asked": "auto",
        "status": 200,
        "latency_ms": 1234.0,
        "question": "How long is the return window?",
    }
    return Request(**usual | given)


def recorded(*spans: Span, attributes: Mapping[str, Any] | None = None, **given: Any) -> Recorded:
    return Recorded(request(**given), spans, attributes or {})


def overview(since: float, step: float, totals: list[Totals], **shares: Any) -> Overview:
    """Steps of these totals; the whole is the first one's, which is enough to be shown."""
    return Overview(
        since=since,
        until=since + step * len(totals),
        bucket=step,
        totals=totals[0] if totals else Totals(),
        buckets=tuple(Bucket(since + step * i, each) for i, each in enumerate(totals)),
        models=shares.get("models", ()),
        keys=shares.get("keys", ()),
        teams=shares.get("teams", ()),
    )


def share(name: str, cost: float = 1.0) -> Share:
    return Share(name, name, 10, 1, 1000, cost)


def app(ledger: Any = None, accounts: Any = None) -> FastAPI:
    """What the pages need of the application."""
    app = FastAPI()
    app.state.gateway = SimpleNamespace(
        accounts=accounts or FakeAccounts(),
        accounting=SimpleNamespace(queries=ledger or FakeLedger()),
    )
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=Path(pages.__file__).parent / "static"))
    return app


def client(
    ledger: Any = None, accounts: Any = None, base_url: str = "http://127.0.0.1:8080"
) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app(ledger, accounts)), base_url=base_url
    )
