"""What vLLM does with LoRA adapters, and what imitates it: the same cases against both.

The real one runs where MOORLINE_VLLM_PYTHON names a Python that has it (`make vllm`). Neither tells
who is where. What can be seen is this: a folder's weights are replaced, and who speaks otherwise
afterwards has been read again, so it had been pushed out of memory.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eval.bench.engine.core import Flags
from eval.bench.engine.server import Engine
from tests.servers import vllm_server
from tests.tiny import write_adapter, write_model

pytestmark = pytest.mark.anyio

SLOTS, CPU_SLOTS, RANK = 2, 3, 16
BOTH = ["imitation", pytest.param("vllm", marks=pytest.mark.vllm)]
SEEDS = itertools.count(1)


class Served:
    """A running engine and the adapters that a test makes for it."""

    def __init__(self, url: str, http: aiohttp.ClientSession, folder: Path) -> None:
        self.url = url
        self._http = http
        self._folder = folder

    def made(self, name: str, rank: int = 8, **config: Any) -> Path:
        """An adapter's folder; its weights are like no other's."""
        return write_adapter(self._folder / name, next(SEEDS), rank, **config)

    def folder(self, name: str) -> Path:
        return self._folder / name

    def remade(self, name: str) -> None:
        """Other weights in an adapter's folder."""
        shutil.rmtree(self._folder / name)
        self.made(name)

    async def post(self, path: str, **body: Any) -> tuple[int, str]:
        async with self._http.post(f"{self.url}/{path}", json=body) as answer:
            return answer.status, await answer.text()

    async def load(self, *names: str) -> None:
        """Make adapters and have them loaded, in this order."""
        for name in names:
            status, told = await self.register(name, self.made(name))
            assert status == 200, told

    async def register(self, name: str, path: Path | str) -> tuple[int, str]:
        return await self.post("load_lora_adapter", lora_name=name, lora_path=str(path))

    async def say(self, model: str, **options: Any) -> str:
        prompt = {"prompt": "Where is it?", "max_tokens": 8, "temperature": 0} | options
        status, told = await self.post("completions", model=model, **prompt)
        assert status == 200, told
        return str(json.loads(told)["choices"][0]["text"])

    async def models(self) -> dict[str, dict[str, Any]]:
        async with self._http.get(f"{self.url}/models") as answer:
            return {card["id"]: card for card in (await answer.json())["data"]}

    async def page(self, path: str) -> tuple[int, str]:
        async with self._http.get(self.url.removesuffix("/v1") + path) as answer:
            return answer.status, await answer.text()

    async def was_read_again(self, name: str) -> bool:
        """Whether an adapter had been pushed out of memory. Asks it, so it is there afterwards."""
        self.remade(name)
        now = await self.say(name)
        status, told = await self.register(f"{name} anew", self.folder(name))
        assert status == 200, told
        return now == await self.say(f"{name} anew")


@contextmanager
def real(folder: Path) -> Iterator[str]:
    flags = ["--enable-lora", "--max-loras", str(SLOTS), "--max-cpu-loras", str(CPU_SLOTS)]
    with vllm_server(write_model(folder), [*flags, "--max-lora-rank", str(RANK)]) as url:
        yield url


@pytest.fixture(scope="module")
def vllm_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real(tmp_path_factory.mktemp("vllm") / "model") as url:
        yield url


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(params=BOTH)
async def engine(
    request: pytest.FixtureRequest, http: aiohttp.ClientSession, tmp_path: Path
) -> AsyncIterator[Served]:
    """An engine; the real one has what earlier tests have loaded, all of it pushed out."""
    if request.param == "vllm":
        served = Served(request.getfixturevalue("vllm_url"), http, tmp_path)
        known = [name for name in await served.models() if name != "base"]
        for name in known:
            await served.post("unload_lora_adapter", lora_name=name)
        await served.load(*(f"other-{n}" for n in range(CPU_SLOTS)))
        yield served
        return
    flags = Flags(max_loras=SLOTS, max_cpu_loras=CPU_SLOTS, max_lora_rank=RANK)
    async with Engine(flags=flags) as imitation:
        yield Served(imitation.url, http, tmp_path)


def error(told: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told)["error"]
    return found


async def test_adapters_answer_each_in_its_own_way_and_always_the_same(engine: Served) -> None:
    await engine.load("a", "b")
    said = [await engine.say(name) for name in ("base", "a", "b")]
    assert len(set(said)) == 3
    assert said == [await engine.say(name) for name in ("base", "a", "b")]


