"""A model that is none: the same prompt gets the same words, as slowly and faultily as is wished.

It lives in this process and needs nothing, so tests and benchmarks use it like any other.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, zip_longest
from typing import Any

import orjson

from gateway.errors import ProviderError
from gateway.providers.base import Call
from gateway.providers.config import ModelConfig, SimulatedProvider
from gateway.providers.failures import Failures
from gateway.types import Delta, Done, Event, Events, Usage

WORDS = (
    *("river", "stone", "lamp", "harbour", "letter", "garden", "window", "bridge", "market"),
    *("winter", "orchard", "signal", "paper", "copper", "meadow", "engine", "island", "needle"),
)


class Simulated:
    """Deterministic answers. `running` counts the answers that are being told."""

    def __init__(
        self,
        config: SimulatedProvider,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.running = 0
        self._config = config
        self._sleep = sleep
        self._calls = 0
        self._failures = Failures("simulated", ())

    def models(self) -> tuple[ModelConfig, ...]:
        """What it is configured to serve."""
        return self._config.models

    async def start(self, call: Call) -> Events:
        """See Provider."""
        fault = self._fault()
        if fault == "error":
            raise self._failures.told(self._config.fault_status, "It was told to fail.")
        events = self._events(call, fault)
        await anext(events)
        if call.stream:
            return events
        return _told([event async for event in events])

    async def aclose(self) -> None:
        """Nothing is open."""

    async def _events(self, call: Call, fault: str) -> Events:
        """An empty piece when it begins, for `start` alone; then the answer's events."""
        config = self._config
        meant = [self._words(call, choice) for choice in range(_n(call))]
        said = [words[: _most(call)] for words in meant]
        chunks = [_pieces(words, config.chunk_words) for words in said]
        self.running += 1
        try:
            await self._wait(config.first_token_ms)
            yield Delta()
            for told, delta in enumerate(_interleaved(chunks)):
                if fault != "none" and told >= config.fault_after:
                    break
                if told:
                    await self._wait(config.chunk_ms)
                yield delta
            if fault == "cut":
                raise ProviderError("simulated broke its answer off, as it was told to.")
            if fault == "stall":
                await asyncio.Event().wait()
            for choice, words in enumerate(meant):
                yield Delta(choice=choice, finish="stop" if words == said[choice] else "length")
            yield Done(usage=_usage(call, said), model=call.model)
        finally:
            self.running -= 1

    async def _wait(self, ms: float) -> None:
        if ms:
            await self._sleep(ms / 1000)

    def _fault(self) -> str:
        """The fault that befalls this call; a share of a half is every second one."""
        self._calls += 1
        share = self._config.fault_share
        due = int(self._calls * share) > int((self._calls - 1) * share)
        return self._config.fault if due else "none"

    def _words(self, call: Call, choice: int) -> list[str]:
        if self._config.answer == "echo":
            words = (call.prompt.question or _text(call.prompt.messages[-1])).split()
        else:
            seed = orjson.dumps([call.model, list(map(dict, call.prompt.messages)), choice])
            drawn = random.Random(hashlib.sha256(seed).digest())
            words = drawn.choices(WORDS, k=self._config.words)
        if self._config.cite and call.prompt.sources:
            words.append(f"[{call.prompt.sources[0].number}]")
        return words


def _usage(call: Call, said: list[list[str]]) -> Usage:
    """A word is a token."""
    prompt = sum(len(_text(message).split()) for message in call.prompt.messages)
    return Usage(prompt=prompt, completion=sum(map(len, said)))


def _n(call: Call) -> int:
    return int(call.params.get("n") or 1)


def _most(call: Call) -> int:
    """Words that the caller allows."""
    asked = call.params.get("max_completion_tokens") or call.params.get("max_tokens")
    return int(asked) if asked else 2**31


def _pieces(words: list[str], step: int) -> list[str]:
    """The words joined, in pieces that make the same text whatever their size."""
    joined = [word if i == 0 else f" {word}" for i, word in enumerate(words)]
    return ["".join(joined[i : i + step]) for i in range(0, len(joined), step)]


def _interleaved(answers: list[list[str]]) -> Iterator[Delta]:
    """The pieces of all choices in turn, each choice's first with its role."""
    rows = enumerate(zip_longest(*answers))
    told = chain.from_iterable(
        ((place, index, text) for index, text in enumerate(row)) for place, row in rows
    )
    for place, index, text in told:
        if text is not None:
            yield Delta(text, index, {} if place else {"role": "assistant"})


def _text(message: Any) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(part.get("text", "") for part in parts)


async def _told(events: list[Event]) -> Events:
    for event in events:
        yield event
