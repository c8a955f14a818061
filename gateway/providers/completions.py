"""OpenAI's chat completions as a provider sends them: JSON in, events out, no I/O.

What an answer says is taken as it is; what it leaves out or gets wrong is a Garbled answer, and an
error that comes in place of an answer is a Reported one, whatever the status was.
"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.types import Delta, Done, Event, Usage

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
        return self.end() if data == END else self.add(_loaded(data))

    def end(self) -> list[Delta]:
        """The provider says that this was all: choices without an end of their own get one."""
        self.ended = True
        return [Delta(choice=i, finish="stop") for i in sorted(self._spoken - self._finished)]

    def add(self, chunk: dict[str, Any]) -> list[Delta]:
        """A chunk that has been parsed."""
        if chunk.get("usage"):
            self.usage = usage_of(chunk["usage"])
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
    return whole_of(_loaded(body), model)


def whole_of(completion: dict[str, Any], model: str) -> list[Event]:
    """A whole answer that has been parsed."""
    choices = _choices(completion)
    if not choices:
        raise Garbled("it has no choices")
    told = completion.get("usage")
    usage = usage_of(told) if told else Usage(estimated=True)
    return [*map(_message, choices), Done(usage=usage, model=model, fields=_others(completion))]


def usage_of(told: Any) -> Usage:
    """Token counts. What the total counts and the parts leave out was thought, not said:
    xAI and Gemini count reasoning so, and bill it as output."""
    if not isinstance(told, dict):
        raise Garbled("its usage is not an object")
    prompt, completion = _count(told, "prompt_tokens"), _count(told, "completion_tokens")
    cached = _count(told.get("prompt_tokens_details"), "cached_tokens")
    reasoning = _count(told.get("completion_tokens_details"), "reasoning_tokens")
    unsaid = max(0, _count(told, "total_tokens") - prompt - completion)
    return Usage(
        prompt=prompt,
        completion=completion + unsaid,
        cached=cached or _count(told, "prompt_cache_hit_tokens"),  # DeepSeek's name
        reasoning=max(reasoning, unsaid),
    )


def _loaded(data: bytes) -> dict[str, Any]:
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
    for place, call in enumerate(fields.get("tool_calls") or ()):
        if isinstance(call, dict):
            call.setdefault("index", place)  # a stream's pieces carry it
    finish = choice.pop("finish_reason", None) or "stop"
    _check(finish, choice)
    if choice.get("logprobs", "") is None:
        del choice["logprobs"]
    return Delta(_text(fields.pop("content", None)), index, fields, choice, finish)


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


def _count(told: Any, name: str) -> int:
    value = told.get(name) if isinstance(told, dict) else None
    return int(value) if isinstance(value, int | float) and value > 0 else 0


def _not_json(data: bytes, error: orjson.JSONDecodeError) -> str:
    if data.lstrip()[:1] == b"<":
        return "it is a page of HTML, so base_url may be wrong"
    return f"it is not JSON, or cut short ({error})"
