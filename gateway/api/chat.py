"""POST /v1/chat/completions: OpenAI's chat format, a body in, a completion or chunks out.

Knows the shapes and nothing else. Fields that Moorline does not know pass through both ways.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterator, Mapping
from typing import Any, Literal, TypeAlias, get_args

import orjson
from pydantic import BaseModel, ConfigDict, Field

from context.citations import Link, url_citations
from gateway.api.body import json_object, validated
from gateway.api.moorline import MoorlineOptions, about, with_options
from gateway.errors import GatewayError
from gateway.messages import question_of
from gateway.pipeline import Gateway
from gateway.streams import Choice, Collected, deltas_of
from gateway.tracing.trace import Trace
from gateway.types import Answer, Ask, Completion, Delta, Done, Progress, Usage, Verbatim
from routing.catalogue import AUTO

DONE_LINE = b"data: [DONE]\n\n"
OURS = frozenset({"model", "messages", "stream", "stream_options", "moorline", "n", "adapter_id"})


Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool", "function"]


class Part(BaseModel):
    """A part of a turn; one of another kind than text is the model's to understand."""

    model_config = ConfigDict(extra="allow")

    type: str
    text: str = ""


class Message(BaseModel):
    """One turn."""

    model_config = ConfigDict(extra="allow")

    role: Role
    content: str | list[Part] | None = None


class StreamOptions(BaseModel):
    """How a stream ends."""

    model_config = ConfigDict(extra="allow")

    include_usage: bool | None = Field(default=False, strict=True)


