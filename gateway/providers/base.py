"""What a provider is, and how its failures are told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from context.types import Prompt
from gateway.types import Events


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one model: the prompt and the parameters that the caller set."""

    model: str
    prompt: Prompt
    stream: bool
    params: Mapping[str, Any] = field(default_factory=dict)  # OpenAI's names, n included


class Provider(Protocol):
    """Something that completes chats.

    `start` returns a stream that has begun: it has seen the first content of the answer, or the
    whole answer where the caller does not stream. Until then every failure is a ProviderError
    (gateway.errors), and nothing has been shown to the client. A stream that ends early raises
    ProviderError from the iteration. Closing the stream closes the upstream connection.
    """

    async def start(self, call: Call) -> Events: ...

    async def aclose(self) -> None: ...
