"""Texts that are longer than the window, through a whole gateway whose models are scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from context.tokens import counter, messages_tokens
from context.types import NOT_IN_DOCUMENTS, Prompt
from gateway.api.chat import read_ask
from gateway.build import build
from gateway.config import parse
from gateway.dispatch import Begun
from gateway.errors import (
    BudgetSpent,
    GatewayError,
    InvalidRequest,
    NoModelAvailable,
    RateLimited,
)
from gateway.ledger.types import Request
from gateway.long_documents.cases import Reading
from gateway.pipeline import Gateway
from gateway.streams import collect, replay
from gateway.tracing.trace import Span, Trace
from gateway.types import LOCAL, Ask, Caller, Delta, Done, Event, Progress, Usage
from routing.types import Plan

pytestmark = pytest.mark.anyio
WINDOW = 4096
CONFIG = """
data = "{data}"
[providers.sim]
kind = "simulated"
[[providers.sim.models]]
name = "m"
window = 4096
max_output = 300
input_usd_per_million = 10
output_usd_per_million = 20
[context.long_documents]
part_tokens = 1000
{more}
"""
BLANK = " \n" * 20_000
FACT = "The lighthouse of Moorhaven was built in 1874 by Ada Finch."
TEXT = "\n\n".join(
    FACT if n == 150 else f"Ship number {n} came in with grain and left with {n} barrels of oil."
    for n in range(300)
)


class Model:
    """Says what it is told to; remembers what it was asked, and how much at once."""

    def __init__(
        self, say: Callable[[int], str | Delta | GatewayError] = lambda call: f"Note {call}."
    ) -> None:
        self.say = say
        self.prompts: list[Prompt] = []
        self.asks: list[Ask] = []
        self.at_once = self.most_at_once = 0

    async def start(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span) -> Begun:
        span.set(attempts=[{"model": plan.targets[0].name, "ms": 1, "error": None}])
        self.prompts.append(prompt)
        self.asks.append(ask)
        said = self.say(len(self.prompts))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if isinstance(said, GatewayError):
            raise said
        read = messages_tokens(prompt.messages, counter())
        delta = said if isinstance(said, Delta) else Delta(said, finish="stop")
        done = Done(usage=Usage(read, counter()(delta.text)))
        return Begun(replay([delta], done), plan.targets[0])


@asynccontextmanager
async def house(folder: Path, model: Model, more: str = "") -> AsyncIterator[Gateway]:
    async with build(parse(CONFIG.format(data=folder, more=more))) as gateway:
        long = gateway.long_documents
        long.house = replace(long.house, parts=model, answers=model)
        yield gateway


def ask(task: str = "Summarise this.", way: str = "auto", **fields: Any) -> Ask:
    raw = {"model": "sim/m", "messages": [{"role": "user", "content": f"{task}\n\n{TEXT}"}]}
    raw |= {"moorline": {"long_document": way}} | fields

    return read_ask(orjson.dumps(raw))


async def events_of(gateway: Gateway, asked: Ask, trace: Trace | None = None) -> list[Event]:
    answer = await gateway.answer(None, asked, trace or Trace())
    return [event async for event in answer.events]


@pytest.mark.parametrize("way", ["map_reduce", "refine", "hierarchical"])
async def test_every_sentence_is_read_within_the_window_by_as_many_calls_as_said(
    tmp_path: Path, way: str
) -> None:
    model = Model()
    async with house(tmp_path, model) as gateway:
        *_, done = await events_of(gateway, ask(way=way))
    assert isinstance(done, Done)
    assert done.long_document
    assert done.long_document["calls"] == len(model.prompts) > 5
    shown = "\n".join(str(m["content"]) for p in model.prompts for m in p.messages)
    assert all(sentence in shown for sentence in TEXT.split("\n\n"))
    for prompt, asked in zip(model.prompts, model.asks, strict=True):
        room = asked.params.get("max_tokens", 300)
        assert messages_tokens(prompt.messages, counter()) + room <= WINDOW


async def test_the_answer_is_made_of_the_notes_in_their_order(tmp_path: Path) -> None:
    model = Model()
    async with house(tmp_path, model) as gateway:
        *_, delta, _ = await events_of(gateway, ask())
    last = str(model.prompts[-1].messages[-1]["content"])
    assert last.startswith("Summarise this.")
    notes = [last.index(f"Note {n}.") for n in range(1, len(model.prompts))]
    assert notes == sorted(notes)
    assert isinstance(delta, Delta)
    assert delta.text == f"Note {len(model.prompts)}."


async def test_usage_and_cost_are_those_of_all_calls(tmp_path: Path) -> None:
    model, rows = Model(), list[Request]()
    async with house(tmp_path, model) as gateway:
        gateway.accounting.ledger.write = lambda request, trace: rows.append(request)  # type: ignore[method-assign]
        *_, done = await events_of(gateway, ask())
    assert isinstance(done, Done)
    read = sum(messages_tokens(prompt.messages, counter()) for prompt in model.prompts)
    assert done.usage.prompt == read == rows[0].prompt_tokens
    cost = (done.usage.prompt * 10 + done.usage.completion * 20) / 1e6
    assert done.cost_usd == rows[0].cost_usd == pytest.approx(cost)
    assert rows[0].attempts == len(model.prompts)


async def test_calls_and_tokens_are_what_was_foreseen(tmp_path: Path) -> None:
    model = Model(lambda call: "word " * 480)
    more = "note_tokens = 480"
    async with house(tmp_path, model, more) as gateway:
        asked = ask(way="hierarchical", max_tokens=480)
        plan = gateway.router.plan(gateway.accounts.identify(None), asked, False, Span("", 0), None)
        case = gateway.long_documents.house.cases.looked_at(asked, plan)
        *_, done = await events_of(gateway, asked)
    assert case
    assert isinstance(done, Done)
    foreseen: Any = case.way
    assert len(model.prompts) == foreseen.scheme.calls
    assert done.usage.prompt <= foreseen.most.prompt
    assert done.usage.prompt >= 0.7 * foreseen.most.prompt
    assert done.usage.completion <= foreseen.most.completion * 1.01


async def test_no_more_calls_are_made_at_once_than_is_set(tmp_path: Path) -> None:
    model = Model()
    async with house(tmp_path, model, "max_parallel = 3") as gateway:
        await events_of(gateway, ask())
    assert model.most_at_once == 3


async def test_progress_is_told_before_the_answer(tmp_path: Path) -> None:
    async with house(tmp_path, Model()) as gateway:
        told = await events_of(gateway, ask(stream=True))
    steps = [event for event in told if isinstance(event, Progress)]
    assert told[: len(steps)] == steps
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert (steps[-1].done, steps[-1].step) == (len(steps) - 1, "answer")
    assert {step.calls for step in steps} == {len(steps)}


async def test_a_part_that_fails_is_asked_again(tmp_path: Path) -> None:
    model = Model(lambda call: NoModelAvailable("Busy.") if call == 3 else "Noted.")
    async with house(tmp_path, model) as gateway:
        *_, done = await events_of(gateway, ask())
    assert isinstance(done, Done)
    assert done.long_document
    assert len(model.prompts) == done.long_document["calls"] + 1
    assert model.prompts[2].messages in [each.messages for each in model.prompts[3:]]


async def test_a_part_that_stays_unread_fails_the_request_by_name(tmp_path: Path) -> None:
    model = Model(lambda call: NoModelAvailable("Busy.") if call > 2 else "Noted.")
    more = "[degrade]\nsteps = []"
    async with house(tmp_path, model, more) as gateway:
        answer = await gateway.answer(None, ask(), Trace())
        with pytest.raises(NoModelAvailable, match=r"No model read part \d+ of \d+ of the text"):
            await collect(answer.events)
    assert len(model.prompts) < 9


async def test_where_no_model_answers_the_text_speaks_for_itself(tmp_path: Path) -> None:
    model = Model(lambda call: NoModelAvailable("Away."))
    async with house(tmp_path, model) as gateway:
        *deltas, done = await events_of(gateway, ask("Summarise this in 30 words."))
    assert isinstance(done, Done)
    assert (done.degraded, done.model) == ("extract", "extractive/extractive")
    said = "".join(each.text for each in deltas if isinstance(each, Delta))
    assert said.split(" [1]")[0] in TEXT
    assert done.sources[0].url.startswith("#char=")


async def test_an_empty_note_is_no_note(tmp_path: Path) -> None:
    model = Model(lambda call: "" if call == 2 else "Noted.")
    async with house(tmp_path, model) as gateway:
        *_, done = await events_of(gateway, ask())
    assert isinstance(done, Done)
    assert done.long_document
    assert len(model.prompts) == done.long_document["calls"] + 1


@pytest.mark.parametrize(
    "refusal",
    [Delta("I am", finish="content_filter"), Delta("", fields={"refusal": "No."}, finish="stop")],
)
async def test_a_part_that_a_model_refuses_is_not_read(tmp_path: Path, refusal: Delta) -> None:
    model = Model(
        lambda call: refusal if call > 1 and model.prompts[-1] == model.prompts[1] else "Noted."
    )
    async with house(tmp_path, model, "[degrade]\nsteps = []") as gateway:
        answer = await gateway.answer(None, ask(), Trace())
        with pytest.raises(NoModelAvailable, match=r"refused to read part \d+ of the text"):
            await collect(answer.events)
    assert model.prompts.count(model.prompts[1]) == 2


@pytest.mark.parametrize("note", [Delta("It ends in the", finish="length"), "word " * 3_000])
async def test_an_answer_from_notes_that_were_cut_says_so_and_is_not_kept(
    tmp_path: Path, note: Delta | str
) -> None:
    model = Model(lambda call: note if call in (1, 3) else "Noted.")
    async with house(tmp_path, model) as gateway:
        *_, done = await events_of(gateway, ask(temperature=0))
        *_, again = await events_of(gateway, ask(temperature=0))
    assert isinstance(done, Done)
    assert isinstance(again, Done)
    assert done.long_document
    assert done.long_document["cut"] == 2
    assert again.cache == "miss"
    assert again.long_document
    assert again.long_document["cut"] == 0


@pytest.mark.parametrize("text", [BLANK, f"Why?\n<text>{BLANK}</text>"])
async def test_a_blank_text_is_refused_before_any_call(tmp_path: Path, text: str) -> None:
    model = Model()
    async with house(tmp_path, model) as gateway:
        asked = replace(ask(), messages=({"role": "user", "content": text},))
        with pytest.raises(InvalidRequest, match="blanks") as refused:
            await gateway.answer(None, asked, Trace())
    assert (refused.value.param, model.prompts) == ("messages", [])


async def test_every_choice_of_the_answer_is_foreseen(tmp_path: Path) -> None:
    async with house(tmp_path, Model()) as gateway:
        most = []
        for asked in (ask(max_tokens=200), ask(max_tokens=200, n=4)):
            plan = gateway.router.plan(Caller(LOCAL, LOCAL), asked, False, Span("", 0), None)
            case = gateway.long_documents.house.cases.looked_at(asked, plan)
            assert case
            assert isinstance(case.way, Reading)
            most.append(case.way.most)
    assert most[1].completion - most[0].completion == 3 * 200
    assert most[1].prompt == most[0].prompt


async def test_a_note_that_is_much_too_long_is_cut_and_the_trace_says_so(tmp_path: Path) -> None:
    model, trace = Model(lambda call: "word " * 3_000), Trace()
    async with house(tmp_path, model) as gateway:
        await events_of(gateway, ask(), trace)
    level = next(span for span in trace.spans if span.name == "long_document.parts")
    assert level.attributes["cut"][0] == "part 1"
    assert messages_tokens(model.prompts[-1].messages, counter()) < WINDOW


async def test_the_trace_has_a_span_a_level_however_many_parts(tmp_path: Path) -> None:
    trace, model = Trace(), Model()
    async with house(tmp_path, model, "fan_in = 3") as gateway:
        await events_of(gateway, ask(way="hierarchical"), trace)
    names = [span.name for span in trace.spans if span.name.startswith("long_document")]
    assert names[:2] == ["long_document", "long_document.parts"]
    assert set(names[2:]) == {"long_document.joined"}
    assert len(names) <= 4


async def test_a_question_is_answered_from_the_passages_that_bear_on_it(tmp_path: Path) -> None:
    model = Model(lambda call: "Ada Finch built it in 1874 [1].")
    async with house(tmp_path, model) as gateway:
        *_, done = await events_of(gateway, ask("Who built the lighthouse of Moorhaven?"))
    assert len(model.prompts) == 1
    assert isinstance(done, Done)
    assert FACT in done.sources[0].text
    assert (done.grounding, done.grounded, done.sources[0].cited) == ("strict", True, True)
    start, end = done.sources[0].start, done.sources[0].end
    assert done.sources[0].url == f"#char={start},{end}"
    assert TEXT[start:end] == done.sources[0].text


async def test_a_question_that_no_passage_bears_on_is_put_to_every_part(tmp_path: Path) -> None:
    model = Model()
    async with house(tmp_path, model) as gateway:
        *_, done = await events_of(gateway, ask("Who invented the zeppelin airship?"))
    assert isinstance(done, Done)
    assert done.long_document
    assert done.long_document["method"] == "map_reduce"


async def test_the_model_without_a_key_summarises_by_quoting(tmp_path: Path) -> None:
    async with build(parse(CONFIG.format(data=tmp_path, more=""))) as gateway:
        asked = replace(ask("Summarise this in 30 words."), model="extractive/extractive")
        *deltas, done = await events_of(gateway, asked)
    assert isinstance(done, Done)
    assert done.long_document == {"method": "extract", "passages": len(done.sources), "calls": 1}
    said = "".join(each.text for each in deltas if isinstance(each, Delta))
    assert all(source.text in said and source.text in TEXT for source in done.sources)


async def test_what_fits_is_answered_as_ever(tmp_path: Path) -> None:
    model = Model()
    async with house(tmp_path, model) as gateway:
        asked = replace(ask(), messages=({"role": "user", "content": "Summarise: it rained."},))
        *_, done = await events_of(gateway, asked)
    assert isinstance(done, Done)
    assert done.long_document is None
    assert model.prompts == []


async def test_more_calls_than_are_allowed_are_refused_before_the_first(tmp_path: Path) -> None:
    model = Model()
    async with house(tmp_path, model, "max_calls = 4") as gateway:
        with pytest.raises(InvalidRequest, match="max_calls"):
            await gateway.answer(None, ask(), Trace())
    assert model.prompts == []


async def test_a_budget_that_is_too_small_is_known_before_the_first_call(tmp_path: Path) -> None:
    model = Model()
    async with house(tmp_path, model) as gateway:
        caller = replace(gateway.accounts.identify(None), key="k", budget_usd=0.05)
        gateway.accounts.identify = lambda authorization: caller  # type: ignore[method-assign]
        asked = replace(ask(), params={"max_tokens": 10})
        with pytest.raises(BudgetSpent):
            await gateway.answer(None, asked, Trace())
    assert model.prompts == []


async def test_a_model_that_reasons_has_room_to_think_before_its_notes(tmp_path: Path) -> None:
    plain, thinking = Model(), Model()
    async with house(tmp_path, plain) as gateway:
        await events_of(gateway, ask())
    reasons = CONFIG.replace("max_output = 300", 'max_output = 300\nhas = ["reasoning_effort"]')
    async with build(parse(reasons.format(data=tmp_path, more=""))) as gateway:
        long = gateway.long_documents
        long.house = replace(long.house, parts=thinking, answers=thinking)
        await events_of(gateway, ask())
    note = plain.asks[0].params["max_tokens"]
    assert thinking.asks[0].params["max_tokens"] == note + WINDOW // 4
    for prompt, asked in zip(thinking.prompts, thinking.asks, strict=True):
        room = asked.params.get("max_tokens", 300)
        assert messages_tokens(prompt.messages, counter()) + room <= WINDOW


async def test_it_counts_as_one_request(tmp_path: Path) -> None:
    async with house(tmp_path, Model()) as gateway:
        caller = replace(gateway.accounts.identify(None), key="k", requests_per_minute=1)
        gateway.accounts.identify = lambda authorization: caller  # type: ignore[method-assign]
        *_, done = await events_of(gateway, ask())
        with pytest.raises(RateLimited):
            await events_of(gateway, ask())
    assert isinstance(done, Done)
    assert done.long_document


async def test_a_strategy_that_is_asked_for_beside_it_is_refused() -> None:
    options = {"long_document": "auto", "strategy": "self_consistency"}
    with pytest.raises(InvalidRequest, match="not by a strategy") as refused:
        ask(moorline=options)
    assert refused.value.param == "moorline.strategy"


async def test_a_rules_strategy_is_passed_over_and_the_trace_says_so(tmp_path: Path) -> None:
    trace = Trace()
    more = """
