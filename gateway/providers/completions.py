"""OpenAI's chat completions as a provider sends them: JSON in, events out, no I/O.

What an answer says is taken as it is; what it leaves out or gets wrong is a Garbled answer, and an
error that comes in place of an answer is a Reported one, whatever the status was.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.providers.usage import counted
from gateway.types import Completion, Delta, Done, Event, Usage

END = b"[DONE]"

# The gateway writes these of an answer's top level itself.
OURS = frozenset({"id", "object", "created", "model", "choices", "usage"})
# What a delta may carry without having said anything.
SILENT = frozenset({"role"})


class Garbled(Exception):
    """This is not a completion; the message says what is wrong with it."""


class Reported(Exception):
    """The provider reports an error where an answer should be."""

    def __init__(self, body: Any) -> None:
        super().__init__("an error in place of an answer")
        self.body = body


class Seen:
    """What a streamed answer has said so far."""

    __slots__ = ("_finished", "_spoken", "ended", "fields", "usage")

    def __init__(self) -> None:
        self.ended = False  # [DONE] has come
        self.usage: Usage | None = None
        self.fields: dict[str, Any] = {}
        self._spoken: set[int] = set()
        self._finished: set[int] = set()

    @property
    def whole(self) -> bool:
        """Whether nothing is missing: [DONE], or an end to every choice that has begun."""
        return bool(self._spoken) and (self.ended or self._spoken == self._finished)

    @property
    def finished(self) -> bool:
        """Whether a choice has come to its end."""
        return bool(self._finished)

    def read(self, data: bytes) -> list[Delta]:
        """One event's data. Raises Garbled and Reported."""
        return self.end() if data == END else self.add(loaded(data))

    def end(self) -> list[Delta]:
        """The provider says that this was all: choices without an end of their own get one."""
        self.ended = True
        return [Delta(choice=i, finish="stop") for i in sorted(self._spoken - self._finished)]

    def add(self, chunk: dict[str, Any]) -> list[Delta]:
        """A chunk that has been parsed."""
        if chunk.get("usage"):
            self.usage = usage_of(chunk["usage"], chunk.get("service_tier"))
        for key, value in chunk.items():
            if key not in OURS and value is not None:
                self.fields[key] = value
        return [self._delta(choice) for choice in _choices(chunk)]

    def done(self, model: str) -> Done:
        """The end, as far as the provider told it."""
        return Done(usage=self.usage or Usage(estimated=True), model=model, fields=self.fields)

    def _delta(self, choice: dict[str, Any]) -> Delta:
        # The hottest lines of a stream: a call less is a microsecond less for every token.
        index = choice.pop("index", 0)
        fields = choice.pop("delta", None) or {}
        if not isinstance(index, int) or not isinstance(fields, dict):
            raise Garbled("a choice of it has no index or no delta")
        if "tool_calls" in fields:
            _check_calls(fields["tool_calls"])
        self._spoken.add(index)
        content = fields.pop("content", None)
        text = content if isinstance(content, str) else _text(content)
        if finish := choice.pop("finish_reason", None):
            self._finished.add(index)
            _check(finish, choice)
        if "logprobs" in choice and choice["logprobs"] is None:
            del choice["logprobs"]
        return Delta(text, index, fields, choice, finish or None)


def speaks(delta: Delta) -> bool:
    """Whether a piece is content: what has been shown once cannot be taken back."""
    if delta.text or delta.finish:
        return True
    return any(value and key not in SILENT for key, value in delta.fields.items())


def whole(body: bytes, model: str) -> list[Event]:
    """A whole answer: a piece for each choice, and the end. Raises Garbled and Reported."""
    if not body.strip():
        raise Garbled("it is empty")
    return whole_of(loaded(body), model)


def whole_of(completion: dict[str, Any], model: str) -> list[Event]:
    """A whole answer that has been parsed."""
    choices = _choices(completion)
    if not choices:
        raise Garbled("it has no choices")
    told = completion.get("usage")
    usage = usage_of(told, completion.get("service_tier")) if told else Usage(estimated=True)
    return [*map(_message, choices), Done(usage=usage, model=model, fields=_others(completion))]


