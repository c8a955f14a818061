"""What gateways see of each other's doings on replicas, however it travels."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import TypeAlias

import pytest
from pydantic import SecretStr

from gateway.fleet.config import LoraConfig, RedisView
from gateway.fleet.fleets import Fleets
from gateway.fleet.memory import Board, MemoryExchange
from gateway.fleet.redis import RedisExchange
from gateway.fleet.sharing import Exchange
from gateway.fleet.view import View
from routing.config import BreakerConfig
from routing.placement.types import Promise, Replica
from tests.gateway.providers.scripted import until
from tests.servers import free_port, redis_server

pytestmark = pytest.mark.anyio

LORA = LoraConfig(slots=2, cpu_slots=3)


class Member:
    """A gateway as far as one replica goes."""

    def __init__(self) -> None:
        self.fleets = Fleets()
        kept = self.fleets.of("gpu")
        kept.configure(["http://a/v1"], LORA, BreakerConfig())
        self.prefixes = kept.prefixes
        self.view: View = kept.view
        self.replica: Replica = self.view.of("http://a/v1", LORA)
        self.exchange: Exchange | None = None

    def shared(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.fleets.share(exchange)

    @property
    def seen(self) -> tuple[int, dict[str, int], int]:
        return self.replica.in_flight, self.replica.under_way, self.replica.unread


Join: TypeAlias = Callable[[], Awaitable[Member]]
NOTHING: tuple[int, dict[str, int], int] = (0, {}, 0)


def redis_view(url: str, prefix: str) -> RedisView:
    return RedisView(
        kind="redis",
        url=SecretStr(url),
        prefix=prefix,
        every=0.001,
        refresh=0.05,
        silence=0.3,
        timeout=2,
    )


@pytest.fixture(scope="module", params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    if request.param == "memory":
        yield None
        return
    with redis_server() as url:
        yield url


@pytest.fixture
async def join(url: str | None) -> AsyncIterator[Join]:
    board, prefix = Board(), f"test-{uuid.uuid4().hex}:"
    members = []

    async def joined() -> Member:
        member = Member()
        if url is None:
            member.shared(MemoryExchange(member.fleets, board))
        else:
            member.shared(RedisExchange(redis_view(url, prefix), member.fleets))
            await until(lambda: not member.view.alone)
        members.append(member)
        return member

    yield joined
    for member in members:
        assert member.exchange
        await member.exchange.aclose()


async def test_what_one_sends_the_other_sees_begin_and_end(join: Join) -> None:
    one, other = await join(), await join()
    one.view.entered(one.replica, "a@1", 100)
    await until(lambda: other.seen == (1, {"a@1": 1}, 100))
    one.view.answering(one.replica, "a@1", 100)
    await until(lambda: other.seen == (1, {"a@1": 1}, 0))
    one.view.left(one.replica, "a@1", 0)
    await until(lambda: other.seen == NOTHING)


async def test_both_count_what_both_send(join: Join) -> None:
    one, other = await join(), await join()
    one.view.entered(one.replica, "a@1", 0)
    other.view.entered(other.replica, None, 0)
    await until(lambda: one.seen == other.seen == (2, {"a@1": 1}, 0))


async def test_where_adapters_are_is_seen_in_the_order_of_their_use(join: Join) -> None:
    one, other = await join(), await join()
    for adapter in ("a@1", "b@1", "a@1"):
        one.view.touched(one.replica, adapter)
    await until(lambda: list(other.replica.gpu) == ["b@1", "a@1"])
    one.view.touched(one.replica, "c@1")
    await until(lambda: list(other.replica.gpu) == ["a@1", "c@1"])
    assert list(other.replica.cpu) == ["b@1", "a@1", "c@1"]


async def test_what_an_engine_turned_out_not_to_have_is_nowhere(join: Join) -> None:
    one, other = await join(), await join()
    one.view.loaded(one.replica, "a@1")
    await until(lambda: "a@1" in other.replica.gpu)
    one.view.evicted(one.replica, "a@1")
    await until(lambda: "a@1" not in other.replica.cpu)


async def test_what_a_replica_has_read_for_one_the_other_knows(join: Join) -> None:
    one, other = await join(), await join()
    blocks = [2**64 - 1, 2, 3]
    one.prefixes.sent("http://a/v1", "a@1", blocks[:2])
    await until(lambda: bool(other.prefixes.cached(blocks)))
    assert other.prefixes.cached(blocks) == one.prefixes.cached(blocks)


async def test_a_promise_holds_with_everybody(join: Join) -> None:
    one, other = await join(), await join()
    promise = Promise("cold@1", "hot@1", one.view.now() + 10)
    one.view.promised(one.replica, promise)
    await until(lambda: other.replica.promise and other.replica.promise.adapter == "cold@1")
    one.view.promised(one.replica, None)
    await until(lambda: other.replica.promise is None)


async def test_who_joins_is_told_what_is_under_way_and_where_adapters_are(join: Join) -> None:
    one = await join()
    one.view.entered(one.replica, "a@1", 7)
    other = await join()
    await until(lambda: other.seen == (1, {"a@1": 1}, 7))
    assert list(other.replica.gpu) == ["a@1"]


async def test_who_leaves_takes_all_that_was_under_way_along(join: Join) -> None:
    one, other = await join(), await join()
    one.view.entered(one.replica, "a@1", 7)
    other.view.entered(other.replica, "a@1", 1)
    await until(lambda: other.seen == (2, {"a@1": 2}, 8))
    assert one.exchange
    await one.exchange.aclose()
    await until(lambda: other.seen == (1, {"a@1": 1}, 1))


async def test_whoever_waits_hears_that_another_gateway_gave_something_back(join: Join) -> None:
    one, other = await join(), await join()
    moved = asyncio.Event()
    one.view.entered(one.replica, "a@1", 0)
    await until(lambda: other.replica.in_flight)
    other.view.changed = moved.set
    one.view.left(one.replica, "a@1", 0)
    async with asyncio.timeout(10):
        await moved.wait()


async def test_without_redis_each_is_alone_and_afterwards_they_agree_again() -> None:
    port = free_port()
    with ExitStack() as running:
        url = running.enter_context(redis_server(shared=False, port=port))
        members = [Member(), Member()]
        for member in members:
            member.shared(RedisExchange(redis_view(url, "m:"), member.fleets))
        one, other = members
        await until(lambda: not (one.view.alone or other.view.alone))
        one.view.entered(one.replica, "a@1", 5)
        await until(lambda: other.replica.in_flight == 1)
        running.close()
        await until(lambda: one.view.alone and other.view.alone)
        assert other.seen == NOTHING
        assert one.seen == (1, {"a@1": 1}, 5)
        other.view.entered(other.replica, "b@1", 0)  # nobody is waited for
        running.enter_context(redis_server(shared=False, port=port))
        await until(lambda: one.seen == other.seen == (2, {"a@1": 1, "b@1": 1}, 5))
        for member in members:
            assert member.exchange
            await member.exchange.aclose()


async def test_a_gateway_that_falls_silent_is_forgotten() -> None:
    with redis_server() as url:
        prefix = f"test-{uuid.uuid4().hex}:"
        one, other = Member(), Member()
        silent = RedisExchange(redis_view(url, prefix), one.fleets)
        one.shared(silent)
        other.shared(RedisExchange(redis_view(url, prefix), other.fleets))
        await until(lambda: not (one.view.alone or other.view.alone))
        one.view.entered(one.replica, "a@1", 5)
        await until(lambda: other.replica.in_flight == 1)
        silent._task.cancel()  # as a process that hangs
        await until(lambda: other.seen == NOTHING)
        assert other.exchange
        await other.exchange.aclose()
        await silent.aclose()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"?",
        b"{}",
        b"[1]",
        b'["x", "doings", [["entered"]]]',
        b'["x", "whole", []]',
        b'["x", "whole", {"gpu": {"http://a/v1": 1}}]',
    ],
)
async def test_what_cannot_be_read_is_passed_over(nonsense: bytes) -> None:
    from redis.asyncio import Redis

    with redis_server() as url:
        prefix = f"test-{uuid.uuid4().hex}:"
        one, other = Member(), Member()
        for member in (one, other):
            member.shared(RedisExchange(redis_view(url, prefix), member.fleets))
        await until(lambda: not (one.view.alone or other.view.alone))
        async with Redis.from_url(url) as redis:
            await redis.publish(f"{prefix}fleet", nonsense)
        one.view.entered(one.replica, "a@1", 5)
        await until(lambda: other.replica.in_flight == 1)
        for member in (one, other):
            assert member.exchange
            await member.exchange.aclose()
