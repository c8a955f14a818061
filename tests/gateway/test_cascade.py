"""A doubtful cheap answer gives way to a stronger one, and both are paid for."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from context.types import NOT_IN_DOCUMENTS, Prompt, Source
from gateway.cascade import Cascade, SpendingStarter
from gateway.config import DispatchConfig, StructuredConfig
from gateway.dispatch import Begun, Dispatcher
from gateway.errors import ProviderError
from gateway.fitting import Fit, Fitting
from gateway.providers.base import Call
from gateway.streams import Collected, replay
from gateway.structured import Structured
from gateway.tracing.trace import Span
from gateway.types import Ask, Delta, Done, Event, Events, Spent, Usage
from retrieval.types import Hit, Passage
from routing.config import CascadeConfig
from routing.types import Plan, Target

pytestmark = pytest.mark.anyio

GOOD = "Goods may be returned within 30 days of delivery [1]."
CHEAP, MIDDLE, STRONG = (Target(name, "m", 8_000, 500) for name in ("cheap", "middle", "strong"))
STRONGEST = Plan.chain([STRONG], "cascade:cheap")
PLAN = Plan(Plan.chain([CHEAP, STRONG], "").groups, "cascade:cheap", stronger=STRONGEST)


@dataclass
class Model:
    """Says one text, and remembers how it was asked."""

    text: str = GOOD
    fields: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    down: bool = False
    breaks: bool = False  # once it has begun
    waits: float = 0.0  # seconds before it ends
    calls: list[Call] = field(default_factory=list)

    async def start(self, call: Call) -> Events:
        self.calls.append(call)
        if self.down:
            raise ProviderError("down", retryable=False)
        said = Delta(self.text, 0, self.fields, dict(self.extra), "stop")
        if self.breaks or self.waits:
            return self._slowly(said)
        return replay([said], Done(Usage(prompt=10, completion=5)))

    async def _slowly(self, said: Delta) -> Events:
        yield said
        await asyncio.sleep(self.waits)
        if self.breaks:
            raise ProviderError("connection lost")
        yield Done(Usage(prompt=10, completion=5))

    async def aclose(self) -> None: ...


class Plain:
    """Spends nothing of its own."""

    def __init__(self, starter: Dispatcher | Structured) -> None:
        self.starter = starter

    async def start(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span, spend: Any) -> Begun:
        return await self.starter.start(prompt, plan, ask, span)


@dataclass
class Told:
    """What came of one request."""

    whole: Collected = field(default_factory=Collected)
    events: list[Event] = field(default_factory=list)
    fallback: bool = False
    spent: list[Spent] = field(default_factory=list)
    span: Span = field(default_factory=lambda: Span("dispatch", 0))
    model: str = ""

    @property
    def doubts(self) -> list[tuple[str, str | None]]:
        return [(each["model"], each["doubt"]) for each in self.span.attributes["cascade"]]


def passage(text: str) -> Source:
    found = Passage("p", "returns.md", "v", 0, "", (), text, 0, len(text))
    return Source(1, Hit(found, 1.0))


async def asked(
    *models: Model,
    plan: Plan = PLAN,
    config: CascadeConfig | None = None,
    lacks: frozenset[Any] = frozenset(),
    sources: tuple[Source, ...] = (),
    told: Told | None = None,
    **fields: Any,
) -> Told:
    named = dict(zip(("cheap", "strong", "middle"), models, strict=False))
    fitting = Fitting({"cheap/m": Fit(lacks=lacks)})
    dispatcher = Dispatcher(named, DispatchConfig(retries=0, retries_before_fallback=0), fitting)
    count = lambda text: len(text.split())  # noqa: E731
    starter: SpendingStarter = Plain(
        Structured(dispatcher, StructuredConfig(ask_again=False), count)
    )
    cascade = Cascade(starter, config or CascadeConfig(), fitting, count)
    told = told or Told()
    messages = ({"role": "user", "content": "How long?"},)
    prompt = Prompt(messages, sources, question="How long?")
    ask = Ask("auto", messages, "How long?", **fields)
    begun = await cascade.start(prompt, plan, ask, told.span, told.spent.append)
    told.model, told.fallback = begun.target.provider, begun.fallback
    async for event in begun.events:
        told.events.append(event)
        told.whole.add(event)
    return told


async def test_a_good_cheap_answer_is_all_there_is() -> None:
    strong = Model()
    told = await asked(Model(), strong)
    assert (told.model, told.whole.text, told.spent, strong.calls) == ("cheap", GOOD, [], [])
    assert told.doubts == [("cheap/m", None)]


@pytest.mark.parametrize(
    ("doubtful", "why"),
    [
        (Model(""), "it is shorter than 1 words"),
        (Model("I'm sorry, but I can't help with that."), "it refuses"),
        (Model("As an AI, I have no opinion."), "it refuses"),
        (Model("", {"refusal": "No."}), "it is refused"),
        (Model(NOT_IN_DOCUMENTS), "it finds nothing in the documents"),
    ],
)
async def test_a_doubtful_answer_gives_way_and_is_paid_for(doubtful: Model, why: str) -> None:
    told = await asked(doubtful, Model())
    assert (told.model, told.whole.text) == ("strong", GOOD)
    assert told.spent == [Spent("cheap/m", Usage(10, 5))]
    assert told.doubts == [("cheap/m", why)]
    assert [each["model"] for each in told.span.attributes["attempts"]] == ["cheap/m", "strong/m"]


async def test_what_the_sources_do_not_support_gives_way() -> None:
    sources = (passage("Goods may be returned within 30 days of delivery."),)
    told = await asked(Model("Winches weigh 900 kilograms [1]."), Model(), sources=sources)
    assert told.model == "strong"
    assert told.doubts == [("cheap/m", "its faithfulness is 0.00")]
    assert (await asked(Model(), Model(), sources=sources)).model == "cheap"


def logprobs(*probabilities: float) -> dict[str, Any]:
    content = [{"token": "x", "logprob": math.log(each)} for each in probabilities]
    return {"logprobs": {"content": content}}


async def test_an_answer_that_the_model_is_unsure_of_gives_way() -> None:
    config = CascadeConfig(min_confidence=0.6)
    cheap = Model(extra=logprobs(0.9, 0.1))
    told = await asked(cheap, Model(), config=config)
    assert (told.model, told.doubts) == ("strong", [("cheap/m", "its confidence is 0.30")])
    assert cheap.calls[0].params == {"logprobs": True}
    sure = await asked(Model(extra=logprobs(0.9, 0.8)), Model(), config=config)
    assert (sure.model, sure.whole.choices[0].extra) == ("cheap", {})  # nobody asked for them


async def test_who_has_no_probabilities_is_not_asked_for_them() -> None:
    cheap = Model()
    config = CascadeConfig(min_confidence=0.6)
    told = await asked(cheap, Model(), config=config, lacks=frozenset({"logprobs"}))
    assert (told.model, cheap.calls[0].params) == ("cheap", {})


async def test_a_stream_is_held_until_it_is_judged_and_the_stronger_one_is_not() -> None:
    cheap, strong = Model("I do not know."), Model()
    told = await asked(cheap, strong, stream=True)
    assert (cheap.calls[0].stream, strong.calls[0].stream) == (False, True)
    assert told.whole.text == GOOD


async def test_an_answer_without_its_form_gives_way_and_is_paid_for() -> None:
    form = {"response_format": {"type": "json_object"}}
    told = await asked(Model("no JSON at all"), Model('{"days": 30}'), params=form)
    assert (told.model, told.whole.text) == ("strong", '{"days": 30}')
    assert told.spent == [Spent("cheap/m", Usage(10, 5))]


async def test_a_call_of_tools_is_an_answer() -> None:
    calls = [{"id": "1", "function": {"name": "look", "arguments": "{}"}}]
    told = await asked(Model("", {"tool_calls": calls}), Model(), params={"tools": [{}]})
    assert told.model == "cheap"


async def test_the_doubtful_answer_is_given_where_no_better_one_can_be_had() -> None:
    told = await asked(Model("I cannot say."), Model(down=True))
    assert (told.model, told.whole.text, told.spent) == ("cheap", "I cannot say.", [])
    assert told.fallback  # so it is told as such, and not kept for others


async def test_a_stronger_answer_without_its_form_is_paid_for_where_the_doubtful_one_is_given() -> (
    None
):
    form = {"response_format": {"type": "json_object"}}
    config = CascadeConfig(min_words=2)
    told = await asked(Model("{}"), Model("no JSON at all"), params=form, config=config)
    assert (told.model, told.spent) == ("cheap", [Spent("strong/m", Usage(10, 5))])


async def test_who_stood_in_for_the_cheap_model_is_not_asked_again() -> None:
    strong = Model("I cannot say.")
    told = await asked(Model(down=True), strong)
    assert (told.model, len(strong.calls)) == ("strong", 1)


async def test_each_doubtful_answer_is_paid_for_on_the_way_up() -> None:
    above = Plan(Plan.chain([MIDDLE, STRONG], "").groups, "c", stronger=STRONGEST)
    plan = Plan(Plan.chain([CHEAP, MIDDLE, STRONG], "").groups, "c", stronger=above)
    told = await asked(Model("I cannot."), Model(), Model("I don't know."), plan=plan)
    assert told.model == "strong"
    assert sorted(each.model for each in told.spent) == ["cheap/m", "middle/m"]


READ = Usage(prompt=2, estimated=True)
"""What is taken to be read of a call that came to nothing."""


async def test_an_answer_that_breaks_off_gives_way_and_what_was_read_is_paid_for() -> None:
    told = await asked(Model(breaks=True), Model())
    assert (told.model, told.doubts) == ("strong", [("cheap/m", "connection lost")])
    assert told.spent == [Spent("cheap/m", READ)]


async def test_the_cheap_model_has_half_of_the_time_that_the_caller_allows() -> None:
    told = await asked(Model(waits=60), Model(), deadline=0.05)
    assert told.model == "strong"
    assert told.doubts == [("cheap/m", "it took half of the time that the request allows")]
    assert told.spent == [Spent("cheap/m", READ)]


async def test_what_a_client_leaves_is_paid_for() -> None:
    spent: list[Spent] = []
    told = Told(spent=spent)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await asked(Model(waits=60), Model(), told=told)
    assert spent == [Spent("cheap/m", READ)]


async def test_a_held_call_leaves_nothing_with_the_provider_and_the_one_that_is_told_does() -> None:
    cheap, strong = Model("I don't know."), Model()
    params = {"store": True, "metadata": {"a": "b"}, "top_p": 0.5}
    await asked(cheap, strong, params=params)
    assert (cheap.calls[0].params, strong.calls[0].params) == ({"top_p": 0.5}, params)


async def test_words_of_a_language_without_blanks_are_counted() -> None:
    config = CascadeConfig(min_words=5)
    told = await asked(Model("答案是四十二个工作日内可以退货。"), Model(), config=config)
    assert told.model == "cheap"
