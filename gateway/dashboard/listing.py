"""The list of traces: its filters as the address carries them, and its pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlencode

from gateway.dashboard.figures import span
from gateway.ledger.types import Filters, Page

PAGE = 50  # rows
_FURTHEST = 100_000  # pages; an offset has to fit the database's integers
_STATUS = re.compile(r"ok|error|[1-5]xx|[1-5]\d\d")
_MOMENT = re.compile(r"\d{1,11}")
SINCE = {
    "15m": ("15 minutes", 900),
    "1h": ("1 hour", 3600),
    "24h": ("24 hours", 86_400),
    "7d": ("7 days", 7 * 86_400),
    "30d": ("30 days", 30 * 86_400),
}
STATUS = {"ok": "OK", "error": "Error", "4xx": "4xx", "5xx": "5xx", "499": "499, client left"}
CACHE = {
    "exact": "Exact hit",
    "semantic": "Semantic hit",
    "shared": "Shared",
    "miss": "Miss",
    "off": "Off",
}
DEGRADED = {
    "any": "Something",
    "fallback": "A fallback",
    "cached": "An earlier answer",
    "extract": "Quotes",
    "canned": "A canned answer",
    "hand-over": "A hand-over",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for. An empty field does not filter."""

    q: str = ""
    status: str = ""
    model: str = ""
    key: str = ""
    team: str = ""
    cache: str = ""
    degraded: str = ""
    since: str = ""
    until: str = ""
    page: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Asked:
        """Values that mean nothing are dropped: an old link then still opens."""
        names = cls.__dataclass_fields__
        # PostgreSQL refuses to look for NUL.
        texts = {name: given[name].replace("\0", "") for name in names if name in given}
        asked = cls(**{name: text.strip()[:200] for name, text in texts.items()})
        return replace(
            asked,
            status=asked.status if _STATUS.fullmatch(asked.status) else "",
            cache=asked.cache if asked.cache in CACHE else "",
            degraded=asked.degraded if asked.degraded in DEGRADED else "",
            since=asked.since if asked.since in SINCE or _MOMENT.fullmatch(asked.since) else "",
            until=asked.until if _MOMENT.fullmatch(asked.until) else "",
            page=asked.page if _MOMENT.fullmatch(asked.page) else "",
        )

    @property
    def number(self) -> int:
        """Which page, from 1."""
        return min(max(int(self.page or 1), 1), _FURTHEST)

    @property
    def filtered(self) -> bool:
        return replace(self, page="") != Asked()

    @property
    def window(self) -> str:
        """The moments that the list is cut to, in words; empty where a period is asked for."""
        if self.since in SINCE or not (self.since or self.until):
            return ""
        if self.since and self.until:
            return span(float(self.since), float(self.until))
        return f"from {self.since}" if self.since else f"until {self.until}"

    def filters(self, now: float) -> Filters:
        since = now - SINCE[self.since][1] if self.since in SINCE else _number(self.since)
        return Filters(
            status=self.status or None,
            model=self.model or None,
            key=self.key or None,
            team=self.team or None,
            cache=self.cache or None,
            degraded=self.degraded or None,
            since=since,
            until=_number(self.until),
            text=self.q or None,
        )

    def address(self, **changes: str) -> str:
        """The list with some fields changed. Any other change begins at the first page."""
        changed = replace(self, **{"page": "", **changes})
        given = {name: value for name, value in asdict(changed).items() if value}
        return "/traces?" + urlencode(given) if given else "/traces"


@dataclass(frozen=True, slots=True)
class Pages:
    """Where in the list a page stands."""

    first: int
    last: int
    total: int
    newer: str | None  # addresses
    older: str | None


def pages(asked: Asked, page: Page) -> Pages:
    offset = (asked.number - 1) * PAGE
    shown = len(page.requests)
    return Pages(
        first=offset + 1 if shown else 0,
        last=offset + shown,
        total=page.total,
        newer=asked.address(page=str(asked.number - 1)) if asked.number > 1 else None,
        older=asked.address(page=str(asked.number + 1)) if offset + shown < page.total else None,
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
