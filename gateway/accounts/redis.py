"""Limits counted in Redis, for several gateways at once: one script, one round trip a request.

Settling happens behind the response, in batches. While Redis is down this process counts alone
(or refuses, where so configured), and what was spent meanwhile is added when Redis is back.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.accounts.config import RedisStore
from gateway.accounts.limits import (
    RATES,
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
from gateway.accounts.memory import ASK_AGAIN, MemoryLimits
from gateway.errors import RateLimited
from gateway.types import Caller

MONEY_KEPT = 40 * 86_400  # seconds: longer than a month
LEASE = 900  # seconds after which the reservation of a gateway that died is given back
CONNECTIONS = 64
MOST_WAITING = 10_000  # settlements kept while Redis is down
BATCH = 100
GATHER = 0.01  # seconds in which settlements come together, to share a round trip
STOP_WITHIN = 2.0  # seconds that a stop may wait for the last settlements

_log = logging.getLogger(__name__)

# KEYS: requests, tokens, money (spent, reserved), holds (id → cost), leases (id by expiry)
_COMMON = """
local function now_of(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local function after(key, amount, per_minute, now)
  return math.max(tonumber(redis.call('GET', key) or '0'), now) + amount * 60 / per_minute
end
local function keep(key, till, now)
  redis.call('SET', key, string.format('%.6f', till), 'EX', math.max(60, math.ceil(till - now)))
end
local function hold(id, cost, now, lease)
  redis.call('HSET', KEYS[4], id, cost)
  redis.call('ZADD', KEYS[5], now + lease, id)
  redis.call('EXPIRE', KEYS[4], 2 * lease)
  redis.call('EXPIRE', KEYS[5], 2 * lease)
end
local function drop(id)
  local cost = redis.call('HGET', KEYS[4], id)
  if not cost then return false end
  redis.call('HDEL', KEYS[4], id)
  redis.call('ZREM', KEYS[5], id)
  local reserved = tonumber(redis.call('HGET', KEYS[3], 'reserved') or '0') - tonumber(cost)
  if reserved <= 0 or redis.call('HLEN', KEYS[4]) == 0 then
    redis.call('HDEL', KEYS[3], 'reserved')
  else
    redis.call('HSET', KEYS[3], 'reserved', string.format('%.12f', reserved))
  end
  return true
end
"""
# ARGV: now, requests a minute, tokens a minute, tokens, budget, cost, hold, lease, what the ledger
# says was spent before, for how long that is to be believed
_RESERVE = (
    _COMMON
    + """
local now = now_of(ARGV[1])
local rpm, tpm, tokens = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local budget, cost, lease = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[8])
local requests_until, tokens_until
-- Sent twice by a client that missed the answer, or released before it came: it takes nothing.
if redis.call('HEXISTS', KEYS[4], ARGV[7]) == 1 then return {'held'} end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, 100)) do
  drop(id)
end
if rpm then
  requests_until = after(KEYS[1], 1, rpm, now)
  if requests_until - now > 60.001 then
    return {'requests', string.format('%.6f', requests_until - now - 60)}
  end
end
if tpm then
  tokens_until = after(KEYS[2], tokens, tpm, now)
  if tokens_until - now > 60.001 then
    return {'tokens', string.format('%.6f', tokens_until - now - 60)}
  end
end
if budget then
  if redis.call('HEXISTS', KEYS[3], 'spent') == 0 then
    if ARGV[9] == '' then return {'spent?'} end
    redis.call('HSET', KEYS[3], 'spent', ARGV[9])
    redis.call('EXPIRE', KEYS[3], ARGV[10])
  end
  local spent = tonumber(redis.call('HGET', KEYS[3], 'spent'))
  local reserved = tonumber(redis.call('HGET', KEYS[3], 'reserved') or '0')
  if spent + reserved >= budget or spent + reserved + cost > budget + 1e-9 then
    return {'budget', string.format('%.9f', spent), string.format('%.9f', reserved)}
  end
  redis.call('HINCRBYFLOAT', KEYS[3], 'reserved', ARGV[6])
