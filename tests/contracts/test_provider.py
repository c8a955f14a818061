"""What every provider keeps to, whatever stands behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

import pytest

from context.types import Prompt, Source
from eval.bench.upstream import Behaviour, Upstream
from gateway.errors import ProviderError
from gateway.providers.base import Call, Provider
from gateway.providers.config import (
    ExtractiveProvider,
    LiteLlmProvider,
    ModelConfig,
    OpenAICompatibleProvider,
    SimulatedProvider,
    VllmProvider,
)
from gateway.providers.openai_compatible import OpenAICompatible
from gateway.providers.simulated import Simulated
from gateway.providers.vllm import Vllm
from gateway.providers.wire.client import Client
from gateway.streams import Collected, collect
from gateway.types import Delta, Done, Event
from retrieval.types import Hit, Passage

pytestmark = pytest.mark.anyio

KEY = "sk-very-secret"
TEXT = "Parcels are delivered within two working days. Returns are free for thirty days."
QUESTION = "How long does delivery take?"
WORDS = 5


@dataclass(frozen=True)
class Subject:
    """A provider, the model to ask, and a way to wait until what stands behind it has noticed
    that nobody listens any more."""

    provider: Provider
    model: str = "m"
    left: Callable[[], Awaitable[None]] | None = None


Made: TypeAlias = AbstractAsyncContextManager[Subject]


@asynccontextmanager
async def openai_compatible(**behaviour: Any) -> AsyncIterator[Subject]:
    async with Upstream(Behaviour(chunks=WORDS, key=KEY, **behaviour)) as upstream:
        config = OpenAICompatibleProvider(
            kind="openai-compatible",
            base_url=upstream.url,
            models=(ModelConfig(name="m"),),
            api_key=KEY,  # type: ignore[arg-type]  # pydantic makes it a secret
        )
        client = Client()
        yield Subject(OpenAICompatible(config, client), left=_left(upstream))
        await client.aclose()


@asynccontextmanager
async def vllm(**behaviour: Any) -> AsyncIterator[Subject]:
    async with Upstream(Behaviour(chunks=WORDS, **behaviour)) as upstream:
        client = Client()
        models = (ModelConfig(name="m"),)
        config = VllmProvider(kind="vllm", base_url=upstream.url, models=models)
        yield Subject(Vllm(config, client), left=_left(upstream))
        await client.aclose()


@asynccontextmanager
async def litellm(**behaviour: Any) -> AsyncIterator[Subject]:
    pytest.importorskip("litellm", reason="litellm is not installed")
    from gateway.providers.litellm import LiteLLM

    async with Upstream(Behaviour(chunks=WORDS, key=KEY, **behaviour)) as upstream:
        config = LiteLlmProvider(
            kind="litellm",
            models=(ModelConfig(name="openai/m"),),
            api_base=upstream.url,
            api_key=KEY,  # type: ignore[arg-type]  # pydantic makes it a secret
        )
        provider = await asyncio.to_thread(LiteLLM, config)
        yield Subject(provider, "openai/m", _left(upstream))
        # Its connections belong to this test's event loop.
        cleanup = import_module("litellm.llms.custom_httpx.async_client_cleanup")
        await cleanup.close_litellm_async_clients()


@asynccontextmanager
async def simulated(**behaviour: Any) -> AsyncIterator[Subject]:
    fault = {"status": "error"}.get(behaviour.get("fault", "none"), behaviour.get("fault", "none"))
    config = SimulatedProvider(
        kind="simulated", words=WORDS, fault=fault, fault_status=behaviour.get("status", 500)
    )
    provider = Simulated(config)

    async def left() -> None:
        assert provider.running == 0

    yield Subject(provider, "simulated", left)


@asynccontextmanager
async def extractive(**behaviour: Any) -> AsyncIterator[Subject]:
    module = pytest.importorskip("gateway.providers.extractive", reason="it is not there yet")
    yield Subject(module.Extractive(ExtractiveProvider(kind="extractive")), "extractive")


def _left(upstream: Upstream) -> Callable[[], Awaitable[None]]:
    async def left() -> None:
        await asyncio.wait_for(upstream.somebody_left.wait(), 1)

    return left


# litellm warns of its own deprecated ways, and closes its sockets in its own time.
noisy = [pytest.mark.filterwarnings("ignore")]
REMOTE = [
    pytest.param(openai_compatible, id="openai-compatible"),
    pytest.param(vllm, id="vllm"),
    pytest.param(litellm, id="litellm", marks=noisy),
]
MODELS = [*REMOTE, pytest.param(simulated, id="simulated")]
ALL = [*MODELS, pytest.param(extractive, id="extractive")]
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


def call(subject: Subject, stream: bool, **params: Any) -> Call:
    passage = Passage("1", "shipping.md", "v", 0, "Shipping", (), TEXT, 0, len(TEXT))
    source = Source(1, Hit(passage, 1.0))
    messages = ({"role": "user", "content": f"{TEXT}\n\n{QUESTION}"},)
    prompt = Prompt(messages, (source,), question=QUESTION)
    return Call(subject.model, prompt, stream, params)


async def told(subject: Subject, stream: bool, **params: Any) -> list[Event]:
    return [event async for event in await subject.provider.start(call(subject, stream, **params))]


async def collected(subject: Subject, stream: bool, **params: Any) -> Collected:
    return await collect(await subject.provider.start(call(subject, stream, **params)))


@pytest.mark.parametrize("make", ALL)
async def test_streamed_text_equals_collected_text(make: Callable[..., Made]) -> None:
    async with make() as subject:
        plain, streamed = [await collected(subject, stream) for stream in (False, True)]
    assert plain.text == streamed.text
    assert plain.text


@STREAMED
@pytest.mark.parametrize("make", ALL)
async def test_done_comes_last_and_once(make: Callable[..., Made], stream: bool) -> None:
    async with make() as subject:
        events = await told(subject, stream)
    assert [type(event) for event in events] == [Delta] * (len(events) - 1) + [Done]


@STREAMED
@pytest.mark.parametrize("make", ALL)
async def test_the_answer_says_why_it_ends(make: Callable[..., Made], stream: bool) -> None:
    async with make() as subject:
        whole = await collected(subject, stream)
    assert whole.choices[0].finish == "stop"


@STREAMED
@pytest.mark.parametrize("make", MODELS)
async def test_every_choice_is_told_whole(make: Callable[..., Made], stream: bool) -> None:
    async with make() as subject:
        whole = await collected(subject, stream, n=2)
    assert sorted(whole.choices) == [0, 1]
    assert all(choice.text and choice.finish == "stop" for choice in whole.choices.values())


@pytest.mark.parametrize("make", MODELS)
async def test_usage_is_the_same_streamed_and_plain(make: Callable[..., Made]) -> None:
    async with make() as subject:
        plain, streamed = [await collected(subject, stream) for stream in (False, True)]
    assert plain.done
    assert streamed.done
    assert plain.done.usage == streamed.done.usage
    assert plain.done.usage.completion == WORDS
    assert not plain.done.usage.estimated


@STREAMED
@pytest.mark.parametrize("make", MODELS)
async def test_the_end_names_the_model(make: Callable[..., Made], stream: bool) -> None:
    async with make() as subject:
        whole = await collected(subject, stream)
    assert whole.done
    assert whole.done.model == subject.model


@pytest.mark.parametrize("make", ALL)
async def test_many_at_once_do_not_mix(make: Callable[..., Made]) -> None:
    async with make() as subject:
        alone = (await collected(subject, True)).text
        together = await asyncio.gather(*(collected(subject, i % 2 == 0) for i in range(20)))
    assert {whole.text for whole in together} == {alone}


@pytest.mark.parametrize("make", MODELS)
async def test_closing_a_stream_early_closes_the_upstream(make: Callable[..., Made]) -> None:
    async with make(fault="stall") as subject:
        events = await subject.provider.start(call(subject, True))
        assert isinstance(await anext(events), Delta)
        await events.aclose()
        assert subject.left
        await subject.left()


@pytest.mark.parametrize("make", MODELS)
async def test_closing_a_stream_unread_closes_the_upstream(make: Callable[..., Made]) -> None:
    async with make(fault="stall") as subject:
        events = await subject.provider.start(call(subject, True))
        await events.aclose()
        assert subject.left
        await subject.left()


@pytest.mark.parametrize("make", MODELS)
async def test_cancelling_a_plain_call_closes_the_upstream(make: Callable[..., Made]) -> None:
    async with make(fault="stall") as subject:
        started = asyncio.ensure_future(subject.provider.start(call(subject, False)))
        await asyncio.wait([started], timeout=0.3)
        started.cancel()
        with suppress(asyncio.CancelledError):
            await started
        assert subject.left
        await subject.left()


@STREAMED
@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        *((status, True) for status in (429, 500, 503)),
        *((status, False) for status in (400, 401, 403, 404, 422)),
    ],
)
@pytest.mark.parametrize("make", MODELS)
async def test_a_refusal_says_whether_to_try_again(
    make: Callable[..., Made], status: int, retryable: bool, stream: bool
) -> None:
    async with make(fault="status", status=status) as subject:
        with pytest.raises(ProviderError) as failure:
            await subject.provider.start(call(subject, stream))
    assert failure.value.upstream_status == status
    assert failure.value.retryable is retryable
    assert KEY not in f"{failure.value!r} {failure.value.body()} {failure.value.__cause__!r}"


@STREAMED
@pytest.mark.parametrize("make", REMOTE)
async def test_a_refusal_says_how_long_to_wait(make: Callable[..., Made], stream: bool) -> None:
    async with make(fault="status", status=429, retry_after="7") as subject:
        with pytest.raises(ProviderError) as failure:
            await subject.provider.start(call(subject, stream))
    assert failure.value.retry_after == 7


@STREAMED
@pytest.mark.parametrize("make", REMOTE)
async def test_a_connection_that_is_reset_is_worth_another_try(
    make: Callable[..., Made], stream: bool
) -> None:
    async with make(fault="reset") as subject:
        with pytest.raises(ProviderError) as failure:
            await subject.provider.start(call(subject, stream))
    assert failure.value.retryable


@pytest.mark.parametrize("make", MODELS)
async def test_a_stream_that_is_cut_raises_after_what_was_said(make: Callable[..., Made]) -> None:
    async with make(fault="cut") as subject:
        events = await subject.provider.start(call(subject, True))
        seen = []

        async def read() -> None:
            async for event in events:
                seen.append(event)

        with pytest.raises(ProviderError):
            await read()
    assert seen
    assert not any(isinstance(event, Done) for event in seen)


@pytest.mark.parametrize("make", MODELS)
async def test_a_plain_answer_that_is_cut_is_not_shown(make: Callable[..., Made]) -> None:
    async with make(fault="cut") as subject:
        with pytest.raises(ProviderError):
            await subject.provider.start(call(subject, False))
