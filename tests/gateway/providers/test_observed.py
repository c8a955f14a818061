"""A call's answer shows its headers to whoever wants to know of rate limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import orjson
import pytest

from context.types import Prompt
from gateway.errors import ProviderError
from gateway.headroom import Headroom
from gateway.providers.base import Call, Header, Provider
from gateway.providers.config import LiteLlmProvider, ModelConfig, OpenAICompatibleProvider
from gateway.providers.litellm import LiteLLM
from gateway.providers.openai_compatible import OpenAICompatible
from gateway.providers.wire.client import Client
from tests.gateway.providers.scripted import answer, scripted

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore")]

LIMITS = "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 30s\r\n"
MESSAGE = {"role": "assistant", "content": "Here."}
HEAD = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
PLAIN = orjson.dumps(
    {**HEAD, "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}]}
)
CHUNKS = b"".join(
    b"data: "
    + orjson.dumps({**HEAD, "object": "chat.completion.chunk", "choices": [choice]})
    + b"\n\n"
    for choice in (
        {"index": 0, "delta": MESSAGE, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    )
)
ANSWERS = {
    "plain": answer(PLAIN, extra=LIMITS),
    "streamed": answer(CHUNKS + b"data: [DONE]\n\n", 200, "text/event-stream", LIMITS),
    "refused": answer(b'{"error": {"message": "slow down"}}', 429, extra=LIMITS),
}


async def waits(provider: Provider, model: str, kind: str) -> float:
    """For how long the provider is left alone after such an answer."""
    headroom = Headroom()

    def observe(headers: Iterable[Header]) -> None:
        headroom.read(headers, 0.0, 0.0)

    messages = ({"role": "user", "content": "Where?"},)
    call = Call(model, Prompt(messages), kind == "streamed", observe=observe)
    with suppress(ProviderError):
        [event async for event in await provider.start(call)]
    return headroom.wait(1, 0.0)


@pytest.mark.parametrize("kind", ANSWERS)
async def test_our_own_client_shows_them(kind: str) -> None:
    client = Client()
    async with scripted(ANSWERS[kind]) as server:
        config = OpenAICompatibleProvider(
            kind="openai-compatible", base_url=server.url, models=(ModelConfig(name="m"),)
        )
        assert await waits(OpenAICompatible(config, client), "m", kind) == 30
    await client.aclose()


@pytest.mark.parametrize("kind", ["plain", "streamed"])
async def test_litellm_shows_them(kind: str) -> None:
    async with scripted(ANSWERS[kind]) as server:
        config = LiteLlmProvider(
            kind="litellm",
            models=(ModelConfig(name="openai/m"),),
            api_base=server.url,
            api_key="sk-secret",  # type: ignore[arg-type]  # pydantic makes it a secret
        )
        provider = await asyncio.to_thread(LiteLLM, config)
        assert await waits(provider, "openai/m", kind) == 30
