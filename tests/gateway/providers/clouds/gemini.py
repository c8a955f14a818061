"""Google's generateContent, with an API key."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from gateway.providers.config import LiteLlmProvider, ModelConfig
from gateway.types import Usage
from tests.gateway.providers.clouds.cloud import SECRET, Asked, Said, events, told

KINDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
USED = {
    "promptTokenCount": 60,
    "cachedContentTokenCount": 30,
    "candidatesTokenCount": 12,
    "thoughtsTokenCount": 8,
    "totalTokenCount": 80,
}


class Gemini:
    name = "gemini"
    usage = Usage(60, 20, cached=30, reasoning=8)
    overloaded = 503

    def config(self, port: int) -> LiteLlmProvider:
        return LiteLlmProvider(
            kind="litellm",
            models=(ModelConfig(name="gemini/gemini-2.5-pro"),),
            api_base=f"http://127.0.0.1:{port}/v1beta",
            api_key=SecretStr(SECRET),
        )

    def before(self) -> tuple[bytes, ...]:
        return ()

    def plain(self, said: Said) -> bytes:
        return told(_answer(said, (said.text,), last=True))

    def streamed(self, said: Said, *, whole: bool = True, end: bool = True) -> bytes:
        each = [_answer(Said(()), (piece,), last=False) for piece in said.pieces]
        if whole:
            each.append(_answer(said, (), last=True))
        return events(each, end=end)

    def error(self, status: int, message: str, headers: str = "") -> bytes:
        error = {"code": status, "message": message, "status": KINDS[status]}
        return told({"error": error}, status, headers)

    def too_long(self) -> bytes:
        return self.error(
            400,
            "The input token count (1200000) exceeds the maximum number of tokens allowed "
            "(1048576).",
        )

    def asked(self, head: str, body: dict[str, Any]) -> Asked:
        text, image = body["contents"][-1]["parts"]
        return Asked(
            secret=self._authenticated(head),
            system=body["system_instruction"]["parts"][0]["text"],
            user=text["text"],
            image=image["inline_data"]["data"],
            limit=body["generationConfig"]["max_output_tokens"],
            tools={
                each["name"]: each["parameters"]
                for tool in body["tools"]
                for each in tool["function_declarations"]
            },
        )

    def _authenticated(self, head: str) -> bool:
        return f"x-goog-api-key: {SECRET}" in head


def _answer(said: Said, texts: tuple[str, ...], *, last: bool) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"text": text} for text in texts]
    if said.tool:
        parts.append({"functionCall": {"name": said.tool, "args": said.arguments}})
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
    if last:
        candidate["finishReason"] = "STOP"
    return {
        "candidates": [candidate],
        "modelVersion": "gemini-2.5-pro",
        "responseId": "r1",
        **({"usageMetadata": USED} if last else {}),
    }
