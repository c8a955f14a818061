"""Items of the Responses API as the messages of a chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.api.body import unsupported
from gateway.errors import InvalidRequest

ROLES = frozenset({"user", "assistant", "system", "developer"})


def messages_of(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The conversation that the items are. Raises InvalidRequest that names the item."""
    messages: list[dict[str, Any]] = []
    for place, item in enumerate(items):
        path = f"input.{place}"
        match item.get("type") or "message":
            case "message":
                _say(messages, _message(item, path))
            case "function_call":
                _call(messages, _tool_call(item, path))
            case "function_call_output":
                messages.append(_tool_result(item, path))
            case "reasoning":
                continue  # another model's thoughts are of no use to this one
            case other:
                raise unsupported(f"{path}.type", f"there are no items of type '{other}' here.")
    return messages


def as_items(given: str | list[dict[str, Any]], trace_id: str) -> list[dict[str, Any]]:
    """An input as items that have an id each, as they are listed later."""
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    return [_item(item, f"{trace_id}_{place}") for place, item in enumerate(given)]


def _item(item: dict[str, Any], suffix: str) -> dict[str, Any]:
    if (item.get("type") or "message") != "message":
        return {"id": f"item_{suffix}", "status": "completed", **item}
    content = item.get("content")
    if isinstance(content, str):
        kind = "output_text" if item.get("role") == "assistant" else "input_text"
        part = {"type": kind, "text": content}
        content = [part | {"annotations": []} if kind == "output_text" else part]
    listed = {"id": f"msg_{suffix}", "status": "completed", **item}
    return listed | {"type": "message", "content": content}


def _message(item: Mapping[str, Any], path: str) -> dict[str, Any]:
    role, content = item.get("role"), item.get("content")
    if role not in ROLES:
        raise InvalidRequest(f"There is no role {role!r}.", param=f"{path}.role")
    if isinstance(content, str):
        return {"role": role, "content": content}
    return {"role": role, "content": _plain(_parts(content, f"{path}.content"))}


def _parts(content: Any, path: str) -> list[dict[str, Any]]:
    if not isinstance(content, list):
        raise InvalidRequest("Content is a string or a list of parts.", param=path)
    return [_part(part, f"{path}.{place}") for place, part in enumerate(content)]


def _part(part: Any, path: str) -> dict[str, Any]:
    match part:
        case {"type": "input_text" | "output_text" | "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "refusal", "refusal": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "input_image", "image_url": str(url)}:
            detail = {"detail": part["detail"]} if part.get("detail") else {}
            return {"type": "image_url", "image_url": {"url": url, **detail}}
        case {"type": "input_file", "file_data": str(data)}:
            name = {"filename": part["filename"]} if part.get("filename") else {}
            return {"type": "file", "file": {**name, "file_data": data}}
        case {"type": "input_audio", "input_audio": dict(audio)}:
            return {"type": "input_audio", "input_audio": audio}
        case {"type": "input_image" | "input_file", **given}:
            field = next((name for name in ("file_id", "file_url") if given.get(name)), "type")
            raise unsupported(f"{path}.{field}", "send the content itself; no files are kept here.")
        case {"type": str(kind)}:
            raise unsupported(f"{path}.type", f"this is no '{kind}' part that can be read.")
    raise InvalidRequest("A part is an object with a type.", param=path)


def _plain(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Text alone as a string: some models take nothing else."""
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _tool_call(item: Mapping[str, Any], path: str) -> dict[str, Any]:
    for name in ("call_id", "name", "arguments"):
        if not isinstance(item.get(name), str):
            raise InvalidRequest(f"A function call has a string '{name}'.", param=f"{path}.{name}")
    function = {"name": item["name"], "arguments": item["arguments"]}
    return {"id": item["call_id"], "type": "function", "function": function}


def _tool_result(item: Mapping[str, Any], path: str) -> dict[str, Any]:
    call, output = item.get("call_id"), item.get("output")
    if not isinstance(call, str):
        raise InvalidRequest("A function's output names its call.", param=f"{path}.call_id")
    if not isinstance(output, str):
        output = _plain(_parts(output, f"{path}.output"))
    return {"role": "tool", "tool_call_id": call, "content": output}


def _say(messages: list[dict[str, Any]], message: dict[str, Any]) -> None:
    """Append a message; what an assistant says beside a call of a tool belongs to the call."""
    last = messages[-1] if messages else {}
    if message["role"] == "assistant" and last.get("tool_calls") and last["content"] is None:
        last["content"] = message["content"]
    else:
        messages.append(message)


def _call(messages: list[dict[str, Any]], call: dict[str, Any]) -> None:
    """Append a call of a tool to the assistant's turn, which may have several."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    messages[-1].setdefault("tool_calls", []).append(call)
