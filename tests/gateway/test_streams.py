"""Wrappers over an answer's events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from gateway.errors import ProviderError
from gateway.streams import Collected, collect, kept, metered
from gateway.types import Delta, Done, Event

pytestmark = pytest.mark.anyio


class Source:
    """Events that know whether they were closed."""

    def __init__(self, *events: Event, then: Exception | None = None) -> None:
        self.events, self.then, self.closed = events, then, False

    async def __call__(self) -> AsyncGenerator[Event, None]:
        try:
            for event in self.events:
                yield event
            if self.then:
                raise self.then
        finally:
            self.closed = True


async def texts(events: AsyncIterator[Event]) -> list[str]:
    return [event.text for event in [e async for e in events] if isinstance(event, Delta)]


async def test_collect_joins_each_choice_by_itself() -> None:
    whole = await collect(
        Source(Delta("a", 0), Delta("x", 1), Delta("b", 0, finish="stop"), Done())()
    )
    assert (whole.choices[0].text, whole.choices[0].finish) == ("ab", "stop")
    assert whole.choices[1].text == "x"


async def test_collect_joins_tool_calls_by_index() -> None:
    def call(arguments: str, **more: Any) -> Delta:
        piece = {"index": 0, "function": {"arguments": arguments}, **more}
        return Delta(fields={"tool_calls": [piece]})

    whole = await collect(Source(call('{"a"', id="call_1"), call(": 1}"), Done())())
    assert whole.choices[0].fields["tool_calls"] == [
        {"index": 0, "id": "call_1", "function": {"arguments": '{"a": 1}'}}
    ]


async def test_collect_refuses_a_stream_without_an_end() -> None:
    with pytest.raises(ProviderError):
        await collect(Source(Delta("half"))())


async def test_a_cut_answer_is_never_kept() -> None:
    keeps: list[Collected] = []

    async def keep(whole: Collected) -> None:
        keeps.append(whole)

    with pytest.raises(ProviderError):
        await texts(kept(Source(Delta("half"), then=ProviderError("cut"))(), keep))
    assert keeps == []
    assert await texts(kept(Source(Delta("whole"), Done())(), keep)) == ["whole"]
    assert [whole.text for whole in keeps] == ["whole"]


async def settled(source: Source, pull: int | None) -> list[BaseException | None]:
    """How `metered` settles when `pull` events are read and the stream is then closed."""
    seen: list[BaseException | None] = []

    async def settle(whole: Collected, failure: BaseException | None) -> Done:
        seen.append(failure)
        return Done()

    events = metered(source(), settle)
    try:
        count = 0
        while pull is None or count < pull:
            await anext(events)
            count += 1
    except (StopAsyncIteration, ProviderError):
        pass
    await events.aclose()
    return seen


async def test_metered_settles_once_when_told_whole() -> None:
    assert await settled(Source(Delta("a"), Done()), None) == [None]


async def test_metered_settles_once_when_the_client_leaves() -> None:
    source = Source(Delta("a"), Delta("b"), Done())
    (failure,) = await settled(source, 1)
    assert isinstance(failure, GeneratorExit)
    assert source.closed


async def test_metered_settles_once_when_the_provider_breaks() -> None:
    (failure,) = await settled(Source(Delta("a"), then=ProviderError("cut")), None)
    assert isinstance(failure, ProviderError)


async def test_metered_calls_an_end_without_done_a_failure() -> None:
    (failure,) = await settled(Source(Delta("a")), None)
    assert isinstance(failure, ProviderError)
