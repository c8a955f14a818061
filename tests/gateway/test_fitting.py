"""A call is changed where a model needs it, and a model passed over where nothing would help."""

from __future__ import annotations

from typing import Any

import pytest

from context.types import Prompt
from gateway.errors import InvalidRequest
from gateway.fitting import AS_IT_IS, Fit, Fitting, fit_of, fitting, last_words, plain_schema
from gateway.providers.base import Call
from gateway.providers.config import (
    ExtractiveProvider,
    ModelConfig,
    OpenAICompatibleProvider,
    VllmProvider,
)
from gateway.tracing.trace import Span
from gateway.types import Ask
from routing.types import Plan, Target

FIRST, SECOND = Target("p0", "m", 1000, 100), Target("p1", "m", 1000, 100)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FORM = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
TOOLS = [{"type": "function", "function": {"name": "f", "strict": True, "parameters": SCHEMA}}]


def ask(params: dict[str, Any] | None = None, content: Any = "x", n: int = 1) -> Ask:
    return Ask("auto", ({"role": "user", "content": content},), "x", params or {}, n=n)


def able(
    asked: Ask, first: Fit = AS_IT_IS, second: Fit = AS_IT_IS, span: Span | None = None
) -> list[str]:
    fits = Fitting({"p0/m": first, "p1/m": second})
    plan = fits.able(asked, Plan.chain((FIRST, SECOND), "test"), span or Span("dispatch", 0))
    return [target.provider for target in plan.targets]


def fitted(
    fit: Fit, params: dict[str, Any] | None = None, *messages: Any, said: str = ""
) -> tuple[Call, Span]:
    prompt = Prompt(messages or ({"role": "user", "content": "x"},), said=said)
    span = Span("dispatch", 0)
    call = Call("m", prompt, False, params or {})
    return Fitting({"p0/m": fit}).fitted(call, FIRST, span), span


def test_a_target_that_lacks_what_is_essential_is_passed_over_and_the_trace_says_why() -> None:
    span = Span("dispatch", 0)
    blind = Fit(lacks=frozenset({"vision"}))
    assert able(ask(content=[PICTURE]), first=blind, span=span) == ["p1"]
    assert span.attributes["passed_over"] == {"p0/m": ["vision"]}
    assert able(ask(), first=blind) == ["p0", "p1"]


@pytest.mark.parametrize(
    ("asked", "lacks", "param"),
    [
        (ask(content=[PICTURE]), "vision", "messages.0.content.0"),
        (ask({"tools": TOOLS}), "tools", "tools"),
        (ask({"seed": 1}), "seed", "seed"),
        (ask(n=2), "n", "n"),
        (ask({"reasoning_effort": "high"}), "reasoning_effort", "reasoning_effort"),
    ],
)
def test_what_no_target_can_is_refused_with_field_and_model(
    asked: Ask, lacks: Any, param: str
) -> None:
    lacking = Fit(lacks=frozenset({lacks}))
    with pytest.raises(InvalidRequest, match=rf"p0/m.*{param}.*{lacks}") as caught:
        able(asked, lacking, lacking)
    assert caught.value.param == param


def test_the_refusal_names_no_model_to_who_knows_an_alias_alone() -> None:
    fits = Fitting({"p0/m": Fit(lacks=frozenset({"tools"}))})
    plan = Plan.chain((FIRST,), "named").unnamed()
    with pytest.raises(InvalidRequest) as caught:
        fits.able(ask({"tools": TOOLS}), plan, Span("dispatch", 0))
    assert caught.value.message.startswith("The model cannot take 'tools'")


def test_a_wish_is_left_out_for_a_target_that_lacks_it_when_another_has_it() -> None:
    simple = Fit(lacks=frozenset({"reasoning_effort", "notes"}))
    wish = {"reasoning_effort": "high", "user": "me", "max_tokens": 5}
    assert able(ask(wish), second=simple) == ["p0", "p1"]
    call, span = fitted(simple, wish)
    assert call.params == {"max_tokens": 5}
    notes = ["reasoning_effort left out", "user left out"]
    assert span.attributes["fitted"] == {"p0/m": notes}


