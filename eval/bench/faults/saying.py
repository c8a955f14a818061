"""What an upstream says, as steps: bytes of HTTP and of OpenAI's format, pauses, and how it stops.

Plain values; the upstream plays them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

import orjson

MOMENT = 0.05  # seconds between the pieces of what comes slowly
PROMPT_TOKENS = 20
# Characters of one to four bytes, so that every answer shows whether they stay whole.
TEXT = "The parcel for Zürich is on its way, the one for 東京 sails 🚢 on Monday and costs 5 €."
HEADS = {200: b"OK", 429: b"Too Many Requests", 500: b"Internal Server Error"}
JSON = b"application/json"
SSE = b"text/event-stream"
LAST_CHUNK = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the upstream sees it."""

    id: str  # of the request that it is made for
    stream: bool = False
    attempt: int = 1  # which call for this request it is
    reused: bool = False  # its connection has served another call before
    begun: str = ""  # what the caller has of the answer already and wants continued


@dataclass(frozen=True, slots=True)
class Say:
    """Bytes, and which part of the answer's text they finish telling."""

    data: bytes
    text: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing for a while."""

    seconds: float


class Stop(Enum):
    """How a connection is left other than ready for the next call."""

    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"  # open and silent, until the caller closes it


Step: TypeAlias = Say | Pause | Stop
Steps: TypeAlias = Iterable[Step]


def text_of(request: str) -> str:
    """The right answer. It begins with the request's id, so that no other can pass for it."""
    return f"{request} {TEXT}"


def words(call: Call) -> list[str]:
    """The right answer, or what is left of it, in tokens."""
    return re.findall(r"\s*\S+\s*", text_of(call.id).removeprefix(call.begun))


def head(content_type: bytes, *extra: bytes, status: int = 200, length: int | None = None) -> bytes:
    """A response's head; without a length the body comes in chunks."""
    framing = b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length
    first = b"HTTP/1.1 %d %b" % (status, HEADS.get(status, b"-"))
    return b"\r\n".join((first, b"content-type: " + content_type, framing, *extra, b"", b""))


def sized(body: bytes, *extra: bytes, status: int = 200, content_type: bytes = JSON) -> bytes:
    """A whole response with a length."""
    return head(content_type, *extra, status=status, length=len(body)) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(payload: Any) -> bytes:
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def delta(call: Call, fields: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A chunk of a streamed completion."""
    choice = {"index": 0, "delta": fields, "logprobs": None, "finish_reason": finish}
    return {**_top(call, "chat.completion.chunk"), "choices": [choice]}


def usage(call: Call) -> dict[str, int]:
    """A word is a token."""
    said = len(words(call))
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": said,
        "total_tokens": PROMPT_TOKENS + said,
    }


def completion(call: Call) -> bytes:
    """The whole answer as one JSON body."""
    message = {"role": "assistant", "content": "".join(words(call))}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = {**_top(call, "chat.completion"), "choices": [choice], "usage": usage(call)}
    return orjson.dumps(body)


def error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "server_error", "param": None, "code": code}}


def preamble(call: Call) -> bytes:
    """A stream's first event, which says nothing yet."""
    return event(delta(call, {"role": "assistant", "content": ""}))


def events(call: Call, most: int | None = None) -> Iterator[Say]:
    """The answer's words as events, without framing."""
    for word in words(call)[:most]:
        yield Say(event(delta(call, {"content": word})), word)


def ending(call: Call) -> Iterator[Say]:
    """What follows the last word of a stream, without framing."""
    yield Say(event(delta(call, {}, "stop")))
    yield Say(event({**_top(call, "chat.completion.chunk"), "choices": [], "usage": usage(call)}))
    yield Say(DONE)


def framed(steps: Iterable[Say]) -> Iterator[Say]:
    """Each as a chunk of HTTP."""
    for step in steps:
        yield Say(chunk(step.data), step.text)


def opened(call: Call) -> Iterator[Step]:
    """A stream's head and its first words, and time for them to be read."""
    yield Say(head(SSE) + chunk(preamble(call)))
    yield from framed(events(call, 3))
    yield Pause(MOMENT)


def told(call: Call) -> Iterator[Step]:
    """A stream without its ending."""
    yield Say(head(SSE) + chunk(preamble(call)))
    yield from framed(events(call))


def answer(call: Call) -> Iterator[Step]:
    """What it should be."""
    if call.stream:
        yield from told(call)
        yield from framed(ending(call))
        yield Say(LAST_CHUNK)
    else:
        yield Say(sized(completion(call)), "".join(words(call)))


def _top(call: Call, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{call.id}", "object": kind, "created": 1_700_000_000, "model": "m"}
