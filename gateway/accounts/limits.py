"""Rates and budgets: what a request may need is reserved before, and settled after.

A rate is a token bucket: a minute's allowance may come at once and then flows back evenly. A
budget is a calendar month's (UTC); what is reserved counts as spent, so that requests at the same
time cannot overrun it together.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, Protocol, TypeAlias

from gateway.accounts.config import LimitsConfig, MemoryStore, RedisStore
from gateway.errors import BudgetSpent, RateLimited
from gateway.types import Caller

MINUTE = 60.0
SOON = 0.001  # seconds: a wait this short is rounding, not a limit
DUST = 1e-9  # USD: likewise


Header: TypeAlias = tuple[bytes, bytes]


class Hold(Protocol):
    """What one request has reserved. The first settling or release counts; neither ever waits."""

    async def extend(self, tokens: int, cost_usd: float) -> None:
        """The request needs this much in all. Takes what that is more, or nothing and raises as
        Limits do; it still is one request."""
        ...

    async def settle(self, tokens: int, cost_usd: float) -> None:
        """The request is over and has used this much."""
        ...

    async def release(self) -> None:
        """The request came to nothing: tokens and money go back, and it still counts as one."""
        ...

    def headers(self) -> tuple[Header, ...]:
        """What a response says of the caller's rates; nothing where there are none."""
        ...


class Limits(Protocol):
    """Counts for all callers."""

    async def reserve(self, caller: Caller, tokens: int, cost_usd: float) -> Hold:
        """Take this much, or nothing and raise RateLimited or BudgetSpent.

        Costs nothing for a caller without limits.
        """
        ...

    async def close(self) -> None: ...


class Spending(Protocol):
    """What has been spent before this process began to count: the ledger's queries."""

    def spent(self, key: str, since: float) -> float:
        """In USD. Blocks."""
        ...


class Unlimited:
    """The hold of a caller without limits."""

    async def extend(self, tokens: int, cost_usd: float) -> None:
        """Nothing to count."""

    async def settle(self, tokens: int, cost_usd: float) -> None:
        """Nothing to count."""

    async def release(self) -> None:
        """Nothing to give back."""

    def headers(self) -> tuple[Header, ...]:
        """Nothing to say."""
        return ()


UNLIMITED = Unlimited()


def open_limits(config: LimitsConfig, spending: Spending) -> Limits:
    """The configured store."""
    match config.store:
        case MemoryStore():
            from gateway.accounts.memory import MemoryLimits

            return MemoryLimits(spending)
        case RedisStore():
            from gateway.accounts.redis import RedisLimits

            return RedisLimits(config.store, spending)


def is_limited(caller: Caller) -> bool:
    return not (
        caller.requests_per_minute is None
        and caller.tokens_per_minute is None
        and caller.budget_usd is None
    )


RateName: TypeAlias = Literal["requests", "tokens"]
RATES: tuple[RateName, ...] = ("requests", "tokens")
_KINDS = (b"limit", b"remaining", b"reset")


def rate_headers(what: RateName, per_minute: int, full_in: float) -> tuple[Header, ...]:
    """A rate as OpenAI's responses tell it. `full_in`: seconds until all of it is there again."""
    full_in = min(max(full_in, 0.0), MINUTE)
    remaining = int(per_minute * (1 - full_in / MINUTE) + DUST)
    limit, left, reset = _NAMES[what]
    return (
        (limit, b"%d" % per_minute),
        (left, b"%d" % remaining),
        (reset, b"%.3fs" % full_in),
    )


_NAMES = {
    what: tuple(b"x-ratelimit-%b-%b" % (kind, what.encode()) for kind in _KINDS) for what in RATES
}


def month_of(now: float) -> float:
    """When the month of `now` began."""
    moment = datetime.fromtimestamp(now, UTC)
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()


def next_month(now: float) -> float:
    """When the month after `now` begins."""
    return month_of(month_of(now) + 32 * 86_400)


def too_many_requests(per_minute: int, wait: float) -> RateLimited:
    error = RateLimited(
        f"Rate limit reached: {per_minute} requests a minute. Try again in {wait:.1f} s.",
        retry_after=wait,
    )
    error.headers = _used_up("requests", per_minute, wait)
    return error


def too_many_tokens(per_minute: int, tokens: int, wait: float) -> RateLimited:
    if tokens > per_minute:
        return RateLimited(
            f"Request too large: it may need {tokens} tokens, and this key has {per_minute} a "
            "minute. Shorten the prompt or lower `max_tokens`."
        )
    error = RateLimited(
        f"Rate limit reached: {per_minute} tokens a minute; this request may need {tokens}. "
        f"Try again in {wait:.1f} s.",
        retry_after=wait,
    )
    error.headers = _used_up("tokens", per_minute, wait)
    return error


def _used_up(what: RateName, per_minute: int, wait: float) -> tuple[Header, ...]:
    """A rate of which there is too little for a request, which fits after a wait."""
    limit, left, reset = _NAMES[what]
    told = (limit, b"%d" % per_minute), (reset, b"%.3fs" % wait)
    # Of tokens there may be some, only not enough.
    return (*told, (left, b"0")) if what == "requests" else told


def over_budget(
    budget: float, spent: float, reserved: float, cost: float, now: float
) -> BudgetSpent:
    """Why, and when it is worth trying again: when other requests settle, or next month."""
    if spent + cost <= budget + DUST and reserved > 0:
        return BudgetSpent(
            f"This key's budget of ${budget:.2f} a month is reserved by requests under way. "
            "Try again when they are done.",
            retry_after=1.0,
        )
    begins = next_month(now)
    return BudgetSpent(
        f"This key's budget of ${budget:.2f} a month is used up: ${spent:.2f} are spent and this "
        f"request may cost ${cost:.4f}. It begins anew on "
        f"{datetime.fromtimestamp(begins, UTC):%Y-%m-%d}.",
        retry_after=begins - now,
    )
