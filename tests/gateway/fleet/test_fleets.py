"""A configuration that changes under a fleet: what is known outlives it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from eval.bench.engine.core import Pace
from tests.gateway.fleet.world import LORA, call, told, world
from tests.gateway.providers.scripted import until

pytestmark = pytest.mark.anyio


async def test_what_is_known_of_a_replica_outlives_the_configuration(tmp_path: Path) -> None:
    async with world(tmp_path, replicas=2) as here:
        here.fleet = here.over(here.servers[:1])
        here.register.add("a@1")
        await here.say("a@1")
        here.fleet = here.over(here.servers)
        _, made = await here.say("a@1")
        assert made.placed
        assert (made.placed["replica"], made.placed["tier"]) == (here.servers[0].url, "gpu")
        assert here.loads() == ["a@1"]


async def test_a_replica_that_joins_is_used(tmp_path: Path) -> None:
    async with world(tmp_path, replicas=2, pace=Pace(step=0.001)) as here:
        here.fleet = here.over(here.servers[:1])
        here.fleet = here.over(here.servers)
        async with (
            aclosing(await here.fleet.start(call("base", stream=True, tokens=200))),
            aclosing(await here.fleet.start(call("base", stream=True, tokens=200))),
        ):
            assert [len(server.core.running) for server in here.servers] == [1, 1]


async def test_a_replica_that_leaves_ends_what_it_began_and_is_asked_nothing_more(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, replicas=2, pace=Pace(step=0.001)) as here:
        gone, stays = here.servers
        before = here.fleet = here.over([gone])
        async with aclosing(await before.start(call("base", stream=True, tokens=20))) as events:
            here.fleet = here.over([stays])
            for _ in range(3):
                await here.say("base")
            assert len([told(event) async for event in events if told(event)]) > 1
        assert len(gone.asked) == 1
        assert before.replicas[0].in_flight == 0


async def test_adapters_are_looked_after_by_the_configuration_in_force_alone(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.serve()
        first = here.fleets._keepers
        here.fleet = here.over(here.servers)
        here.serve()
        await here.fleets.aclose()
        assert all(keeper.done() for keeper in first)


async def test_what_ends_on_a_replica_that_left_and_came_back_is_not_counted_twice(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, replicas=2, pace=Pace(step=0.001)) as here:
        gone, stays = here.servers
        here.fleet = here.over([gone])
        before = await here.fleet.start(call("base", stream=True, tokens=500))
        here.fleet = here.over([stays])
        here.fleet = here.over([gone])
        async with aclosing(await here.fleet.start(call("base", stream=True, tokens=500))):
            await before.aclose()
            told_of = here.fleet.kept.view.whole()[gone.url]
            assert (told_of["requests"], told_of["unread"]) == ([(None, 1)], 0)


async def test_who_waits_for_a_replica_that_leaves_is_served_by_it(tmp_path: Path) -> None:
    async with world(tmp_path, replicas=2, pace=Pace(step=0.001)) as here:
        gone, stays = here.servers
        before = here.fleet = here.over([gone], LORA.model_copy(update={"slots": 1}))
        here.register.add("a@1")
        here.register.add("b@1")
        async with aclosing(await before.start(call("a@1", stream=True, tokens=500))):
            waiting = asyncio.create_task(here.say("b@1"))
            await until(lambda: before.places.waiting)
            here.fleet = here.over([stays])
        text, made = await waiting
        assert text
        assert made.placed
        assert made.placed["replica"] == gone.url
