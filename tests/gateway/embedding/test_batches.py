"""Batches of one model: split, merged, tried again, and left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from gateway.embedding.batches import Batches
from gateway.embedding.config import EmbeddingModel
from gateway.errors import ProviderError
from gateway.providers.base import Embedded, EmbeddingCall
from gateway.types import Usage

pytestmark = pytest.mark.anyio


class Lengths:
    """Embeds a text as its length, and refuses the text "bad"."""

    def __init__(self, hold: asyncio.Event | None = None) -> None:
        self.calls: list[Sequence[object]] = []
        self.running = 0
        self.most = 0
        self.begun = asyncio.Event()
        self._hold = hold

    async def embed(self, call: EmbeddingCall) -> Embedded:
        self.calls.append(call.inputs)
        self.running += 1
        self.begun.set()
        self.most = max(self.most, self.running)
        try:
            await (self._hold.wait() if self._hold else asyncio.sleep(0))
        finally:
            self.running -= 1
        if "bad" in call.inputs:
            raise ProviderError("No.", retryable=False, upstream_status=400)
        tokens = sum(map(len, call.inputs))
        return Embedded([[float(len(one))] for one in call.inputs], Usage(prompt=tokens))

    async def aclose(self) -> None:
        """Nothing is open."""


def model(**fields: float) -> EmbeddingModel:
    return EmbeddingModel.model_validate({"name": "m", "attempts": 1, **fields})


async def test_no_more_calls_run_at_once_than_are_allowed() -> None:
    embedder = Lengths()
    made = await Batches(embedder, model(batch=1, parallel=2)).embed(["a"] * 9, {})
    assert (len(made.vectors), len(embedder.calls), embedder.most) == (9, 9, 2)


async def test_small_requests_share_a_call_and_get_their_own() -> None:
    embedder = Lengths()
    batches = Batches(embedder, model(batch=4, batch_wait_ms=5))
    made = await asyncio.gather(
        batches.embed(["a"], {}), batches.embed(["bb", "ccc"], {}), batches.embed(["dddd"], {})
    )
    assert embedder.calls == [["a", "bb", "ccc", "dddd"]]
    assert [each.vectors for each in made] == [[[1.0]], [[2.0], [3.0]], [[4.0]]]
    assert [each.usage.prompt for each in made] == [1, 5, 4]


async def test_requests_with_other_parameters_do_not_share() -> None:
    embedder = Lengths()
    batches = Batches(embedder, model(batch=4, batch_wait_ms=1))
    await asyncio.gather(batches.embed(["a"], {}), batches.embed(["b"], {"dimensions": 2}))
    assert sorted(map(list, embedder.calls)) == [["a"], ["b"]]


async def test_a_bad_input_spoils_only_its_own_request() -> None:
    batches = Batches(Lengths(), model(batch=4, batch_wait_ms=1))
    good, bad = await asyncio.gather(
        batches.embed(["a"], {}), batches.embed(["bad"], {}), return_exceptions=True
    )
    assert isinstance(good, Embedded)
    assert isinstance(bad, ProviderError)


async def test_a_shared_call_ends_when_nobody_waits_for_it() -> None:
    embedder = Lengths(hold=asyncio.Event())
    batches = Batches(embedder, model(batch=2, batch_wait_ms=1))
    waiting = [asyncio.create_task(batches.embed([text], {})) for text in ("a", "b")]
    await embedder.begun.wait()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0.001)
    assert embedder.running == 0


async def test_who_comes_after_one_that_left_is_answered() -> None:
    batches = Batches(Lengths(), model(batch=4, batch_wait_ms=2))
    left = asyncio.create_task(batches.embed(["a"], {}))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    assert (await batches.embed(["bb"], {})).vectors == [[2.0]]


async def test_one_batch_that_fails_ends_the_others() -> None:
    embedder = Lengths()
    with pytest.raises(ProviderError):
        await Batches(embedder, model(batch=1, parallel=1)).embed(["bad", "a", "b", "c"], {})
    await asyncio.sleep(0.001)
    assert len(embedder.calls) <= 2