async def test_equal_weights_speak_alike_under_any_name(engine: Served) -> None:
    folder = engine.made("a")
    await engine.register("a", folder)
    await engine.register("acme:support@2", folder)
    assert await engine.say("acme:support@2") == await engine.say("a")


async def test_a_chat_of_an_adapter_may_be_streamed(engine: Served) -> None:
    await engine.load("a")
    chat = {"messages": [{"role": "user", "content": "Where?"}], "max_tokens": 8, "temperature": 0}
    _, whole = await engine.post("chat/completions", model="a", **chat)
    _, stream = await engine.post("chat/completions", model="a", stream=True, **chat)
    *events, last = [line.removeprefix("data: ") for line in stream.splitlines() if line]
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events]
    told = "".join(delta.get("content") or "" for delta in deltas)
    assert (told, last) == (json.loads(whole)["choices"][0]["message"]["content"], "[DONE]")


async def test_a_load_is_told_in_plain_text(engine: Served) -> None:
    told = await engine.register("a", engine.made("a"))
    assert told == (200, "Success: LoRA adapter 'a' added successfully.")


async def test_who_is_loaded_is_listed_under_its_base_with_its_folder(engine: Served) -> None:
    folder = engine.made("a")
    await engine.register("a", folder)
    models = await engine.models()
    assert (models["a"]["parent"], models["a"]["root"]) == ("base", str(folder))
    assert models["base"]["parent"] is None


async def test_a_second_load_is_refused_as_loaded_already(engine: Served) -> None:
    await engine.load("a")
    status, told = await engine.register("a", engine.made("a2"))
    assert (status, error(told)["type"]) == (400, "InvalidUserInput")
    assert "has already been loaded" in error(told)["message"]


async def test_no_adapter_may_be_called_as_the_base_model(engine: Served) -> None:
    status, told = await engine.register("base", engine.made("a"))
    assert (status, error(told)["message"]) == (
        400,
        "The lora adapter 'base' conflicts with a served base model.",
    )


@pytest.mark.parametrize("path", ["/nowhere/at/all", "nowhere/at-all", "../nowhere"])
async def test_a_folder_that_is_not_there_is_not_found(engine: Served, path: str) -> None:
    status, told = await engine.register("a", path)
    assert (status, error(told)["type"], error(told)["message"]) == (
        404,
        "NotFoundError",
        f"Loading lora a failed: No adapter found for {path}",
    )


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"rank": 32}, "LoRA rank 32 is greater than max_lora_rank 16."),
        ({"rank_pattern": {"q_proj": 64}}, "LoRA rank 64 is greater than max_lora_rank 16."),
        ({"use_dora": True}, "vLLM does not yet support DoRA."),
        ({"bias": "all"}, "Adapter bias is not supported."),
        ({"modules_to_save": ["lm_head"]}, "vLLM only supports modules_to_save being either None"),
        ({"lora_alpha": None}, "Missing required configuration fields: {'lora_alpha'}"),
        ({"init_lora_weights": "pissa"}, "vLLM does not support init_lora_weights='pissa'."),
    ],
)
async def test_what_it_cannot_serve_is_refused_with_the_reason_inside(
    engine: Served, config: dict[str, Any], why: str
) -> None:
    status, told = await engine.register("a", engine.made("a", **config))
    assert (status, error(told)["type"]) == (500, "InternalServerError")
    assert why in error(told)["message"]


async def test_a_folder_without_weights_is_refused(engine: Served) -> None:
    folder = engine.made("a")
    (folder / "adapter_model.safetensors").unlink()
    status, told = await engine.register("a", folder)
    assert (status, "doesn't contain tensors" in told) == (500, True)


async def test_a_refused_load_leaves_no_name_and_pushes_nobody_out(engine: Served) -> None:
    await engine.load("a", "b", "c")
    await engine.register("wide", engine.made("wide", 32))
    assert "wide" not in await engine.models()
    assert not await engine.was_read_again("a")


@pytest.mark.parametrize("name", ["unknown", "../../etc", "acme:support@9"])
async def test_a_request_for_what_is_not_loaded_is_not_found(engine: Served, name: str) -> None:
    status, told = await engine.post("completions", model=name, prompt="x", max_tokens=1)
    assert status == 404
    assert error(told) == {
        "message": f"The model `{name}` does not exist. Valid aliases: base.",
        "type": "NotFoundError",
        "param": "model",
        "code": 404,
    }