def verbatim(body: bytes, model: str) -> list[Event]:
    """A whole answer that need not be taken apart. Raises Garbled and Reported."""
    if not body.strip():
        raise Garbled("it is empty")
    completion = loaded(body)
    choices = _choices(completion)
    if not all(map(_usual, choices)):
        return whole_of(completion, model)
    if not choices:
        raise Garbled("it has no choices")
    told = completion.get("usage")
    usage = usage_of(told, completion.get("service_tier")) if told else Usage(estimated=True)
    return [Completion(completion), Done(usage=usage, model=model, fields=_others(completion))]


def _usual(choice: dict[str, Any]) -> bool:
    message = choice.get("message")
    return (
        isinstance(message, dict)
        and isinstance(message.get("content"), str | None)
        and isinstance(message.get("tool_calls"), list | None)
        and isinstance(choice.get("index", 0), int)
        and isinstance(choice.get("finish_reason"), str)
        and choice["finish_reason"] != "error"
    )


def usage_of(told: Any, tier: object = None) -> Usage:
    """Token counts; `tier` is the tier of service that the answer's top level names."""
    if not isinstance(told, dict):
        raise Garbled("its usage is not an object")
    return counted(told, tier)


def loaded(data: bytes) -> dict[str, Any]:
    """What the provider sent, where that is an answer. Raises Garbled and Reported."""
    try:
        answer = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Garbled(_not_json(data, error)) from None
    if isinstance(answer, list) and answer and isinstance(answer[0], dict):
        answer = answer[0]  # Gemini wraps errors so
    if not isinstance(answer, dict):
        raise Garbled("it is not a JSON object")
    if answer.get("error") or answer.get("object") == "error":
        raise Reported(answer)
    return answer


def _others(answer: dict[str, Any]) -> dict[str, Any]:
    """What the top level carries beyond what the gateway writes itself."""
    return {k: v for k, v in answer.items() if k not in OURS and v is not None}


def _choices(answer: dict[str, Any]) -> list[dict[str, Any]]:
    choices = answer.get("choices") or []
    if not isinstance(choices, list):
        raise Garbled("its choices are not a list")
    for each in choices:
        if not isinstance(each, dict):
            raise Garbled("a choice of it is not an object")
    return choices


def _message(choice: dict[str, Any]) -> Delta:
    index = choice.pop("index", 0)
    fields = choice.pop("message", None)
    if not isinstance(index, int) or not isinstance(fields, dict):
        raise Garbled("a choice of it has no message")
    _check_calls(calls := fields.get("tool_calls"))
    for place, call in enumerate(calls or ()):
        if isinstance(call, dict):
            call.setdefault("index", place)  # a stream's pieces carry it
    finish = choice.pop("finish_reason", None) or "stop"
    _check(finish, choice)
    if choice.get("logprobs", "") is None:
        del choice["logprobs"]
    return Delta(_text(fields.pop("content", None)), index, fields, choice, finish)


def _check_calls(calls: Any) -> None:
    if not isinstance(calls, list | None):
        raise Garbled("its calls of tools are not a list")


def _text(content: Any) -> str:
    """Content as text; of a list of parts, the text in it."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list):
        parts = (each.get("text") for each in content if isinstance(each, dict))
        return "".join(part for part in parts if isinstance(part, str))
    raise Garbled("its content is not text")


def _check(finish: Any, choice: dict[str, Any]) -> None:
    if finish == "error":  # OpenRouter's way to end a broken stream
        raise Reported({"error": choice.get("error") or "The answer was broken off."})


def _not_json(data: bytes, error: orjson.JSONDecodeError) -> str:
    if data.lstrip()[:1] == b"<":
        return "it is a page of HTML, so base_url may be wrong"
    return f"it is not JSON, or cut short ({error})"
