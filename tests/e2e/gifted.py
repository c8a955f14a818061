"""An upstream that thinks aloud, calls the tools that it is given, and writes JSON where it is
asked to: what the clients' own examples need of a model."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from tests.gateway.providers.scripted import answer, chunked

CALLS = (("call_a", "weather", '{"city": "Paris"}'), ("call_b", "weather", '{"city": "Rome"}'))
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 8,
    "total_tokens": 28,
    "prompt_tokens_details": {"cached_tokens": 5},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


class Gifted:
    """The model behind the server; `last` is what it was asked last."""

    def __init__(self) -> None:
        self.last: dict[str, Any] = {}
        self.left = 0
        self.sizes: list[int] = []  # inputs of each call that embeds

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        while head := await _head(reader):
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            self.last = json.loads(await reader.readexactly(int(length[1]) if length else 0))
            if self.last["model"] == "patient":  # says nothing until it is left
                await reader.read()
                self.left += 1
                return
            writer.write(self._answer(self.last))
            await writer.drain()

    def _answer(self, asked: dict[str, Any]) -> bytes:
        if "input" in asked:
            return self._embedded(asked["input"])
        deltas, finish = _said(asked)
        if not asked.get("stream"):
            return answer(json.dumps(_whole(deltas, finish)).encode())
        chunks: list[Any] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        chunks.append({"choices": [], "usage": USAGE})
        lines = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
        return chunked(*lines, b"data: [DONE]\n\n")

    def _embedded(self, inputs: list[Any]) -> bytes:
        """The vector of an input is its length and what it begins with; the last comes first."""
        self.sizes.append(len(inputs))
        rows = [
            {"index": place, "embedding": [float(len(one)), float(ord(str(one[0])[0]))]}
            for place, one in enumerate(inputs)
        ]
        body = {"data": rows[::-1], "usage": {"prompt_tokens": sum(map(len, inputs))}}
        return answer(json.dumps(body).encode())


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _said(asked: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The pieces of the answer, and why it ends."""
    last = asked["messages"][-1]
    if asked.get("response_format"):
        return _pieces('{"city": "Paris", "degrees": 21}'), "stop"
    if asked.get("tools") and last["role"] != "tool":
        thoughts = [{"reasoning_content": piece} for piece in ("I should ", "look.")]
        return [*thoughts, *_pieces("Let me look."), *_calls()], "tool_calls"
    told = [message["content"] for message in asked["messages"] if message["role"] == "tool"]
    earlier = [str(m["content"]) for m in asked["messages"] if m["role"] == "user"]
    text = f"The tools said: {'; '.join(told)}." if told else f"You said: {' / '.join(earlier)}."
    return _pieces(text), "stop"


def _pieces(text: str) -> list[dict[str, Any]]:
    return [{"content": piece} for piece in re.findall(r"\S+\s*", text)]


def _calls() -> list[dict[str, Any]]:
    """Each call in two pieces, one call after the other."""
    pieces = []
    for index, (name, tool, arguments) in enumerate(CALLS):
        function = {"name": tool, "arguments": arguments[:6]}
        first = {"index": index, "id": name, "type": "function", "function": function}
        pieces += [first, {"index": index, "function": {"arguments": arguments[6:]}}]
    return [{"tool_calls": [piece]} for piece in pieces]


def _whole(deltas: list[dict[str, Any]], finish: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant"}
    for name in ("content", "reasoning_content"):
        message[name] = "".join(delta.get(name, "") for delta in deltas)
    if finish == "tool_calls":
        message["tool_calls"] = [
            {"id": name, "type": "function", "function": {"name": tool, "arguments": arguments}}
            for name, tool, arguments in CALLS
        ]
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": USAGE}
