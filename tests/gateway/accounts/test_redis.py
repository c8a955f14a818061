"""What happens to limits when Redis goes away and comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from gateway.accounts.config import RedisStore
from gateway.accounts.limits import Hold
from gateway.accounts.redis import LEASE, RedisLimits
from gateway.errors import RateLimited
from gateway.types import Caller
from tests.servers import free_port, redis_server

pytestmark = pytest.mark.anyio

CALLER = Caller(key="k_1", name="ops", requests_per_minute=5, budget_usd=1.0)
SPENDER = Caller(key="k_2", name="ops", budget_usd=1.0)


class NothingSpent:
    def spent(self, key: str, since: float) -> float:
        return 0.0


@asynccontextmanager
async def opened(url: str, retry: float = 60.0, **config: object) -> AsyncIterator[RedisLimits]:
    store = RedisStore.model_validate({"kind": "redis", "url": url, "timeout": 10, **config})
    limits = RedisLimits(store, NothingSpent(), retry=retry)
    yield limits
    await limits.close()


async def admitted(limits: RedisLimits, times: int, caller: Caller = CALLER) -> int:
    async def one() -> Hold | None:
        try:
            return await limits.reserve(caller, 0, 0.1)
        except RateLimited:
            return None

    holds = await asyncio.gather(*(one() for _ in range(times)))
    return sum(hold is not None for hold in holds)


class Cable:
    """A connection to Redis that can be pulled."""

    def __init__(self, redis_port: int) -> None:
        self.port = free_port()
        self._redis_port = redis_port
        self._writers: list[asyncio.StreamWriter] = []

    async def plug(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)

    async def pull(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._redis_port)
        self._writers += [writer, back]
        await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while some := await reader.read(65536):
                writer.write(some)
        writer.close()


def nowhere() -> str:
    return f"redis://127.0.0.1:{free_port()}/0"


async def test_a_redis_that_is_down_leaves_this_process_counting_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened(nowhere()) as limits:
        assert await admitted(limits, 20) == 5
        assert await admitted(limits, 20) == 0
    assert caplog.text.count("Redis is down") == 1


async def test_closed_means_that_nothing_is_let_in_uncounted() -> None:
    async with opened(nowhere(), when_down="closed") as limits:
        with pytest.raises(RateLimited, match="when_down") as refused:
            await limits.reserve(CALLER, 0, 0.1)
        assert refused.value.retry_after == 60
        await limits.reserve(Caller(key="k_2", name="free"), 0, 0.0)


async def test_what_was_spent_while_redis_was_down_counts_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with redis_server(shared=False) as url:
        cable = Cable(int(url.rpartition(":")[2].partition("/")[0]))
        await cable.plug()
        async with opened(f"redis://127.0.0.1:{cable.port}/0", retry=0.01) as limits:
            await (await limits.reserve(SPENDER, 0, 0.2)).settle(0, 0.2)
            await limits.settled()
            await cable.pull()
            hold = await limits.reserve(SPENDER, 0, 0.5)
            assert "Redis is down" in caplog.text
            await cable.plug()
            await hold.settle(0, 0.7)
            await limits.settled()
            assert "Redis is back" in caplog.text
            assert await admitted(limits, 4, SPENDER) == 1
            await cable.pull()


async def test_a_gateway_that_died_gives_its_reservation_back_when_the_lease_ends() -> None:
    now = 1_795_000_000.0
    with redis_server(shared=False) as url:
        store = RedisStore(kind="redis", url=SecretStr(url), timeout=10)
        died = RedisLimits(store, NothingSpent(), clock=lambda: now)
        await died.reserve(SPENDER, 0, 1.0)
        await died.close()
        limits = RedisLimits(store, NothingSpent(), clock=lambda: now)
        with pytest.raises(RateLimited):
            await limits.reserve(SPENDER, 0, 1.0)
        now += LEASE
        await limits.reserve(SPENDER, 0, 1.0)
        await limits.close()


async def test_two_gateways_share_one_count() -> None:
    with redis_server(shared=False) as url:
        async with opened(url) as one, opened(url) as other:
            both = await asyncio.gather(admitted(one, 5), admitted(other, 5))
    assert sum(both) == 5


async def test_a_request_that_is_cancelled_holds_nothing() -> None:
    with redis_server(shared=False) as url:
        async with opened(url) as limits:
            # Cancelled at each point where it waits, one after the other.
            for pauses in range(20):
                request = asyncio.ensure_future(limits.reserve(SPENDER, 0, 1.0))
                for _ in range(pauses):
                    await asyncio.sleep(0)
                if not request.cancel():
                    break
                await asyncio.wait([request])
                assert request.cancelled()
                await limits.settled()
            else:
                await limits.reserve(SPENDER, 0, 1.0)
            assert pauses > 2
