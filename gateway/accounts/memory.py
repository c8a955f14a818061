"""Limits counted in this process. Rates are GCRA: one number each, no log of requests."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.accounts.limits import (
    DUST,
    MINUTE,
    SOON,
    UNLIMITED,
    Header,
    Hold,
    Spending,
    is_limited,
    month_of,
    over_budget,
    rate_headers,
    too_many_requests,
    too_many_tokens,
)
from gateway.types import Caller

ASK_AGAIN = 10.0  # seconds until a ledger that did not say what was spent is asked again

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Rate:
    """A token bucket as GCRA: `until` is when all that was taken will have flowed back."""

    until: float = 0.0

    def wait(self, amount: float, per_minute: int, now: float) -> float:
        """Seconds until this much fits; 0 where it fits now."""
        return _wait(self.after(amount, per_minute, now), now)

    def take(self, amount: float, per_minute: int, now: float) -> None:
        self.until = self.after(amount, per_minute, now)

    def give_back(self, amount: float, per_minute: int) -> None:
        self.until -= amount * MINUTE / per_minute

    def after(self, amount: float, per_minute: int, now: float) -> float:
        """`until`, once this much is taken too."""
        begin = self.until if self.until > now else now
        return begin + amount * MINUTE / per_minute


@dataclass(slots=True)
class Month:
    """A key's money in one calendar month."""

    start: float
    spent: float = 0.0
    reserved: float = 0.0
    holds: int = 0
    ask_again: float | None = None  # when the ledger is asked again; None: it has answered

    def fits(self, cost: float, budget: float) -> bool:
        taken = self.spent + self.reserved
        return taken < budget and taken + cost <= budget + DUST

    def reserve(self, cost: float) -> None:
        self.reserved += cost
        self.holds += 1

    def settle(self, reserved: float, cost: float) -> None:
        self.spent += cost
        self.holds -= 1
        # Sums of floats drift; with nothing held there is nothing reserved.
        self.reserved = self.reserved - reserved if self.holds else 0.0


@dataclass(slots=True)
class Account:
    """What one key has taken."""

    requests: Rate = field(default_factory=Rate)
    tokens: Rate = field(default_factory=Rate)
    month: Month | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class MemoryLimits:
    """Exact for one process; several would each allow the whole."""

    def __init__(self, spending: Spending, clock: Callable[[], float] = time.time) -> None:
        self._spending = spending
        self._clock = clock
        self._accounts: dict[str, Account] = {}

    async def reserve(self, caller: Caller, tokens: int, cost_usd: float) -> Hold:
        if not is_limited(caller):
            return UNLIMITED
        account = self._accounts.get(caller.key)
        if account is None:
            account = self._accounts[caller.key] = Account()
        now = self._clock()
        month = None
        if caller.budget_usd is not None:
            month = await self._month(account, caller.key, now)
        # Nothing below awaits: what is checked is taken before anyone else looks.
        ends = _checked(account, month, caller, tokens, cost_usd, now)
        account.requests.until, account.tokens.until = ends
        if month is not None:
            month.reserve(cost_usd)
        return MemoryHold(account, month, caller, tokens, cost_usd, self._clock)

    async def close(self) -> None:
        """Nothing is open."""

    async def _month(self, account: Account, key: str, now: float) -> Month:
        start = month_of(now)
        if _known(account.month, start, now):
            assert account.month is not None
            return account.month
        async with account.asking:
            if account.month is None or account.month.start != start:
                account.month = Month(start, ask_again=now)
            month = account.month
            if not _known(month, start, now):
                await self._ask(month, key, now)
            return month

    async def _ask(self, month: Month, key: str, now: float) -> None:
        try:
            month.spent = await asyncio.to_thread(self._spending.spent, key, month.start)
            month.ask_again = None
        except Exception:
            # A request must not fail because the ledger is away; it is counted from here on.
            _log.exception("What key %s has spent is not known; asking again later", key)
            month.ask_again = now + ASK_AGAIN


@dataclass(slots=True)
class MemoryHold:
    """Knows what to give back, and to which month."""

    account: Account
    month: Month | None
    caller: Caller
    tokens: int
    cost_usd: float
    clock: Callable[[], float]
    over: bool = False

    async def extend(self, tokens: int, cost_usd: float) -> None:
        more, dearer = max(0, tokens - self.tokens), max(0.0, cost_usd - self.cost_usd)
        limit, budget = self.caller.tokens_per_minute, self.caller.budget_usd
        now, month = self.clock(), self.month
        if more and limit is not None and (wait := self.account.tokens.wait(more, limit, now)):
            raise too_many_tokens(limit, tokens, wait)
        if dearer and month and budget is not None and not month.fits(dearer, budget):
            others = month.reserved - self.cost_usd
            raise over_budget(budget, month.spent, others, cost_usd, now)
        if limit is not None:
            self.account.tokens.take(more, limit, now)
            self.tokens += more
        if month:
            month.reserved += dearer
            self.cost_usd += dearer

    async def settle(self, tokens: int, cost_usd: float) -> None:
        self._finish(tokens, cost_usd)

    async def release(self) -> None:
        self._finish(0, 0.0)

    def headers(self) -> tuple[Header, ...]:
        account, caller, now = self.account, self.caller, self.clock()
        told: tuple[Header, ...] = ()
        if (limit := caller.requests_per_minute) is not None:
            told += rate_headers("requests", limit, account.requests.until - now)
        if (limit := caller.tokens_per_minute) is not None:
            told += rate_headers("tokens", limit, account.tokens.until - now)
        return told

    def _finish(self, tokens: int, cost_usd: float) -> None:
        if self.over:
            return
        self.over = True
        if self.month is not None:
            self.month.settle(self.cost_usd, cost_usd)
        if (per_minute := self.caller.tokens_per_minute) is None:
            return
        if tokens > self.tokens:
            self.account.tokens.take(tokens - self.tokens, per_minute, self.clock())
        else:
            self.account.tokens.give_back(self.tokens - tokens, per_minute)


def _known(month: Month | None, start: float, now: float) -> bool:
    return (
        month is not None
        and month.start == start
        and (month.ask_again is None or now < month.ask_again)
    )


def _wait(until: float, now: float) -> float:
    """Seconds until no more is taken than a minute gives."""
    wait = until - now - MINUTE
    return wait if wait > SOON else 0.0


def _checked(
    account: Account, month: Month | None, caller: Caller, tokens: int, cost: float, now: float
) -> tuple[float, float]:
    """Until when both rates will be taken. Raises where something does not fit; takes nothing."""
    requests_until, tokens_until = account.requests.until, account.tokens.until
    if (limit := caller.requests_per_minute) is not None:
        requests_until = account.requests.after(1, limit, now)
        if wait := _wait(requests_until, now):
            raise too_many_requests(limit, wait)
    if (limit := caller.tokens_per_minute) is not None:
        tokens_until = account.tokens.after(tokens, limit, now)
        if wait := _wait(tokens_until, now):
            raise too_many_tokens(limit, tokens, wait)
    if month is not None and caller.budget_usd is not None:
        budget = caller.budget_usd
        if not month.fits(cost, budget):
            raise over_budget(budget, month.spent, month.reserved, cost, now)
    return requests_until, tokens_until
