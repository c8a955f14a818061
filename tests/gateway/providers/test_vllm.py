"""A vLLM server: a health check beside OpenAI's API."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.providers.config import ModelConfig, VllmProvider
from gateway.providers.vllm import Vllm
from gateway.providers.wire.client import Client
from tests.gateway.providers.scripted import answer, scripted

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client()
    yield client
    await client.aclose()


def vllm(url: str, client: Client) -> Vllm:
    models = (ModelConfig(name="base"), ModelConfig(name="adapter"))
    return Vllm(VllmProvider(kind="vllm", base_url=url, models=models), client)


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
async def test_health_is_asked_at_the_servers_root(
    client: Client, status: int, healthy: bool
) -> None:
    async with scripted(answer(b"", status)) as server:
        assert await vllm(server.url, client).healthy() is healthy
    assert server.requests[0].startswith(b"GET /health HTTP/1.1\r\n")


async def test_a_server_that_is_down_is_not_healthy(client: Client) -> None:
    async with scripted(answer(b"")) as server:
        pass
    assert not await vllm(server.url, client).healthy()


async def test_adapters_are_models(client: Client) -> None:
    names = [model.name for model in vllm("http://host/v1", client).models()]
    assert names == ["base", "adapter"]
