"""An answer that one model breaks off is told to its end by the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from context.types import Prompt
from gateway.config import DispatchConfig
from gateway.continuing import Continuing
from gateway.dispatch import Dispatcher
from gateway.errors import ProviderError
from gateway.fitting import Fit, Fitting
from gateway.providers.base import Call
from gateway.streams import Collected
from gateway.tracing.trace import Span
from gateway.types import Ask, Delta, Done, Event, Events, Spent, Usage
from routing.types import Plan, Target

pytestmark = pytest.mark.anyio

TEXT = "The parcel is on its way and will be with you in two days."


@dataclass
class Model:
    """Tells a text from where the prompt's beginning ends, word by word, and may break off."""

    breaks_after: int | None = None  # words
    repeats: int = 0  # words of the beginning, said again
    begins_again: bool = False
    down: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    finishes: bool = True
    calls: list[Call] = field(default_factory=list)
    closed: int = 0

    async def start(self, call: Call) -> Events:
        self.calls.append(call)
        if self.down:
            raise ProviderError("down", retryable=False)
        return self._events(call)

    async def aclose(self) -> None: ...

    async def _events(self, call: Call) -> Events:
        messages = [m for m in call.prompt.messages if m["role"] == "assistant"]
        said = str(messages[-1]["content"]) if messages else ""
        again = sum(len(word) + 1 for word in said.split()[-self.repeats :]) if self.repeats else 0
        at = 0 if self.begins_again else max(0, len(said) - max(0, again - 1))
        words = TEXT[at:].split(" ")
        try:
            yield Delta("", 0, {"role": "assistant"})
            for place, word in enumerate(words):
                if place == self.breaks_after:
                    raise ProviderError("cut")
                yield Delta(f" {word}" if place else word, 0, self.fields)
            if self.finishes:
                yield Delta("", 0, finish="stop")
            if self.breaks_after is not None:
                raise ProviderError("cut at its end")
            yield Done(Usage(prompt=5, completion=7))
        finally:
            self.closed += 1


async def events_of(
    *models: Model, params: dict[str, Any] | None = None, prefill: Any = "assistant",
    n: int = 1, span: Span | None = None, said: list[Event] | None = None,
) -> list[Event]:  # fmt: skip
    fitting = Fitting({f"p{i}/m": Fit(prefill=prefill) for i in range(len(models))})
    named = {f"p{i}": model for i, model in enumerate(models)}
    dispatcher = Dispatcher(named, DispatchConfig(retries=0, retries_before_fallback=0), fitting)
    continuing = Continuing(dispatcher, fitting, lambda text: len(text.split()))
    plan = Plan.chain([Target(name, "m", 1000, 100) for name in named], "test")
    ask = Ask("auto", (), "", params or {}, stream=True, n=n)
    prompt = Prompt(({"role": "user", "content": "Where is it?"},))
    begun = await continuing.start(prompt, plan, ask, span or Span("dispatch", 0))
    events = [] if said is None else said
    async for event in begun.events:
        events.append(event)
    return events


def whole(events: list[Event]) -> Collected:
    collected = Collected()
    for event in events:
        collected.add(event)
    return collected


@pytest.mark.parametrize("words", range(1, 13))
@pytest.mark.parametrize(
    ("second", "prefill"),
    [
        (Model(), "assistant"),
        (Model(repeats=1), "instruction"),
        (Model(repeats=3), "instruction"),
        (Model(begins_again=True), "assistant"),
        (Model(begins_again=True), "instruction"),
    ],
)
async def test_the_next_model_tells_the_rest(words: int, second: Model, prefill: Any) -> None:
    told = whole(await events_of(Model(breaks_after=words), second, prefill=prefill))
    assert told.text == TEXT
    assert told.choices[0].finish == "stop"


