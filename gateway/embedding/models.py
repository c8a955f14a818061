"""Who embeds for clients: the built-in encoder, and the models that providers embed with."""

from __future__ import annotations

import asyncio
import base64
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

from gateway.embedding.batches import Batches
from gateway.embedding.types import EmbeddingAsk, Input, Vector
from gateway.errors import (
    Forbidden,
    InvalidRequest,
    NoModelAvailable,
    ProviderError,
    SourcesUnavailable,
    UnknownModel,
    WindowExceeded,
)
from gateway.providers.base import Embedded
from gateway.screening import Screen
from gateway.sizes import CHARACTERS_PER_TOKEN
from gateway.tracing.trace import Span
from gateway.types import Caller, Usage
from retrieval.types import Encoder, RetrievalError
from routing.types import lies_in

CALLERS_FAULT = frozenset({400, 413, 422})


class EmbeddingModels:
    """All that can be named in a request."""

    def __init__(
        self,
        encoder: Encoder,
        remote: Mapping[str, Batches],
        screen: Screen,
        places: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`places` are the providers' regions."""
        self._places = places
        self._built_in = BuiltIn(encoder)
        self._own = {"auto", "default", encoder.name, encoder.name.removesuffix("-int8")}
        self._remote = {name: Remote(name, batches, screen) for name, batches in remote.items()}

    def names(self) -> list[str]:
        """What a request may name beyond the built-in encoder: `provider/model`."""
        return list(self._remote)

    def chosen(self, caller: Caller, name: str, within: Sequence[str] = ()) -> Embeds:
        """Raises UnknownModel, also for a model that the caller may not use, and Forbidden for one
        beyond the regions `within` which the texts have to stay."""
        if name in self._own:
            return self._built_in
        full = next((n for n in self._remote if name in (n, n.partition("/")[2])), None)
        allowed = caller.models
        if full is None or (allowed and not {name, full, full.partition("/")[2]} & set(allowed)):
            known = ", ".join([*sorted(self._own - {"auto", "default"}), *self._remote])
            raise UnknownModel(
                f"'{name}' does not embed, or is not allowed for this key. Known are: {known}.",
                param="model",
            )
        place = self._places.get(full.partition("/")[0], "")
        if beyond := [each for each in within if not lies_in(place, each)]:
            raise Forbidden(f"'{full}' does not run in {' and '.join(beyond)}.", param="model")
        return self._remote[full]


class Embeds(Protocol):
    """One model."""

    @property
    def name(self) -> str:
        """provider/model"""
        ...

    async def measured(self, ask: EmbeddingAsk) -> int:
        """The tokens that it will take, near enough. Raises InvalidRequest."""
        ...

    async def embed(self, ask: EmbeddingAsk, tokens: int, span: Span) -> Embedded:
        """Raises GatewayError."""
        ...


class BuiltIn:
    """The encoder that passages are indexed with."""

    def __init__(self, encoder: Encoder) -> None:
        self.name = f"moorline/{encoder.name}"
        self._encoder = encoder

    async def measured(self, ask: EmbeddingAsk) -> int:
        """See Embeds."""
        encoder = self._encoder
        if ask.dimensions not in (None, encoder.size):
            raise InvalidRequest(f"This encoder has {encoder.size} dimensions.", param="dimensions")
        if len(ask.texts) < len(ask.inputs):
            raise InvalidRequest(
                f"{encoder.name} takes texts; tokens mean something to one model only.",
                param="input",
            )
        counts = await asyncio.to_thread(lambda: [encoder.count(text) for text in ask.texts])
        longest = max(counts)
        if longest > encoder.window:
            place = counts.index(longest)
            raise InvalidRequest(
                f"Input {place} has {longest} tokens; {encoder.name} takes {encoder.window}.",
                param="input",
            )
        return sum(counts)

    async def embed(self, ask: EmbeddingAsk, tokens: int, span: Span) -> Embedded:
        """See Embeds."""
        try:
            rows = await self._encoder.passages(ask.texts)
        except RetrievalError as error:
            raise SourcesUnavailable(str(error)) from error
        floats = [row.astype("<f4") for row in rows]
        vectors: list[Vector] = (
            [base64.b64encode(row.tobytes()).decode() for row in floats]
            if ask.base64
            else [row.tolist() for row in floats]
        )
        return Embedded(vectors, Usage(prompt=tokens))


@dataclass(frozen=True, slots=True)
class Remote:
    """A model of a provider."""

    name: str
    batches: Batches
    screen: Screen

    async def measured(self, ask: EmbeddingAsk) -> int:
        """See Embeds."""
        return sum(map(_length, ask.inputs))

    async def embed(self, ask: EmbeddingAsk, tokens: int, span: Span) -> Embedded:
        """See Embeds."""
        inputs: Sequence[Input] = ask.inputs
        if texts := ask.texts:
            inputs = await self.screen.texts(texts, span)
        try:
            with _recorded(self.name, span):
                made = await self.batches.embed(inputs, _params(ask))
        except WindowExceeded as error:
            raise InvalidRequest(error.message, param="input") from error
        except ProviderError as error:
            if error.upstream_status in CALLERS_FAULT:
                raise InvalidRequest(error.message, param=error.param) from error
            raise NoModelAvailable(
                f"'{self.name}' did not embed: {error.message}", retry_after=error.retry_after
            ) from error
        usage = made.usage if made.usage.prompt else Usage(prompt=tokens, estimated=True)
        return replace(made, vectors=[_as(ask.base64, v) for v in made.vectors], usage=usage)


@contextmanager
def _recorded(model: str, span: Span) -> Iterator[None]:
    """However many batches and retries there are, for the trace they are one attempt."""
    began, failure = time.monotonic(), "cancelled"
    try:
        yield
        failure = ""
    except ProviderError as error:
        failure = error.message
        raise
    finally:
        ms = round((time.monotonic() - began) * 1000, 3)
        span.set(attempts=[{"model": model, "ms": ms, "error": failure or None}])


def _length(one: Input) -> int:
    return len(one) // CHARACTERS_PER_TOKEN + 1 if isinstance(one, str) else len(one)


def _params(ask: EmbeddingAsk) -> dict[str, Any]:
    params = {**ask.params, "encoding_format": "base64" if ask.base64 else "float"}
    return params if ask.dimensions is None else params | {"dimensions": ask.dimensions}


def _as(wanted_base64: bool, vector: Vector) -> Vector:
    """The vector as it was asked for, also where the provider knows only the other way."""
    if isinstance(vector, str):
        return vector if wanted_base64 else array("f", base64.b64decode(vector)).tolist()
    return base64.b64encode(array("f", vector).tobytes()).decode() if wanted_base64 else vector
