"""What every encoder does, whatever encodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from retrieval.config import HttpEncoder, MiniLMEncoder
from retrieval.encoders.http import HttpVectors
from retrieval.encoders.minilm import MiniLM
from retrieval.types import Encoder, RetrievalError

KINDS = ["minilm-int8", "minilm-fp32", "http", "sentence-transformers"]
TEXTS = [
    "The warranty covers repairs for two years.",
    "Refunds are paid within fourteen days of the return.",
    "A short one",
    "The Norman dynasty had a major political and cultural impact on medieval Europe. " * 5,
]


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoder")


@pytest.fixture(params=KINDS)
async def encoder(request: pytest.FixtureRequest, graphs: Path) -> AsyncIterator[Encoder]:
    async with opened(request.param, graphs) as encoder:
        yield encoder


@asynccontextmanager
async def opened(kind: str, graphs: Path) -> AsyncIterator[Encoder]:
    match kind:
        case "minilm-int8":
            encoder: Encoder = MiniLM(MiniLMEncoder(precision="int8"), graphs)
        case "minilm-fp32":
            encoder = MiniLM(MiniLMEncoder(precision="fp32"), graphs)
        case "sentence-transformers":
            encoder = sentence_transformers()
        case _:
            async with served(MiniLM(MiniLMEncoder(), graphs)) as url:
                encoder = HttpVectors(
                    HttpEncoder(kind="http", base_url=url, model="minilm", size=384, window=256)
                )
                yield encoder
                await encoder.aclose()
            return
    yield encoder
    await encoder.aclose()


def sentence_transformers() -> Encoder:
    if find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed (extra `train`)")
    from retrieval.config import SentenceTransformersEncoder
    from retrieval.encoders.minilm import model_folder
    from retrieval.encoders.sentence_transformers import SentenceTransformers

    return SentenceTransformers(
        SentenceTransformersEncoder(
            kind="sentence-transformers", model=str(model_folder()), device="cpu"
        )
    )


@asynccontextmanager
async def served(encoder: MiniLM) -> AsyncIterator[str]:
    """OpenAI's /v1/embeddings over an encoder, on a port of this machine."""

    async def embeddings(request: web.Request) -> web.Response:
        vectors = await encoder.passages((await request.json())["input"])
        data = [{"index": i, "embedding": v.tolist()} for i, v in enumerate(vectors)]
        return web.json_response({"object": "list", "data": data[::-1]})

    app = web.Application()
    app.router.add_post("/v1/embeddings", embeddings)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()
        await encoder.aclose()


@pytest.mark.anyio
async def test_a_vector_has_the_stated_size_and_length_one(encoder: Encoder) -> None:
    query = await encoder.query("How long is the warranty?")
    assert query.text == "How long is the warranty?"
    assert query.vector.shape == (encoder.size,)
    assert query.vector.dtype == np.float32
    assert np.linalg.norm(query.vector) == pytest.approx(1, abs=1e-5)


@pytest.mark.anyio
async def test_a_text_has_one_vector_in_any_company(encoder: Encoder) -> None:
    together = await encoder.passages(TEXTS)
    alone = [(await encoder.query(text)).vector for text in TEXTS]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-5)


@pytest.mark.anyio
async def test_the_passage_that_answers_is_nearest(encoder: Encoder) -> None:
    vectors = await encoder.passages(TEXTS)
    query = await encoder.query("When do I get my money back?")
    assert int(np.argmax(vectors @ query.vector)) == 1


@pytest.mark.anyio
async def test_many_callers_at_once_get_each_their_own(encoder: Encoder) -> None:
    texts = [f"question number {n} on subject {n * 7}" for n in range(40)]
    answers = await asyncio.gather(*(encoder.query(text) for text in texts))
    assert [answer.text for answer in answers] == texts
    expected = await encoder.passages(texts)
    np.testing.assert_allclose(np.stack([a.vector for a in answers]), expected, atol=1e-5)


@pytest.mark.anyio
async def test_a_passage_over_the_window_is_refused(encoder: Encoder) -> None:
    long = "warranty " * (encoder.window + 1)
    assert encoder.count(long) > encoder.window
    with pytest.raises(RetrievalError, match="tokens"):
        await encoder.passages(["a short one", long])


@pytest.mark.anyio
async def test_a_question_over_the_window_is_cut_at_its_end(encoder: Encoder) -> None:
    head = "warranty " * encoder.window
    one, other = await encoder.query(head + "fish"), await encoder.query(head + "music")
    np.testing.assert_allclose(one.vector, other.vector, atol=1e-6)


@pytest.mark.anyio
async def test_no_texts_have_no_vectors(encoder: Encoder) -> None:
    assert (await encoder.passages([])).shape == (0, encoder.size)


@pytest.mark.anyio
async def test_a_longer_text_counts_more(encoder: Encoder) -> None:
    assert 0 < encoder.count("a fee") < encoder.count("a fee for the late return of goods")
