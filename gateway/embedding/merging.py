"""Small requests that come within a moment of each other, as one call of the model.

Requests share a call only where all their parameters are equal. Each gets its own vectors, and its
share of the tokens by the length of its inputs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from gateway.embedding.types import Input
from gateway.errors import ProviderError
from gateway.providers.base import Embedded
from gateway.types import Usage

Called: TypeAlias = Callable[[Sequence[Input], Mapping[str, Any]], Awaitable[Embedded]]


@dataclass(slots=True)
class _Part:
    """One request's inputs, and where it waits for their vectors."""

    inputs: Sequence[Input]
    made: asyncio.Future[Embedded]

    @property
    def length(self) -> int:
        return sum(map(len, self.inputs)) or 1


@dataclass(slots=True)
class _Shared:
    """A call that is being filled."""

    params: Mapping[str, Any]
    parts: list[_Part] = field(default_factory=list)
    size: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Merging:
    """Fills calls up to `most` inputs, none of which waits longer than `wait` seconds."""

    def __init__(self, called: Called, most: int, wait: float) -> None:
        self._called = called
        self._most = most
        self._wait = wait
        self._filling: dict[bytes, _Shared] = {}

    async def embed(self, inputs: Sequence[Input], params: Mapping[str, Any]) -> Embedded:
        """Raises ProviderError."""
        key = orjson.dumps(params, option=orjson.OPT_SORT_KEYS)
        shared = self._filling.get(key)
        if shared is None or shared.size + len(inputs) > self._most:
            if shared:
                shared.full.set()
            shared = self._filling[key] = _Shared(params)
            shared.task = asyncio.create_task(self._filled(key, shared))
        part = _Part(inputs, asyncio.get_running_loop().create_future())
        shared.parts.append(part)
        shared.size += len(inputs)
        if shared.size == self._most:
            shared.full.set()
        try:
            return await part.made
        finally:
            # A call that nobody waits for any more costs money for nothing.
            if shared.task and all(each.made.done() for each in shared.parts):
                shared.task.cancel()
                self._leave(key, shared)

    def _leave(self, key: bytes, shared: _Shared) -> None:
        """Nobody joins it any more."""
        if self._filling.get(key) is shared:
            del self._filling[key]

    async def _filled(self, key: bytes, shared: _Shared) -> None:
        try:
            async with asyncio.timeout(self._wait):
                await shared.full.wait()
        except TimeoutError:
            pass  # whoever has come by now goes
        self._leave(key, shared)
        parts = [part for part in shared.parts if not part.made.done()]
        try:
            await self._answered(parts, shared.params)
        except Exception as error:
            for part in parts:
                if not part.made.done():
                    part.made.set_exception(error)

    async def _answered(self, parts: Sequence[_Part], params: Mapping[str, Any]) -> None:
        try:
            together = await self._called([one for part in parts for one in part.inputs], params)
        except ProviderError as error:
            if error.retryable or len(parts) == 1:
                raise
            # One bad input must not spoil what others asked for.
            await asyncio.gather(*(self._alone(part, params) for part in parts))
            return
        at = 0
        for part, tokens in zip(parts, _shares(together.usage.prompt, parts), strict=True):
            own = together.vectors[at : at + len(part.inputs)]
            at += len(part.inputs)
            if not part.made.done():
                usage = Usage(prompt=tokens, estimated=together.usage.estimated)
                part.made.set_result(Embedded(own, usage))

    async def _alone(self, part: _Part, params: Mapping[str, Any]) -> None:
        try:
            made = await self._called(part.inputs, params)
        except ProviderError as error:
            if not part.made.done():
                part.made.set_exception(error)
        else:
            if not part.made.done():
                part.made.set_result(made)


def _shares(tokens: int, parts: Sequence[_Part]) -> list[int]:
    """Whole tokens in proportion to the parts' lengths, which together are all of them."""
    total = sum(part.length for part in parts)
    shares, told, length = [], 0, 0
    for part in parts:
        length += part.length
        share = tokens * length // total - told
        told += share
        shares.append(share)
    return shares
