"""Wrappers over an answer's events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProviderError
from gateway.streams import Collected, Told, collect, deltas_of, replay, text_of, told
from gateway.types import Completion, Delta, Done, Event, Verbatim

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

    async def keep(whole: Collected, done: Done) -> Done:
        keeps.append(whole)
        return done

    with pytest.raises(ProviderError):
        await texts(told(Source(Delta("half"), then=ProviderError("cut"))(), endings=[keep]))
    assert keeps == []
    assert await texts(told(Source(Delta("whole"), Done())(), endings=[keep])) == ["whole"]
    assert [whole.text for whole in keeps] == ["whole"]


async def settled(source: Source, pull: int | None) -> list[BaseException | None]:
    """How `told` settles when `pull` events are read and the stream is then closed."""
    seen: list[BaseException | None] = []

    async def settle(whole: Collected, failure: BaseException | None) -> Done:
        seen.append(failure)
        return Done()

    events = told(source(), settle=settle)
    try:
        count = 0
        while pull is None or count < pull:
            await anext(events)
            count += 1
    except (StopAsyncIteration, ProviderError):
        pass
    await events.aclose()
    return seen


async def test_told_settles_once_when_told_whole() -> None:
    assert await settled(Source(Delta("a"), Done()), None) == [None]


async def test_told_settles_once_when_the_client_leaves() -> None:
    source = Source(Delta("a"), Delta("b"), Done())
    (failure,) = await settled(source, 1)
    assert isinstance(failure, GeneratorExit)
    assert source.closed


async def test_told_settles_once_when_the_provider_breaks() -> None:
    (failure,) = await settled(Source(Delta("a"), then=ProviderError("cut")), None)
    assert isinstance(failure, ProviderError)


async def test_told_calls_an_end_without_done_a_failure() -> None:
    (failure,) = await settled(Source(Delta("a")), None)
    assert isinstance(failure, ProviderError)


class Loud:
    """A judge that holds back what does not end in a space."""

    def __init__(self) -> None:
        self.held = ""

    def feed(self, piece: str) -> str:
        text, self.held = self.held + piece, ""
        if not text.endswith(" "):
            text, self.held = "", text
        return text.upper()

    def finish(self) -> str:
        text, self.held = self.held, ""
        return text.upper()


def chunk(text: str) -> Verbatim:
    choice = b'{"index":0,"delta":{"content":%b},"finish_reason":null}' % orjson.dumps(text)
    return Verbatim(b'data: {"id":"x","choices":[%b]}\n\n' % choice, b"", b"")


def completion(text: str) -> Completion:
    message = {"role": "assistant", "content": text}
    return Completion({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})


@pytest.mark.parametrize(
    "events",
    [
        [Delta("one "), Delta("two"), Delta(finish="stop")],
        [chunk("one "), chunk("two"), Delta(finish="stop")],
        [completion("one two")],
    ],
    ids=["deltas", "verbatim", "completion"],
)
async def test_every_form_of_an_answer_is_judged_and_collected_alike(events: list[Event]) -> None:
    whole = await collect(told(Told([*events, Done()]), Loud))
    assert whole.text == "ONE TWO"
    assert (whole.choices[0].text, whole.choices[0].finish) == ("ONE TWO", "stop")


async def test_what_was_held_back_comes_before_a_call_of_a_tool() -> None:
    call = Delta(fields={"tool_calls": [{"index": 0, "id": "c"}]})
    pieces = told(Told([Delta("Let me look."), call, Delta(finish="tool_calls"), Done()]), Loud)
    texts = [event.text async for event in pieces if isinstance(event, Delta)]
    assert texts == ["LET ME LOOK.", ""]  # the first with the call


async def test_an_ending_may_change_the_end() -> None:
    async def priced(whole: Collected, done: Done) -> Done:
        return replace(done, cost_usd=len(whole.text))

    whole = await collect(told(replay([Delta("four")], Done()), endings=[priced]))
    assert whole.done == Done(cost_usd=4)


@given(st.lists(st.text()))
def test_the_text_of_chunks_is_read_without_taking_them_apart(texts: list[str]) -> None:
    storable = [text.encode("utf-8", "ignore").decode() for text in texts]
    chunks = b"".join(chunk(text).data for text in storable)
    assert text_of(chunks) == "".join(storable)


def test_a_completion_is_taken_apart_with_all_that_it_has() -> None:
    body = completion("text").body
    body["choices"][0] |= {"logprobs": {"content": []}, "stop_reason": None}
    body["choices"][0]["message"]["tool_calls"] = [{"id": "c"}]
    (delta,) = deltas_of(Completion(body))
    assert delta.fields == {"role": "assistant", "tool_calls": [{"id": "c"}]}
    assert (delta.text, delta.finish) == ("text", "stop")
    assert delta.extra == {"logprobs": {"content": []}}


def odd(delta: bytes) -> Verbatim:
    return Verbatim(b'data: {"id":"x","choices":[{"index":0,"delta":%b}]}\n\n' % delta, b"", b"")


async def test_text_in_parts_is_judged_though_it_was_passed_on() -> None:
    parts = odd(b'{"content":[{"type":"text","text":"two "}]}')
    whole = await collect(told(Told([chunk("one "), parts, Done()]), Loud))
    assert whole.text == "ONE TWO "


@pytest.mark.parametrize("delta", [b'"text"', b'{"content":5}', b'{"tool_calls":7}', b"{oops}"])
async def test_a_chunk_that_turns_out_to_be_none_breaks_a_judged_answer(delta: bytes) -> None:
    with pytest.raises(ProviderError):
        await collect(told(Told([chunk("one "), odd(delta), Done()]), Loud))


async def test_of_an_answer_with_a_chunk_that_is_none_the_text_is_known() -> None:
    whole = await collect(told(Told([chunk("one "), odd(b"{oops}"), chunk("two"), Done()])))
    assert whole.text == "one two"
    with pytest.raises(ProviderError):
        _ = whole.choices
