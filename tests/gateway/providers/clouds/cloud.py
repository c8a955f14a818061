"""What a simulated cloud has to be able to say, and what is to be seen of a request to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.providers.config import LiteLlmProvider
from gateway.types import Usage
from tests.gateway.providers.scripted import answer, chunked

SECRET = "a-secret-of-the-gateway"


@dataclass(frozen=True)
class Said:
    """An answer, in pieces where it is streamed, that may call a tool."""

    pieces: tuple[str, ...] = ("Your parcel ", "is in ", "Hamburg.")
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def argument_pieces(self) -> tuple[str, str]:
        """The arguments' JSON, broken where it is not whole."""
        text = json.dumps(self.arguments)
        return text[:6], text[6:]


TEXT = Said()
TOOL = Said(("Let me see.",), "find_parcel", {"city": "Hamburg", "urgent": True})


@dataclass(frozen=True)
class Asked:
    """A request, in words that every cloud shares."""

    secret: bool  # it authenticates, in the place where the cloud looks
    system: str
    user: str  # the text of the last message
    image: str  # base64 of the picture in it
    limit: int  # tokens of the answer
    tools: Mapping[str, Any]  # schema of the arguments by name


class Cloud(Protocol):
    """One cloud's wire format."""

    name: str
    usage: Usage  # of every answer
    overloaded: int  # the status with which it says so

    def config(self, port: int) -> LiteLlmProvider: ...

    def before(self) -> tuple[bytes, ...]:
        """What the server answers before it is asked for a chat."""

    def plain(self, said: Said) -> bytes: ...

    def streamed(self, said: Said, *, whole: bool = True, end: bool = True) -> bytes:
        """Without its last events where it is not whole; broken off where it has no end."""

    def error(self, status: int, message: str, headers: str = "") -> bytes: ...

    def too_long(self) -> bytes:
        """The prompt does not fit."""

    def asked(self, head: str, body: dict[str, Any]) -> Asked: ...


def told(body: Any, status: int = 200, headers: str = "") -> bytes:
    """A response of JSON."""
    return answer(json.dumps(body).encode(), status, extra=headers)


def events(each: Iterable[Any], *, named: bool = False, end: bool = True) -> bytes:
    """Server-sent events; `named` by their type."""
    pieces = []
    for event in each:
        name = f"event: {event['type']}\n" if named else ""
        data = event if isinstance(event, str) else json.dumps(event)
        pieces.append(f"{name}data: {data}\n\n".encode())
    return chunked(*pieces, end=end)
