"""The imitation of vLLM: what only an imitation can be asked, time, faults and insight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eval.bench.engine.core import Flags, Pace
from eval.bench.engine.server import Engine, Refusal
from tests.gateway.providers.scripted import until
from tests.tiny import write_adapter

pytestmark = pytest.mark.anyio


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    return {name: write_adapter(tmp_path / name, n) for n, name in enumerate("abc")}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def post(http: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> tuple[int, str]:
    async with http.post(url, json=body) as answer:
        return answer.status, await answer.text()


async def load(
    http: aiohttp.ClientSession, engine: Engine, folders: dict[str, Path], *names: str
) -> None:
    for name in names:
        body = {"lora_name": name, "lora_path": str(folders[name])}
        assert (await post(http, f"{engine.url}/load_lora_adapter", body))[0] == 200


def chat(model: str, tokens: int = 4) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Where is the parcel?"}]
    return {"model": model, "messages": messages, "max_tokens": tokens}


async def test_it_tells_who_is_in_which_tier(
    http: aiohttp.ClientSession, folders: dict[str, Path]
) -> None:
    async with Engine(flags=Flags(max_loras=1, max_cpu_loras=2)) as engine:
        await load(http, engine, folders, "a", "b", "c")
        async with http.get(engine.url.removesuffix("/v1") + "/imitation") as told:
            state = await told.json()
    assert state["gpu"] == ["c"]
    assert state["cpu"] == ["b", "c"]
    assert state["brought"] == [["a", "disk"], ["b", "disk"], ["c", "disk"]]


async def test_a_cold_adapter_is_passed_over_while_others_fill_the_slots(
    http: aiohttp.ClientSession, folders: dict[str, Path]
) -> None:
    flags, pace = Flags(max_loras=1, max_cpu_loras=2), Pace(step=0.01)
    async with Engine(flags=flags, pace=pace) as engine:
        await load(http, engine, folders, "b", "a")
        url = f"{engine.url}/chat/completions"
        order: list[str] = []

        async def ask(name: str) -> None:
            await post(http, url, chat(name, 5))
            order.append(name)

        first = asyncio.create_task(ask("a"))
        await until(lambda: engine.core.running)
        cold = asyncio.create_task(ask("b"))
        await until(lambda: engine.core.waiting)
        await asyncio.gather(first, cold, asyncio.create_task(ask("a")), ask("base"))
    assert order[-1] == "b"


async def test_a_load_stalls_who_is_being_answered(
    http: aiohttp.ClientSession, folders: dict[str, Path]
) -> None:
    async with Engine() as engine:
        await load(http, engine, folders, "a")
        url = f"{engine.url}/chat/completions"
        engine.core.pace.step = 0.001
        asked = asyncio.create_task(post(http, url, chat("a", 100_000)))
        await until(lambda: engine.core.running)
        engine.core.pace.slow["b"] = 0.05
        loading = asyncio.create_task(load(http, engine, folders, "b"))
        await until(lambda: ("b", "disk") in engine.core.brought)
        said = engine.core.running[0].said
        await loading
        assert engine.core.running[0].said <= said + 1
        asked.cancel()


async def test_who_leaves_is_not_served_on(
    http: aiohttp.ClientSession, folders: dict[str, Path]
) -> None:
    async with Engine(pace=Pace(step=0.001)) as engine:
        url = f"{engine.url}/chat/completions"
        asked = asyncio.create_task(post(http, url, chat("base", 100_000)))
        await until(lambda: engine.core.running)
        asked.cancel()
        await until(lambda: not engine.core.running)


async def test_a_load_fails_as_often_as_it_was_told_to(
    http: aiohttp.ClientSession, folders: dict[str, Path]
) -> None:
    async with Engine() as engine:
        engine.faults.loads.append(Refusal(times=1))
        body = {"lora_name": "a", "lora_path": str(folders["a"])}
        status, told = await post(http, f"{engine.url}/load_lora_adapter", body)
        assert (status, "out of memory" in told) == (500, True)
        await load(http, engine, folders, "a")


async def test_answers_fail_for_one_adapter_alone(
    http: aiohttp.ClientSession, folders: dict[str, Path]
) -> None:
    async with Engine() as engine:
        await load(http, engine, folders, "a")
        engine.faults.answers.append(Refusal(503, "busy", name="a"))
        url = f"{engine.url}/chat/completions"
        assert (await post(http, url, chat("a")))[0] == 503
        assert (await post(http, url, chat("base")))[0] == 200


async def test_it_can_be_told_over_http_to_fail_and_to_be_slow(
    http: aiohttp.ClientSession, folders: dict[str, Path]
) -> None:
    async with Engine() as engine:
        wish = {"pace": {"disk": 0.01}, "faults": {"loads": [{"status": 503, "message": "no"}]}}
        async with http.put(engine.url.removesuffix("/v1") + "/imitation", json=wish) as told:
            state = await told.json()
        body = {"lora_name": "a", "lora_path": str(folders["a"])}
        assert (await post(http, f"{engine.url}/load_lora_adapter", body))[0] == 503
    assert state["pace"]["disk"] == 0.01


async def test_it_remembers_every_name_that_it_was_ever_sent(
    http: aiohttp.ClientSession, folders: dict[str, Path]
) -> None:
    async with Engine() as engine:
        await post(http, f"{engine.url}/chat/completions", chat("../../etc"))
        await post(http, f"{engine.url}/unload_lora_adapter", {"lora_name": "x"})
    assert engine.asked == [("/v1/chat/completions", "../../etc"), ("/v1/unload_lora_adapter", "x")]


async def test_an_engine_that_dies_tells_who_is_waiting_and_is_gone(
    http: aiohttp.ClientSession, folders: dict[str, Path]
) -> None:
    async with Engine(pace=Pace(step=0.001)) as engine:
        url = f"{engine.url}/chat/completions"
        asked = asyncio.create_task(post(http, url, chat("base", 100_000)))
        await until(lambda: engine.core.running)
        engine.core.die()
        assert (await asked)[0] == 500
        await engine.gone.wait()
        with pytest.raises(aiohttp.ClientConnectionError):
            await post(http, url, chat("base"))
