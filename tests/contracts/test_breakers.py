"""What gateways hear of each other's breakers, however the news travels."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import pytest
from pydantic import SecretStr

from gateway.breakers.config import RedisStore
from gateway.breakers.memory import Board, MemoryExchange
from gateway.breakers.redis import RedisExchange
from gateway.breakers.sharing import Exchange
from gateway.deployments import Deployment, Deployments
from routing.config import BreakerConfig
from routing.types import Target
from tests.servers import free_port, redis_server

pytestmark = pytest.mark.anyio

TARGET = Target("cloud", "m", 1000, 100)
CONFIG = BreakerConfig(failures=2, probes=1, open_seconds=20, longest_open=100)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


class Member:
    """A gateway as far as its breakers go."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.deployments = Deployments(CONFIG, clock)
        self.exchange: Exchange | None = None

    @property
    def deployment(self) -> Deployment:
        return self.deployments.of(TARGET)

    def fails(self, times: int = 2) -> None:
        for _ in range(times):
            visit = self.deployment.enter(False, 0.0, self.clock.now)
            breaker = self.deployment.breaker
            if breaker.failed(breaker.era, self.clock.now):
                self.deployment.changed()
            visit.over()

    def succeeds(self) -> None:
        breaker = self.deployment.breaker
        era = breaker.enter(self.clock.now)
        assert era is not None
        if breaker.succeeded(era, self.clock.now):
            self.deployment.changed()

    def admits(self) -> bool:
        return self.deployment.barred(0.0, self.clock.now) is None


Join: TypeAlias = Callable[[], Awaitable[Member]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "redis"])
async def join(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Join]:
    """Another gateway that shares its breakers."""
    board, members, prefix = Board(), list[Member](), f"{uuid.uuid4().hex}:"

    async def joined() -> Member:
        member = Member(clock)
        if request.param == "memory":
            member.exchange = MemoryExchange(member.deployments.hear, board)
        else:
            url = SecretStr(request.getfixturevalue("redis_url"))
            store = RedisStore(kind="redis", url=url, prefix=prefix, timeout=10, refresh=60)
            member.exchange = RedisExchange(store, member.deployments.hear)
        member.deployments.share(member.exchange)
        await member.exchange.refresh()
        members.append(member)
        return member

    yield joined
    for member in members:
        assert member.exchange
        await member.exchange.aclose()


async def heard(teller: Member, listener: Member) -> None:
    for each in (teller, listener):
        assert each.exchange
        await each.exchange.refresh()


async def test_what_one_finds_open_is_open_for_all(join: Join) -> None:
    one, other = await join(), await join()
    one.fails()
    await heard(one, other)
    assert not other.admits()
    assert other.deployment.breaker.wait(other.clock.now) == pytest.approx(20, abs=2)


async def test_what_one_finds_well_again_is_closed_for_all(join: Join, clock: Clock) -> None:
    one, other = await join(), await join()
    one.fails()
    await heard(one, other)
    clock.now += 20
    one.succeeds()
    await heard(one, other)
    assert other.deployment.breaker.state == "closed"


async def test_an_admins_word_reaches_everybody_until_it_is_taken_back(join: Join) -> None:
    one, other = await join(), await join()
    one.deployments.force(TARGET, "open")
    await heard(one, other)
    assert not other.admits()
    other.deployments.force(TARGET, "auto")
    await heard(other, one)
    assert one.admits()


async def test_who_comes_later_hears_what_holds(join: Join) -> None:
    one = await join()
    one.deployments.force(TARGET, "open")
    assert one.exchange
    await one.exchange.refresh()
    late = await join()
    assert not late.admits()
    assert late.deployment.breaker.forced == "open"


async def test_nobody_listens_to_himself(join: Join, clock: Clock) -> None:
    one, other = await join(), await join()
    one.fails()
    clock.now += 20
    one.succeeds()
    await heard(one, other)
    await heard(one, other)
    assert one.deployment.breaker.state == "closed"


async def test_an_open_breaker_whose_time_is_over_is_no_news(join: Join) -> None:
    one = await join()
    deployment = one.deployment
    deployment.breaker.open_for(0.0, 1, one.clock.now)
    deployment.changed()
    assert one.exchange
    await one.exchange.refresh()
    late = await join()
    assert late.admits()


async def test_nothing_waits_while_redis_is_away(caplog: pytest.LogCaptureFixture) -> None:
    url = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
    member = Member(Clock())
    exchange = RedisExchange(RedisStore(kind="redis", url=url), member.deployments.hear)
    member.deployments.share(exchange)
    began = time.thread_time()
    member.fails()
    assert not member.admits()  # by what it sees itself
    assert time.thread_time() - began < 1
    await exchange.refresh()
    await exchange.refresh()
    assert caplog.text.count("Redis is away") == 1
    await exchange.aclose()


async def test_what_was_said_while_redis_was_away_is_told_when_it_is_back() -> None:
    port = free_port()
    store = RedisStore(kind="redis", url=SecretStr(f"redis://127.0.0.1:{port}/0"), timeout=10)
    one, other = Member(Clock()), Member(Clock())
    exchanges = [RedisExchange(store, each.deployments.hear) for each in (one, other)]
    one.deployments.share(exchanges[0])
    one.deployments.force(TARGET, "open")
    await exchanges[0].refresh()
    with redis_server(shared=False, port=port):
        for each in exchanges:
            await each.refresh()
        assert other.deployment.breaker.forced == "open"
        for each in exchanges:
            await each.aclose()
