"""An answer has the form that was asked for, is made to have it, or is an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from context.types import Prompt
from gateway.config import StructuredConfig
from gateway.dispatch import Begun
from gateway.errors import InvalidRequest, NoModelAvailable, StructuredOutputInvalid
from gateway.schemas import Schema
from gateway.streams import Collected, collect, replay
from gateway.structured import Form, Structured
from gateway.tracing.trace import Span
from gateway.types import Ask, Delta, Done, Spent, Usage
from routing.types import Plan, Target

pytestmark = pytest.mark.anyio

TARGET = Target("p", "m", 1000, 100)
SCHEMA = {
    "type": "object",
    "properties": {"days": {"type": "integer"}},
    "required": ["days"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
PROMPT = Prompt(({"role": "user", "content": "How many days?"},))
USED = Usage(prompt=10, completion=3)


@dataclass
class Scripted:
    """Gives its answers in turn: the texts of all choices, deltas, or an error."""

    answers: list[Any]
    prompts: list[Prompt] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)

    async def start(self, prompt: Prompt, plan: Plan, ask: Ask, span: Span) -> Begun:
        self.prompts.append(prompt)
        self.asks.append(ask)
        span.set(attempts=[{"model": "p/m", "error": None}])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        deltas = [
            Delta(said, i, finish="stop") if isinstance(said, str) else said
            for i, said in enumerate(answer)
        ]
        return Begun(replay(deltas, Done(USED)), TARGET)


async def told(
    *answers: Any,
    params: dict[str, Any] | None = None,
    config: StructuredConfig | None = None,
    stream: bool = False,
    span: Span | None = None,
) -> tuple[Collected, Scripted]:
    starter = Scripted([[each] if isinstance(each, str) else each for each in answers])
    structured = Structured(starter, config or StructuredConfig(), lambda text: len(text.split()))
    ask = Ask("m", PROMPT.messages, "", {"response_format": FORM} if params is None else params,
              stream=stream, verbatim=True)  # fmt: skip
    plan = Plan.chain((TARGET,), "test")
    begun = await structured.start(PROMPT, plan, ask, span or Span("dispatch", 0))
    return await collect(begun.events), starter


async def test_a_right_answer_is_told_as_it_is() -> None:
    whole, starter = await told('{"days":  30}')
    assert (whole.text, len(starter.prompts)) == ('{"days":  30}', 1)
    assert whole.done == Done(USED)


@pytest.mark.parametrize(
    "text",
    ['```json\n{"days": 30}\n```', 'Here: {"days": 30}!', "{'days': 30,}", '{"days": 30'],
)
async def test_a_nearly_right_answer_is_mended_without_another_call(text: str) -> None:
    whole, starter = await told(text)
    assert (whole.text, len(starter.prompts)) == ('{"days": 30}', 1)


async def test_of_several_candidates_the_one_that_fits_is_taken() -> None:
    whole, _ = await told('An example is {"x": 1}, but yours is {"days": 7}.')
    assert whole.text == '{"days": 7}'


async def test_a_wrong_answer_is_asked_for_again_with_what_is_wrong() -> None:
    span = Span("dispatch", 0)
    whole, starter = await told('{"days": "30"}', '{"days": 30}', span=span)
    assert whole.text == '{"days": 30}'
    said, asked = starter.prompts[1].messages[-2:]
    assert said == {"role": "assistant", "content": '{"days": "30"}'}
    assert "$.days: '30' is not of type 'integer'" in asked["content"]
    assert len(span.attributes["attempts"]) == 2


async def test_both_calls_are_paid_for() -> None:
    whole, _ = await told("I do not know.", '{"days": 30}')
    assert whole.done is not None
    assert whole.done.usage == Usage(prompt=20, completion=6)
    assert whole.done.spent == (Spent("p/m", USED), Spent("p/m", USED))


async def test_twice_wrong_is_an_error_with_the_last_text_in_the_trace() -> None:
    span = Span("dispatch", 0)
    with pytest.raises(StructuredOutputInvalid, match="not JSON") as caught:
        await told("first", "second", span=span)
    assert caught.value.param == "response_format"
    assert span.attributes["structured"]["output"]["said"] == "second"
    assert span.attributes["structured"]["asked"] == 2


async def test_a_second_call_that_fails_leaves_the_first_ones_error() -> None:
    with pytest.raises(StructuredOutputInvalid):
        await told("first", NoModelAvailable("all down"))


async def test_it_is_asked_once_only_where_the_configuration_says_so() -> None:
    with pytest.raises(StructuredOutputInvalid):
        await told("first", '{"days": 1}', config=StructuredConfig(ask_again=False))


async def test_only_the_wrong_choices_are_asked_for_again() -> None:
    whole, starter = await told(['{"days": 1}', "no", '{"days": 3}'], '{"days": 2}')
    assert [choice.text for _, choice in sorted(whole.choices.items())] == [
        f'{{"days": {n}}}' for n in (1, 2, 3)
    ]
    assert starter.asks[1].n == 1


async def test_json_mode_wants_an_object() -> None:
    any_object = {"response_format": {"type": "json_object"}}
    assert (await told('{"a": 1}', params=any_object))[0].text == '{"a": 1}'
    with pytest.raises(StructuredOutputInvalid, match="not a JSON object"):
        await told("[1]", "[2]", params=any_object)


@pytest.mark.parametrize(
    "delta",
    [
        Delta("", 0, {"refusal": "I cannot help with that."}, finish="stop"),
        Delta("", 0, {"tool_calls": [{"index": 0, "id": "a"}]}, finish="tool_calls"),
        Delta("Half an ans", 0, finish="content_filter"),
    ],
)
async def test_what_is_no_answer_needs_no_form(delta: Delta) -> None:
    whole, _ = await told([delta])
    assert whole.text == delta.text


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"type": "json_schema"}, "response_format.json_schema"),
        (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "objekt"}}},
            "response_format.json_schema.schema",
        ),
    ],
)
async def test_a_schema_that_is_none_is_the_callers_fault(form: Any, param: str) -> None:
    with pytest.raises(InvalidRequest, match=param) as caught:
        await told(params={"response_format": form})
    assert caught.value.param == param


async def test_a_stream_is_told_as_it_comes_and_ends_with_an_error_where_it_is_wrong() -> None:
    right, _ = await told([Delta('{"days"'), Delta(": 30}", finish="stop")], stream=True)
    assert right.text == '{"days": 30}'
    with pytest.raises(StructuredOutputInvalid):
        await told([Delta('{"days"'), Delta(": []}", finish="stop")], stream=True)


async def test_a_stream_may_be_held_until_it_is_right() -> None:
    held = StructuredConfig(stream="hold")
    whole, starter = await told("no", "{'days': 30}", stream=True, config=held)
    assert (whole.text, len(starter.prompts)) == ('{"days": 30}', 2)


async def test_what_is_held_is_asked_for_whole_so_that_a_cut_one_is_another_models() -> None:
    held = StructuredConfig(stream="hold")
    _, starter = await told('{"days": 30}', stream=True, config=held)
    assert not starter.asks[0].stream
    _, starter = await told("no", stream=True, config=StructuredConfig(check=False, stream="hold"))
    assert starter.asks[0].stream


@pytest.mark.parametrize(
    ("written", "read"),
    [('{"a": 1,}', '{"a": 1}'), ('{"a": 1}', '{"a": 1}'), ("nothing", "nothing"), ("", "")],
)
async def test_arguments_of_tools_are_mended(written: str, read: str) -> None:
    call = {"index": 0, "id": "c", "type": "function"}
    call |= {"function": {"name": "f", "arguments": written}}
    delta = Delta("", 0, {"tool_calls": [call]}, finish="tool_calls")
    whole, _ = await told([delta], params={"tools": [{"type": "function"}]})
    assert whole.choices[0].fields["tool_calls"][0]["function"]["arguments"] == read


@pytest.mark.parametrize(
    "params", [{}, {"response_format": {"type": "text"}}, {"response_format": None}]
)
async def test_other_requests_are_handed_on_untouched(params: dict[str, Any]) -> None:
    whole, starter = await told("anything", params=params)
    assert whole.text == "anything"
    assert starter.asks[0].verbatim


async def test_checking_can_be_switched_off() -> None:
    assert (await told("no", config=StructuredConfig(check=False)))[0].text == "no"


@pytest.mark.parametrize(
    ("schema", "text", "slow"),
    [
        ({"type": "object"}, "x" * 1000, False),
        ({"type": "object"}, "x" * 30_000, True),
        ({"enum": ["x" * 20_000]}, "x" * 1000, True),
        ({"pattern": "x"}, "x", True),
    ],
)
def test_what_may_take_long_is_not_checked_on_the_event_loop(
    schema: dict[str, Any], text: str, slow: bool
) -> None:
    assert Form(Schema(schema)).slow(text) is slow
