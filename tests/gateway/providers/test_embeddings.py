"""Answers of servers that embed, right and wrong."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.errors import ProviderError
from gateway.providers.base import EmbeddingCall
from gateway.providers.completions import Garbled, Reported
from gateway.providers.config import LiteLlmProvider
from gateway.providers.embeddings import embedded, embedded_of
from gateway.types import Usage
from tests.e2e.gifted import Gifted
from tests.gateway.providers.scripted import serving


def row(index: int, *vector: float) -> dict[str, Any]:
    return {"index": index, "embedding": list(vector)}


def test_vectors_come_in_the_order_of_their_index() -> None:
    body = {"data": [row(1, 2.0), row(0, 1.0)], "usage": {"prompt_tokens": 3}}
    made = embedded(orjson.dumps(body), 2)
    assert (made.vectors, made.usage) == ([[1.0], [2.0]], Usage(prompt=3))


def test_tokens_that_are_not_told_are_estimated() -> None:
    assert embedded_of({"data": [row(0, 1.0)]}, 1).usage.estimated


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"data": []}', b'{"data": [{"index": 0}]}']
)
def test_an_answer_that_makes_no_sense_is_garbled(body: bytes) -> None:
    with pytest.raises(Garbled):
        embedded(body, 1)


def test_an_error_inside_an_answer_is_reported() -> None:
    with pytest.raises(Reported):
        embedded(b'{"error": {"message": "no"}}', 1)


@pytest.mark.anyio
async def test_every_other_cloud_embeds_through_litellm() -> None:
    from gateway.providers.litellm_embeddings import LiteLlmEmbeddings

    async with serving(Gifted()) as port:
        config = LiteLlmProvider.model_validate(
            {
                "kind": "litellm",
                "api_key": "sk-something",
                "api_base": f"http://127.0.0.1:{port}/v1",
                "embeddings": [{"name": "openai/vectors"}],
            }
        )
        provider = LiteLlmEmbeddings(config)
        params = {"encoding_format": "float"}
        made = await provider.embed(EmbeddingCall("openai/vectors", ["a", "bb"], params))
        assert [vector[0] for vector in made.vectors] == [1.0, 2.0]
        assert made.usage.prompt == 3
        with pytest.raises(ProviderError) as caught:
            await provider.embed(EmbeddingCall("openai/vectors", ["a"], {"api_base": "http://x"}))
        assert caught.value.param == "api_base"
