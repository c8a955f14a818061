"""POST /v1/completions: prompts in, their completions or chunks out."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Iterator, Mapping
from typing import Any

import orjson

from gateway.api.chat import DONE_LINE, usage
from gateway.api.completions.request import Prompts, read_prompts
from gateway.api.completions.together import answer_all
from gateway.api.moorline import about, comment
from gateway.errors import GatewayError
from gateway.pipeline import Gateway
from gateway.streams import Choice, Collected
from gateway.tracing.trace import Trace
from gateway.types import Answer, Delta, Done, Event, Progress


class Completions:
    """The dialect."""

    name = "completions"

    def read(self, body: bytes) -> Prompts:
        """See Dialect."""
        return read_prompts(body)

    def answer(
        self, gateway: Gateway, authorization: str | None, asked: Prompts, trace: Trace
    ) -> Awaitable[Answer]:
        """See Dialect."""
        return answer_all(gateway, authorization, asked.asks, trace)

    def whole(self, asked: Prompts, answer: Collected, done: Done, trace_id: str) -> bytes:
        """See Dialect."""
        choices = [_choice(asked, place, one) for place, one in sorted(answer.choices.items())]
        body = {**_head(done.model, trace_id), "choices": choices, "usage": usage(done.usage)}
        return orjson.dumps(body | {"moorline": about(done, trace_id)})

    def telling(self, asked: Prompts, known: Done, trace_id: str) -> Telling:
        """See Dialect."""
        return Telling(asked, known.model, trace_id)

    def error(self, error: GatewayError, trace_id: str) -> bytes:
        """See Dialect."""
        return orjson.dumps(error.body())


class Telling:
    """One streamed answer."""

    def __init__(self, asked: Prompts, model: str, trace_id: str) -> None:
        self._asked = asked
        self._trace_id = trace_id
        self._head = b"data: " + orjson.dumps(_head(model, trace_id))[:-1] + b","
        self._begun: set[int] = set()  # choices of which something was told
        self._offsets: dict[int, int] = {}  # of each choice's next token, in characters
        self._finish: dict[int, str] = {}

    def delta(self, event: Event) -> bytes:
        """See gateway.api.door."""
        assert isinstance(event, Delta)  # nothing else is told to who does not ask for it
        place, text = event.choice, event.text
        if place not in self._begun and self._asked.echo:
            text = self._asked.prompt_of(place) + text
        self._begun.add(place)
        if event.finish:
            self._finish[place] = event.finish
        if not (text or event.extra):
            return b""
        extra = _extra(event.extra, self._offsets.get(place, 0))
        if known := extra["logprobs"]:
            self._offsets[place] = known["text_offset"][-1] + len(known["tokens"][-1])
        choice = {"text": text, "index": place, **extra, "finish_reason": None}
        return self._line({"choices": [choice]})

    def progress(self, progress: Progress) -> bytes:
        """See gateway.api.door."""
        return comment(progress)

    def done(self, done: Done) -> Iterator[bytes]:
        """Each choice's end, then usage where it was asked for."""
        story = {"moorline": about(done, self._trace_id)}
        wanted = self._asked.asks[0].include_usage
        places = sorted(self._begun) or [0]
        for place in places:
            finish = self._finish.get(place, "stop")
            choice = {"text": "", "index": place, "logprobs": None, "finish_reason": finish}
            last = place == places[-1] and not wanted
            yield self._line({"choices": [choice]} | (story if last else {}))
        if wanted:
            yield self._line({"choices": [], "usage": usage(done.usage), **story})
        yield DONE_LINE

    def error(self, error: GatewayError) -> bytes:
        """No [DONE] follows it."""
        return b"data: " + orjson.dumps(error.body()) + b"\n\n"

    def _line(self, rest: dict[str, Any]) -> bytes:
        return self._head + orjson.dumps(rest)[1:] + b"\n\n"


def _head(model: str, trace_id: str) -> dict[str, Any]:
    created = int(time.time())
    return {
        "id": f"cmpl-{trace_id}",
        "object": "text_completion",
        "created": created,
        "model": model,
    }


def _choice(asked: Prompts, place: int, one: Choice) -> dict[str, Any]:
    text = asked.prompt_of(place) + one.text if asked.echo else one.text
    finish = one.finish or "stop"
    return {"text": text, "index": place, **_extra(one.extra, 0), "finish_reason": finish}


def _extra(extra: Mapping[str, Any], at: int) -> dict[str, Any]:
    """What a choice carries besides its text; logprobs as they were before there were chats."""
    told = extra.get("logprobs")
    tokens = told.get("content") if isinstance(told, Mapping) else None
    return {**extra, "logprobs": _logprobs(tokens, at) if tokens else None}


def _logprobs(tokens: list[dict[str, Any]], at: int) -> dict[str, Any]:
    offsets = []
    for token in tokens:
        offsets.append(at)
        at += len(token["token"])
    return {
        "tokens": [token["token"] for token in tokens],
        "token_logprobs": [token["logprob"] for token in tokens],
        "top_logprobs": [
            {top["token"]: top["logprob"] for top in token.get("top_logprobs") or ()}
            for token in tokens
        ],
        "text_offset": offsets,
    }
