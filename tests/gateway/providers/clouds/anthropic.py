"""Anthropic's Messages."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from gateway.providers.config import LiteLlmProvider, ModelConfig
from gateway.types import Parts, Usage
from tests.gateway.providers.clouds.cloud import SECRET, Asked, Said, events, told

READ = {
    "input_tokens": 10,
    "cache_read_input_tokens": 30,
    "cache_creation_input_tokens": 20,
    "cache_creation": {"ephemeral_5m_input_tokens": 15, "ephemeral_1h_input_tokens": 5},
}
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


class Anthropic:
    name = "anthropic"
    usage = Usage(60, 12, cached=30, parts=Parts(cache_written=20, cache_written_1h=5))
    overloaded = 529

    def config(self, port: int) -> LiteLlmProvider:
        return LiteLlmProvider(
            kind="litellm",
            models=(ModelConfig(name="anthropic/claude-sonnet-4-5"),),
            api_base=f"http://127.0.0.1:{port}",
            api_key=SecretStr(SECRET),
        )

    def before(self) -> tuple[bytes, ...]:
        return ()

    def plain(self, said: Said) -> bytes:
        content: list[dict[str, Any]] = [{"type": "text", "text": said.text}]
        if said.tool:
            content.append(
                {"type": "tool_use", "id": "t1", "name": said.tool, "input": said.arguments}
            )
        return told(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-4-5",
                "content": content,
                "stop_reason": "tool_use" if said.tool else "end_turn",
                "usage": READ | {"output_tokens": 12},
            }
        )

    def streamed(self, said: Said, *, whole: bool = True, end: bool = True) -> bytes:
        message: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [],
            "stop_reason": None,
            "usage": READ | {"output_tokens": 1},
        }
        each: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
        each += _block(0, {"type": "text", "text": ""}, "text", said.pieces)
        if said.tool:
            start = {"type": "tool_use", "id": "t1", "name": said.tool, "input": {}}
            each += _block(1, start, "partial_json", said.argument_pieces)
        stop = {"stop_reason": "tool_use" if said.tool else "end_turn", "stop_sequence": None}
        if whole:
            each.append({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 12}})
            each.append({"type": "message_stop"})
        return events(each, named=True, end=end)

    def error(self, status: int, message: str, headers: str = "") -> bytes:
        error = {"type": KINDS[status], "message": message}
        return told({"type": "error", "error": error}, status, headers)

    def too_long(self) -> bytes:
        return self.error(400, "prompt is too long: 210001 tokens > 200000 maximum")

    def asked(self, head: str, body: dict[str, Any]) -> Asked:
        text, image = body["messages"][-1]["content"]
        return Asked(
            secret=self._authenticated(head),
            system=body["system"][0]["text"],
            user=text["text"],
            image=image["source"]["data"],
            limit=body["max_tokens"],
            tools={tool["name"]: tool["input_schema"] for tool in body["tools"]},
        )

    def _authenticated(self, head: str) -> bool:
        return f"x-api-key: {SECRET}" in head


def _block(index: int, start: Any, key: str, pieces: tuple[str, ...]) -> list[dict[str, Any]]:
    kind = {"text": "text_delta", "partial_json": "input_json_delta"}[key]
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *(
            {
                "type": "content_block_delta",
                "index": index,
                "delta": {"type": kind, key: piece},
            }
            for piece in pieces
        ),
        {"type": "content_block_stop", "index": index},
    ]