async def test_the_end_says_who_went_on_and_what_each_used() -> None:
    told = whole(await events_of(Model(breaks_after=3), Model()))
    assert told.done is not None
    assert told.done.continued == ("p1/m",)
    first = Spent("p0/m", Usage(prompt=3, completion=3, estimated=True))
    assert told.done.spent == (first, Spent("p1/m", Usage(prompt=5, completion=7)))
    assert told.done.usage == Usage(prompt=8, completion=10, estimated=True)


async def test_the_trace_says_where_it_was_cut() -> None:
    span = Span("dispatch", 0)
    await events_of(Model(breaks_after=3), Model(), span=span)
    (note,) = span.attributes["continued"]
    assert (note["after"], note["by"], note["error"]) == ("p0/m", "p1/m", "cut")
    assert note["characters"] == len("The parcel is")
    assert [each["model"] for each in span.attributes["attempts"]] == ["p0/m", "p1/m"]


async def test_it_goes_on_as_often_as_there_are_models() -> None:
    models = Model(breaks_after=3), Model(breaks_after=3), Model(down=True), Model()
    told = whole(await events_of(*models))
    assert told.text == TEXT
    assert told.done
    assert told.done.continued == ("p1/m", "p3/m")
    assert [model.closed for model in models] == [1, 1, 0, 1]


async def test_the_only_model_is_asked_to_go_on_itself_but_once() -> None:
    only = Model(breaks_after=3)
    said: list[Event] = []
    with pytest.raises(ProviderError, match="cut"):
        await events_of(only, said=said)
    assert len(only.calls) == 2
    assert whole(said).text == "The parcel is on its"


async def test_when_nobody_goes_on_the_cut_is_the_error() -> None:
    with pytest.raises(ProviderError, match=r"^cut$"):
        await events_of(Model(breaks_after=3), Model(down=True))


@pytest.mark.parametrize(
    "params",
    [{"response_format": {"type": "json_object"}}, {"logprobs": True}, {"modalities": ["audio"]}],
)
async def test_what_is_more_than_text_does_not_go_on(params: dict[str, Any]) -> None:
    second = Model()
    with pytest.raises(ProviderError, match="cut"):
        await events_of(Model(breaks_after=3), second, params=params)
    assert not second.calls


async def test_a_call_of_tools_and_several_choices_do_not_go_on() -> None:
    calls = {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}
    for first, n in ((Model(breaks_after=3, fields=calls), 1), (Model(breaks_after=3), 2)):
        second = Model()
        with pytest.raises(ProviderError, match="cut"):
            await events_of(first, second, n=n)
        assert not second.calls


async def test_thoughts_before_the_text_do_not_keep_it_from_going_on() -> None:
    thinking = Model(breaks_after=3, fields={"reasoning_content": "hm"})
    assert whole(await events_of(thinking, Model())).text == TEXT


async def test_an_answer_that_was_finished_needs_nobody_to_go_on() -> None:
    second = Model()
    told = whole(await events_of(Model(breaks_after=99), second))
    assert told.text == TEXT
    assert told.done is not None
    assert not second.calls


async def test_the_tokens_that_are_left_are_what_the_next_model_may_use() -> None:
    second = Model()
    await events_of(Model(breaks_after=3), second, params={"max_tokens": 10})
    assert second.calls[0].params["max_tokens"] == 7


async def test_a_client_that_leaves_closes_the_model_that_speaks() -> None:
    models = Model(breaks_after=3), Model()
    fitting = Fitting({})
    dispatcher = Dispatcher({f"p{i}": m for i, m in enumerate(models)}, DispatchConfig(), fitting)
    continuing = Continuing(dispatcher, fitting, len)
    plan = Plan.chain([Target("p0", "m", 9, 9), Target("p1", "m", 9, 9)], "test")
    ask = Ask("auto", (), "", stream=True)
    begun = await continuing.start(Prompt(()), plan, ask, Span("dispatch", 0))
    await anext(begun.events)
    await begun.events.aclose()
    assert (models[0].closed, models[1].calls) == (1, [])