class ChatRequest(BaseModel):
    """The body of POST /v1/chat/completions; every other field of OpenAI's is passed on."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(default=AUTO, min_length=1, description="Alias, model, or auto.")
    adapter_id: str | None = Field(default=None, description="An adapter of that model.")
    messages: list[Message] = Field(min_length=1)
    stream: bool | None = Field(default=False, strict=True)
    stream_options: StreamOptions | None = None
    n: int | None = Field(default=1, ge=1, le=128, strict=True)
    temperature: float | None = Field(default=None, ge=0, le=2, strict=True)
    max_tokens: int | None = Field(default=None, ge=1, strict=True)
    max_completion_tokens: int | None = Field(default=None, ge=1, strict=True)
    moorline: MoorlineOptions | None = None


class Chat:
    """The dialect."""

    name = "chat"

    def read(self, body: bytes) -> Ask:
        """See Dialect."""
        return read_ask(body)

    def answer(
        self, gateway: Gateway, authorization: str | None, asked: Ask, trace: Trace
    ) -> Awaitable[Answer]:
        """See Dialect."""
        return gateway.answer(authorization, asked, trace)

    def whole(self, asked: Ask, answer: Collected, done: Done, trace_id: str) -> bytes:
        """See Dialect."""
        return completion(answer, done, trace_id)

    def telling(self, asked: Ask, known: Done, trace_id: str) -> Chunks:
        """See Dialect."""
        return Chunks(trace_id, known.model, asked.include_usage)

    def error(self, error: GatewayError, trace_id: str) -> bytes:
        """See Dialect."""
        return orjson.dumps(error.body())


def read_ask(body: bytes) -> Ask:
    """A request from its bytes. Raises InvalidRequest that names the field."""
    raw = json_object(body)
    options = None if _plainly_valid(raw) else validated(ChatRequest, raw).moorline
    params = {key: value for key, value in raw.items() if key not in OURS}
    n = raw.get("n") or 1
    ask = Ask(
        model=raw.get("model", AUTO),
        messages=tuple(raw["messages"]),  # as sent: unknown fields and their order are kept
        question=question_of(raw["messages"]),
        params=params,
        stream=raw.get("stream") or False,
        include_usage=(raw.get("stream_options") or {}).get("include_usage") or False,
        n=n,
        adapter=raw.get("adapter_id") or "",
        verbatim=n == 1 and "response_format" not in params,
    )
    return with_options(ask, options)


def _plainly_valid(raw: Mapping[str, Any]) -> bool:
    """Whether a request is so usual that pydantic, which takes ten times as long, need not look."""
    temperature, messages = raw.get("temperature", 0), raw.get("messages")
    return (
        raw.keys().isdisjoint(_LOOKED_INTO)
        and isinstance(raw.get("model"), str)
        and raw["model"] != ""
        and isinstance(raw.get("stream", False), bool)
        and (isinstance(temperature, int | float) and 0 <= temperature <= 2)
        and not isinstance(temperature, bool)
        and isinstance(messages, list)
        and messages != []
        and all(map(_is_text, messages))
    )


_LOOKED_INTO = ChatRequest.model_fields.keys() - {"model", "messages", "stream", "temperature"}
_ROLES = frozenset(get_args(Role))


def _is_text(message: Any) -> bool:
    return (
        isinstance(message, dict)
        and message.get("role") in _ROLES
        and isinstance(message.get("content"), str)
    )


def completion(whole: Collected, done: Done, trace_id: str) -> bytes:
    """A whole answer as one JSON body."""
    if whole.completion:  # the provider's own, which nobody has changed
        body = whole.completion.body
        body["id"] = f"chatcmpl-{trace_id}"
        body["model"] = done.model
        body.setdefault("object", "chat.completion")
        body.setdefault("created", int(time.time()))
        body["usage"] = body.get("usage") or usage(done.usage)
        body["moorline"] = about(done, trace_id)
        return orjson.dumps(body)
    choices = [
        {
            "index": index,
            "message": _message(choice, url_notes(choice.text, done) if done.sources else []),
            "logprobs": None,
            **choice.extra,
            "finish_reason": choice.finish or "stop",
        }
        for index, choice in sorted(whole.choices.items())
    ]
    return orjson.dumps(
        {
            "id": f"chatcmpl-{trace_id}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": done.model,
            **done.fields,
            "choices": choices,
            "usage": usage(done.usage),
            "moorline": about(done, trace_id),
        }
    )


def _message(choice: Choice, notes: list[dict[str, Any]]) -> dict[str, Any]:
    content = choice.text or (None if choice.fields.get("tool_calls") else "")
    message = {"role": "assistant", "content": content, "refusal": None, **choice.fields}
    if calls := message.get("tool_calls"):  # only a stream's pieces are numbered
        message["tool_calls"] = [{k: v for k, v in call.items() if k != "index"} for call in calls]
    if notes:
        message["annotations"] = notes
    return message


class Chunks:
    """Renders an answer's events as server-sent events of OpenAI's chunks.

    The end of each choice is held back until the whole is known, so that the last chunk can carry
    sources and cost.
    """

    def __init__(self, trace_id: str, model: str, include_usage: bool) -> None:
        head = {
            "id": f"chatcmpl-{trace_id}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        self._head = b"data: " + orjson.dumps(head)[:-1] + b","
        self._trace_id = trace_id
        self._include_usage = include_usage
        self._text: dict[int, list[str]] = {}
        self._finish: dict[int, str] = {}
        self._id = b'"id":"chatcmpl-%b"' % trace_id.encode()
        self._model = b'"model":' + orjson.dumps(model)

    def delta(self, event: Delta | Verbatim | Completion) -> bytes:
        """The chunk of one piece; empty when the piece says nothing but the end."""
        if isinstance(event, Verbatim):
            self._text.setdefault(0, [])
            return event.data.replace(event.id, self._id).replace(event.model, self._model)
        if isinstance(event, Completion):  # its provider does not stream
            return b"".join(map(self.delta, deltas_of(event)))
        first = event.choice not in self._text
        text = self._text.setdefault(event.choice, [])
        text.append(event.text)
        if event.finish:
            self._finish[event.choice] = event.finish
        if not (event.text or event.fields or event.extra or first):
            return b""
        delta = {"role": "assistant"} if first else {}
        delta |= event.fields
        if event.text or first:
            delta["content"] = event.text
        choice = {"index": event.choice, "delta": delta, **event.extra, "finish_reason": None}
        return self._line({"choices": [choice]})

    def progress(self, progress: Progress) -> bytes:
        """A chunk that says nothing, but for who looks at what it has of ours."""
        choice = {"index": 0, "delta": {}, "finish_reason": None}
        return self._line({"choices": [choice], "moorline": {"progress": progress}})

    def done(self, done: Done) -> Iterator[bytes]:
        """The last chunks: each choice's end, then usage where it was asked for."""
        about_it = about(done, self._trace_id)
        ends = sorted(self._text) or [0]
        for index in ends:
            notes = url_notes("".join(self._text.get(index, ())), done) if done.sources else []
            choice = {
                "index": index,
                "delta": {"annotations": notes} if notes else {},
                "finish_reason": self._finish.get(index, "stop"),
            }
            last = index == ends[-1] and not self._include_usage
            yield self._line({"choices": [choice]} | ({"moorline": about_it} if last else {}))
        if self._include_usage:
            yield self._line({"choices": [], "usage": usage(done.usage), "moorline": about_it})
        yield DONE_LINE

    def error(self, error: GatewayError) -> bytes:
        """No [DONE] follows it, so that a broken answer cannot be taken for a whole one."""
        return b"data: " + orjson.dumps(error.body()) + b"\n\n"

    def _line(self, rest: dict[str, Any]) -> bytes:
        return self._head + orjson.dumps(rest)[1:] + b"\n\n"


def usage(seen: Usage) -> dict[str, Any]:
    """Tokens in OpenAI's shape."""
    return {
        "prompt_tokens": seen.prompt,
        "completion_tokens": seen.completion,
        "total_tokens": seen.total,
        "prompt_tokens_details": {"cached_tokens": seen.cached},
        "completion_tokens_details": {"reasoning_tokens": seen.reasoning},
    }


def url_notes(text: str, done: Done) -> list[dict[str, Any]]:
    """Every marker `[n]` in the text as OpenAI's url_citation."""
    return url_citations(text, {each.n: Link(each.title, each.url) for each in done.sources})
