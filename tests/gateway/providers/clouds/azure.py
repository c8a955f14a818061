"""Azure OpenAI: OpenAI's chat completions under a deployment's path, with filters' findings."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from gateway.providers.config import LiteLlmProvider, ModelConfig
from gateway.types import Usage
from tests.gateway.providers.clouds.cloud import SECRET, Asked, Said, events, told

USED = {
    "prompt_tokens": 60,
    "completion_tokens": 20,
    "total_tokens": 80,
    "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 8, "audio_tokens": 0},
}
FILTERED = {"hate": {"filtered": False, "severity": "safe"}}


class Azure:
    name = "azure"
    usage = Usage(60, 20, cached=30, reasoning=8)
    overloaded = 503

    def config(self, port: int) -> LiteLlmProvider:
        return LiteLlmProvider(
            kind="litellm",
            models=(ModelConfig(name="azure/our-deployment"),),
            api_base=f"http://127.0.0.1:{port}",
            api_key=SecretStr(SECRET),
            options={"api_version": SecretStr("2024-10-21")},
        )

    def before(self) -> tuple[bytes, ...]:
        return ()

    def plain(self, said: Said) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": said.text}
        if said.tool:
            message["tool_calls"] = [_call(said, "".join(said.argument_pieces))]
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": "tool_calls" if said.tool else "stop",
            "content_filter_results": FILTERED,
        }
        return told(
            {
                "id": "c1",
                "object": "chat.completion",
                "created": 1,
                "model": "gpt-4o",
                "choices": [choice],
                "usage": USED,
            }
        )

    def streamed(self, said: Said, *, whole: bool = True, end: bool = True) -> bytes:
        filters = [{"prompt_index": 0, "content_filter_results": FILTERED}]
        each: list[Any] = [{**_chunk(), "choices": [], "prompt_filter_results": filters}]
        each.append(_chunk({"role": "assistant", "content": ""}))
        each += [_chunk({"content": piece}) for piece in said.pieces]
        if said.tool:
            first, then = said.argument_pieces
            later = {"index": 0, "function": {"arguments": then}}
            each.append(_chunk({"tool_calls": [{"index": 0, **_call(said, first)}]}))
            each.append(_chunk({"tool_calls": [later]}))
        if whole:
            each.append(_chunk({}, finish="tool_calls" if said.tool else "stop"))
            each.append({**_chunk(), "choices": [], "usage": USED})
            each.append("[DONE]")
        return events(each, end=end)

    def error(self, status: int, message: str, headers: str = "") -> bytes:
        return told({"error": {"code": str(status), "message": message}}, status, headers)

    def too_long(self) -> bytes:
        message = (
            "This model's maximum context length is 128000 tokens. However, your messages "
            "resulted in 130000 tokens. Please reduce the length of the messages."
        )
        error = {"code": "context_length_exceeded", "message": message, "param": "messages"}
        return told({"error": {**error, "type": "invalid_request_error"}}, 400)

    def asked(self, head: str, body: dict[str, Any]) -> Asked:
        system, user = body["messages"]
        text, image = user["content"]
        return Asked(
            secret=f"api-key: {SECRET}" in head and "/deployments/our-deployment/" in head,
            system=system["content"],
            user=text["text"],
            image=image["image_url"]["url"].partition(",")[2],
            limit=body["max_tokens"],
            tools={
                each["function"]["name"]: each["function"]["parameters"] for each in body["tools"]
            },
        )


def _call(said: Said, arguments: str) -> dict[str, Any]:
    function = {"name": said.tool, "arguments": arguments}
    return {"id": "t1", "type": "function", "function": function}


def _chunk(delta: Any = None, finish: str | None = None) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
