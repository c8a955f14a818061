"""What is particular to one encoder: the built graph, the lanes, the retries."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from retrieval.config import MiniLMEncoder
from retrieval.encoders.batching import Lanes
from retrieval.encoders.graph import build
from retrieval.encoders.minilm import WEIGHTS_SHA256, MiniLM, model_folder
from retrieval.remote import Remote
from retrieval.token_vectors import likeness, unpacked
from retrieval.types import RetrievalError, Vectors

REFERENCE = {
    "How long is the warranty?": [-0.085217, 0.055855, 0.056656, 0.047419, -0.035874, -0.011971],
    "EU-4021-B café 東京 §12": [0.025618, 0.032481, 0.047905, -0.057381, -0.081694, 0.058068],
}
"""The first numbers of sentence-transformers 6.2.0's vectors for the same weights, on a CPU."""


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@pytest.mark.anyio
@pytest.mark.parametrize("text", list(REFERENCE))
async def test_fp32_gives_the_vectors_of_sentence_transformers(graphs: Path, text: str) -> None:
    encoder = MiniLM(MiniLMEncoder(precision="fp32"), graphs)
    vector = (await encoder.query(text)).vector
    np.testing.assert_allclose(vector[:6], REFERENCE[text], atol=2e-6)
    await encoder.aclose()


@pytest.mark.anyio
async def test_int8_stays_close_to_fp32(graphs: Path, shared_data: Path) -> None:
    lines = (shared_data / "cisi" / "queries.jsonl").read_text().splitlines()[::4]
    texts = [line.split('"text": "')[1][:200] for line in lines]
    vectors = []
    for precision in ("fp32", "int8"):
        encoder = MiniLM(MiniLMEncoder.model_validate({"precision": precision}), graphs)
        vectors.append(await encoder.passages(texts))
        await encoder.aclose()
    cosines = (vectors[0] * vectors[1]).sum(axis=1)
    assert cosines.min() > 0.98
    assert cosines.mean() > 0.99


async def started(folder: Path) -> None:
    encoder = MiniLM(MiniLMEncoder(), folder)
    await encoder.query("a question")
    await encoder.aclose()


def test_a_second_start_builds_nothing(tmp_path: Path) -> None:
    asyncio.run(started(tmp_path))
    (graph,) = tmp_path.iterdir()
    built = graph.stat().st_mtime_ns
    asyncio.run(started(tmp_path))
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == [built]


def test_other_weights_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"not the weights")
    with pytest.raises(RetrievalError, match="not the published ones"):
        build(weights, WEIGHTS_SHA256, tmp_path / "graph.onnx", "fp32")
    assert list(tmp_path.iterdir()) == [weights]