async def test_an_unload_of_the_unknown_is_not_found(engine: Served) -> None:
    status, told = await engine.post("unload_lora_adapter", lora_name="unknown")
    assert (status, error(told)["message"]) == (404, "The lora adapter 'unknown' cannot be found.")


async def test_what_is_unloaded_is_not_to_be_asked_any_more(engine: Served) -> None:
    await engine.load("a")
    told = await engine.post("unload_lora_adapter", lora_name="a")
    assert told == (200, "Success: LoRA adapter 'a' removed successfully.")
    status, _ = await engine.post("completions", model="a", prompt="x", max_tokens=1)
    assert (status, "a" in await engine.models()) == (404, False)


async def test_who_was_used_longest_ago_goes_first(engine: Served) -> None:
    await engine.load("a", "b", "c", "d")
    assert not await engine.was_read_again("b")


async def test_who_was_pushed_out_is_read_again_by_a_request_alone(engine: Served) -> None:
    await engine.load("a", "b", "c", "d")
    assert await engine.was_read_again("a")


async def test_a_touch_keeps_an_adapter(engine: Served) -> None:
    await engine.load("a", "b", "c")
    await engine.say("a", max_tokens=1)
    await engine.load("d")
    assert not await engine.was_read_again("a")


async def test_a_touch_lets_the_next_one_go_instead(engine: Served) -> None:
    await engine.load("a", "b", "c")
    await engine.say("a", max_tokens=1)
    await engine.load("d")
    assert await engine.was_read_again("b")


async def test_an_unload_frees_nothing(engine: Served) -> None:
    await engine.load("a", "b", "c")
    await engine.post("unload_lora_adapter", lora_name="c")
    await engine.load("d")
    assert await engine.was_read_again("a")


async def test_a_name_that_is_loaded_again_takes_a_second_place(engine: Served) -> None:
    await engine.load("b", "a")
    await engine.post("unload_lora_adapter", lora_name="a")
    engine.remade("a")
    await engine.register("a", engine.folder("a"))
    await engine.load("c")
    assert await engine.was_read_again("b")


async def test_a_name_that_is_loaded_again_speaks_by_its_new_weights(engine: Served) -> None:
    await engine.load("a")
    before = await engine.say("a")
    await engine.post("unload_lora_adapter", lora_name="a")
    engine.remade("a")
    await engine.register("a", engine.folder("a"))
    assert await engine.say("a") != before


async def test_what_was_loaded_in_place_is_read_again_with_every_step(engine: Served) -> None:
    await engine.load("a")
    path = str(engine.folder("a"))
    await engine.post("load_lora_adapter", lora_name="a", lora_path=path, load_inplace=True)
    assert await engine.was_read_again("a")


async def test_metrics_name_the_adapters_that_have_requests(engine: Served) -> None:
    await engine.load("a")
    await engine.say("a")
    _, page = await engine.page("/metrics")
    gauge = [line for line in page.splitlines() if line.startswith("vllm:lora_requests_info{")]
    assert any('max_lora="2"' in line for line in gauge)
    assert "vllm:num_requests_running{" in page


@pytest.mark.parametrize("kind", BOTH)
async def test_a_folder_that_is_gone_when_it_is_read_again_ends_the_engine(
    kind: str, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    if kind == "vllm":
        with real(tmp_path / "model") as url:
            await _loses_a_folder(Served(url, http, tmp_path))
        return
    flags = Flags(max_loras=SLOTS, max_cpu_loras=CPU_SLOTS, max_lora_rank=RANK)
    async with Engine(flags=flags) as imitation:
        await _loses_a_folder(Served(imitation.url, http, tmp_path))


async def _loses_a_folder(engine: Served) -> None:
    await engine.load("a", "b", "c", "d")
    shutil.rmtree(engine.folder("a"))
    status, told = await engine.post("completions", model="a", prompt="x", max_tokens=1)
    assert (status, error(told)["type"]) == (500, "InternalServerError")
    with pytest.raises(aiohttp.ClientConnectionError):
        await _asked_until_it_is_gone(engine)


async def _asked_until_it_is_gone(engine: Served) -> None:
    for _ in range(200):
        await engine.page("/health")
        await asyncio.sleep(0.05)
