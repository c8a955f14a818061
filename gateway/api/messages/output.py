"""An answer as Anthropic's clients read it: a message, or the events that one is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.api.blocks import Block, Blocks, Closed, Grown, Opened, Step
from gateway.api.moorline import about, comment
from gateway.errors import GatewayError, HandedOver, ProviderError
from gateway.types import Delta, Done, Event, Progress, Usage

STOPS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def message(blocks: Blocks, done: Done, trace_id: str) -> dict[str, Any]:
    """A whole answer. Raises ProviderError where a tool's arguments are none."""
    content = [_whole(block) for block in blocks.all]
    return {
        **_begun(done.model, trace_id),
        "content": content,
        **_stop(blocks),
        "usage": usage(done.usage),
        "moorline": about(done, trace_id),
    }


def error_body(error: GatewayError, trace_id: str) -> bytes:
    """A failure in Anthropic's shape."""
    kind = TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    told = {"type": kind, "message": error.message}
    body: dict[str, Any] = {"type": "error", "error": told, "request_id": trace_id}
    if isinstance(error, HandedOver):
        body["moorline"] = error.about
    return orjson.dumps(body)


def usage(seen: Usage) -> dict[str, Any]:
    """Tokens; Anthropic counts what was read from a cache apart from the input."""
    return {
        "input_tokens": seen.prompt - min(seen.cached, seen.prompt),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": min(seen.cached, seen.prompt),
        "output_tokens": seen.completion,
    }


class Telling:
    """One streamed message."""

    def __init__(self, known: Done, trace_id: str) -> None:
        self._known = known
        self._trace_id = trace_id
        self._blocks = Blocks()
        self._begun = False

    def delta(self, event: Event) -> bytes:
        """See gateway.api.door."""
        assert isinstance(event, Delta)  # nothing else is told to who does not ask for it
        return self._opening() + b"".join(map(_told, self._blocks.add(event)))

    def progress(self, progress: Progress) -> bytes:
        """See gateway.api.door."""
        return comment(progress)

    def done(self, done: Done) -> Iterator[bytes]:
        """The last block's end, why it was the last, and what it came to."""
        yield self._opening()
        for step in self._blocks.end():
            yield _told(step)
        yield _event(
            "message_delta",
            delta=_stop(self._blocks),
            usage=usage(done.usage),
            moorline=about(done, self._trace_id),
        )
        yield _event("message_stop")

    def error(self, error: GatewayError) -> bytes:
        """No message_stop follows it."""
        return b"event: error\ndata: %b\n\n" % error_body(error, self._trace_id)

    def _opening(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        # The provider counts at the end; what the prompt was packed to is known before.
        counted = Usage(prompt=self._known.tokens.get("total", 0))
        begun = _begun(self._known.model, self._trace_id)
        stop = {"stop_reason": None, "stop_sequence": None}
        start = {**begun, "content": [], **stop, "usage": usage(counted)}
        return _event("message_start", message=start) + _event("ping")


def _begun(model: str, trace_id: str) -> dict[str, Any]:
    return {"id": f"msg_{trace_id}", "type": "message", "role": "assistant", "model": model}


def _stop(blocks: Blocks) -> dict[str, Any]:
    if blocks.matched is not None and blocks.finish in (None, "stop"):
        return {"stop_reason": "stop_sequence", "stop_sequence": blocks.matched}
    calls = any(block.kind == "tool" for block in blocks.all)
    finish = "tool_calls" if calls and blocks.finish == "stop" else blocks.finish or "stop"
    return {"stop_reason": STOPS.get(finish, "end_turn"), "stop_sequence": None}


def _empty(block: Block) -> dict[str, Any]:
    match block.kind:
        case "tool":
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": {}}
        case "reasoning":
            return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def _whole(block: Block) -> dict[str, Any]:
    match block.kind:
        case "tool":
            return _empty(block) | {"input": _arguments(block)}
        case "reasoning":
            return _empty(block) | {"thinking": block.text}
    return _empty(block) | {"text": block.text}


def _arguments(block: Block) -> dict[str, Any]:
    """What a tool is called with: here an object, in a chat its JSON."""
    try:
        given = orjson.loads(block.text or "{}")
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise ProviderError(f"The model calls '{block.name}' with arguments that are no object.")
    return given


def _told(step: Step) -> bytes:
    match step:
        case Grown(block, piece):
            return _event("content_block_delta", index=block.index, delta=_delta(block, piece))
        case Opened(block):
            return _event("content_block_start", index=block.index, content_block=_empty(block))
        case Closed(block):
            return _event("content_block_stop", index=block.index)


def _delta(block: Block, piece: str) -> dict[str, Any]:
    match block.kind:
        case "tool":
            return {"type": "input_json_delta", "partial_json": piece}
        case "reasoning":
            return {"type": "thinking_delta", "thinking": piece}
    return {"type": "text_delta", "text": piece}


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))
