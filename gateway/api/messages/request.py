"""The body of POST /v1/messages, and the chat that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.api.body import json_object, unsupported, validated
from gateway.api.messages.turns import messages_of
from gateway.api.moorline import MoorlineOptions, with_options
from gateway.errors import InvalidRequest
from gateway.messages import question_of
from gateway.types import Ask

# Fields that mean the same in a chat, and pass through.
SAME = ("temperature", "top_p", "top_k")
KNOWN = frozenset({
    *SAME, "model", "messages", "system", "max_tokens", "stop_sequences", "stream", "tools",
    "tool_choice", "thinking", "output_config", "output_format", "moorline", "adapter_id",
    # About billing and bookkeeping of Anthropic's own service, without a meaning elsewhere.
    "metadata", "service_tier", "cache_control", "inference_geo", "context_management",
    "diagnostics", "speed", "user_profile_id", "workspace_id", "betas",
})  # fmt: skip
NOT_HERE = {
    "container": "no code is run here.",
    "mcp_servers": "tools are called by the client.",
}
EFFORTS = ((2048, "low"), (16_384, "medium"))
"""Up to how many tokens of thought are how much effort; more is high."""


class System(BaseModel):
    """A part of the instructions."""

    model_config = ConfigDict(extra="allow")

    type: Literal["text"]
    text: str


class Tool(BaseModel):
    """A tool that the client runs."""

    model_config = ConfigDict(extra="allow")

    type: str | None = None
    name: str = Field(min_length=1)
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None


class ToolChoice(BaseModel):
    """Whether and which tools are used."""

    model_config = ConfigDict(extra="allow")

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class Thinking(BaseModel):
    """Whether the model thinks first."""

    model_config = ConfigDict(extra="allow")

    type: str
    budget_tokens: int | None = None


class Turn(BaseModel):
    """One turn: text, or blocks."""

    model_config = ConfigDict(extra="allow")

    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]


class OutputConfig(BaseModel):
    """How hard the model tries, and what shape its answer has."""

    model_config = ConfigDict(extra="allow")

    effort: str | None = None
    format: dict[str, Any] | None = None


class Countable(BaseModel):
    """What an answer's input is made of: the body of POST /v1/messages/count_tokens."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(default="auto", min_length=1, description="Alias, model, or auto.")
    messages: list[Turn] = Field(min_length=1)
    system: str | list[System] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None


class MessagesRequest(Countable):
    """The body of POST /v1/messages; fields that are not Anthropic's are passed on."""

    adapter_id: str | None = Field(default=None, description="An adapter of that model.")
    max_tokens: int = Field(ge=1, strict=True)
    stream: bool | None = Field(default=False, strict=True)
    stop_sequences: list[str] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2, strict=True)
    top_p: float | None = Field(default=None, ge=0, le=1, strict=True)
    top_k: int | None = Field(default=None, ge=0, strict=True)
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: dict[str, Any] | None = None
    moorline: MoorlineOptions | None = None


def read_ask(body: bytes) -> Ask:
    """A request from its bytes. Raises InvalidRequest that names the field."""
    raw = json_object(body)
    for name, why in NOT_HERE.items():
        if raw.get(name):
            raise unsupported(name, why)
    request = validated(MessagesRequest, raw)
    messages = chat_of(request)
    params = _params(request, raw)
    ask = Ask(
        model=request.model,
        adapter=request.adapter_id or "",
        messages=tuple(messages),
        question=question_of(messages),
        params=params,
        stream=bool(request.stream),
        door="messages",
    )
    return with_options(ask, request.moorline)


def read_countable(body: bytes) -> Countable:
    """A request to count. Raises InvalidRequest."""
    return validated(Countable, json_object(body))


def chat_of(request: Countable) -> list[dict[str, Any]]:
    """Instructions and turns as the messages of a chat. Raises InvalidRequest."""
    messages: list[dict[str, Any]] = []
    if system := request.system:
        text = system if isinstance(system, str) else "\n\n".join(each.text for each in system)
        messages.append({"role": "system", "content": text})
    for place, turn in enumerate(request.messages):
        messages += messages_of(turn.role, turn.content, f"messages.{place}.content")
    return messages


def tools_of(request: Countable) -> list[dict[str, Any]]:
    """The tools as functions of a chat. Raises InvalidRequest for those that Anthropic runs."""
    return [_function(tool, place) for place, tool in enumerate(request.tools or ())]


def _function(tool: Tool, place: int) -> dict[str, Any]:
    if tool.type not in (None, "custom"):
        raise unsupported(f"tools.{place}.type", f"'{tool.type}' is no tool of this gateway.")
    if tool.input_schema is None:
        raise InvalidRequest("A tool has an input_schema.", param=f"tools.{place}.input_schema")
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.input_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _params(request: MessagesRequest, raw: Mapping[str, Any]) -> dict[str, Any]:
    """What goes on to the model, in the names of a chat."""
    params = {key: value for key, value in raw.items() if key not in KNOWN}
    params |= {key: raw[key] for key in SAME if raw.get(key) is not None}
    params["max_completion_tokens"] = request.max_tokens
    if request.stop_sequences:
        params["stop"] = request.stop_sequences
    if request.tools:
        params["tools"] = tools_of(request)
    if request.tool_choice:
        params |= _tool_choice(request.tool_choice)
    if effort := _effort(request):
        params["reasoning_effort"] = effort
    config = request.output_config or OutputConfig()
    if wanted := config.format or request.output_format:
        params["response_format"] = _response_format(wanted)
    return params


def _tool_choice(choice: ToolChoice) -> dict[str, Any]:
    chosen: Any = {"auto": "auto", "any": "required", "none": "none"}.get(choice.type)
    if choice.type == "tool":
        if not choice.name:
            raise InvalidRequest("Name the tool.", param="tool_choice.name")
        chosen = {"type": "function", "function": {"name": choice.name}}
    parallel = {"parallel_tool_calls": False} if choice.disable_parallel_tool_use else {}
    return {"tool_choice": chosen, **parallel}


def _effort(request: MessagesRequest) -> str | None:
    if request.output_config and request.output_config.effort:
        return request.output_config.effort
    if request.thinking is None or request.thinking.type != "enabled":
        return None
    budget = request.thinking.budget_tokens or 0
    return next((effort for most, effort in EFFORTS if budget <= most), "high")


def _response_format(wanted: dict[str, Any]) -> dict[str, Any]:
    match wanted:
        case {"type": "json_schema", "schema": dict(schema)}:
            named = {"name": "answer", "schema": schema, "strict": True}
            return {"type": "json_schema", "json_schema": named}
    raise InvalidRequest("A format is a json_schema with its schema.", param="output_config.format")
