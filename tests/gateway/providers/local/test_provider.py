"""A model in this process, and adapters of it. Needs the extra `transformers`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from context.types import Prompt
from gateway.errors import ProviderError, WindowExceeded
from gateway.fleet.config import AdaptedConfig
from gateway.fleet.types import Served
from gateway.providers.base import Call
from gateway.providers.config import ModelConfig, TransformersProvider
from gateway.streams import Collected, collect
from tests.tiny import write_adapter, write_model

pytest.importorskip("torch", reason="torch is not installed (extra transformers)")
pytest.importorskip("transformers", reason="transformers is not installed (extra of that name)")
pytest.importorskip("peft", reason="peft is not installed (extra transformers)")

from gateway.providers.local.device import NoSuchDevice, chosen
from gateway.providers.local.provider import Transformers

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore"),  # torch and peft warn of their own deprecated ways
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "base")
    for seed in (1, 2):
        write_adapter(folder / f"adapter{seed}", seed)
    return folder


@pytest.fixture
async def provider(folder: Path) -> AsyncIterator[Transformers]:
    provider = await asyncio.to_thread(made, folder)
    yield provider
    await provider.aclose()


class Registered:
    """Two adapters, as the register would tell of them to engines that see them elsewhere."""

    def served(self, provider: str, name: str) -> Served | None:
        folders = {"team:one@1": "adapter1", "v2.0@3": "adapter2"}
        known = provider == "local" and name in folders
        return Served(name, f"/elsewhere/{folders[name]}") if known else None

    def pinned(self, provider: str) -> Sequence[Served]:
        return ()

    def removed(self, provider: str, name: str) -> bool:
        return False


def made(folder: Path) -> Transformers:
    models = (ModelConfig(name=str(folder / "base")),)
    config = TransformersProvider(
        kind="transformers",
        models=models,
        device="cpu",
        lora=AdaptedConfig(slots=1),
        max_waiting=1,
    )
    return Transformers("local", config, folder, Registered())


def call(provider: Transformers, model: str = "", stream: bool = False, **params: Any) -> Call:
    prompt = Prompt(({"role": "user", "content": "Hello"},))
    params = {"max_tokens": 12, "temperature": 0} | params
    return Call(model or provider.models()[0].name, prompt, stream, params)


async def said(provider: Transformers, *args: Any, **params: Any) -> Collected:
    return await collect(await provider.start(call(provider, *args, **params)))


async def test_streamed_text_equals_collected_text(provider: Transformers) -> None:
    plain, streamed = await said(provider), await said(provider, stream=True)
    assert plain.text == streamed.text != ""
    assert streamed.choices[0].fields == {"role": "assistant"}
    assert streamed.choices[0].finish == "length"
    assert streamed.done is not None
    assert streamed.done.usage.completion == 12
    assert streamed.done.usage.prompt > len("Hello")


async def test_each_adapter_answers_otherwise_and_leaves_the_base_as_it_was(
    provider: Transformers,
) -> None:
    names = ["", "team:one@1", "v2.0@3", "", "team:one@1"]
    first = [(await said(provider, name)).text for name in names]
    assert len(set(first)) == 3
    assert first[0] == first[3]
    assert first[1] == first[4]


async def test_a_seed_draws_the_same_again_and_each_choice_apart(provider: Transformers) -> None:
    one, again = [await said(provider, temperature=1, seed=5, n=2) for _ in range(2)]
    texts = [one.choices[place].text for place in (0, 1)]
    assert texts == [again.choices[place].text for place in (0, 1)]
    assert texts[0] != texts[1]


async def test_a_stop_string_ends_the_answer_and_is_not_told(provider: Transformers) -> None:
    whole = (await said(provider)).text
    stop = whole[5:7]
    stopped = await said(provider, stop=[stop])
    assert stopped.text == whole[: whole.index(stop)]
    assert stopped.choices[0].finish == "stop"


async def test_what_it_does_not_know_is_refused_by_name(provider: Transformers) -> None:
    with pytest.raises(ProviderError) as refused:
        await provider.start(call(provider, tools=[]))
    assert (refused.value.param, refused.value.upstream_status) == ("tools", 400)
    with pytest.raises(ProviderError) as unknown:
        await provider.start(call(provider, "other"))
    assert unknown.value.upstream_status == 404


async def test_a_prompt_without_room_for_an_answer_exceeds_the_window(
    provider: Transformers,
) -> None:
    prompt = Prompt(({"role": "user", "content": "x" * 5000},))
    with pytest.raises(WindowExceeded):
        await provider.start(Call(provider.models()[0].name, prompt, False))


async def test_who_leaves_makes_room_for_the_next(provider: Transformers) -> None:
    async with aclosing(await provider.start(call(provider, stream=True, max_tokens=1900))):
        pass
    assert (await said(provider)).text


async def test_a_line_that_is_full_refuses(provider: Transformers) -> None:
    async with aclosing(await provider.start(call(provider, stream=True, max_tokens=1900))):
        waiting = asyncio.create_task(said(provider))
        await asyncio.sleep(0)
        with pytest.raises(ProviderError) as full:
            await said(provider)
        assert full.value.retryable
    assert (await waiting).text


async def test_a_damaged_adapter_fails_its_own_requests_only(folder: Path) -> None:
    damaged = folder / "adapter1" / "adapter_model.safetensors"
    whole = damaged.read_bytes()
    provider = await asyncio.to_thread(made, folder)
    damaged.write_bytes(whole[:100])
    try:
        with pytest.raises(ProviderError) as failed:
            await said(provider, "team:one@1")
        assert str(folder) not in failed.value.message
        assert (await said(provider, "v2.0@3")).text
        assert (await said(provider)).text
    finally:
        damaged.write_bytes(whole)
        await provider.aclose()


async def test_a_folder_that_is_gone_is_named_to_nobody(folder: Path) -> None:
    provider = await asyncio.to_thread(made, folder)
    (folder / "adapter1").rename(folder / "aside")
    try:
        with pytest.raises(ProviderError) as failed:
            await said(provider, "team:one@1")
        assert str(folder) not in failed.value.message
        assert "team:one@1" in failed.value.message
    finally:
        (folder / "aside").rename(folder / "adapter1")
        await provider.aclose()


def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(NoSuchDevice, match="cpu"):
        chosen("mps", "auto")
    assert str(chosen("cpu", "auto")).startswith("cpu (")
