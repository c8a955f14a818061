"""What vLLM's answers mean, case by case."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from gateway.errors import (
    AdapterCorrupt,
    AdapterIncompatible,
    AdapterNotFound,
    AdapterUnusable,
    OutOfMemory,
    ProviderError,
)
from gateway.fleet.config import LoraConfig
from gateway.fleet.engine import Engine
from gateway.providers.config import ModelConfig, VllmProvider
from gateway.providers.wire.client import Client
from tests.gateway.providers.scripted import Scripted, answer, scripted

pytestmark = pytest.mark.anyio

DONE = answer(b"Success: LoRA adapter 'a@1' added successfully.")


def refused(status: int, message: str) -> bytes:
    error = {"message": message, "type": "x", "param": None, "code": status}
    return answer(orjson.dumps({"error": error}), status)


def listed(name: str, root: str) -> bytes:
    cards = [{"id": "base", "root": "base", "parent": None}]
    cards.append({"id": name, "root": root, "parent": "base"})
    return answer(orjson.dumps({"object": "list", "data": cards}))


@asynccontextmanager
async def engine(*answers: bytes | None, tries: int = 3) -> AsyncIterator[tuple[Engine, Scripted]]:
    client = Client()
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with scripted(*answers) as server:
        config = VllmProvider(
            kind="vllm",
            base_url=server.url,
            models=(ModelConfig(name="base"),),
            lora=LoraConfig(load_tries=tries),
        )
        yield Engine(config, client, "gpu", server.url, sleep), server
    await client.aclose()


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (404, "Loading lora a@1 failed: No adapter found for /shelf/1", AdapterNotFound),
        (400, "The lora adapter 'a@1' conflicts with a served base model.", AdapterUnusable),
        (500, "LoRA rank 64 is greater than max_lora_rank 16.", AdapterIncompatible),
        (500, "vLLM does not yet support DoRA.", AdapterIncompatible),
        (500, "Adapter bias is not supported.", AdapterIncompatible),
        (500, "/shelf/1 doesn't contain tensors", AdapterIncompatible),
        (500, "expected target modules in ['q_proj'] but received ['x']", AdapterIncompatible),
        (500, "Error while deserializing header: HeaderTooLarge", AdapterCorrupt),
        (500, "Expecting value: line 1 column 1 (char 0)", AdapterCorrupt),
        (500, "CUDA out of memory. Tried to allocate 20.00 MiB.", OutOfMemory),
    ],
)
async def test_what_does_not_pass_is_told_at_once_and_without_the_folder(
    status: int, message: str, error: type[ProviderError]
) -> None:
    async with engine(refused(status, message), DONE) as (asked, server):
        with pytest.raises(error) as failed:
            await asked.load("a@1", "/shelf/1")
        assert len(server.requests) == 1
        assert "/shelf" not in failed.value.message
        assert "a@1" in failed.value.message


@pytest.mark.parametrize(
    "first", [refused(503, "Service is starting"), refused(500, "Something broke"), None]
)
async def test_what_may_pass_is_tried_again(first: bytes | None) -> None:
    async with engine(first, first, DONE) as (asked, server):
        await asked.load("a@1", "/shelf/1")
        assert len(server.requests) == 3


async def test_it_is_not_tried_for_ever() -> None:
    async with engine(refused(503, "/shelf/1 is being read"), tries=2) as (asked, server):
        with pytest.raises(ProviderError) as failed:
            await asked.load("a@1", "/shelf/1")
        assert "/shelf" not in failed.value.message
        assert len(server.requests) == 2


async def test_loaded_already_is_success() -> None:
    already = refused(400, "The lora adapter 'a@1' has already been loaded.")
    async with engine(already, listed("a@1", "/shelf/1")) as (asked, server):
        await asked.load("a@1", "/shelf/1")
        assert len(server.requests) == 2


async def test_loaded_already_from_another_folder_is_put_right() -> None:
    already = refused(400, "The lora adapter 'a@1' has already been loaded.")
    async with engine(already, listed("a@1", "/shelf/0"), DONE, DONE) as (asked, server):
        await asked.load("a@1", "/shelf/1")
        paths = [request.split(b" ")[1] for request in server.requests]
        load, models, unload = b"/v1/load_lora_adapter", b"/v1/models", b"/v1/unload_lora_adapter"
        assert paths == [load, models, unload, load]


async def test_an_engine_that_loads_nothing_while_it_runs_says_how_to_start_it() -> None:
    async with engine(answer(b'{"detail":"Not Found"}', 404)) as (asked, _):
        with pytest.raises(ProviderError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
            await asked.load("a@1", "/shelf/1")


@pytest.mark.parametrize("reply", [DONE, refused(404, "The lora adapter 'a@1' cannot be found.")])
async def test_unloading_what_is_not_there_is_success(reply: bytes) -> None:
    async with engine(reply) as (asked, _):
        await asked.unload("a@1")


async def test_where_adapters_are_is_read_where_it_is_told() -> None:
    page = b"""# TYPE vllm:lora_adapter_loaded gauge
vllm:lora_adapter_loaded{adapter_name="a@1",level="gpu",pinned="0",rank="8"} 1.0
vllm:lora_adapter_loaded{adapter_name="a@1",level="cpu",pinned="0",rank="8"} 1.0
vllm:lora_adapter_loaded{adapter_name="b@1",level="cpu",pinned="0",rank="8"} 1.0
vllm:lora_adapter_loaded{adapter_name="c@1",level="cpu",pinned="0",rank="8"} 0.0
"""
    async with engine(answer(page, content_type="text/plain")) as (asked, _):
        gpu, cpu = frozenset({"gpu"}), frozenset({"cpu"})
        assert await asked.resident() == {"a@1": gpu | cpu, "b@1": cpu}


async def test_an_engine_that_does_not_tell_is_asked_once() -> None:
    async with engine(answer(b"# nothing\n", content_type="text/plain")) as (asked, server):
        assert [await asked.resident() for _ in range(3)] == [None] * 3
        assert len(server.requests) == 1