end
if rpm then keep(KEYS[1], requests_until, now) end
if tpm then keep(KEYS[2], tokens_until, now) end
if tpm or budget then hold(ARGV[7], ARGV[6], now, lease) end
return {
  'held',
  rpm and string.format('%.6f', requests_until - now) or '',
  tpm and string.format('%.6f', tokens_until - now) or ''
}
"""
)
# ARGV: now, tokens a minute, tokens above the reserved, cost, hold, whether it was released, lease
_SETTLE = (
    _COMMON
    + """
local now, tpm, tokens = now_of(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local held = drop(ARGV[5])
if ARGV[6] == '1' and not held then
  -- A cancelled request's reservation may still be on its way, on another connection.
  hold(ARGV[5], '0', now, tonumber(ARGV[7]))
  return
end
if tpm and tokens > 0 then
  keep(KEYS[2], after(KEYS[2], tokens, tpm, now), now)
elseif tpm and tokens < 0 then
  local till = tonumber(redis.call('GET', KEYS[2]) or '0') + tokens * 60 / tpm
  if till > now then keep(KEYS[2], till, now) else redis.call('DEL', KEYS[2]) end
end
if redis.call('HEXISTS', KEYS[3], 'spent') == 1 then
  redis.call('HINCRBYFLOAT', KEYS[3], 'spent', ARGV[4])
end
"""
)


class _Settlement(NamedTuple):
    key: str
    month: float
    tokens_per_minute: int | None = None
    more_tokens: int = 0  # than reserved
    cost_usd: float = 0.0
    hold: str = ""
    released: bool = False


class RedisLimits:
    """Counts in Redis."""

    def __init__(
        self,
        config: RedisStore,
        spending: Spending,
        clock: Callable[[], float] | None = None,
        retry: float = 1.0,
    ) -> None:
        """`clock` is for tests: without one the time is Redis's own, the same for all."""
        self.lost = 0  # settlements given up because Redis was down for too long
        self._config = config
        self._spending = spending
        self._clock = clock
        self._retry = retry
        pool = BlockingConnectionPool.from_url(
            config.url.get_secret_value(),
            max_connections=CONNECTIONS,
            timeout=config.timeout,
            # Time is kept around the calls: with a timeout of its own the client waits by
            # `wait_for`, which in Python 3.11 can swallow the cancellation of a request.
            socket_timeout=None,
            retry=Retry(NoBackoff(), 1),  # a connection that was idle for too long
            decode_responses=True,
        )
        self._redis = Redis.from_pool(pool)
        self._reserve_script = self._redis.register_script(_RESERVE)
        self._settle_script = self._redis.register_script(_SETTLE)
        self._stand_in: MemoryLimits | None = None  # while Redis is down
        self._try_again = 0.0
        self._waiting: deque[_Settlement] = deque()
        self._settling: asyncio.Task[None] | None = None

    async def reserve(self, caller: Caller, tokens: int, cost_usd: float) -> Hold:
        if not is_limited(caller):
            return UNLIMITED
        if self._stand_in is not None:
            if time.monotonic() < self._try_again:
                return await self._reserve_alone(self._stand_in, caller, tokens, cost_usd)
            self._try_again = time.monotonic() + self._retry  # one request tries for all
        hold = RedisHold(self, caller, month_of(self._now()), tokens, cost_usd)
        try:
            await self._reserve(hold)
        except (RedisError, OSError) as error:
            await hold.release()  # it may have been reserved all the same
            stand_in = self._went_down(error)
            return await self._reserve_alone(stand_in, caller, tokens, cost_usd)
        except asyncio.CancelledError:
            await hold.release()
            raise
        return hold

    async def add(self, hold: RedisHold, held: RedisHold) -> bool:
        """Whether a hold was taken that goes with another. Raises as `reserve` does. While Redis is
        down nothing is taken, and what is used is counted when the other one is settled."""
        try:
            await self._reserve(hold, held)
        except (RedisError, OSError) as error:
            await hold.release()  # it may have been reserved all the same
            self._went_down(error)
            if self._config.when_down == "closed":
                raise self._uncounted() from error
            return False
        except asyncio.CancelledError:
            await hold.release()
            raise
        return True

    async def close(self) -> None:
        """Settle what is left and let go of Redis."""
        if self._settling is not None:
            within = STOP_WITHIN if self._stand_in is None else 0
            await asyncio.wait([self._settling], timeout=within)
            self._settling.cancel()
            await asyncio.wait([self._settling])
        if self._waiting:
            _log.warning("%d settlements never reached Redis", len(self._waiting))
        await self._redis.aclose()

    async def settled(self) -> None:
        """Wait until Redis knows of everything that is over."""
        if self._settling is not None:
            await asyncio.wait([self._settling])

    def settle_later(self, settlement: _Settlement) -> None:
        """Behind the response; never waits."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(settlement)
        if self._settling is None or self._settling.done():
            self._settling = asyncio.get_running_loop().create_task(self._settle_all())

    async def _reserve(self, hold: RedisHold, held: RedisHold | None = None) -> None:
        caller, tokens, cost_usd = hold.caller, hold.tokens, hold.cost_usd
        arguments: list[Any] = [
            "" if self._clock is None else self._clock(),
            caller.requests_per_minute or "",
            caller.tokens_per_minute or "",
            tokens,
            "" if caller.budget_usd is None else caller.budget_usd,
            f"{cost_usd:.12f}",
            hold.id,
            LEASE,
        ]
        keys = self._keys(caller.key, hold.month)
        said = await self._ask(keys, [*arguments, "", ""])
        if said[0] == "spent?":
            before = await self._spent_before(caller.key, hold.month)
            said = await self._ask(keys, [*arguments, *before])
        self._came_back()
        _raise_unless_held(said, hold, held, self._now())
        hold.full_in = said[1:]

    async def _ask(self, keys: list[str], arguments: list[Any]) -> Sequence[str]:
        async with asyncio.timeout(self._config.timeout):
            said: Sequence[str] = await self._reserve_script(keys, arguments)
            return said

    async def _spent_before(self, key: str, month: float) -> tuple[str, int]:
        """What the ledger says, and for how many seconds to believe it."""
        try:
            spent = await asyncio.to_thread(self._spending.spent, key, month)
        except Exception:
            # A request must not fail because the ledger is away; it is counted from here on.
            _log.exception("What key %s has spent is not known; asking again later", key)
            return "0", int(ASK_AGAIN)
        return f"{spent:.12f}", MONEY_KEPT

    async def _reserve_alone(
        self, stand_in: MemoryLimits, caller: Caller, tokens: int, cost_usd: float
    ) -> Hold:
        if self._config.when_down == "closed":
            raise self._uncounted()
        hold = await stand_in.reserve(caller, tokens, cost_usd)
        return StandInHold(self, hold, caller.key, month_of(self._now()))

    def _uncounted(self) -> RateLimited:
        return RateLimited(
            "Limits cannot be counted just now (limits.store is down, and limits.store."
            "when_down is closed). Try again shortly.",
            retry_after=self._retry,
        )

    def _went_down(self, error: Exception) -> MemoryLimits:
        self._try_again = time.monotonic() + self._retry
        if self._stand_in is None:
            _log.warning("Redis is down; limits are %s: %s", self._meanwhile, error)
            self._stand_in = MemoryLimits(self._spending, self._clock or time.time)
        return self._stand_in

    def _came_back(self) -> None:
        if self._stand_in is not None:
            _log.warning("Redis is back; limits are shared again")
            self._stand_in = None

    @property
    def _meanwhile(self) -> str:
        closed = self._config.when_down == "closed"
        return "refused (when_down is closed)" if closed else "this process's own meanwhile"

    def _now(self) -> float:
        return time.time() if self._clock is None else self._clock()

    def _keys(self, key: str, month: float) -> list[str]:
        # The braces keep one key's names on one node of a cluster.
        name = f"{self._config.prefix}limits:{{{key}}}:"
        money = time.strftime("%Y-%m", time.gmtime(month))
        return [
            f"{name}requests",
            f"{name}tokens",
            f"{name}money:{money}",
            f"{name}holds:{money}",
            f"{name}leases:{money}",
        ]

    async def _settle_all(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER)
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH))]
            try:
                async with asyncio.timeout(self._config.timeout):
                    await self._settle(batch)
                self._came_back()
            except (RedisError, OSError) as error:
                self._went_down(error)
                self._waiting.extendleft(reversed(batch))
                await asyncio.sleep(self._retry)

    async def _settle(self, batch: Sequence[_Settlement]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for each in batch:
                await self._settle_script(
                    self._keys(each.key, each.month),
                    [
                        "" if self._clock is None else self._clock(),
                        each.tokens_per_minute or "",
                        each.more_tokens,
                        f"{each.cost_usd:.12f}",
                        each.hold,
                        int(each.released),
                        LEASE,
                    ],
                    client=pipeline,
                )
            await pipeline.execute()


class RedisHold:
    """A reservation in Redis."""

    def __init__(
        self, limits: RedisLimits, caller: Caller, month: float, tokens: int, cost_usd: float
    ) -> None:
        self.id = secrets.token_hex(8)
        self.caller = caller
        self.month = month
        self.tokens = tokens
        self.cost_usd = cost_usd
        self.full_in: Sequence[str] = ()  # seconds until requests, and tokens, are all there again
        self._limits = limits
        self._added: list[RedisHold] = []  # which are over with this one
        self._over = False

    async def extend(self, tokens: int, cost_usd: float) -> None:
        more = max(0, tokens - sum(each.tokens for each in (self, *self._added)))
        dearer = max(0.0, cost_usd - sum(each.cost_usd for each in (self, *self._added)))
        alike = replace(
            self.caller,
            requests_per_minute=None,
            tokens_per_minute=self.caller.tokens_per_minute if more else None,
            budget_usd=self.caller.budget_usd if dearer else None,
        )
        if is_limited(alike):
            added = RedisHold(self._limits, alike, self.month, more, dearer)
            if await self._limits.add(added, self):
                self._added.append(added)

    async def settle(self, tokens: int, cost_usd: float) -> None:
        for each in self._added:
            await each.settle(each.tokens, 0.0)
            tokens -= each.tokens if each.caller.tokens_per_minute else 0
        self._finish(tokens, cost_usd, released=False)

    async def release(self) -> None:
        for each in self._added:
            await each.release()
        self._finish(0, 0.0, released=True)

    def headers(self) -> tuple[Header, ...]:
        caller = self.caller
        rates = caller.requests_per_minute, caller.tokens_per_minute
        named = zip(RATES, rates, self.full_in, strict=False)
        return tuple(
            header
            for what, limit, full_in in named
            if limit is not None
            for header in rate_headers(what, limit, float(full_in))
        )

    def _finish(self, tokens: int, cost_usd: float, released: bool) -> None:
        caller = self.caller
        if self._over or (caller.tokens_per_minute is None and caller.budget_usd is None):
            return
        self._over = True
        self._limits.settle_later(
            _Settlement(
                key=caller.key,
                month=self.month,
                tokens_per_minute=caller.tokens_per_minute,
                more_tokens=tokens - self.tokens,
                cost_usd=cost_usd,
                hold=self.id,
                released=released,
            )
        )


@dataclass(slots=True)
class StandInHold:
    """A reservation in this process, whose cost Redis learns when it is back."""

    limits: RedisLimits
    hold: Hold
    key: str
    month: float
    over: bool = False

    async def extend(self, tokens: int, cost_usd: float) -> None:
        await self.hold.extend(tokens, cost_usd)

    async def settle(self, tokens: int, cost_usd: float) -> None:
        await self.hold.settle(tokens, cost_usd)
        if cost_usd and not self.over:
            self.limits.settle_later(_Settlement(self.key, self.month, cost_usd=cost_usd))
        self.over = True

    async def release(self) -> None:
        await self.hold.release()
        self.over = True

    def headers(self) -> tuple[Header, ...]:
        return self.hold.headers()


def _raise_unless_held(
    said: Sequence[str], hold: RedisHold, held: RedisHold | None, now: float
) -> None:
    caller, tokens, cost = hold.caller, hold.tokens, hold.cost_usd
    own = 0.0
    if held:
        tokens, cost, own = tokens + held.tokens, cost + held.cost_usd, held.cost_usd
    match said:
        case ["requests", wait]:
            raise too_many_requests(caller.requests_per_minute or 0, float(wait))
        case ["tokens", wait]:
            raise too_many_tokens(caller.tokens_per_minute or 0, tokens, float(wait))
        case ["budget", spent, reserved]:
            budget = caller.budget_usd or 0.0
            raise over_budget(budget, float(spent), float(reserved) - own, cost, now)
