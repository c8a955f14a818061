"""What a provider is, and how its failures are told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from context.types import Prompt
from gateway.types import Events, Usage

Header: TypeAlias = tuple[bytes, bytes]
"""A header's name, in whatever case, and its value."""


@dataclass(slots=True)
class Call:
    """One call of one model: the prompt and the parameters that the caller set."""

    model: str
    prompt: Prompt
    stream: bool
    params: Mapping[str, Any] = field(default_factory=dict)  # OpenAI's names, n included
    verbatim: bool = False  # Verbatim and Completion will do where Deltas would
    observe: Callable[[Iterable[Header]], None] | None = None  # told every answer's headers
    placed: Mapping[str, Any] | None = None  # by the provider: which replica it chose, and why


@dataclass(frozen=True, slots=True)
class EmbeddingCall:
    """One call of one model that embeds: texts, or tokens of its own vocabulary."""

    model: str
    inputs: Sequence[str | Sequence[int]]
    params: Mapping[str, Any] = field(default_factory=dict)  # OpenAI's names


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors in the order of the inputs, as the provider wrote them: numbers, or the bytes of
    little-endian floats in base64."""

    vectors: Sequence[Sequence[float] | str]
    usage: Usage


class Embedder(Protocol):
    """Something that embeds. Every failure is a ProviderError."""

    async def embed(self, call: EmbeddingCall) -> Embedded: ...

    async def aclose(self) -> None: ...


class Provider(Protocol):
    """Something that completes chats.

    `start` returns a stream that has begun: it has seen the first content of the answer, or the
    whole answer where the caller does not stream. Until then every failure is a ProviderError
    (gateway.errors), and nothing has been shown to the client. A stream that ends early raises
    ProviderError from the iteration. Closing the stream closes the upstream connection.
    """

    async def start(self, call: Call) -> Events: ...

    async def aclose(self) -> None: ...
