"""Amazon Bedrock's Converse: signed requests, and streams in AWS's binary event format."""

from __future__ import annotations

import json
import re
import struct
from typing import Any
from zlib import crc32

from pydantic import SecretStr

from gateway.providers.config import LiteLlmProvider, ModelConfig
from gateway.types import Parts, Usage
from tests.gateway.providers.clouds.cloud import SECRET, Asked, Said, told
from tests.gateway.providers.scripted import chunked

USED = {
    "inputTokens": 10,
    "outputTokens": 12,
    "totalTokens": 72,
    "cacheReadInputTokens": 30,
    "cacheWriteInputTokens": 20,
}
KINDS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
SIGNED = re.compile(
    r"authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/eu-west-1/bedrock/aws4_request, "
    r"SignedHeaders=[a-z0-9;-]+, Signature=[0-9a-f]{64}"
)


class Bedrock:
    name = "bedrock"
    usage = Usage(60, 12, cached=30, parts=Parts(cache_written=20))
    overloaded = 503

    def config(self, port: int) -> LiteLlmProvider:
        return LiteLlmProvider(
            kind="litellm",
            models=(ModelConfig(name="bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0"),),
            options={
                "aws_bedrock_runtime_endpoint": SecretStr(f"http://127.0.0.1:{port}"),
                "aws_region_name": SecretStr("eu-west-1"),
                "aws_access_key_id": SecretStr("AKIDEXAMPLE"),
                "aws_secret_access_key": SecretStr(SECRET),
            },
        )

    def before(self) -> tuple[bytes, ...]:
        return ()

    def plain(self, said: Said) -> bytes:
        content: list[dict[str, Any]] = [{"text": said.text}]
        if said.tool:
            use = {"toolUseId": "t1", "name": said.tool, "input": said.arguments}
            content.append({"toolUse": use})
        return told(
            {
                "output": {"message": {"role": "assistant", "content": content}},
                "stopReason": "tool_use" if said.tool else "end_turn",
                "usage": USED,
                "metrics": {"latencyMs": 1},
            }
        )

    def streamed(self, said: Said, *, whole: bool = True, end: bool = True) -> bytes:
        each = [_event("messageStart", {"role": "assistant"})]
        each += [_delta(0, {"text": piece}) for piece in said.pieces]
        each.append(_event("contentBlockStop", {"contentBlockIndex": 0}))
        if said.tool:
            use = {"toolUse": {"toolUseId": "t1", "name": said.tool}}
            each.append(_event("contentBlockStart", {"start": use, "contentBlockIndex": 1}))
            each += [_delta(1, {"toolUse": {"input": part}}) for part in said.argument_pieces]
            each.append(_event("contentBlockStop", {"contentBlockIndex": 1}))
        if whole:
            reason = "tool_use" if said.tool else "end_turn"
            each.append(_event("messageStop", {"stopReason": reason}))
            each.append(_event("metadata", {"usage": USED, "metrics": {"latencyMs": 1}}))
        return chunked(*each, content_type="application/vnd.amazon.eventstream", end=end)

    def error(self, status: int, message: str, headers: str = "") -> bytes:
        kind = f"x-amzn-errortype: {KINDS[status]}\r\n"
        return told({"message": message}, status, kind + headers)

    def too_long(self) -> bytes:
        return self.error(400, "Input is too long for requested model.")

    def asked(self, head: str, body: dict[str, Any]) -> Asked:
        text, image = body["messages"][-1]["content"]
        return Asked(
            secret=bool(SIGNED.search(head)),
            system=body["system"][0]["text"],
            user=text["text"],
            image=image["image"]["source"]["bytes"],
            limit=body["inferenceConfig"]["maxTokens"],
            tools={
                each["toolSpec"]["name"]: each["toolSpec"]["inputSchema"]["json"]
                for each in body["toolConfig"]["tools"]
            },
        )


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return _event("contentBlockDelta", {"delta": delta, "contentBlockIndex": index})


def _event(kind: str, payload: dict[str, Any]) -> bytes:
    """A message of application/vnd.amazon.eventstream: lengths, their checksum, headers, payload,
    checksum of all."""
    named = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(_header(name, value) for name, value in named.items())
    body = json.dumps(payload).encode()
    lengths = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    message = lengths + struct.pack(">I", crc32(lengths)) + headers + body
    return message + struct.pack(">I", crc32(message))


def _header(name: str, value: str) -> bytes:
    text = 7  # the type of a value
    return (
        bytes([len(name)]) + name.encode() + struct.pack(">BH", text, len(value)) + value.encode()
    )