def test_construction_opens_nothing(tmp_path: Path) -> None:
    MiniLM(MiniLMEncoder(), tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_the_weights_are_found_without_importing_their_package() -> None:
    assert (model_folder() / "tokenizer.json").is_file()


class Gate:
    """A run that waits to be let through, and remembers its batches."""

    def __init__(self) -> None:
        self.open, self.entered = threading.Event(), threading.Event()
        self.batches: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(list(texts))
        self.entered.set()
        self.open.wait(10)
        return np.array([[len(text)] for text in texts], dtype=np.float32)


@pytest.mark.anyio
async def test_callers_who_wait_together_share_one_run() -> None:
    gate = Gate()
    lanes = Lanes(gate, gate, size=1, together=8)
    first = asyncio.create_task(lanes.query("a"))
    await asyncio.to_thread(gate.entered.wait, 10)
    others = [asyncio.create_task(lanes.query("b" * n)) for n in range(2, 6)]
    await asyncio.sleep(0)
    gate.open.set()
    assert [v.tolist() for v in await asyncio.gather(first, *others)] == [[1], [2], [3], [4], [5]]
    assert gate.batches == [["a"], ["bb", "bbb", "bbbb", "bbbbb"]]
    await lanes.aclose()


@pytest.mark.anyio
async def test_a_question_does_not_wait_behind_passages() -> None:
    gate = Gate()
    lanes = Lanes(lambda texts: np.ones((len(texts), 1), np.float32), gate, size=1, together=1)
    passages = asyncio.create_task(lanes.passages(["a long job"] * 100))
    await asyncio.to_thread(gate.entered.wait, 10)
    assert (await lanes.query("now")).tolist() == [1]
    assert not passages.done()
    gate.open.set()
    assert (await passages).shape == (100, 1)
    await lanes.aclose()


@pytest.mark.anyio
async def test_a_run_that_fails_fails_its_callers_alone() -> None:
    def run(texts: Sequence[str]) -> Vectors:
        if "bad" in texts:
            raise RetrievalError("no")
        return np.ones((len(texts), 1), np.float32)

    lanes = Lanes(run, run, size=1, together=1)
    with pytest.raises(RetrievalError):
        await lanes.query("bad")
    assert (await lanes.query("good")).tolist() == [1]
    await lanes.aclose()


class Answers:
    """An endpoint that answers these statuses in turn."""

    def __init__(self, *statuses: int) -> None:
        self.statuses, self.seen = list(statuses), 0

    async def __aenter__(self) -> str:
        app = web.Application()
        app.router.add_post("/x", self.answer)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        host, port = self.runner.addresses[0][:2]
        return f"http://{host}:{port}/x"

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()

    async def answer(self, request: web.Request) -> web.Response:
        self.seen += 1
        return web.json_response({"seen": self.seen}, status=self.statuses.pop(0))


@pytest.mark.anyio
async def test_an_endpoint_that_is_busy_is_asked_again() -> None:
    answers = Answers(503, 429, 200)
    async with answers as url:
        remote = Remote(url, None, pause=0)
        assert await remote.post({}) == {"seen": 3}
        await remote.aclose()


@pytest.mark.anyio
async def test_a_refusal_is_not_asked_again() -> None:
    answers = Answers(401)
    async with answers as url:
        remote = Remote(url, None, pause=0)
        with pytest.raises(RetrievalError, match=r"/x answered 401"):
            await remote.post({})
        await remote.aclose()
    assert answers.seen == 1


@pytest.mark.anyio
async def test_an_endpoint_that_is_away_is_named() -> None:
    async with Answers() as url:
        pass
    remote = Remote(url, None, pause=0)
    with pytest.raises(RetrievalError, match="does not answer"):
        await remote.post({})
    await remote.aclose()


@pytest.mark.anyio
async def test_a_password_in_an_endpoints_address_is_used_and_not_named() -> None:
    answers = Answers(401)
    async with answers as url:
        remote = Remote(url.replace("://", "://me:secret@"), None, pause=0)
        with pytest.raises(RetrievalError) as refused:
            await remote.post({})
        await remote.aclose()
    assert answers.seen == 1
    assert str(refused.value).startswith(f"{url} answered 401")


@pytest.mark.anyio
async def test_one_pass_gives_the_vectors_of_a_text_and_of_its_tokens(graphs: Path) -> None:
    encoder = MiniLM(MiniLMEncoder(), graphs, tokens=True)
    texts = ["The pump has a warranty of two years.", "EU-4021-B"]
    vectors, stored = await encoder.passages_and_tokens(texts)
    assert np.array_equal(vectors, await encoder.passages(texts))
    for text, packed in zip(texts, stored, strict=True):
        tokens = unpacked(packed, encoder.size)
        assert len(tokens) == encoder.count(text) - 2  # without those that every text has
        assert np.linalg.norm(tokens, axis=1) == pytest.approx(1, abs=0.02)
    asked = await encoder.query("How long is the warranty of the pump?")
    assert asked.tokens is not None
    assert asked.tokens.shape == (encoder.count(asked.text) - 2, encoder.size)
    assert np.linalg.norm(asked.tokens, axis=1).sum() == pytest.approx(1, abs=1e-4)
    about, other = (likeness(asked.tokens, one) for one in stored)
    assert about > other + 0.2
    plain = MiniLM(MiniLMEncoder(), graphs)
    found = await plain.query(asked.text)
    assert found.tokens is None
    assert np.array_equal(found.vector, asked.vector)
    with pytest.raises(RetrievalError, match="the encoder takes 256"):
        await encoder.passages_and_tokens(["word " * 300])
    await encoder.aclose()
    await plain.aclose()
