"""Turns of Anthropic's Messages API as messages of a chat.

A user's turn may answer several calls of tools and say something besides: those are messages of
their own in a chat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from gateway.api.body import unsupported
from gateway.errors import InvalidRequest

THOUGHTS = frozenset({"thinking", "redacted_thinking"})  # signed for the model that had them


def messages_of(role: str, content: str | list[dict[str, Any]], path: str) -> list[dict[str, Any]]:
    """One turn. Raises InvalidRequest that names the block."""
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    if role == "assistant":
        return [_assistant(content, path)]
    return _user(role, content, path)


def text_of(blocks: Iterable[Mapping[str, Any]]) -> str:
    """The texts of blocks that are nothing else."""
    return "\n\n".join(block["text"] for block in blocks)


def _assistant(blocks: list[dict[str, Any]], path: str) -> dict[str, Any]:
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    for place, block in enumerate(blocks):
        match block:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "tool_use", "id": str(name), "name": str(tool), "input": dict(given)}:
                function = {"name": tool, "arguments": orjson.dumps(given).decode()}
                calls.append({"id": name, "type": "function", "function": function})
            case {"type": str(kind)} if kind in THOUGHTS:
                continue
            case _:
                raise _unreadable(block, f"{path}.{place}")
    content = "".join(texts) or (None if calls else "")
    message: dict[str, Any] = {"role": "assistant", "content": content}
    return message | {"tool_calls": calls} if calls else message


def _user(role: str, blocks: list[dict[str, Any]], path: str) -> list[dict[str, Any]]:
    """Results first, as they follow their calls; then what the user says, and sees."""
    results: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for place, block in enumerate(blocks):
        if block.get("type") == "tool_result":
            result, seen = _result(block, f"{path}.{place}")
            results.append(result)
            said += seen
        else:
            said.append(_part(block, f"{path}.{place}"))
    if not said:
        return results
    plain = all(part["type"] == "text" for part in said)
    return [*results, {"role": role, "content": text_of(said) if plain else said}]


def _result(block: dict[str, Any], path: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What a tool has said, and the pictures it showed: in a chat only a user shows pictures."""
    call, content = block.get("tool_use_id"), block.get("content") or ""
    if not isinstance(call, str):
        raise InvalidRequest("A result names its call.", param=f"{path}.tool_use_id")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise InvalidRequest("Content is a string or blocks.", param=f"{path}.content")
    parts = [_part(each, f"{path}.content.{place}") for place, each in enumerate(content)]
    text = text_of(part for part in parts if part["type"] == "text")
    if block.get("is_error"):
        text = f"The tool failed: {text}"
    seen = [part for part in parts if part["type"] != "text"]
    return {"role": "tool", "tool_call_id": call, "content": text}, seen


def _part(block: Any, path: str) -> dict[str, Any]:
    match block:
        case {"type": "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "image", "source": dict(source)}:
            return {"type": "image_url", "image_url": {"url": _url(source, f"{path}.source")}}
        case {"type": "document", "source": {"type": "text", "data": str(text)}}:
            return {"type": "text", "text": text}
        case {"type": "document", "source": {"type": "base64"} as source}:
            name = {"filename": str(block.get("title") or "document.pdf")}
            return {"type": "file", "file": {**name, "file_data": _url(source, f"{path}.source")}}
        case {"type": "search_result", "content": list(content)}:
            return {"type": "text", "text": text_of(_part(each, path) for each in content)}
    raise _unreadable(block, path)


def _url(source: Mapping[str, Any], path: str) -> str:
    match source:
        case {"type": "url", "url": str(url)}:
            return url
        case {"type": "base64", "media_type": str(media), "data": str(data)}:
            return f"data:{media};base64,{data}"
    raise unsupported(f"{path}.type", "send the content as base64, or a URL of a picture.")


def _unreadable(block: Any, path: str) -> InvalidRequest:
    kind = block.get("type") if isinstance(block, dict) else None
    if isinstance(kind, str):
        return unsupported(f"{path}.type", f"this is no '{kind}' block that can be read here.")
    return InvalidRequest("A block is an object with a type.", param=path)
