"""Several gateways before the same engines, each with a mirror of what the others do."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from eval.bench.engine.core import Pace
from eval.bench.engine.server import Refusal
from gateway.errors import OutOfMemory
from gateway.fleet.memory import Board, MemoryExchange
from gateway.fleet.view import TOLD_WITHIN
from tests.gateway.fleet.world import LORA, World, world

pytestmark = pytest.mark.anyio


def together(here: World, count: int = 3) -> list[World]:
    """Gateways that hear each other."""
    board = Board()
    gateways = [World(here.servers, here.register, here.client) for _ in range(count)]
    for gateway in gateways:
        gateway.fleets.share(MemoryExchange(gateway.fleets, board))
    return gateways


async def test_what_one_had_loaded_the_others_use_where_it_is(tmp_path: Path) -> None:
    async with world(tmp_path, replicas=3) as here:
        here.register.add("a@1")
        for gateway in together(here) * 2:
            await gateway.say("a@1")
        assert here.loads() == ["a@1"]


async def test_a_prompt_goes_on_where_another_gateway_had_its_beginning_read(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, replicas=4) as here:
        beginnings = [f"{number} and what came before. " * 1000 for number in range(4)]
        one, other, _ = together(here)
        for beginning in beginnings:
            _, first = await one.say("base", beginning)
            _, then = await other.say("base", beginning + "And then?")
            assert first.placed
            assert then.placed
            assert first.placed["replica"] == then.placed["replica"]
            await asyncio.sleep(TOLD_WITHIN)  # no burst that the others are taken to have, too


async def test_together_they_send_no_replica_more_adapters_than_it_has_slots(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, replicas=2, pace=Pace(step=0.001)) as here:
        names = [f"a{number}@1" for number in range(6)]
        for name in names:
            here.register.add(name)
        gateways, most = together(here), Counter[str]()

        async def watched() -> None:
            while True:
                for server in here.servers:
                    at_work = (*server.core.running, *server.core.waiting)
                    adapters = len({each.lora for each in at_work})
                    most[server.url] = max(most[server.url], adapters)
                await asyncio.sleep(0)

        watching = asyncio.create_task(watched())
        try:
            answers = await asyncio.gather(
                *(gateway.say(name) for gateway in gateways for name in names)
            )
        finally:
            watching.cancel()
        assert all(text for text, _ in answers)
        assert 0 < max(most.values()) <= LORA.slots
        assert all(gateway.idle for gateway in gateways)


async def test_what_was_refused_here_is_served_once_another_one_has_had_it_loaded(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        first, second = together(here, 2)
        here.register.add("a@1")
        here.servers[0].faults.loads.append(Refusal(times=1))
        with pytest.raises(OutOfMemory):
            await first.say("a@1")
        await second.say("a@1")
        assert (await first.say("a@1"))[0]
        assert here.loads() == ["a@1", "a@1"]
