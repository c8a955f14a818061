"""What tells words beside the text comes out with them, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.judging import Words
from gateway.streams import Told, collect, told
from gateway.types import Completion, Delta, Done, Event
from guardrails.config import OutputConfig
from guardrails.output import OutputGuard

pytestmark = pytest.mark.anyio

KEY = "AKIA" + "IOSFODNN7EXAMPLQ"
SECRET = ["Use", " AK", KEY[2:10], KEY[10:], " now", ", please", "."]
HARMLESS = ["The", " parcel", " is", " in", " Lü", "beck", "."]


def guarded() -> Words:
    return Words(OutputGuard(OutputConfig()))


def token(text: str) -> dict[str, Any]:
    written = list(text.encode())
    other = {"token": f"{text}!", "logprob": -2.0, "bytes": written}
    return {"token": text, "logprob": -0.5, "bytes": written, "top_logprobs": [other]}


def pieces(tokens: list[str]) -> list[Event]:
    probable = [Delta(each, extra={"logprobs": {"content": [token(each)]}}) for each in tokens]
    return [*probable, Delta(finish="stop"), Done()]


def whole(tokens: list[str]) -> Completion:
    message = {"role": "assistant", "content": "".join(tokens)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    known = {"logprobs": {"content": [token(each) for each in tokens]}, "token_ids": [1, 2]}
    return Completion({"choices": [choice | known]})


async def seen(events: list[Event]) -> list[Event]:
    return [event async for event in told(Told(events), guarded)]


def known(event: Event) -> list[str]:
    extra = event.extra if isinstance(event, Delta) else {}
    return [each["token"] for each in extra.get("logprobs", {}).get("content", ())]


def done(events: list[Event]) -> Done:
    last = events[-1]
    assert isinstance(last, Done)
    return last


def so_far(events: list[Event]) -> Iterator[tuple[str, str]]:
    """All text and all tokens that were told after each piece."""
    text = tokens = ""
    for event in events:
        text += event.text if isinstance(event, Delta) else ""
        tokens += "".join(known(event))
        yield text, tokens


async def test_a_token_is_told_no_earlier_than_its_word() -> None:
    events = await seen(pieces(HARMLESS))
    assert all(text.startswith(tokens) for text, tokens in so_far(events))
    assert [each for event in events for each in known(event)] == HARMLESS
    assert done(events).withheld == ()


async def test_tokens_of_a_secret_and_after_it_are_never_told() -> None:
    events = await seen(pieces(SECRET))
    assert [each for event in events for each in known(event)] == ["Use"]
    assert done(events).withheld == ("logprobs",)


async def test_a_whole_answer_tells_no_tokens_where_its_text_is_changed() -> None:
    events: list[Event] = [whole(SECRET), Done()]
    answer = await collect(told(Told(events), guarded))
    assert answer.completion
    assert answer.completion.body["choices"][0].keys() == {"index", "message", "finish_reason"}
    assert answer.done
    assert answer.done.withheld == ("logprobs", "token_ids")


async def test_a_whole_answer_that_is_not_changed_keeps_its_tokens() -> None:
    answer = await collect(told(Told([whole(HARMLESS), Done()]), guarded))
    assert len(answer.choices[0].extra["logprobs"]["content"]) == len(HARMLESS)


async def test_numbers_of_tokens_wait_for_the_end() -> None:
    numbered: list[Event] = [Delta("one ", extra={"token_ids": [7]}), Delta("two"), Done()]
    events = await seen(numbered)
    extras = [event.extra for event in events if isinstance(event, Delta)]
    assert extras == [{}, {"token_ids": [7]}]


async def test_tokens_that_are_not_the_texts_wait_for_the_end() -> None:
    thought = Delta(fields={"reasoning": "Hm"}, extra={"logprobs": {"content": [token("Hm")]}})
    events = await seen([thought, *pieces(HARMLESS)])
    assert [known(event) for event in events if known(event)] == [["Hm", *HARMLESS]]


async def test_probabilities_of_a_refusal_pass() -> None:
    said = {"logprobs": {"content": None, "refusal": [token("No")]}}
    events = await seen([Delta(fields={"refusal": "No"}, extra=said), Delta(finish="stop"), Done()])
    assert isinstance(events[0], Delta)
    assert events[0].extra == {"logprobs": {"refusal": [token("No")]}}


async def test_other_fields_of_a_choice_pass_at_once() -> None:
    events = await seen([Delta("held", extra={"mood": "sunny"}), Done()])
    assert [e.extra for e in events if isinstance(e, Delta)] == [{"mood": "sunny"}, {}]


@given(st.lists(st.sampled_from(["a", " b", "\n", KEY[:7], KEY[7:], "ü", " "]), max_size=30))
async def test_no_token_is_ever_ahead_of_the_text(tokens: list[str]) -> None:
    events = await seen(pieces(tokens))
    assert all(text.startswith(ahead) for text, ahead in so_far(events))
    changed = "".join(tokens) != list(so_far(events))[-1][0]
    assert changed == bool(done(events).withheld)