def test_notes_beside_a_request_are_never_a_reason_to_refuse_it() -> None:
    simple = Fit(lacks=frozenset({"notes"}))
    assert able(ask({"user": "me", "store": True}), simple, simple) == ["p0", "p1"]


def test_a_call_that_needs_no_fitting_is_the_same_object() -> None:
    call = Call("m", Prompt(({"role": "user", "content": "x"},)), False, {"max_tokens": 3})
    for fit in (Fit(), Fit(lacks=frozenset({"vision", "tools", "json_schema", "developer"}))):
        assert Fitting({"p0/m": fit}).fitted(call, FIRST, Span("dispatch", 0)) is call


def test_a_schema_is_asked_for_in_words_beside_json_mode() -> None:
    call, _ = fitted(Fit(lacks=frozenset({"json_schema"})), {"response_format": FORM})
    assert call.params == {"response_format": {"type": "json_object"}}
    assert '"properties":{"a"' in call.prompt.messages[0]["content"]
    assert call.prompt.messages[0]["role"] == "system"


def test_a_schema_is_asked_for_in_words_alone_without_json_mode() -> None:
    fit = Fit(lacks=frozenset({"json_schema", "json_object"}), emulation="instruction")
    call, _ = fitted(
        fit,
        {"response_format": FORM},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "x"},
    )
    assert call.params == {}
    assert call.prompt.messages[0]["content"].startswith("Be brief.\n\nAnswer with one JSON value")
    assert call.prompt.messages[1] == {"role": "user", "content": "x"}


def test_a_models_own_instruction_comes_first() -> None:
    fit = Fit(system_prompt="Think.")
    call, _ = fitted(fit, None, {"role": "system", "content": "Be brief."})
    assert call.prompt.messages == ({"role": "system", "content": "Think.\n\nBe brief."},)
    call, _ = fitted(fit)
    assert call.prompt.messages[0] == {"role": "system", "content": "Think."}


def test_parameters_are_renamed_and_the_own_name_wins() -> None:
    fit = Fit(rename={"max_completion_tokens": "max_tokens"})
    assert fitted(fit, {"max_completion_tokens": 5})[0].params == {"max_tokens": 5}
    both = {"max_completion_tokens": 5, "max_tokens": 3}
    assert fitted(fit, both)[0].params == {"max_tokens": 3}


def test_a_model_without_a_system_role_hears_it_from_the_user() -> None:
    fit = Fit(lacks=frozenset({"system"}))
    system = {"role": "system", "content": "Be brief."}
    call, _ = fitted(fit, None, system, {"role": "user", "content": "x"})
    assert call.prompt.messages == ({"role": "user", "content": "Be brief.\n\nx"},)
    call, _ = fitted(fit, None, system, {"role": "user", "content": [PICTURE]})
    text = {"type": "text", "text": "Be brief."}
    assert call.prompt.messages == ({"role": "user", "content": [text, PICTURE]},)


def test_a_model_without_a_developer_role_hears_the_system() -> None:
    fit = Fit(lacks=frozenset({"developer"}))
    call, _ = fitted(fit, None, {"role": "developer", "content": "Be brief."})
    assert call.prompt.messages == ({"role": "system", "content": "Be brief."},)


def test_schemas_are_simplified_where_the_model_asks_for_it() -> None:
    call, _ = fitted(Fit(plain_schemas=True), {"tools": TOOLS, "response_format": FORM})
    assert call.params["tools"][0]["function"] == {"name": "f", "parameters": SCHEMA}
    assert call.params["response_format"]["json_schema"]["schema"] == SCHEMA
    assert TOOLS[0]["function"]["strict"] is True  # type: ignore[index]


