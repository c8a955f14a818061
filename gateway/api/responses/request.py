"""The body of POST /v1/responses, and the chat that it asks for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.api.body import json_object, unsupported, validated
from gateway.api.moorline import MoorlineOptions, with_options
from gateway.api.responses.items import messages_of
from gateway.errors import InvalidRequest
from gateway.messages import question_of
from gateway.types import Ask

# Fields that mean the same in a chat, and pass through.
SAME = (
    *("temperature", "top_p", "parallel_tool_calls", "user", "service_tier"),
    *("safety_identifier", "prompt_cache_key"),
)
KNOWN = frozenset({
    *SAME, "model", "input", "instructions", "stream", "stream_options", "tools", "tool_choice",
    "text", "reasoning", "max_output_tokens", "metadata", "store", "previous_response_id",
    "top_logprobs", "truncation", "include", "max_tool_calls", "moorline",
    "prompt_cache_retention", "prompt_cache_options", "background", "conversation", "prompt",
    "context_management", "moderation", "adapter_id",
})  # fmt: skip
NOT_HERE = {
    "background": "every response is told as it is made.",
    "conversation": "use 'previous_response_id'.",
    "prompt": "no prompt templates are kept here.",
    "context_management": "history is fitted to the model's window by itself.",
    "moderation": "guardrails are configured at the gateway.",
}


class TextFormat(BaseModel):
    """What the text is to be: free, JSON, or JSON of a schema."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    type: Literal["text", "json_object", "json_schema"] = "text"


class TextOptions(BaseModel):
    """How the text is written."""

    model_config = ConfigDict(extra="allow")

    format: TextFormat | None = None
    verbosity: str | None = None


class Reasoning(BaseModel):
    """How hard the model thinks."""

    model_config = ConfigDict(extra="allow")

    effort: str | None = None


class ResponsesRequest(BaseModel):
    """The body of POST /v1/responses; fields that are not OpenAI's are passed on to the model."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(default="auto", min_length=1, description="Alias, model, or auto.")
    adapter_id: str | None = Field(default=None, description="An adapter of that model.")
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    stream: bool | None = Field(default=False, strict=True)
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = Field(default=None, strict=True)
    text: TextOptions | None = None
    reasoning: Reasoning | None = None
    temperature: float | None = Field(default=None, ge=0, le=2, strict=True)
    top_p: float | None = Field(default=None, ge=0, le=1, strict=True)
    max_output_tokens: int | None = Field(default=None, ge=1, strict=True)
    top_logprobs: int | None = Field(default=None, ge=0, le=20, strict=True)
    metadata: dict[str, str] | None = None
    store: bool | None = Field(
        default=None, strict=True, description="Whether it may be continued; true by default."
    )
    previous_response_id: str | None = Field(
        default=None, min_length=1, description="A stored response that this one continues."
    )
    truncation: Literal["auto", "disabled"] | None = None
    moorline: MoorlineOptions | None = None


@dataclass(slots=True)
class Turn:
    """A request: what the model is asked, before what was said earlier, and what is told back."""

    ask: Ask
    request: ResponsesRequest
    items: list[dict[str, Any]]  # the input
    store: bool  # whether it is kept, as far as is known
    created_at: int

    @property
    def stream(self) -> bool:
        return self.ask.stream

    def after(self, earlier: list[dict[str, Any]]) -> Ask:
        """What the model is asked, once what was said earlier is known."""
        messages = [*_instructions(self.request), *messages_of([*earlier, *self.items])]
        return replace(self.ask, messages=tuple(messages), question=question_of(messages))


def read_turn(body: bytes) -> Turn:
    """A request from its bytes. Raises InvalidRequest that names the field."""
    raw = json_object(body)
    for name, why in NOT_HERE.items():
        if raw.get(name):
            raise unsupported(name, why)
    request = validated(ResponsesRequest, raw)
    given = request.input
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    if not items:
        raise InvalidRequest("There is no input.", param="input")
    messages = [*_instructions(request), *messages_of(items)]
    params = _params(request, raw)
    ask = Ask(
        model=request.model,
        adapter=request.adapter_id or "",
        messages=tuple(messages),
        question=question_of(messages),
        params=params,
        stream=bool(request.stream),
        door="responses",
    )
    ask = with_options(ask, request.moorline)
    return Turn(ask, request, items, request.store is not False, int(time.time()))


def _instructions(request: ResponsesRequest) -> list[dict[str, Any]]:
    return [{"role": "system", "content": request.instructions}] if request.instructions else []


def _params(request: ResponsesRequest, raw: Mapping[str, Any]) -> dict[str, Any]:
    """What goes on to the model, in the names of a chat."""
    params = {key: value for key, value in raw.items() if key not in KNOWN}
    params |= {key: raw[key] for key in SAME if raw.get(key) is not None}
    if request.max_output_tokens:
        params["max_completion_tokens"] = request.max_output_tokens
    if request.tools:
        params["tools"] = [_tool(tool, place) for place, tool in enumerate(request.tools)]
    if request.tool_choice is not None:
        params["tool_choice"] = _tool_choice(request.tool_choice)
    if request.text and request.text.verbosity:
        params["verbosity"] = request.text.verbosity
    if request.text and request.text.format and request.text.format.type != "text":
        params["response_format"] = _response_format(request.text.format)
    if request.reasoning and request.reasoning.effort:
        params["reasoning_effort"] = request.reasoning.effort
    if request.top_logprobs is not None or _wants_logprobs(raw):
        params |= {"logprobs": True, "top_logprobs": request.top_logprobs or 0}
    return params


def _wants_logprobs(raw: Mapping[str, Any]) -> bool:
    include = raw.get("include")
    return isinstance(include, list) and "message.output_text.logprobs" in include


def _tool(tool: dict[str, Any], place: int) -> dict[str, Any]:
    match tool:
        case {"type": "function", "name": str(name), **rest}:
            wanted = ("description", "parameters", "strict")
            given = {key: rest[key] for key in wanted if rest.get(key) is not None}
            return {"type": "function", "function": {"name": name, **given}}
        case {"type": "function"}:
            raise InvalidRequest("A function has a name.", param=f"tools.{place}.name")
    kind = tool.get("type")
    raise unsupported(f"tools.{place}.type", f"'{kind}' is no tool of this gateway's models.")


def _tool_choice(choice: str | dict[str, Any]) -> Any:
    match choice:
        case "auto" | "none" | "required":
            return choice
        case {"type": "function", "name": str(name)}:
            return {"type": "function", "function": {"name": name}}
        case {"type": "allowed_tools", "tools": list(tools), **rest}:
            listed = [_tool_choice(tool) for tool in tools]
            allowed = {"mode": rest.get("mode", "auto"), "tools": listed}
            return {"type": "allowed_tools", "allowed_tools": allowed}
    raise unsupported("tool_choice", "it is auto, none, required, or a function's name.")


def _response_format(wanted: TextFormat) -> dict[str, Any]:
    if wanted.type != "json_schema":
        return {"type": wanted.type}
    given = wanted.model_extra or {}
    if not isinstance(given.get("name"), str) or not isinstance(given.get("schema"), dict):
        raise InvalidRequest("A schema has a 'name' and a 'schema'.", param="text.format")
    return {"type": "json_schema", "json_schema": given}
