"""What each strategy asks of a model, in what order, and what of it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from context.config import ContextConfig
from context.prompts.catalogue import opened
from context.types import Message, Prompt, Source
from gateway.dispatch import Begun
from gateway.errors import (
    GatewayError,
    InvalidRequest,
    NoModelAvailable,
    PromptTooLong,
    ProviderTimeout,
    StructuredOutputInvalid,
)
from gateway.providers.prices import Prices
from gateway.strategies.chosen import Strategies
from gateway.strategies.config import StrategiesConfig
from gateway.strategies.run import Means
from gateway.strategies.ways import NOTHING
from gateway.streams import collect, replay
from gateway.tracing.trace import Span
from gateway.types import Ask, Delta, Done, Spent, Usage
from gateway.windows import Windows
from retrieval.types import Hit, Passage, Reading, RetrievalError
from routing.types import Plan, Strategy, Target

pytestmark = pytest.mark.anyio

WINDOWS = Windows(ContextConfig(), {})
TARGET = Target("p", "m", 4000, 100)
PLAN = Plan.chain((TARGET,), "test")
MESSAGES: tuple[Message, ...] = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How long, and who pays?"},
)
PROMPT = Prompt(MESSAGES, question="How long, and who pays?")
USED = Usage(prompt=10, completion=3)
FAILS = ProviderTimeout("too slow")


@dataclass
class Model:
    """Gives its answers in turn, an error among them or a wait; the last one for ever."""

    answers: Sequence[Any]
    prompts: list[Prompt] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    running: int = 0
    most: int = 0

    async def start(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span) -> Begun:
        call = {"model": "p/m", "error": "cancelled"}
        span.set(attempts=[call])
        answer = self.answers[min(len(self.asks), len(self.answers) - 1)]
        self.prompts.append(prompt)
        self.asks.append(ask)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(answer if isinstance(answer, float) else 0)
        finally:
            self.running -= 1
        call["error"] = None  # type: ignore[assignment]
        if isinstance(answer, GatewayError):
            call["error"] = answer.message
            raise answer
        return Begun(replay([Delta(str(answer), finish="stop")], Done(USED)), TARGET)


@dataclass
class Reader:
    """Likes long texts, or fails."""

    fused_weight: float = 0.0
    fails: bool = False

    async def read(self, question: str, texts: Sequence[str]) -> list[Reading]:
        if self.fails:
            raise RetrievalError("away")
        return [Reading(float(len(text))) for text in texts]

    async def aclose(self) -> None: ...


@dataclass
class Told:
    """What came of it."""

    text: str
    about: dict[str, Any]
    model: Model
    spent: list[Spent]
    trace: dict[str, Any]

    @property
    def steps(self) -> list[str]:
        return [each["step"] for each in self.trace["strategy"]["steps"]]

    def last_words(self, call: int) -> str:
        said: str = self.model.prompts[call].messages[-1]["content"]
        return said


async def told(
    strategy: Strategy | None,
    *answers: Any,
    prompt: Prompt = PROMPT,
    plan: Plan = PLAN,
    reader: Reader | None = None,
    config: dict[str, Any] | None = None,
    model: Model | None = None,
    spent: list[Spent] | None = None,
    **ask: Any,
) -> Told:
    model = model or Model(answers)
    spent = [] if spent is None else spent
    settings = StrategiesConfig(**(config or {}))
    strategies = Strategies(
        Means(
            model,
            settings,
            opened(),
            WINDOWS,
            Prices({}),
            lambda t: len(t.split()),
            reader or Reader(),
        )
    )
    span = Span("dispatch", 0)
    request = Ask("m", MESSAGES, "How long, and who pays?", strategy=strategy, **ask)
    begun = await strategies.start(prompt, plan, request, span, spent.append)
    whole = await collect(begun.events)
    return Told(whole.text, dict(begun.strategy or {}), model, spent, span.attributes)


async def test_without_a_strategy_there_is_one_call_as_it_came() -> None:
    came = await told(None, "Thirty days.")
    assert (came.text, came.about, came.spent) == ("Thirty days.", {}, [])
    assert came.model.prompts == [PROMPT]


async def test_thoughts_stay_between_the_gateway_and_the_model() -> None:
    came = await told("chain_of_thought", "SECRET notes", "Thirty days.", stream=True)
    assert came.text == "Thirty days."
    assert came.about == {"name": "chain_of_thought", "calls": 2}
    thinking, answering = came.model.prompts
    assert thinking.messages[0] == answering.messages[0] == MESSAGES[0]
    assert thinking.messages[-1]["content"].startswith("How long, and who pays?\n\nDo not answer")
    assert answering.messages[: len(thinking.messages)] == thinking.messages
    assert answering.messages[-2] == {"role": "assistant", "content": "SECRET notes"}
    assert [ask.stream for ask in came.model.asks] == [False, True]
    assert came.spent == [Spent("p/m", USED)]
    assert came.steps == ["think", "answer"]
    assert came.trace["strategy"]["instructions"] == ["think@v1", "answer@v1"]
    assert len(came.trace["attempts"]) == 2


async def test_a_text_on_the_way_has_neither_the_answers_form_nor_its_length() -> None:
    params = {"response_format": {"type": "json_object"}, "max_tokens": 7, "top_p": 0.5}
    came = await told("chain_of_thought", "notes", "{}", params=params)
    first, last = came.model.asks
    assert first.params == {"max_tokens": 1024, "top_p": 0.5}
    assert last.params == params


@pytest.mark.parametrize("failing", [FAILS, "", "  \n"])
async def test_where_thinking_fails_there_is_a_plain_answer(failing: Any) -> None:
    came = await told("chain_of_thought", failing, "Thirty days.")
    assert came.text == "Thirty days."
    assert came.model.prompts[-1].messages == MESSAGES
    assert "answered by one call" in came.trace["strategy"]["why"]


async def test_where_no_model_is_there_it_is_not_asked_again() -> None:
    model = Model([NoModelAvailable("all down")])
    with pytest.raises(NoModelAvailable):
        await told("chain_of_thought", model=model)
    assert len(model.asks) == 1


async def test_notes_that_leave_no_room_for_the_answer_are_left_out() -> None:
    came = await told("chain_of_thought", "word " * 4000, "Thirty days.")
    assert came.text == "Thirty days."
    assert "there is room for" in came.trace["strategy"]["why"]
    assert came.spent == [Spent("p/m", USED)]


async def test_the_answer_that_most_agree_with_is_told() -> None:
    came = await told(
        "self_consistency", "41", "42", "43", "42.", config={"samples": 4, "parallel": 2}
    )
    assert came.text == "42"
    assert came.about == {"name": "self_consistency", "calls": 4, "samples": 4, "agreement": 0.5}
    assert came.spent == [Spent("p/m", USED)] * 3
    assert came.model.most == 2
    assert {ask.params["temperature"] for ask in came.model.asks} == {0.7}


async def test_samples_differ_in_their_seed_and_keep_a_higher_temperature() -> None:
    params = {"seed": 5, "temperature": 1.2}
    came = await told("self_consistency", "42", params=params, config={"samples": 3})
    assert sorted(ask.params["seed"] for ask in came.model.asks) == [5, 6, 7]
    assert {ask.params["temperature"] for ask in came.model.asks} == {1.2}


async def test_a_sample_that_fails_is_left_out() -> None:
    came = await told("self_consistency", FAILS, "42", "42", config={"samples": 3})
    assert (came.text, came.about["agreement"], came.about["samples"]) == ("42", 1.0, 2)
    assert len(came.spent) == 1


@pytest.mark.parametrize("strategy", ["self_consistency", "best_of_n"])
async def test_where_all_samples_fail_the_first_failure_is_the_error(strategy: Strategy) -> None:
    with pytest.raises(ProviderTimeout, match="too slow"):
        await told(strategy, FAILS)


async def test_the_best_by_the_reranker_is_told() -> None:
    came = await told("best_of_n", "a", "a long one", "b", config={"samples": 3})
    assert came.text == "a long one"
    assert came.trace["strategy"]["scores"] == [1.0, 10.0, 1.0]
    assert came.about == {"name": "best_of_n", "calls": 3, "samples": 3}


async def test_a_reranker_that_fails_leaves_the_first_answer() -> None:
    came = await told("best_of_n", "a", "a long one", reader=Reader(fails=True))
    assert came.text == "a"
    assert "did not read them" in came.trace["strategy"]["why"]


async def test_a_draft_is_reviewed_and_written_anew() -> None:
    came = await told("draft_critique_revise", "Draft.", "It is short.", "Better.", stream=True)
    assert came.text == "Better."
    roles = [each["role"] for each in came.model.prompts[2].messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert NOTHING in came.last_words(1)
    assert [ask.stream for ask in came.model.asks] == [False, False, True]
    assert came.spent == [Spent("p/m", USED)] * 2
    assert came.about["calls"] == 3


@pytest.mark.parametrize("later", [(NOTHING,), (FAILS,), ("It is short.", FAILS)])
async def test_a_draft_that_is_right_or_not_reviewed_is_the_answer(later: Any) -> None:
    came = await told("draft_critique_revise", "Draft.", *later)
    assert came.text == "Draft."
    reviews = [each for each in later if isinstance(each, str)]
    assert came.spent == [Spent("p/m", USED)] * len(reviews)


async def test_parts_are_answered_apart_and_then_together() -> None:
    listed = "1. How long is it?\n2. Who pays?\n3. What else?"
    came = await told("decompose", listed, "Part. </part> [1]", config={"parts": 2}, stream=True)
    assert came.steps == ["decompose", "solve", "solve", "combine"]
    solving = {came.last_words(1), came.last_words(2)}  # at once, in whichever order
    for part in ("How long is it?", "Who pays?"):
        assert sum(f"<question>\n{part}\n</question>" in words for words in solving) == 1
    combining = came.last_words(3)
    assert "<part>\nHow long is it?\nPart. &lt;/part> [1]\n</part>" in combining
    assert combining.count("\n</part>") == 2
    assert "What else?" not in combining
    assert came.model.asks[-1].stream
    assert len(came.spent) == 3


async def test_a_question_of_one_part_is_answered_at_once() -> None:
    came = await told("decompose", "How long, and who pays?", "Thirty days.")
    assert (came.text, came.steps) == ("Thirty days.", ["decompose", "answer"])
    assert came.model.prompts[1].messages == MESSAGES


async def test_a_part_that_fails_is_left_out_and_without_any_the_answer_is_plain() -> None:
    came = await told("decompose", "One?\nTwo?", FAILS, "Part.", "Whole.")
    assert came.text == "Whole."
    assert came.last_words(3).count("\n</part>") == 1
    came = await told("decompose", "One?\nTwo?", FAILS, FAILS, "Whole.")
    assert came.text == "Whole."
    assert came.model.prompts[-1].messages == MESSAGES


def sourced(text: str) -> Prompt:
    passage = Passage("p1", "a.md", "v", 0, "Returns", (), text, 0, len(text), None)
    return Prompt(MESSAGES, (Source(1, Hit(passage, 1.0)),))


async def test_it_grows_hotter_until_the_sources_support_the_answer() -> None:
    prompt = sourced("Goods may be sent back within 30 days of delivery.")
    wrong = "Whales sing in the deep blue ocean near Iceland [1]."
    right = "Goods may be sent back within 30 days of delivery [1]."
    came = await told("escalating_temperature", wrong, right, prompt=prompt)
    assert came.text == right
    assert [ask.params["temperature"] for ask in came.model.asks] == [0.0, 0.4]
    assert came.about == {"name": "escalating_temperature", "calls": 2, "temperature": 0.4}
    never = await told("escalating_temperature", wrong, prompt=prompt)
    assert (never.text, never.about["calls"]) == (wrong, 3)


async def test_it_grows_hotter_until_the_form_holds() -> None:
    bad = StructuredOutputInvalid("no JSON")
    came = await told("escalating_temperature", bad, "{}")
    assert (came.text, came.about["temperature"]) == ("{}", 0.4)
    with pytest.raises(StructuredOutputInvalid):
        await told("escalating_temperature", bad)


async def test_a_rule_may_choose_one_and_a_request_another() -> None:
    plan = replace(PLAN, strategy="self_consistency")
    assert (await told(None, "42", plan=plan)).about["name"] == "self_consistency"
    assert (await told("best_of_n", "42", plan=plan)).about["name"] == "best_of_n"


@pytest.mark.parametrize("changed", [{"n": 2}, {"params": {"tools": [{"type": "function"}]}}])
async def test_several_choices_and_tools_go_with_none(changed: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await told("best_of_n", "42", **changed)
    assert raised.value.param == "moorline.strategy"
    came = await told(None, "42", plan=replace(PLAN, strategy="best_of_n"), **changed)
    assert (came.about, len(came.model.asks)) == ({}, 1)


async def test_what_is_not_allowed_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"strategies\.allowed"):
        await told("best_of_n", "42", config={"allowed": ["decompose"]})


async def test_a_deadline_leaves_the_later_steps_their_time() -> None:
    came = await told("chain_of_thought", 0.2, "Thirty days.", deadline=0.1)
    assert came.text == "Thirty days."
    assert "took longer" in came.trace["strategy"]["why"]
    (spent,) = came.spent  # what was read when it was broken off
    assert spent.usage.estimated
    assert spent.usage.prompt > 0


async def test_samples_that_are_late_are_left_out() -> None:
    came = await told("self_consistency", 0.5, "42", deadline=0.1, config={"samples": 2})
    assert (came.text, came.about["samples"]) == ("42", 1)


async def test_who_leaves_pays_for_what_was_read() -> None:
    model, spent = Model(["draft", 60.0]), list[Spent]()
    asked = asyncio.create_task(told("draft_critique_revise", model=model, spent=spent))
    while len(model.asks) < 2:  # noqa: ASYNC110, what is waited for has no event of its own
        await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert [each.usage.estimated for each in spent] == [False, True]
    assert model.running == 0


async def test_a_fault_of_the_request_is_told_as_it_is() -> None:
    with pytest.raises(PromptTooLong):
        await told("self_consistency", PromptTooLong("too long"))


async def test_an_instruction_stands_after_what_is_asked_whatever_that_is() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:"}}
    messages: tuple[Message, ...] = ({"role": "user", "content": [picture]},)
    came = await told("chain_of_thought", "notes", "x", prompt=Prompt(messages))
    assert came.model.prompts[0].messages[0]["content"][0] == picture
    ended: tuple[Message, ...] = (*MESSAGES, {"role": "assistant", "content": "I"})
    came = await told("chain_of_thought", "notes", "x", prompt=Prompt(ended))
    assert came.model.prompts[0].messages[:3] == ended
    assert came.model.prompts[0].messages[3]["role"] == "user"


def without_form() -> StructuredOutputInvalid:
    """As it is raised where two calls did not give the form."""
    error = StructuredOutputInvalid("no JSON")
    error.spent = (Spent("p/m", Usage(10, 3)), Spent("p/m", Usage(20, 300)))
    return error


async def test_calls_that_gave_no_form_are_paid_for_as_they_were() -> None:
    spent: list[Spent] = []
    await told("escalating_temperature", without_form(), "{}", spent=spent)
    assert sorted(each.usage.completion for each in spent) == [3, 300]


async def test_who_pays_for_calls_without_form_does_so_once() -> None:
    spent: list[Spent] = []
    errors = [without_form(), without_form()]
    with pytest.raises(StructuredOutputInvalid) as raised:
        await told("self_consistency", *errors, spent=spent, config={"samples": 2})
    assert len(spent) == 4
    assert raised.value.spent == ()


async def test_a_revision_without_its_form_is_paid_for() -> None:
    spent: list[Spent] = []
    came = await told("draft_critique_revise", "draft", "bad", without_form(), spent=spent)
    assert came.text == "draft"
    assert spent == [Spent("p/m", USED), *without_form().spent]


async def test_a_provider_keeps_only_what_is_told() -> None:
    params = {"store": True, "metadata": {"a": "b"}}
    came = await told("draft_critique_revise", "draft", "bad", "better", params=params)
    assert [ask.params.get("store") for ask in came.model.asks] == [None, None, True]
    assert [ask.params.get("metadata") for ask in came.model.asks] == [None, None, {"a": "b"}]
