"""From a folder with an adapter to answers that it gives: through the API of an operator, the
official client, and two engines that do what vLLM does."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import APIStatusError, AsyncOpenAI

from eval.bench.engine.core import Flags
from eval.bench.engine.server import Engine
from gateway.app import create_app
from gateway.config import parse
from tests.tiny import write_adapter, write_model

pytestmark = pytest.mark.anyio

CONFIG = """
data = "{data}"
[grounding]
mode = "off"
[providers.vllm]
kind = "vllm"
base_url = {urls}
models = [{{ name = "base" }}]
lora = {{ slots = 4, cpu_slots = 8, base_config = "{base}" }}
"""


@dataclass(frozen=True, slots=True)
class Here:
    """An operator, a caller, and what they have to do with."""

    operator: httpx.AsyncClient
    caller: AsyncOpenAI
    engines: list[Engine]
    folder: Path

    async def does(self, method: str, path: str, **body: Any) -> Any:
        """What an operator is told."""
        url = f"/admin/adapters{path}"
        answer = await self.operator.request(method, url, json=body or None)
        return answer.json() if answer.is_success else (answer.status_code, answer.json()["error"])

    async def adds(self, seed: int, name: str = "support", **fields: Any) -> Any:
        source = str(self.folder / str(seed))
        return await self.does("POST", "", source=source, name=name, **fields)

    async def said(self, model: str) -> str:
        made = await self.caller.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Where is my parcel?"}], max_tokens=8
        )
        return made.choices[0].message.content or ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model, and adapters of it by their seeds."""
    folder = tmp_path_factory.mktemp("adapters")
    write_model(folder / "base")
    for seed in range(4):
        write_adapter(folder / str(seed), seed)
    write_adapter(folder / "64", 64, rank=64)
    return folder


@pytest.fixture
async def here(tmp_path: Path, folder: Path) -> AsyncIterator[Here]:
    flags = Flags(max_loras=4, max_cpu_loras=8)
    async with AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(Engine(flags=flags)) for _ in range(2)]
        urls = [engine.url for engine in engines]
        app = create_app(parse(CONFIG.format(data=tmp_path, urls=urls, base=folder / "base")))
        await stack.enter_async_context(app.router.lifespan_context(app))
        http = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1", timeout=20
            )
        )
        caller = AsyncOpenAI(
            api_key="none", base_url="http://127.0.0.1/v1", http_client=http, max_retries=0
        )
        yield Here(http, caller, engines, folder)


async def test_an_adapter_is_added_asked_promoted_and_rolled_back(here: Here) -> None:
    base = await here.said("base")
    made = await here.adds(0)
    assert (made["revision"], made["rank"], made["served_as"]) == (1, 8, "vllm/support@1")
    first = await here.said("support")
    await here.adds(1)
    assert await here.said("support") == first
    second = await here.said("support@2")
    assert len({base, first, second}) == 3
    await here.does("POST", "/support/aliases", revision=2)
    assert await here.said("support") == second
    await here.does("POST", "/support/rollback", alias="live")
    assert await here.said("support") == first


async def test_what_an_engine_reads_lies_under_its_digest(here: Here) -> None:
    made = await here.adds(0)
    await here.said("support")
    (found,) = [e.names["support@1"] for e in here.engines if "support@1" in e.names]
    assert Path(found.path).name == made["digest"]


async def test_an_adapter_that_no_engine_could_serve_is_refused_before_any_hears_of_it(
    here: Here,
) -> None:
    status, error = await here.adds(64)
    assert (status, error["param"]) == (400, "source")
    assert "rank is 64" in error["message"]
    assert await here.does("GET", "") == {"object": "list", "data": []}
    assert not any(name for engine in here.engines for _, name in engine.asked if name != "base")


async def test_it_is_loaded_before_anybody_asks(here: Here) -> None:
    await here.adds(0)
    told = await here.does("POST", "/support/warm")
    (warmed,) = [each for each in here.engines if "support@1" in each.names]
    assert told["replica"] == warmed.url
    await here.said("support")
    assert [each for each in here.engines if "support@1" in each.names] == [warmed]


async def test_no_more_is_pinned_than_there_is_room_for(here: Here) -> None:
    for seed, name in enumerate(("a", "b")):
        await here.adds(seed, name)
    await here.does("POST", "/a/priority", priority="critical")
    status, error = await here.does("POST", "/b/priority", priority="critical")
    assert (status, error["code"]) == (409, "conflict")
    assert (await here.does("GET", "/b"))["priority"] == "medium"


async def test_a_removed_name_is_gone_and_its_numbers_are_not_given_again(here: Here) -> None:
    await here.adds(0)
    await here.adds(1)
    assert (await here.does("DELETE", "/support?revision=1"))[0] == 409
    assert (await here.does("DELETE", "/support"))["data"] == [1, 2]
    with pytest.raises(APIStatusError) as refused:
        await here.said("support")
    assert refused.value.status_code == 404
    assert (await here.adds(2))["revision"] == 3


async def test_an_alias_is_made_and_forgotten(here: Here) -> None:
    await here.adds(0)
    await here.does("POST", "/support/aliases", revision=1, alias="canary")
    assert await here.said("support@canary") == await here.said("support")
    left = await here.does("DELETE", "/support/aliases/canary")
    assert left["aliases"] == {"live": 1}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("POST", "/nothing/warm", {}, 404),
        ("POST", "/nothing/rollback", {"alias": "live"}, 404),
        ("POST", "/nothing/aliases", {"revision": 1}, 404),
        ("POST", "/nothing/aliases", {"revision": "../x"}, 400),
        ("POST", "/nothing/priority", {"priority": "utmost"}, 400),
        ("POST", "", {"source": "x", "name": "../x"}, 400),
        ("POST", "", {"source": "x", "name": "base"}, 400),
        ("POST", "", {"source": "/nowhere", "name": "x"}, 400),
        ("POST", "", {"source": "x", "name": "x", "provider": "none"}, 409),
        ("POST", "", {"source": "x", "name": "x", "colour": "red"}, 400),
    ],
)
async def test_what_cannot_be_ordered_is_refused(
    here: Here, method: str, path: str, body: dict[str, Any], status: int
) -> None:
    assert (await here.does(method, path, **body))[0] == status


async def test_a_source_may_go_once_it_was_added(here: Here, tmp_path: Path) -> None:
    passing = tmp_path / "passing"
    shutil.copytree(here.folder / "0", passing)
    await here.does("POST", "", source=str(passing), name="support")
    shutil.rmtree(passing)
    assert await here.said("support")