[[routing.rules]]
name = "thorough"
use = ["sim/m"]
strategy = "self_consistency"
"""
    async with house(tmp_path, Model(), more) as gateway:
        *_, done = await events_of(gateway, replace(ask(), model="auto"), trace)
    assert isinstance(done, Done)
    assert done.strategy is None
    span = next(span for span in trace.spans if span.name == "long_document")
    assert span.attributes["strategy"]["name"] == "self_consistency"


async def test_calls_under_way_end_with_a_client_that_leaves(tmp_path: Path) -> None:
    ended = []

    class Slow(Model):
        async def start(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span) -> Begun:
            span.set(attempts=[])
            self.prompts.append(prompt)
            if len(self.prompts) == 1:
                return await Model().start(prompt, plan, ask, span)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(prompt)
            raise AssertionError

    async with house(tmp_path, Slow()) as gateway:
        answer = await gateway.answer(None, ask(stream=True), Trace())
        assert isinstance(await anext(answer.events), Progress)
        await answer.events.aclose()
    assert len(ended) == 3


async def test_a_summary_is_given_again_for_the_same_option_alone(tmp_path: Path) -> None:
    model = Model()
    async with house(tmp_path, model) as gateway:
        first = await events_of(gateway, ask(temperature=0))
        calls = len(model.prompts)
        again = await events_of(gateway, ask(temperature=0))
        assert len(model.prompts) == calls
        await events_of(gateway, ask(temperature=0, way="refine"))
    assert len(model.prompts) > calls
    assert isinstance(again[-1], Done)
    assert isinstance(first[-1], Done)
    assert again[-1].cache == "exact"
    assert again[-1].long_document == first[-1].long_document


async def test_the_model_without_a_key_says_that_no_word_of_a_question_is_in_the_text(
    tmp_path: Path,
) -> None:
    async with build(parse(CONFIG.format(data=tmp_path, more=""))) as gateway:
        asked = replace(ask("Zeppelins?"), model="extractive/extractive")
        delta, done = await events_of(gateway, asked)
    assert isinstance(delta, Delta)
    assert delta.text == NOT_IN_DOCUMENTS
    assert isinstance(done, Done)
    assert done.grounded is False
