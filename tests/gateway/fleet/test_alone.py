"""While Redis is away: service goes on, and gateways agree without talking."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.fleet.config import RedisView
from gateway.fleet.redis import RedisExchange
from tests.gateway.fleet.world import World, world
from tests.gateway.providers.scripted import until
from tests.servers import free_port, redis_server

pytestmark = pytest.mark.anyio


async def test_alone_an_adapter_keeps_to_the_same_replica_for_every_gateway(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, replicas=5) as here:
        here.fleets.alone(True)
        here.register.add("a@1")
        others = World(here.servers, here.register, here.client)
        others.fleets.alone(True)
        answers = [await gateway.say("a@1") for _ in range(5) for gateway in (here, others)]
        assert len({call.placed["replica"] for _, call in answers if call.placed}) == 1


async def test_while_redis_is_away_requests_are_answered_as_before(tmp_path: Path) -> None:
    port = free_port()
    async with world(tmp_path, replicas=3) as here:
        here.register.add("a@1")
        with ExitStack() as running:
            url = running.enter_context(redis_server(shared=False, port=port))
            view = RedisView(kind="redis", url=SecretStr(url), refresh=0.05, timeout=0.2)
            exchange = RedisExchange(view, here.fleets)
            here.fleets.share(exchange)
            seen = here.fleet.kept.view
            await until(lambda: not seen.alone)
            assert (await here.say("a@1"))[0]
            running.close()
            await until(lambda: seen.alone)
            assert all([(await here.say("a@1"))[0] for _ in range(5)])
            running.enter_context(redis_server(shared=False, port=port))
            await until(lambda: not seen.alone)
            assert (await here.say("a@1"))[0]
            assert here.idle
            await exchange.aclose()
