"""What is done in the background: who answers, what is where, and pins."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from eval.bench.engine.core import Flags
from eval.bench.engine.server import Engine as Server
from eval.bench.engine.server import Refusal
from gateway.errors import ProviderError
from gateway.fleet.keeper import PATIENCE, Keeper
from tests.gateway.fleet.world import LORA, world, write
from tests.gateway.providers.scripted import until

pytestmark = pytest.mark.anyio


async def test_critical_adapters_are_loaded_on_two_replicas_before_anybody_asks(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, replicas=3) as here:
        here.register.add("a@1", "critical")
        await here.look()
        assert sorted(len(server.gpu) for server in here.servers) == [0, 1, 1]
        _, made = await here.say("a@1")
        assert made.placed
        assert made.placed["tier"] == "gpu"


async def test_a_pin_outlives_all_that_comes_after_it(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.register.add("kept@1", "critical")
        await here.look()
        for number in range(5):
            here.register.add(f"a{number}@1")
            await here.say(f"a{number}@1")
            assert "kept@1" in here.servers[0].gpu


async def test_a_pin_that_comes_later_pushes_no_other_one_out(tmp_path: Path) -> None:
    async with world(tmp_path, flags=Flags(max_loras=7, max_cpu_loras=9)) as here:
        here.fleet = here.over(here.servers, LORA.model_copy(update={"slots": 7, "cpu_slots": 9}))
        here.register.add("first@1", "critical")
        await here.look()
        for number in range(6):
            here.register.add(f"a{number}@1")
            await here.say(f"a{number}@1")
        here.register.add("second@1", "critical")
        await here.look()
        assert {"first@1", "second@1"} < set(here.servers[0].gpu)
        assert set(here.replica(here.servers[0]).gpu) == set(here.servers[0].gpu)


async def test_what_an_engine_has_forgotten_is_forgotten_here(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.register.add("a@1")
        await here.say("a@1")
        here.servers[0].names.clear()
        await here.look()
        assert "a@1" not in here.replica(here.servers[0]).gpu
        assert (await here.say("a@1"))[0]
        assert here.loads() == ["a@1", "a@1"]


async def test_what_is_no_longer_registered_is_unloaded_though_nobody_saw_it_there(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.register.add("a@1")
        await here.say("a@1")
        here.register.remove("a@1")
        await here.look()
        assert list(here.servers[0].names) == []


async def test_what_others_have_loaded_is_left_alone(tmp_path: Path) -> None:
    """Another gateway may know of an adapter before this one does."""
    async with world(tmp_path / "here") as here:
        folder = write(tmp_path / "there")
        async with httpx.AsyncClient() as client:
            wish = {"lora_name": "new@1", "lora_path": str(folder)}
            await client.post(f"{here.servers[0].url}/load_lora_adapter", json=wish)
        await here.look()
        assert list(here.servers[0].names) == ["new@1"]


async def test_a_replica_that_does_not_answer_is_not_asked_until_it_does(tmp_path: Path) -> None:
    async with world(tmp_path, replicas=2) as here:
        keeper, gone = Keeper(here.fleet), here.servers[0]
        gone.core.die()
        await gone.gone.wait()
        for _ in range(PATIENCE):
            await here.look(keeper)
        health = here.fleet.kept.health(gone.url)
        assert health.down
        assert (await here.say("base"))[0]
        async with Server(port=int(gone.url.split(":")[2].removesuffix("/v1"))):
            await here.look(keeper)
            assert not health.down


async def test_a_load_that_takes_long_keeps_nobody_from_looking_at_the_others(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, replicas=2) as here:
        slow, gone = here.servers
        slow.core.pace.disk = 60
        here.register.add("a@1", "critical")
        gone.core.die()
        await gone.gone.wait()
        looking = asyncio.create_task(Keeper(here.fleet, every=0.01).run())
        await until(lambda: here.fleet.kept.health(gone.url).down)
        assert here.fleet.replicas[0].pinned
        looking.cancel()


async def test_a_refusal_to_load_a_pin_does_not_end_the_looking(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.register.add("a@1", "critical")
        here.servers[0].faults.loads.append(Refusal())
        await here.look()
        with pytest.raises(ProviderError):
            await here.say("a@1")
        assert (await here.say("base"))[0]