def test_a_plain_schema_has_its_references_in_place() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "one": {"$ref": "#/$defs/part", "description": "The first."},
            "kind": {"const": "a"},
            "many": {"type": "array", "items": {"$ref": "#/$defs/part"}, "minItems": 1},
            "either": {"oneOf": [{"type": "string", "pattern": "^a"}, {"type": "null"}]},
        },
        "required": ["one"],
        "$defs": {"part": {"type": "string", "format": "date"}},
    }
    assert plain_schema(schema) == {
        "type": "object",
        "properties": {
            "one": {"type": "string", "description": "The first."},
            "kind": {"enum": ["a"]},
            "many": {"type": "array", "items": {"type": "string"}},
            "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["one"],
    }


def test_a_schema_that_refers_to_itself_ends_somewhere() -> None:
    twice = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/x"}, "b": {"$ref": "#/$defs/x"}},
    }
    assert plain_schema({"$ref": "#/$defs/x", "$defs": {"x": twice}})["type"] == "object"


@pytest.mark.parametrize(
    ("prefill", "params", "last"),
    [
        (
            "continue_final_message",
            {"continue_final_message": True, "add_generation_prompt": False},
            {"role": "assistant", "content": "Once upon"},
        ),
        ("prefix", {}, {"role": "assistant", "content": "Once upon", "prefix": True}),
        ("assistant", {}, {"role": "assistant", "content": "Once upon"}),
    ],
)
def test_the_beginning_of_an_answer_is_given_in_the_models_own_way(
    prefill: Any, params: dict[str, Any], last: dict[str, Any]
) -> None:
    call, _ = fitted(Fit(prefill=prefill), said="Once upon")
    assert (call.params, call.prompt.messages[-1]) == (params, last)


def test_a_model_that_cannot_be_prefilled_is_asked_to_go_on() -> None:
    call, _ = fitted(Fit(), said="Once upon a time there was")
    before, asked = call.prompt.messages[-2:]
    assert before == {"role": "assistant", "content": "Once upon a time there was"}
    assert asked["role"] == "user"
    assert asked["content"].endswith('"Once upon a time there was"')


def test_last_words_begin_with_a_word() -> None:
    text = "word " * 40 + "end"
    assert text.endswith(last_words(text))
    assert last_words(text).split()[0] == "word"


@pytest.mark.parametrize(
    ("service", "way"),
    [("mistral", "prefix"), ("sglang", "continue_final_message"), ("groq", "instruction")],
)
def test_a_service_says_how_its_models_go_on(service: str, way: str) -> None:
    model = ModelConfig(name="m")
    provider = OpenAICompatibleProvider.model_validate(
        {"kind": "openai-compatible", "service": service, "api_key": "k", "models": [model]}
    )
    assert fit_of(provider, model, None).prefill == way


def test_a_fit_comes_from_configuration_list_and_kind() -> None:
    models = (ModelConfig(name="m", lacks=("seed",), has=("vision",)),)
    cloud = OpenAICompatibleProvider(
        kind="openai-compatible", base_url="http://127.0.0.1:1/v1", models=models
    )
    own = VllmProvider(kind="vllm", base_url="http://127.0.0.1:1/v1", models=models)
    entry = {"mode": "chat", "supports_vision": False, "supports_function_calling": False}
    entry |= {"supports_response_schema": True, "supports_reasoning": True}
    fits = fitting(
        {"cloud": cloud, "own": own, "built": ExtractiveProvider(kind="extractive")},
        lambda name: entry,
    )
    plan = Plan.chain((Target("cloud", "m", 1, 1), Target("own", "m", 1, 1)), "")
    span = Span("dispatch", 0)
    assert fits.able(ask({"tools": TOOLS}), plan, span).targets == plan.targets[1:]
    assert fits.able(ask(content=[PICTURE]), plan, span) is plan
    with pytest.raises(InvalidRequest, match="seed"):
        fits.able(ask({"seed": 1}), plan, span)
    built = Plan.chain((Target("built", "extractive", 1, 1),), "")
    assert fits.able(ask({"seed": 1, "tools": TOOLS}), built, span) is built
    with pytest.raises(InvalidRequest, match="built/extractive"):
        fits.able(ask({"response_format": FORM}), built, span)
    assert fits.continuing(built).targets == ()
