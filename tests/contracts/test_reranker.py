"""What every reranker does, wherever it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from aiohttp import web

from retrieval import config
from retrieval.rerankers.cross_encoder import CrossEncoder
from retrieval.rerankers.http import HttpReranker
from retrieval.rerankers.reader import Reader
from retrieval.types import Reranker, RetrievalError
from retrieval.words import query_terms, terms


@pytest.fixture(params=["reader", "http", "cross-encoder"])
async def reranker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reranker]:
    async with served() as url:
        found: Reranker
        match request.param:
            case "reader":
                found = Reader(config.ReaderReranker())
            case "cross-encoder":
                found = CrossEncoder(local_model(tmp_path))
            case _:
                found = remote(url)
        yield found
        await found.aclose()


def remote(url: str) -> HttpReranker:
    return HttpReranker(config.HttpReranker(kind="http", base_url=url, model="overlap"))


def local_model(folder: Path) -> config.CrossEncoderReranker:
    """A cross-encoder of random weights: the packaged encoder with a fresh head."""
    if find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed (extra `train`)")
    from sentence_transformers import (  # type: ignore[import-not-found,unused-ignore]
        CrossEncoder as Model,
    )

    from retrieval.encoders.minilm import model_folder

    Model(str(model_folder()), num_labels=1, device="cpu").save_pretrained(str(folder / "model"))
    return config.CrossEncoderReranker(
        kind="cross-encoder", model=str(folder / "model"), device="cpu"
    )


@asynccontextmanager
async def served(cut: int = 0) -> AsyncIterator[str]:
    """An endpoint that scores by shared terms, best first as Cohere's, and may lose some."""

    async def rerank(request: web.Request) -> web.Response:
        body = await request.json()
        asked = set(query_terms(body["query"]))
        scored = [
            {"index": i, "relevance_score": len(asked & set(terms(text)))}
            for i, text in enumerate(body["documents"])
        ]
        scored.sort(key=lambda result: -result["relevance_score"])
        return web.json_response({"results": scored[: body["top_n"] - cut]})

    app = web.Application()
    app.router.add_post("/v1/rerank", rerank)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()


TEXTS = ["Travel expenses are refunded.", "The pump has a warranty.", "A warranty of two years."]


@pytest.mark.anyio
async def test_every_text_has_a_reading_in_its_place(reranker: Reranker) -> None:
    forward = await reranker.read("How long is the warranty?", TEXTS)
    backward = await reranker.read("How long is the warranty?", TEXTS[::-1])
    assert len(forward) == 3
    assert all(isinstance(reading.relevance, float) for reading in forward)
    assert [each.relevance for each in backward[::-1]] == pytest.approx(
        [each.relevance for each in forward], abs=1e-4
    )


@pytest.mark.anyio
async def test_an_answer_stands_in_its_text(reranker: Reranker) -> None:
    for text, reading in zip(TEXTS, await reranker.read("How long?", TEXTS), strict=True):
        if reading.answer is not None:
            assert 0 <= reading.answer.start < reading.answer.end <= len(text)


@pytest.mark.anyio
async def test_no_texts_have_no_readings(reranker: Reranker) -> None:
    assert await reranker.read("How long?", []) == []


@pytest.mark.anyio
async def test_a_text_without_words_is_read(reranker: Reranker) -> None:
    assert len(await reranker.read("How long?", ["", "  ", "Two years."])) == 3


@pytest.mark.anyio
async def test_many_are_read_at_the_same_time(reranker: Reranker) -> None:
    alone = await reranker.read("How long is the warranty?", TEXTS)
    together = await asyncio.gather(
        *(reranker.read("How long is the warranty?", TEXTS) for _ in range(4))
    )
    for readings in together:
        assert [each.relevance for each in readings] == pytest.approx(
            [each.relevance for each in alone], abs=1e-4
        )


@pytest.mark.anyio
async def test_an_endpoint_that_loses_a_text_is_an_error() -> None:
    async with served(cut=1) as url:
        reranker = remote(url)
        with pytest.raises(RetrievalError, match="/rerank did not answer with a score"):
            await reranker.read("How long?", TEXTS)
        await reranker.aclose()
