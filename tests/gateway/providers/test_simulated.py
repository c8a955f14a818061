"""A model that is none: deterministic, and faulty when it is told to be."""

from __future__ import annotations

from typing import Any

import pytest

from context.types import Prompt
from gateway.errors import ProviderError
from gateway.providers.base import Call
from gateway.providers.config import SimulatedProvider
from gateway.providers.simulated import Simulated
from gateway.types import Delta, Done, Event

pytestmark = pytest.mark.anyio

QUESTION = "Where is my parcel now"


class Naps:
    """Sleeps without sleeping, and remembers how long it would have been."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def simulated(sleep: Any = None, **settings: Any) -> Simulated:
    config = SimulatedProvider(kind="simulated", **settings)
    return Simulated(config, sleep) if sleep else Simulated(config)


def call(question: str = QUESTION, stream: bool = True, **params: Any) -> Call:
    return Call("simulated", Prompt(({"role": "user", "content": question},)), stream, params)


async def told(subject: Simulated, asked: Call) -> list[Event]:
    return [event async for event in await subject.start(asked)]


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


async def test_the_same_prompt_gets_the_same_words_and_another_gets_others() -> None:
    first, again = [text(await told(simulated(), call())) for _ in range(2)]
    assert first == again
    assert first != text(await told(simulated(), call("And where is his")))
    assert len(first.split()) == 60


async def test_an_echo_says_the_question_again() -> None:
    assert text(await told(simulated(answer="echo"), call())) == QUESTION


async def test_chunks_have_the_size_that_is_set() -> None:
    events = await told(simulated(answer="echo", chunk_words=2), call())
    said = [event.text for event in events if isinstance(event, Delta) and event.text]
    assert said == ["Where is", " my parcel", " now"]


async def test_the_callers_limit_cuts_the_answer() -> None:
    events = await told(simulated(answer="echo"), call(max_tokens=2))
    assert text(events) == "Where is"
    assert [e.finish for e in events if isinstance(e, Delta) and e.finish] == ["length"]


async def test_it_waits_as_long_as_it_is_told_to() -> None:
    naps = Naps()
    await told(simulated(naps, answer="echo", first_token_ms=100, chunk_ms=10), call())
    assert naps.taken == [0.1, 0.01, 0.01, 0.01, 0.01]


async def test_a_plain_answer_takes_as_long_as_a_streamed_one() -> None:
    naps = Naps()
    await simulated(naps, answer="echo", chunk_ms=10).start(call(stream=False))
    assert naps.taken == [0.01] * 4


async def test_a_word_is_a_token() -> None:
    done = (await told(simulated(words=7), call(n=2)))[-1]
    assert isinstance(done, Done)
    assert (done.usage.prompt, done.usage.completion) == (5, 14)


async def test_a_refusal_has_the_status_that_is_set() -> None:
    with pytest.raises(ProviderError) as failure:
        await simulated(fault="error", fault_status=429).start(call())
    assert (failure.value.upstream_status, failure.value.retryable) == (429, True)


async def test_a_share_of_the_calls_fails_evenly() -> None:
    subject = simulated(fault="error", fault_share=0.5)
    outcomes = []
    for _ in range(6):
        try:
            await subject.start(call())
            outcomes.append("told")
        except ProviderError:
            outcomes.append("failed")
    assert outcomes == ["told", "failed"] * 3


async def test_a_plain_answer_that_is_cut_shows_nothing() -> None:
    with pytest.raises(ProviderError):
        await simulated(fault="cut").start(call(stream=False))


async def test_a_stall_says_nothing_more_and_can_be_left() -> None:
    subject = simulated(fault="stall", fault_after=1)
    events = await subject.start(call())
    assert isinstance(await anext(events), Delta)
    await events.aclose()
    assert subject.running == 0
