"""What an answer in OpenAI's format tells a strict reader, taken from the bytes that were seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from eval.bench.faults.client import Seen

SSE = "text/event-stream"


@dataclass(slots=True)
class Told:
    """Text, how it ended, and what is wrong with the format."""

    text: str = ""
    finished: int = 0  # how often a finish_reason came
    done: int = 0  # how often [DONE] came
    error: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    streamed: bool = False
    wrong: list[str] = field(default_factory=list)


def told(seen: Seen) -> Told:
    """Of an error's body as well as of an answer's."""
    kind = seen.headers.get("content-type", "")
    found = Told(streamed=kind.startswith(SSE))
    try:
        text = seen.body.decode()
    except UnicodeDecodeError as error:
        found.wrong.append(f"not UTF-8 at byte {error.start}")
        text = seen.body.decode("utf-8", "replace")
    if found.streamed:
        for data in _events(text):
            _add(found, data)
    elif kind.startswith("application/json"):
        _whole(found, text)
    elif text:
        found.wrong.append(f"content-type {kind or 'none'}")
    if "\ufffd" in found.text:
        found.wrong.append("mojibake")
    return found


def speaks(seen: Seen) -> bool:
    """Whether some of the answer's text has come."""
    return bool(told(seen).text)


def _events(text: str) -> Iterator[str]:
    """Of whole events alone: one that no empty line ends has not been sent."""
    whole, _, _ = text.replace("\r\n", "\n").rpartition("\n\n")
    for block in whole.split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in block.split("\n") if line[:5] == "data:"]
        if lines:
            yield "\n".join(lines)


def _add(found: Told, data: str) -> None:
    if found.done or found.error:
        found.wrong.append(f"more after the end: {data[:40]}")
    if data == "[DONE]":
        found.done += 1
        return
    payload = _object(found, data)
    if payload is None:
        return
    found.usage = payload.get("usage") or found.usage
    found.error = _error(payload) or found.error
    for choice in payload.get("choices") or []:
        found.text += (choice.get("delta") or {}).get("content") or ""
        found.finished += bool(choice.get("finish_reason"))


def _whole(found: Told, text: str) -> None:
    payload = _object(found, text)
    if payload is None:
        return
    found.usage = payload.get("usage")
    found.error = _error(payload)
    for choice in payload.get("choices") or []:
        found.text += (choice.get("message") or {}).get("content") or ""
        found.finished += bool(choice.get("finish_reason"))


def _object(found: Told, text: str) -> dict[str, Any] | None:
    try:
        payload = orjson.loads(text)
    except orjson.JSONDecodeError:
        found.wrong.append(f"not JSON: {text[:40]!r}")
        return None
    if not isinstance(payload, dict):
        found.wrong.append("not a JSON object")
        return None
    return payload


def _error(payload: dict[str, Any]) -> dict[str, Any] | None:
    error = payload.get("error")
    return error if isinstance(error, dict) else {"message": error} if error else None
