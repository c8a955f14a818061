"""A file summarised, or asked, by this process: what it will take, and then what comes of it.

It goes the way of a request with `moorline.long_document`, and stands in the ledger like one. It
holds no collection, so that a gateway may be running beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from gateway.config import Config
from gateway.long_documents.cases import Quoting, Reading
from gateway.pipeline import Gateway
from gateway.sizes import tokens_of
from gateway.tracing.trace import Span
from gateway.types import LOCAL, Ask, Caller, LongDocument, Usage
from retrieval.types import Document

LONGEST = 24 * 3600.0  # seconds that a command may take, since nobody waits at a connection


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done with a document."""

    document: Document
    task: str
    model: str
    method: LongDocument

    def ask(self) -> Ask:
        """The request that says so. The task is a text of its own, so that nothing is guessed."""
        parts = [{"type": "text", "text": text} for text in (self.document.text, self.task)]
        return Ask(
            self.model,
            ({"role": "user", "content": parts},),
            self.task,
            stream=True,
            grounding="off",
            long_document=self.method,
            document=self.document,
            use_cache=False,
            door="summarize",
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """What it will take, at most."""

    model: str
    method: str  # `whole` where it fits, `passages` and `extract` where it is quoted from
    parts: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None  # None where a price is not known


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Gateway]:
    """A gateway for one document. Raises ConfigError."""
    from gateway.build import assemble, open_stores

    off: dict[str, Any] = {
        "grounding": config.grounding.model_copy(update={"mode": "off"}),
        "cache": config.cache.model_copy(update={"enabled": False}),
        "server": config.server.model_copy(update={"request_timeout": LONGEST}),
    }
    alone = config.model_copy(update=off)
    async with open_stores(alone) as stores, assemble(alone, stores, tended=False) as gateway:
        yield gateway


async def preview(gateway: Gateway, wanted: Wanted) -> Preview:
    """What it would take; nothing is sent. Raises GatewayError."""
    ask = wanted.ask()
    plan = gateway.router.plan(Caller(LOCAL, LOCAL), ask, False, Span("", 0))
    target, prices = plan.targets[0], gateway.accounting.prices
    case = await asyncio.to_thread(gateway.long_documents.house.cases.looked_at, ask, plan)
    parts = calls = 1
    method = "whole"
    usage = Usage(
        case.tokens if case else tokens_of(ask.messages), min(target.max_output, target.window // 4)
    )
    match case.way if case else None:
        case Reading(scheme, _, most):
            usage = most
            method, parts, calls = scheme.method, len(scheme.parts), scheme.calls
        case Quoting(hits, whole):
            method, parts = "extract" if whole else "passages", len(hits)
            read = gateway.config.context.long_documents.passages_tokens
            usage = replace(usage, prompt=min(usage.prompt, read))
    cost = prices.cost(target.name, usage) if prices.known(target.name) else None
    return Preview(target.name, method, parts, calls, usage.prompt, usage.completion, cost)
